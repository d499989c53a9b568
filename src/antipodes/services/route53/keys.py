"""DNSSEC keys of zones: what is kept of them, and how they are shown (RFC 4034; ECDSA P-256, RFC 6605).

Rules. Pure. A key-signing key is a customer's KMS key on AWS. There is no KMS here: the ARN is taken as a name, and the
key pair is drawn when the key-signing key is created. Private keys lie in the ledger with the zones they sign: they
guard nothing outside this machine.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from antipodes.wire.dns import encode_name

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

KSK_FLAGS, ZSK_FLAGS = 257, 256
PROTOCOL, ALGORITHM, DIGEST = 3, 13, 2  # ECDSAP256SHA256, SHA-256
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4 D.1.2.3)

Status = Literal["ACTIVE", "INACTIVE"]


class SigningKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """One key-signing key."""

    name: str
    kms_arn: str
    caller_reference: str
    status: Status
    secret: bytes  # the private number, 32 bytes
    created_s: float
    modified_s: float


class Signing(msgspec.Struct, frozen=True, omit_defaults=True):
    """The DNSSEC of one zone."""

    zone_id: str
    zone_name: str
    zone_secret: bytes  # of the zone-signing key, which Route 53 manages
    serving: bool = False
    keys: tuple[SigningKey, ...] = ()

    @property
    def active(self) -> tuple[SigningKey, ...]:
        return tuple(key for key in self.keys if key.status == "ACTIVE")


def secret_of(number: int) -> bytes:
    """A private key from a drawn number of 320 bits or more (FIPS 186-4 B.4.1)."""
    return (number % (ORDER - 1) + 1).to_bytes(32, "big")


@lru_cache(maxsize=4096)
def private_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - 8 MB that few Regions need

    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


@lru_cache(maxsize=4096)
def dnskey(secret: bytes, flags: int) -> bytes:
    """DNSKEY's RDATA (RFC 4034 2.1): the key is its point's two coordinates (RFC 6605 4)."""
    point = private_key(secret).public_key().public_numbers()
    return struct.pack("!HBB", flags, PROTOCOL, ALGORITHM) + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")


def key_tag(rdata: bytes) -> int:
    """RFC 4034 appendix B."""
    total = sum(byte << 8 if at % 2 == 0 else byte for at, byte in enumerate(rdata))
    return (total + (total >> 16)) & 0xFFFF


def digest(owner: str, rdata: bytes) -> bytes:
    """A DS record's digest (RFC 4034 5.1.4)."""
    return hashlib.sha256(encode_name(owner) + rdata).digest()


def ds_text(owner: str, rdata: bytes) -> str:
    """What to put into the parent zone."""
    return f"{key_tag(rdata)} {ALGORITHM} {DIGEST} {digest(owner, rdata).hex().upper()}"


def key_shape(signing: Signing, key: SigningKey) -> dict[str, Any]:
    """The KeySigningKey shape."""
    rdata = dnskey(key.secret, KSK_FLAGS)
    public = base64.b64encode(rdata[4:]).decode()
    return {
        "Name": key.name,
        "KmsArn": key.kms_arn,
        "Flag": KSK_FLAGS,
        "SigningAlgorithmMnemonic": "ECDSAP256SHA256",
        "SigningAlgorithmType": ALGORITHM,
        "DigestAlgorithmMnemonic": "SHA-256",
        "DigestAlgorithmType": DIGEST,
        "KeyTag": key_tag(rdata),
        "DigestValue": digest(signing.zone_name, rdata).hex().upper(),
        "PublicKey": public,
        "DSRecord": ds_text(signing.zone_name, rdata),
        "DNSKEYRecord": f"{KSK_FLAGS} {PROTOCOL} {ALGORITHM} {public}",
        "Status": key.status,
        "CreatedDate": key.created_s,
        "LastModifiedDate": key.modified_s,
    }


def status_shape(signing: Signing | None) -> Mapping[str, Any]:
    return {"ServeSignature": "SIGNING" if signing is not None and signing.serving else "NOT_SIGNING"}
