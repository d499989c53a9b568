"""The planet's certificate authority, and the shelf from which TLS listeners take certificates by name.

Rules. Keys are EC P-256, made by the cryptography library's own randomness: they must hold outside this machine
(a user may trust the CA), so they never come from a World's chance. Times are arguments. Nothing is written to disk
here: PEM bytes go in and out.

A certificate lives 397 days, the longest that browsers accept; the authority ten years.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LEAF_DAYS = 397
AUTHORITY_DAYS = 3650
BACKDATE = timedelta(hours=25)  # valid for clients, and Regions, whose clocks lag


@dataclass(frozen=True, slots=True)
class Authority:
    """A root certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, now: float, name: str = "antipodes local CA") -> Authority:
        """A new authority, valid from now (epoch seconds)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        certificate = (
            _begun(subject, subject, key, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, pem: bytes, key_pem: bytes) -> Authority:
        """From what `pem` and `key_pem` gave. Raises ValueError if they are not that."""
        key = serialization.load_pem_private_key(key_pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the authority's key is not an EC key")
        certificate = x509.load_pem_x509_certificate(pem)
        if certificate.public_key() != key.public_key():
            raise ValueError("the authority's key is not its certificate's")
        return cls(certificate, key)

    @property
    def key_pem(self) -> bytes:
        """The private key: keep it readable by its owner only."""
        return _key_pem(self.key)

    @property
    def pem(self) -> bytes:
        """The root certificate, for those who are to trust it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: list[str], now: float) -> tuple[bytes, bytes]:
        """(certificate chain, key), both PEM, for DNS names (a leading "*." is a wildcard) and IP addresses.

        Raises ValueError if there is no name.
        """
        if not names:
            raise ValueError("a certificate needs a name")
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        # A common name holds at most 64 characters; clients read the alternative names.
        certificate = (
            _begun(_named(names[0][:64]), self.certificate.subject, key, now, LEAF_DAYS)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM) + self.pem, _key_pem(key)


def self_signed(name: str, now: float, days: int) -> tuple[bytes, bytes, float]:
    """(certificate, key), both PEM, and when it expires (epoch seconds): of somebody who vouches for himself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(name)
    certificate = _begun(subject, subject, key, now, days).sign(key, hashes.SHA256())
    expires = certificate.not_valid_after_utc.timestamp()
    return certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key), expires


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: float, days: int
) -> x509.CertificateBuilder:
    """What every certificate has."""
    start = datetime.fromtimestamp(now, UTC) - BACKDATE
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


class CertificateShelf:
    """Certificates by name; fulfils world.Certificates. The exact name wins over its wildcard, then the default."""

    def __init__(self) -> None:
        self._by_name: dict[str, tuple[bytes, bytes]] = {}
        self._default: tuple[bytes, bytes] | None = None

    def put(self, names: list[str], certificate: tuple[bytes, bytes]) -> None:
        """Shelves (chain, key) under each name; a name that is there already changes hands."""
        for name in names:
            self._by_name[_normal(name)] = certificate

    def remove(self, names: list[str]) -> None:
        for name in names:
            self._by_name.pop(_normal(name), None)

    def set_default(self, certificate: tuple[bytes, bytes] | None) -> None:
        """For clients that name no server, or one that is not here. None (the start): they are refused."""
        self._default = certificate

    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        """(certificate chain, private key), both PEM, or None."""
        if not name:
            return self._default
        wanted = _normal(name)
        found = self._by_name.get(wanted)
        if found is None:
            # RFC 6125 6.4.3: a wildcard stands for exactly one label, the first.
            _, _, parent = wanted.partition(".")
            found = self._by_name.get(f"*.{parent}") if parent else None
        return found if found is not None else self._default

    def trusted_for(self, name: str | None) -> bytes | None:
        """Clients are asked for no certificates."""
        return None


def _normal(name: str) -> str:
    return name.rstrip(".").lower()
