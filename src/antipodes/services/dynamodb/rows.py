"""The value of an item's row: a small header, then the item's JSON exactly as it goes out. Pure.

    byte   0      format version, 2 (1 had no past)
    byte   1      flags: 1 = tombstone (a delete that replicas must learn of; no JSON follows)
    bytes  2-5    the item's size by DynamoDB's arithmetic
    bytes  6-13   Version.time
    byte   14     length of what follows: the Region's name, and after a zero byte its past, if it has one
    then          the JSON

The past says what the writer knew: for each other Region the time of the latest Version of this item that was merged
before the write (9 bytes: the Region's number, the time). A write that another Region's write replaced without knowing
it was lost in a conflict (conflicts.py).

The row is also what travels in a change record: a replica writes it as it came, so equal items are equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from struct import Struct

import orjson

from antipodes.services.dynamodb.values import Item
from antipodes.store.records import Version
from antipodes.world import geography

FORMAT = 2
TOMBSTONE = 1
MAX_PAST_BYTES = 25 * 9  # with the name at most 255 bytes; what is beyond was long ago
_HEADER = Struct(">BBIQB")
_LENGTH = _HEADER.size


def item_row(version: Version, size: int, body: bytes, past: bytes = b"") -> bytes:
    """The row of an item; `body` is its JSON."""
    origin = _origin(version, past)
    return _HEADER.pack(FORMAT, 0, size, version.time, len(origin)) + origin + body


def tombstone_row(version: Version, past: bytes = b"") -> bytes:
    """The row that stands where a replicated item was deleted."""
    origin = _origin(version, past)
    return _HEADER.pack(FORMAT, TOMBSTONE, 0, version.time, len(origin)) + origin


def _origin(version: Version, past: bytes) -> bytes:
    return version.region.encode() + b"\0" + past if past else version.region.encode()


def past_of(row: bytes) -> bytes:
    """What the writer of a row knew."""
    return row[_LENGTH : _LENGTH + row[_LENGTH - 1]].partition(b"\0")[2]


def past_after(row: bytes, region: str) -> bytes:
    """What a Region knows that writes over a row now."""
    origin, _, past = row[_LENGTH : _LENGTH + row[_LENGTH - 1]].partition(b"\0")
    if origin == region.encode():
        return past
    if not past:
        return _code(origin) + row[6:14]
    known = {entry[:1]: entry for entry in _split(past)}
    known[_code(origin)] = _code(origin) + row[6:14]
    known.pop(_code(region.encode()), None)
    newest = sorted(known.values(), key=lambda entry: (entry[1:], entry[:1]), reverse=True)
    return b"".join(newest)[:MAX_PAST_BYTES]


@cache
def _code(region: bytes) -> bytes:
    """The byte that stands for a Region; zero for one that is on no map."""
    site = geography.regions().get(region.decode())
    return (site.number if site is not None else 0).to_bytes(1, "big")


def knows(past: bytes, version: Version) -> bool:
    """Whether who had this past had seen a version, or a later one of its Region."""
    code = _code(version.region.encode())
    return any(entry[:1] == code and int.from_bytes(entry[1:], "big") >= version.time for entry in _split(past))


def _split(past: bytes) -> list[bytes]:
    """Its entries: the Region's number, the time."""
    return [past[at : at + 9] for at in range(0, len(past), 9)]


def is_tombstone(row: bytes) -> bool:
    return row[1] == TOMBSTONE


def body_of(row: bytes) -> bytes:
    """The item's JSON; b"" in a tombstone."""
    assert row[0] <= FORMAT, f"a row of format {row[0]}"
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
        assert row[0] <= FORMAT, f"a row of format {row[0]}"
        size += number(row[2:6], "big")
        bodies.append(row[_LENGTH + row[_LENGTH - 1] :])
        if len(bodies) == limit or size >= page_bytes:
            return bodies, size, row
    return bodies, size, None


def version_of(row: bytes) -> Version:
    _, _, _, time, length = _HEADER.unpack_from(row)
    return Version(time, row[_LENGTH : _LENGTH + length].partition(b"\0")[0].decode())
