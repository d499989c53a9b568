"""Checksums of objects: verified when the client names one, kept, and told again to who asks. Pure.

Of what AWS knows, CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512 and MD5 are computed; the XXHASH family is refused by
name. AWS adds a CRC64NVME of its own to an object that comes without; antipodes does not: without a compiled routine it
would cost more than all the rest. An object uploaded in parts has a checksum of its parts' checksums (COMPOSITE), or
one of all its bytes (FULL_OBJECT, CRCs only). Source: "Checking object integrity", S3 User Guide.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from antipodes.wire.errors import ClientFault, NotSupported

FULL, COMPOSITE = "FULL_OBJECT", "COMPOSITE"
REFUSED = ("XXHASH64", "XXHASH3", "XXHASH128")
# Reflected polynomials and widths of the CRCs that zlib does not have.
CRC32C = (0x82F63B78, 32)
CRC64NVME = (0x9A6C9329AC4BC9B5, 64)


@cache
def _tables(polynomial: int) -> tuple[tuple[int, ...], ...]:
    """Eight tables: the checksum of a byte, followed by 0 to 7 zero bytes."""
    first = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ polynomial if value & 1 else value >> 1
        first.append(value)
    tables = [tuple(first)]
    for _ in range(7):
        tables.append(tuple((value >> 8) ^ first[value & 0xFF] for value in tables[-1]))
    return tuple(tables)


def crc(kind: tuple[int, int], data: bytes) -> int:
    """The CRC, eight bytes a step: some 10 MB/s."""
    polynomial, width = kind
    t0, t1, t2, t3, t4, t5, t6, t7 = _tables(polynomial)
    value = full = (1 << width) - 1
    whole = len(data) - len(data) % 8
    for at in range(0, whole, 8):
        word = value ^ int.from_bytes(data[at : at + 8], "little")
        value = (
            t7[word & 0xFF]
            ^ t6[word >> 8 & 0xFF]
            ^ t5[word >> 16 & 0xFF]
            ^ t4[word >> 24 & 0xFF]
            ^ t3[word >> 32 & 0xFF]
            ^ t2[word >> 40 & 0xFF]
            ^ t1[word >> 48 & 0xFF]
            ^ t0[word >> 56]
        )
    for byte in data[whole:]:
        value = (value >> 8) ^ t0[(value ^ byte) & 0xFF]
    return value ^ full


ALGORITHMS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
        "CRC32C": lambda data: crc(CRC32C, data).to_bytes(4, "big"),
        "CRC64NVME": lambda data: crc(CRC64NVME, data).to_bytes(8, "big"),
        "SHA1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
        "SHA256": lambda data: hashlib.sha256(data).digest(),
        "SHA512": lambda data: hashlib.sha512(data).digest(),
        "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).digest(),
    }
)


def digest(algorithm: str, data: bytes) -> str:
    return base64.b64encode(ALGORITHMS[algorithm](data)).decode()


def given_in(params: Mapping[str, Any]) -> dict[str, str]:
    """The checksums that a request names. Raises NotSupported."""
    for name in REFUSED:
        if params.get(f"Checksum{name}"):
            raise NotSupported(f"the checksum algorithm {name}")
    return {name: str(params[f"Checksum{name}"]) for name in ALGORITHMS if params.get(f"Checksum{name}")}


def verified(params: Mapping[str, Any], body: bytes) -> dict[str, str]:
    """The checksums to keep of a body: those given, once they hold, else one of the algorithm that is asked for.
    Raises BadDigest, InvalidDigest."""
    md5 = params.get("ContentMD5")
    if md5:
        try:
            wanted = base64.b64decode(md5, validate=True)
        except ValueError:
            wanted = b""
        if len(wanted) != 16:
            raise ClientFault("InvalidDigest", "The Content-MD5 you specified was invalid.")
        if wanted != ALGORITHMS["MD5"](body):
            raise ClientFault("BadDigest", "The Content-MD5 you specified did not match what we received.")
    found = given_in(params)
    for name, value in found.items():
        if digest(name, body) != value:
            raise ClientFault("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    asked = algorithm_of(params)
    return found or ({asked: digest(asked, body)} if asked else {})


def algorithm_of(params: Mapping[str, Any]) -> str:
    """ChecksumAlgorithm; "" without."""
    asked = str(params.get("ChecksumAlgorithm") or "")
    if asked in REFUSED:
        raise NotSupported(f"the checksum algorithm {asked}")
    if asked and asked not in ALGORITHMS:
        raise ClientFault(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    return asked


def type_of(algorithm: str, asked: str | None) -> str:
    """The checksum type of an upload in parts. Raises InvalidRequest: the algorithm does not have that type."""
    usual = FULL if algorithm == "CRC64NVME" else COMPOSITE
    if not algorithm or not asked:
        return usual if algorithm else ""
    crcs = ("CRC32", "CRC32C", "CRC64NVME")
    if (asked == FULL and algorithm not in crcs) or (asked == COMPOSITE and algorithm == "CRC64NVME"):
        raise ClientFault(
            "InvalidRequest",
            f"The {asked} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return asked


def composite(algorithm: str, parts: Iterable[str]) -> str:
    """The checksum of parts' checksums, and how many they are."""
    raw = [base64.b64decode(one) for one in parts]
    return f"{digest(algorithm, b''.join(raw))}-{len(raw)}"


def told(checksums: Mapping[str, str], checksum_type: str) -> dict[str, str]:
    """As members of an answer."""
    found = {f"Checksum{name}": value for name, value in checksums.items()}
    return {**found, "ChecksumType": checksum_type} if found and checksum_type else found
