"""What changes replaced: the history of a table that can be restored, or is being copied, as it was at a moment.

    dynamodb/history/<space>/<time>    the changed item's key and its row before the change (none: there was no item)

The time is that of a Version of this store, so it rises with every change and no two are the same, whatever the
versions of changes that came from other Regions. A state of the past is the present with the changes since then
undone, newest first. The entries are rows like others, in the same transaction as the change: the change log, which is
trimmed as streams and replicas allow, plays no part.

What it refuses to know: who wants a table's history, and how long.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from antipodes.store.records import COUNTER_BITS, Version
from antipodes.store.store import Store

HISTORY = b"dynamodb/history/"
TIME_BYTES = 8

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, bytes | None]).decode


def entry(space: str, stamp: Version, key: bytes, before: bytes | None) -> tuple[bytes, bytes]:
    """The row that records one change."""
    return _prefix(space) + _bytes(stamp.time), _encode((key, before))


def newest_first(store: Store, space: str, after: int, until: int | None) -> Iterator[tuple[int, bytes, bytes | None]]:
    """(time, key, row before) of the changes with after < time < until (None: no end). Not valid across a write."""
    prefix = _prefix(space)
    end = prefix + (_bytes(until) if until is not None else b"\xff" * (TIME_BYTES + 1))
    for row, value in store.range(prefix + _bytes(after + 1), end, reverse=True):
        key, before = _decode(value)
        yield int.from_bytes(row[len(prefix) :], "big"), key, before


def rows_until(store: Store, space: str, until: int | None, limit: int) -> list[bytes]:
    """Keys of the oldest entries with time < until (None: all), to be deleted."""
    prefix = _prefix(space)
    end = prefix + (_bytes(until) if until is not None else b"\xff" * (TIME_BYTES + 1))
    found = []
    for row, _ in store.range(prefix, end):
        found.append(row)
        if len(found) == limit:
            break
    return found


def spaces(store: Store) -> list[str]:
    """The spaces that have a history."""
    found: list[str] = []
    start = HISTORY
    while True:
        first = next(iter(store.range(start, HISTORY + b"\xff")), None)
        if first is None:
            return found
        space = first[0].removeprefix(HISTORY).partition(b"/")[0]
        found.append(space.decode())
        start = HISTORY + space + b"0"  # the byte after "/"


def time_of(seconds: float) -> int:
    """The last time within the microsecond: a state "at" it has all its changes."""
    return (round(seconds * 1e6) << COUNTER_BITS) | ((1 << COUNTER_BITS) - 1)


def seconds_of(time: int) -> float:
    return (time >> COUNTER_BITS) / 1e6


def _prefix(space: str) -> bytes:
    return HISTORY + space.encode() + b"/"


def _bytes(time: int) -> bytes:
    return time.to_bytes(TIME_BYTES, "big")
