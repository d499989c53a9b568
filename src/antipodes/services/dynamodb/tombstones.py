"""Tombstones, and how they are collected. Pure.

    dynamodb/tombstone/<space>/<time of its Version><item key>    nothing: the row itself says what it is

A deletion in a global table leaves a tombstone, so that an older write that arrives later does not bring the item
back. It may go when no older write can arrive any more, at any replica: once every replica has all changes of every
other one up to its time (`Replicator.settled`), and all know each other (collecting.py). A replica that is away holds
that up, for as long as it is away; one that was removed does not, and what it held is not taken for a replica again
(`Description.joined`).
"""

from __future__ import annotations

from itertools import islice

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.store.records import Version
from antipodes.store.store import Store

PREFIX = b"dynamodb/tombstone/"
SLICE = 200
MOST_COUNTED = 100_000

Row = tuple[bytes, bytes | None]


def place(space: str, version: Version, key: bytes) -> bytes:
    return PREFIX + space.encode() + b"/" + version.time.to_bytes(8, "big") + key


def collected(store: Store, space: str, rows_prefix: bytes, settled: int) -> list[Row]:
    """Rows to delete: tombstones up to a time, a slice of them; [] when there are no more."""
    start = PREFIX + space.encode() + b"/"
    found: list[Row] = []
    for marker, _ in islice(store.range(start, start + (settled + 1).to_bytes(8, "big")), SLICE):
        found.append((marker, None))
        key = marker[len(start) + 8 :]
        row = store.get(rows_prefix + key)
        if row is not None and rows.is_tombstone(row) and rows.version_of(row).time <= settled:
            found.append((rows_prefix + key, None))
    return found


def any_left(store: Store) -> bool:
    """Whether there are any, of any table."""
    return next(iter(store.range(PREFIX, after_prefix(PREFIX))), None) is not None


def count(store: Store, space: str) -> int:
    """How many there are, up to MOST_COUNTED."""
    start = PREFIX + space.encode() + b"/"
    return sum(1 for _ in islice(store.range(start, after_prefix(start)), MOST_COUNTED))
