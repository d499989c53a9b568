"""application/vnd.amazon.eventstream: the messages that AWS sends one after the other in one answer. Pure.

    total length (4)  headers' length (4)  CRC-32 of these 8 (4)  headers  payload  CRC-32 of all before (4)

A header is the length of its name (1), the name, the type 7 (a string) (1), the value's length (2), the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
STRING = 7


def event(kind: str, content_type: str, payload: bytes) -> bytes:
    """One event of that type."""
    return message({":event-type": kind, ":content-type": content_type, ":message-type": "event"}, payload)


def exception(kind: str, content_type: str, payload: bytes) -> bytes:
    """An error that ends the answer."""
    return message({":exception-type": kind, ":content-type": content_type, ":message-type": "exception"}, payload)


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message with headers of strings."""
    head = b"".join(
        pack(">B", len(name)) + name.encode() + pack(">BH", STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = pack(">II", 16 + len(head) + len(payload), len(head))
    whole = prelude + pack(">I", crc32(prelude)) + head + payload
    return whole + pack(">I", crc32(whole))
