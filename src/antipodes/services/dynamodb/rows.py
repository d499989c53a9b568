"""The value of an item's row: a small header, then the item's JSON exactly as it goes out. Pure.

    byte   0      format version, 1
    byte   1      flags: 1 = tombstone (a delete that replicas must learn of; no JSON follows)
    bytes  2-5    the item's size by DynamoDB's arithmetic
    bytes  6-13   Version.time
    byte   14     length of the Region's name, which follows; then the JSON

The row is also what travels in a change record: a replica writes it as it came, so equal items are equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

import orjson

from antipodes.services.dynamodb.values import Item
from antipodes.store.records import Version

FORMAT = 1
TOMBSTONE = 1
_HEADER = Struct(">BBIQB")
_LENGTH = _HEADER.size


def item_row(version: Version, size: int, body: bytes) -> bytes:
    """The row of an item; `body` is its JSON."""
    region = version.region.encode()
    return _HEADER.pack(FORMAT, 0, size, version.time, len(region)) + region + body


def tombstone_row(version: Version) -> bytes:
    """The row that stands where a replicated item was deleted."""
    region = version.region.encode()
    return _HEADER.pack(FORMAT, TOMBSTONE, 0, version.time, len(region)) + region


def is_tombstone(row: bytes) -> bool:
    return row[1] == TOMBSTONE


def body_of(row: bytes) -> bytes:
    """The item's JSON; b"" in a tombstone."""
    assert row[0] == FORMAT, f"a row of format {row[0]}"
    return row[_LENGTH + row[_LENGTH - 1] :]


def item_of(row: bytes) -> Item:
    """The item, decoded afresh: the caller owns it."""
    item: Item = orjson.loads(body_of(row))
    return item


def size_of(row: bytes) -> int:
    """The item's size in bytes."""
    return int.from_bytes(row[2:6], "big")


def whole_items(
    found: Iterable[tuple[bytes, bytes]], limit: int, page_bytes: int
) -> tuple[list[bytes], int, bytes | None]:
    """(JSON of the items among those rows, their size, the row at which it stopped): until `limit` items (-1: no
    limit) or `page_bytes`. One loop without calls, because a Query of whole items is nothing else."""
    bodies: list[bytes] = []
    size = 0
    number = int.from_bytes
    for _, row in found:
        if row[1] == TOMBSTONE:
            continue
        assert row[0] == FORMAT, f"a row of format {row[0]}"
        size += number(row[2:6], "big")
        bodies.append(row[_LENGTH + row[_LENGTH - 1] :])
        if len(bodies) == limit or size >= page_bytes:
            return bodies, size, row
    return bodies, size, None


def version_of(row: bytes) -> Version:
    _, _, _, time, length = _HEADER.unpack_from(row)
    return Version(time, row[_LENGTH : _LENGTH + length].decode())
