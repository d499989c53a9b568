"""Conflicts: writes that were acknowledged, and then overwritten by another Region's write that did not know of them.

    dynamodb/conflict/<space>/<time and Region of the lost write>    a Conflict, JSON

AWS tells nobody of them: the writer that lost got its answer long ago (facts 1.2, 5). Here each Region that sees one
when it merges writes it down, in the transaction of the merge; so the record of the planet is the union of theirs.

When is it one? Two versions of an item meet. The later one wins. It knew of the other if its past (rows.py) says so;
then it is an ordinary update. Else nobody who wrote it had seen what it replaced.

Bounded: the newest MAX_KEPT of a table in each Region; an item larger than MAX_ITEM_BYTES is kept by its size only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.store.store import Store

PREFIX = b"dynamodb/conflict/"
MAX_KEPT = 1000
MAX_ITEM_BYTES = 16 << 10

Row = tuple[bytes, bytes | None]


class Write(msgspec.Struct, frozen=True):
    """One of the two writes. item None: a deletion, or too large to keep (then size_bytes says how large)."""

    region: str
    time: int  # of its Version
    at: float  # epoch seconds, by that Region's clock
    item: Mapping[str, Any] | None
    deleted: bool
    size_bytes: int


class Conflict(msgspec.Struct, frozen=True):
    """key: the item's key attributes where they are known, else its stored key in hexadecimal digits."""

    key: Mapping[str, Any]
    lost: Write
    won: Write
    seen_in: str
    seen_at: float


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Conflict).decode


def is_conflict(lost: bytes, won: bytes) -> bool:
    """Whether of two rows the later one replaces the other without knowing of it, and something else."""
    version = rows.version_of(lost)
    if rows.is_tombstone(lost) == rows.is_tombstone(won) and rows.body_of(lost) == rows.body_of(won):
        return False
    return version.region != rows.version_of(won).region and not rows.knows(rows.past_of(won), version)


class Record:
    """What one Region writes down of one copy of a table."""

    def __init__(self, store: Store, space: str, key_names: tuple[str, ...], region: str) -> None:
        self._store = store
        self._prefix = PREFIX + space.encode() + b"/"
        self._key_names = key_names
        self._region = region
        self._kept = -1  # how many there are; -1: not counted yet

    def rows_for(self, key: bytes, lost: bytes, won: bytes, now: float) -> list[Row]:
        """The rows to be written with the merge that found it; [] if it is known already."""
        version = rows.version_of(lost)
        place = self._prefix + version.time.to_bytes(8, "big") + version.region.encode()
        if self._store.get(place) is not None:
            return []
        if self._kept < 0:
            self._kept = sum(1 for _ in self._found())
        found: list[Row] = []
        if self._kept >= MAX_KEPT:
            oldest = next(self._found())[0]
            if place < oldest:
                return []
            found.append((oldest, None))
        else:
            self._kept += 1
        item = next((rows.item_of(one) for one in (lost, won) if not rows.is_tombstone(one)), {})
        names: Mapping[str, Any] = {name: item[name] for name in self._key_names if name in item} or {
            "stored": key.hex()
        }
        conflict = Conflict(names, _write(lost), _write(won), self._region, now)
        return [*found, (place, _encode(conflict))]

    def all(self) -> list[Conflict]:
        """What is written down here, oldest lost write first."""
        return [_decode(raw) for _, raw in self._found()]

    def recount(self) -> None:
        """After the store took writes back."""
        self._kept = -1

    def _found(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._store.range(self._prefix, after_prefix(self._prefix)))


def _write(row: bytes) -> Write:
    version, deleted = rows.version_of(row), rows.is_tombstone(row)
    body = b"" if deleted else rows.body_of(row)
    item = orjson.loads(body) if body and len(body) <= MAX_ITEM_BYTES else None
    return Write(version.region, version.time, version.seconds, item, deleted, rows.size_of(row))


def together(records: Iterable[Conflict]) -> list[Conflict]:
    """The conflicts of several Regions' records, each once, oldest first. Pure.

    A write that its own Region had followed by another one before it met the winner is left out: its successor built on
    it, and is in the record itself if it was lost. So: a write is left out if a later one of the same Region and item
    met the same winner without knowing it, whichever of the two won.
    """
    by_write: dict[tuple[str, int, str], Conflict] = {}
    for one in records:
        known = by_write.get((_name(one), one.lost.time, one.lost.region))
        if known is None or (one.won.time, one.won.region) < (known.won.time, known.won.region):
            by_write[_name(one), one.lost.time, one.lost.region] = one
    found = list(by_write.values())
    met: dict[tuple[str, int, str], list[Write]] = {}  # by item and write: those it was in conflict with
    for one in found:
        met.setdefault((_name(one), one.won.time, one.won.region), []).append(one.lost)
        met.setdefault((_name(one), one.lost.time, one.lost.region), []).append(one.won)
    kept = [
        one
        for one in found
        if not any(
            other.region == one.lost.region and other.time > one.lost.time
            for other in met[_name(one), one.won.time, one.won.region]
        )
    ]
    return sorted(kept, key=lambda one: (one.lost.time, one.lost.region))


def _name(one: Conflict) -> str:
    return orjson.dumps(one.key, option=orjson.OPT_SORT_KEYS).decode()
