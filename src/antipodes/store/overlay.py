"""Overlay: rows, log records and facts that lie over a table, in memory, until they are poured into it. Pure.

One overlay is one generation of the redo log. Rows are found by key and, for range reads, in key order.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import islice

from sortedcontainers import SortedList

from antipodes.store.redo import Batch

Row = tuple[bytes, bytes | None]  # None: deleted


class Overlay:
    """Owned by one engine."""

    __slots__ = ("_keys", "drop_upto", "meta", "records", "rows")

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes | None] = {}
        self._keys = SortedList()  # of `rows`: there may be a hundred thousand
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

    def bound(self, start: bytes, end: bytes, count: int, reverse: bool) -> bytes | None:
        """The key behind the first so many rows with start <= key < end (reverse: before the last so many); None: there
        are no more."""
        if len(self.rows) <= count:
            return None
        keys = self._keys
        first, last = keys.bisect_left(start), keys.bisect_left(end)
        if last - first <= count:
            return None
        found: bytes = keys[last - count - 1] if reverse else keys[first + count]
        return found

    def take(self, start: bytes, end: bytes) -> list[Row]:
        """Removes the rows with start <= key < end; in order."""
        rows = self.rows
        if not rows:
            return []
        first, last = self._keys.bisect_left(start), self._keys.bisect_left(end)
        if first >= last:
            return []
        keys = self._keys[first:last]
        del self._keys[first:last]
        return [(key, rows.pop(key)) for key in keys]

    def take_first(self, count: int) -> list[Row]:
        """Removes so many rows from the lower end; in order."""
        keys = list(islice(self._keys, count))
        del self._keys[: len(keys)]
        rows = self.rows
        return [(key, rows.pop(key)) for key in keys]

    def take_first_records(self, count: int) -> list[tuple[int, bytes]]:
        """Removes so many log records, the oldest."""
        taken = self.records[:count]
        del self.records[:count]
        return taken
