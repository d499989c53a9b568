"""Overlay: rows, log records and facts that lie over a table, in memory, until they are poured into it. Pure.

One overlay is one generation of the redo log. Rows are found by key and, for range reads, in key order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sortedcontainers import SortedList

from antipodes.store.redo import Batch

FIRST_SLICE, MAX_SLICE = 16, 256  # rows of a range fetched at a time

Row = tuple[bytes, bytes | None]  # None: deleted


class Overlay:
    """Owned by one engine."""

    __slots__ = ("_begin", "_keys", "drop_upto", "meta", "records", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        self._keys: Any = SortedList()  # of `rows`: there may be a hundred thousand. In a frozen one a list
        self._begin = 0  # in a frozen one: the keys before are forgotten
        self.records: list[tuple[int, bytes]] = []  # positions rise
        self.meta: dict[str, str] = {}
        self.drop_upto = 0  # log records up to here are to go

    def put(self, key: bytes, value: bytes | None) -> None:
        if key not in self.rows:
            self._keys.add(key)
        self.rows[key] = value

    def add(self, batch: Batch) -> None:
        """Takes a batch that was read again."""
        for key, value in batch.rows:
            self.put(key, value)
        self.records.extend(batch.records)
        self.meta.update(batch.meta)
        self.drop(batch.drop_upto)

    def drop(self, upto: int) -> None:
        """Log records up to that position are to go, here and in the table."""
        self.drop_upto = max(self.drop_upto, upto)
        if self.records and self.records[0][0] <= upto:
            del self.records[: bisect_left(self.records, (upto + 1,))]

    def freeze(self) -> None:
        """Nothing is put any more."""
        self._keys = list(self._keys)

    def _at(self, key: bytes) -> int:
        """The index of the first key that is not before that one."""
        keys = self._keys
        at: int = bisect_left(keys, key, self._begin) if isinstance(keys, list) else keys.bisect_left(key)
        return at

    def covers(self, start: bytes, end: bytes) -> bool:
        """Whether it has a row with start <= key < end."""
        if not self.rows:
            return False
        at = self._at(start)
        return at < len(self._keys) and bool(self._keys[at] < end)

    def few(self, start: bytes, end: bytes) -> list[Row] | None:
        """All its rows with start <= key < end, in order; None: there are more than FIRST_SLICE."""
        keys, rows = self._keys, self.rows
        if not rows:
            return []
        if isinstance(keys, list):
            first = bisect_left(keys, start, self._begin)
            found = keys[first : bisect_left(keys, end, first)]
        else:
            found = list(islice(keys.irange(start, end, (True, False)), FIRST_SLICE + 1))
        return [(key, rows[key]) for key in found] if len(found) <= FIRST_SLICE else None

    def between(self, start: bytes, end: bytes, reverse: bool) -> Iterator[Row]:
        """Its rows with start <= key < end, in order or backwards. Fetched by slices: most readers want few."""
        rows, count = self.rows, FIRST_SLICE
        while True:
            first, last = self._at(start), self._at(end)
            some = (
                self._keys[max(first, last - count) : last] if reverse else self._keys[first : min(last, first + count)]
            )
            if reverse:
                some = some[::-1]
            yield from [(key, rows[key]) for key in some]
            if len(some) < count:
                return
            if reverse:
                end = some[-1]
            else:
                start = some[-1] + b"\x00"
            count = min(count * 4, MAX_SLICE)

    def first(self, count: int) -> list[Row]:
        """So many rows of a frozen one from the lower end, in order."""
        rows = self.rows
        return [(key, rows[key]) for key in self._keys[self._begin : self._begin + count]]

    def forget(self, rows: list[Row], records: int) -> None:
        """Removes the first rows, and so many of the oldest log records."""
        held = self.rows
        for key, _ in rows:
            del held[key]
        self._begin += len(rows)
        del self.records[:records]


def few(
    overlays: Iterable[Overlay], rows: list[tuple[bytes, bytes | int]], start: bytes, end: bytes, reverse: bool
) -> list[tuple[bytes, bytes | int]] | None:
    """A short range, which most are, merged at once and without generators. rows: all that lies below, values or slots;
    overlays: the lowest first. None: one of them has more than FIRST_SLICE rows of it."""
    above: dict[bytes, bytes | None] = {}
    for overlay in overlays:
        found = overlay.few(start, end)
        if found is None:
            return None
        above.update(found)
    if not above:
        return rows
    merged: dict[bytes, bytes | int | None] = {**dict(rows), **above}
    return [(key, value) for key in sorted(merged, reverse=reverse) if (value := merged[key]) is not None]


def over(upper: Iterator[Row], lower: Iterator[Row], reverse: bool) -> Iterator[Row]:
    """Both in order (or both backwards) as one; of a key that both have only the upper row."""
    under = next(lower, None)
    for row in upper:
        key = row[0]
        while under is not None and (under[0] > key if reverse else under[0] < key):
            yield under
            under = next(lower, None)
        if under is not None and under[0] == key:
            under = next(lower, None)
        yield row
    if under is not None:
        yield under
        yield from lower
