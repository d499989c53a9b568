"""Certificates in the store: `acm/certificate/<arn>`; a format digit and JSON (chain and key as PEM, base64 in
JSON)."""

from __future__ import annotations

import hashlib

import msgspec

from antipodes.store.store import Store

FORMAT = b"1"


class Certificate(msgspec.Struct, frozen=True):
    """One certificate. Times are epoch seconds. Chain and key are empty until it is issued."""

    arn: str
    domain: str
    names: tuple[str, ...]  # the domain and its alternatives, each once
    status: str  # PENDING_VALIDATION, ISSUED, VALIDATION_TIMED_OUT
    created: float
    issued: float | None = None
    expires: float | None = None
    chain: bytes = b""
    key: bytes = b""
    validated: tuple[str, ...] = ()  # names whose record was seen
    token: str | None = None  # IdempotencyToken
    tags: dict[str, str] = {}


class Cabinet:
    """Typed access to the rows."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def certificate(self, arn: str) -> Certificate | None:
        found = self.store.get(b"acm/certificate/" + arn.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Certificate)

    def certificates(self) -> list[Certificate]:
        """Oldest first."""
        rows = self.store.range(b"acm/certificate/", b"acm/certificate0")
        found = [msgspec.json.decode(value[1:], type=Certificate) for _, value in rows]
        return sorted(found, key=lambda one: (one.created, one.arn))

    def put(self, certificate: Certificate) -> None:
        key = b"acm/certificate/" + certificate.arn.encode()
        self.store.write([(key, FORMAT + msgspec.json.encode(certificate))])

    def drop(self, arn: str) -> None:
        self.store.write([(b"acm/certificate/" + arn.encode(), None)])


def validation_record(account: str, name: str) -> tuple[str, str]:
    """(name, value) of the CNAME that proves control of a name. Depends on account and name only, so one record serves
    every Region's certificate, and a wildcard shares its parent's, as on AWS."""
    domain = name.removeprefix("*.")
    seed = f"{account}/{domain}".encode()
    label, proof = hashlib.sha256(b"name" + seed).hexdigest()[:32], hashlib.sha256(b"value" + seed).hexdigest()[:32]
    return f"_{label}.{domain}.", f"_{proof}.jkddzztszm.acm-validations.aws."
