"""Certificates by name, as the Region's TLS listener asks for them, and their signing.

Issued ones by exact name, then by wildcard (RFC 6125: it stands for one label); AWS's own names of this Region
(`*.execute-api.<region>.amazonaws.com` and its kin) with a certificate made when it is first asked for. Any other name
is refused. Without an authority (simulated time, where no cryptography runs) chain and key are empty.
"""

from __future__ import annotations

from typing import Protocol

from antipodes.services.acm.records import Certificate


class Signer(Protocol):
    """The planet's certificate authority (`edge.tls.Authority`)."""

    def issue(self, names: list[str], now: float) -> tuple[bytes, bytes]: ...


class Certificates:
    """Fulfils `world.Certificates`."""

    def __init__(self, region: str, address: str, authority: Signer | None) -> None:
        self._authority = authority
        self._own_names = [
            f"*.execute-api.{region}.amazonaws.com",
            f"*.lambda-url.{region}.on.aws",
            f"*.{region}.amazonaws.com",
            f"*.s3.{region}.amazonaws.com",
            f"*.route53-recovery-cluster.{region}.amazonaws.com",
            "localhost",
            address,
        ]
        self._own: tuple[bytes, bytes] | None = None
        self._opened_s = 0.0
        self._by_name: dict[str, tuple[bytes, bytes]] = {}

    def open(self, now: float) -> None:
        """The certificate of the Region's own names is valid from now on."""
        self._opened_s = now

    def sign(self, names: list[str], now: float) -> tuple[bytes, bytes]:
        return (b"", b"") if self._authority is None else self._authority.issue(names, now)

    def put(self, certificate: Certificate) -> None:
        """Serves it from now on, if it is issued."""
        if certificate.status == "ISSUED":
            for name in certificate.names:
                self._by_name[name] = (certificate.chain, certificate.key)

    def drop(self, certificate: Certificate) -> None:
        for name in certificate.names:
            self._by_name.pop(name, None)

    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        """(chain, key) by SNI name; the Region's own without one. None: the handshake is refused."""
        if not name:
            return self._own_pair()
        wanted = name.rstrip(".").lower()
        wildcard = "*." + wanted.partition(".")[2]
        found = self._by_name.get(wanted) or self._by_name.get(wildcard)
        if found is None and (wanted in self._own_names or wildcard in self._own_names):
            return self._own_pair()
        return found

    def _own_pair(self) -> tuple[bytes, bytes]:
        if self._own is None:
            self._own = self.sign(self._own_names, self._opened_s)
        return self._own
