"""The client certificates of a Region with their private keys: in memory, and in the store under
`apigateway/client-certificate/<id>`."""

from __future__ import annotations

import msgspec

from antipodes.services.apigateway import quotas
from antipodes.services.apigateway.v1.records import missing
from antipodes.services.contract import Surroundings

FORMAT = 1
PREFIX = b"apigateway/client-certificate/"


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What stages show to HTTP servers. The key never leaves."""

    format: int = FORMAT
    id: str
    created: float  # epoch seconds
    expires: float
    pem: bytes
    key_pem: bytes
    description: str = ""
    tags: dict[str, str] = {}


class Chest:
    """One a Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._store = surroundings.store
        self.certificates: dict[str, ClientCertificate] = {}

    def load(self) -> None:
        for _, value in self._store.range(PREFIX, PREFIX + b"\xff"):
            certificate = msgspec.msgpack.decode(value, type=ClientCertificate)
            self.certificates[certificate.id] = certificate

    def certificate(self, certificate_id: str) -> ClientCertificate:
        """Raises NotFoundException."""
        certificate = self.certificates.get(certificate_id)
        if certificate is None:
            raise missing("Invalid Client Certificate identifier specified")  # the words are a guess
        return certificate

    async def save(self, certificate: ClientCertificate) -> None:
        """Raises LimitExceededException."""
        after = {**self.certificates, certificate.id: certificate}
        quotas.check(quotas.PER_ACCOUNT, "client certificates", self.certificates, after)
        self.certificates[certificate.id] = certificate
        await self._write(certificate, msgspec.msgpack.encode(certificate))

    async def delete(self, certificate: ClientCertificate) -> None:
        del self.certificates[certificate.id]
        await self._write(certificate, None)

    async def _write(self, certificate: ClientCertificate, value: bytes | None) -> None:
        self._store.write([(PREFIX + certificate.id.encode(), value)])
        await self._store.durable()
