"""Key bytes: item keys that sort as DynamoDB sorts. Pure.

A key is   hash (8 bytes) . partition key, escaped . 00 00 . sort key
so that one partition is one contiguous range in sort-key order, partitions lie in hash order (the order of a Scan), and
a parallel segment is a range of hashes. A secondary index entry is the same with the item's key appended:
           hash . partition key, escaped . 00 00 . sort key, escaped . 00 00 . item key
and with a multi-attribute key its partition key is the attributes one after the other, each escaped and ended so; each
attribute of the sort key is followed by 00 00 of its own.
Escape: 00 becomes 00 FF, so the terminator 00 00 sorts before every continuation.

Encodings of a key value, order-preserving: S is its UTF-8, B its bytes, N a sign, an exponent and decimal digits.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

HASH_BYTES = 8
_END = b"\x00\x00"
_HASHES = 1 << (8 * HASH_BYTES)
_INVERTED = bytes(255 - i for i in range(256))


def encoded(kind: str, content: str) -> bytes:
    """The order-preserving bytes of one canonical key value; kind is "S", "N" or "B"."""
    if kind == "S":
        return content.encode()
    if kind == "N":
        return encoded_number(content)
    return binascii.a2b_base64(content)


def encoded_number(canonical: str) -> bytes:
    """Order-preserving bytes of a canonical number.

    80 is zero. Positive: 81, exponent + 256 (two bytes), digits as ASCII. Negative: 7F, then exponent and digits with
    every bit turned, then FF, so that the larger magnitude sorts first. The value is 0.digits * 10**exponent.
    """
    if canonical == "0":
        return b"\x80"
    negative = canonical[0] == "-"
    whole, _, fraction = canonical.lstrip("-").partition(".")
    if whole == "0":
        digits = fraction.lstrip("0")
        exponent = len(digits) - len(fraction)
    else:
        digits = whole + fraction
        exponent = len(whole)
    body = (exponent + 256).to_bytes(2, "big") + digits.rstrip("0").encode()
    if negative:
        return b"\x7f" + body.translate(_INVERTED) + b"\xff"
    return b"\x81" + body


def decoded_number(raw: bytes) -> str:
    """The canonical number behind `encoded_number`."""
    if raw == b"\x80":
        return "0"
    negative = raw[0] == 0x7F
    body = raw[1:-1].translate(_INVERTED) if negative else raw[1:]
    exponent = int.from_bytes(body[:2], "big") - 256
    digits = body[2:].decode()
    if exponent <= 0:
        text = f"0.{'0' * -exponent}{digits}"
    elif exponent >= len(digits):
        text = digits + "0" * (exponent - len(digits))
    else:
        text = f"{digits[:exponent]}.{digits[exponent:]}"
    return "-" + text if negative else text


def decoded_value(kind: str, raw: bytes) -> dict[str, Any]:
    """The attribute value behind `encoded`."""
    if kind == "S":
        return {"S": raw.decode()}
    if kind == "N":
        return {"N": decoded_number(raw)}
    return {"B": binascii.b2a_base64(raw, newline=False).decode()}


def partition_prefix(hash_part: bytes) -> bytes:
    """What all keys of one partition begin with."""
    escaped = hash_part.replace(b"\x00", b"\x00\xff") if b"\x00" in hash_part else hash_part
    return blake2b(hash_part, digest_size=HASH_BYTES).digest() + escaped + _END


def item_key(hash_part: bytes, range_part: bytes = b"") -> bytes:
    """The key of an item from the encodings of its key values."""
    return partition_prefix(hash_part) + range_part


def index_key(hash_part: bytes, range_part: bytes, item: bytes) -> bytes:
    """The key of an index entry; `item` is the item's own key."""
    return partition_prefix(hash_part) + range_part.replace(b"\x00", b"\x00\xff") + _END + item


def composite_key(hash_parts: Sequence[bytes], range_parts: Sequence[bytes], item: bytes) -> bytes:
    """The key of an entry in an index whose keys have several attributes."""
    return partition_prefix(joined(hash_parts)) + b"".join(ended(part) for part in range_parts or (b"",)) + item


def joined(hash_parts: Sequence[bytes]) -> bytes:
    """The partition key of one attribute or several."""
    return hash_parts[0] if len(hash_parts) == 1 else b"".join(ended(part) for part in hash_parts)


def ended(part: bytes) -> bytes:
    """A key part as it stands inside an index key, with its terminator."""
    return escaped(part) + _END


def escaped(part: bytes) -> bytes:
    """A key part as it stands inside an index key, without its terminator."""
    return part.replace(b"\x00", b"\x00\xff")


def split_item_key(key: bytes) -> tuple[bytes, bytes]:
    """(hash part, range part) of an item key."""
    end = _terminator(key, HASH_BYTES)
    return key[HASH_BYTES:end].replace(b"\x00\xff", b"\x00"), key[end + 2 :]


def _terminator(key: bytes, start: int) -> int:
    """Where the next terminator begins. An escaped part never holds 00 00, and 00 is always followed by FF there."""
    at = key.index(0, start)
    while key[at + 1] == 0xFF:
        at = key.index(0, at + 2)
    return at


def after_prefix(prefix: bytes) -> bytes:
    """The least bytes greater than everything that begins with `prefix`; b"" prefix is not allowed."""
    trimmed = prefix.rstrip(b"\xff")
    assert trimmed, "no bound after a prefix of FF bytes"
    return trimmed[:-1] + bytes([trimmed[-1] + 1])


def segment_bounds(segment: int, total: int) -> tuple[bytes, bytes | None]:
    """The hash range of one Scan segment: start <= key < end; None: no end."""
    start = (_HASHES * segment // total).to_bytes(HASH_BYTES, "big")
    if segment + 1 == total:
        return start, None
    return start, (_HASHES * (segment + 1) // total).to_bytes(HASH_BYTES, "big")
