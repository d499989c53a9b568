"""Mutual TLS of custom domain names: whose certificates clients may show, and what backends are told of them.

    the truststore   an object in S3 (s3://bucket/key): certificates of authorities, PEM. It is read when the domain is
                     made or changed, and kept; a new object counts when the domain is told of it, as on AWS
    the handshake    a client without a certificate, or with one that none of them signed, gets no connection. (AWS says
                     403 of some such certificates; OpenSSL, as it can be had here, ends the handshake)
    the request      403 where it did not come over a connection of that very name, or its certificate signed itself

A version of the object can be told apart where S3 has versions.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from antipodes.services.apigateway.v1.records import Domain, Truststore, bad_request
from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest

if TYPE_CHECKING:
    from cryptography import x509

URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.{1,1024})", re.DOTALL)
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
MOST_CERTIFICATES = 1000  # AWS's quota
MOST_BYTES = 1024 * 1024  # AWS's quota


async def truststore_of(surroundings: Surroundings, uri: str, version: str) -> Truststore | None:
    """What is at the URI now; None: the URI is empty, there is none. Raises BadRequestException; its words are a
    guess."""
    if not uri:
        if version:
            raise bad_request("truststoreVersion needs a truststoreUri")
        return None
    match = URI.fullmatch(uri)
    if match is None:
        raise bad_request(f"Invalid truststore URI: {uri}; it has the form s3://bucket-name/key-name")
    params = {"Bucket": match[1], "Key": match[2], **({"VersionId": version} if version else {})}
    try:
        found = await surroundings.call("s3", "GetObject", params)
    except AwsError as error:
        raise bad_request(f"Unable to read the truststore {uri}: {error.message}") from error
    pem, warnings = _read(bytes(found["Body"]), uri)
    return Truststore(uri=uri, version=version, pem=pem, warnings=warnings)


def admits(domain: Domain, request: HttpRequest) -> bool:
    """Whether a request for the domain has shown what it has to."""
    if domain.truststore is None:
        return True
    shown = request.certificate
    return shown is not None and shown.name == domain.name and not _facts(shown.pem)["self_signed"]


def told(request: HttpRequest) -> dict[str, Any] | None:
    """`clientCert`, as backends and authorizers are told."""
    if request.certificate is None:
        return None
    facts = _facts(request.certificate.pem)
    return {name: value for name, value in facts.items() if name != "self_signed"}


def shown(truststore: Truststore) -> dict[str, Any]:
    """mutualTlsAuthentication."""
    answer: dict[str, Any] = {"truststoreUri": truststore.uri}
    if truststore.version:
        answer["truststoreVersion"] = truststore.version
    if truststore.warnings:
        answer["truststoreWarnings"] = list(truststore.warnings)
    return answer


def _read(body: bytes, uri: str) -> tuple[bytes, tuple[str, ...]]:
    """The certificates that can be used, and what is wrong with the others."""
    from cryptography import x509  # noqa: PLC0415 - it takes 9 MB, and few Regions need it

    if len(body) > MOST_BYTES:
        raise bad_request(f"The truststore {uri} is larger than 1 MB")
    blocks = CERTIFICATE.findall(body)
    if len(blocks) > MOST_CERTIFICATES:
        raise bad_request(f"The truststore {uri} has more than {MOST_CERTIFICATES} certificates")
    good: list[bytes] = []
    warnings: list[str] = []
    for number, block in enumerate(blocks, 1):
        try:
            x509.load_pem_x509_certificate(block)
        except ValueError:
            warnings.append(f"Certificate {number} of the truststore cannot be read")
        else:
            good.append(block)
    if not good:
        raise bad_request(f"The truststore {uri} has no certificate in PEM format")
    return b"\n".join(good) + b"\n", tuple(warnings)


@functools.lru_cache(maxsize=256)
def _facts(pem: str) -> Mapping[str, Any]:
    """The names' form (in the certificate's order) is from memory."""
    from cryptography import x509  # noqa: PLC0415

    certificate = x509.load_pem_x509_certificate(pem.encode())
    serial = f"{certificate.serial_number:x}"
    serial = serial.zfill(len(serial) + len(serial) % 2)
    return {
        "clientCertPem": pem,
        "subjectDN": _written(certificate.subject),
        "issuerDN": _written(certificate.issuer),
        "serialNumber": ":".join(serial[at : at + 2] for at in range(0, len(serial), 2)),
        "validity": {
            "notBefore": f"{certificate.not_valid_before_utc:%b %e %H:%M:%S %Y} GMT",
            "notAfter": f"{certificate.not_valid_after_utc:%b %e %H:%M:%S %Y} GMT",
        },
        "self_signed": certificate.subject == certificate.issuer,
    }


def _written(name: x509.Name) -> str:
    return ",".join(part.rfc4514_string() for part in name.rdns)
