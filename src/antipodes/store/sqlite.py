"""The engine on a real disk: a table (SQLite and a heap, table.py) and a redo log before it.

How it works. `put` notes a batch in an overlay over the table; `sync` appends what is new to the redo log and flushes
it: that is all that an acknowledged write waits for. When the redo log has grown to REDO_BYTES its overlay is frozen,
a fresh one begins in the log's other file, and the later syncs pour the frozen rows and log records into the table
and commit them, in lots and in key order, so that neighbours share pages and no single sync takes long. These commits
are not flushed: until all is poured the redo log has it too, and pouring it twice does no harm. When all is poured a
thread flushes the heap; then a last commit, which is flushed, names the next generation (redo.py): the frozen one's
file is free. After a crash the overlays are read again from the redo log, and pouring goes on.

Who reads asks the fresh overlay, the frozen one, a cache of rows, the table. A range read puts the overlays' rows
between the table's; an overlay without rows of the range costs a look.

Only frozen rows are poured, and they are synced: the table never holds what the redo log might not, so that nothing
that is taken back (`abandon`) has to be taken out of it. What the table could not take (a full disk) stays in the redo
log, and is tried again; when that has become too long, each sync tries to pour all of it first, and fails if it cannot.

Stop the planet, and any SQLite tool opens the table; long values lie in the heap (heap.py). Closing pours everything.
After a crash open and close it once.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import cast

from antipodes.store.engine import Records, Rows, StoreError
from antipodes.store.heap import Page, length_of
from antipodes.store.overlay import Overlay, Row, few, over
from antipodes.store.redo import Batch, RedoLog
from antipodes.store.table import Failures, Table
from antipodes.world.disk import DiskSpace
from antipodes.world.real_flush import Flushing

log = logging.getLogger("antipodes.store")

ROW_CACHE_BYTES = 32 << 20
ROW_OVERHEAD_BYTES = 200  # of a key and a value in a dict
REDO_BYTES = 16 << 20  # then the overlay is poured: what is written again until then is poured once
MAX_REDO_BYTES = 64 << 20  # so much more is taken while the table cannot be written
PATIENCE = 2  # so many times REDO_BYTES are written before a sync waits for the heap's flush
POURED_PER_ROW = 2  # rows poured for each row written: the frozen overlay is empty before the fresh one is full
POURED_PER_SYNC = 16
POUR_LOT = 256  # rows of one commit, at least: a commit has its own price, and neighbours share pages
POUR_LOT_BYTES = 256 << 10  # fewer are enough where they are long: they would hold the loop
FIRST_PAGE_ROWS = 16  # range reads fetch few rows first (most queries want few), then more
MAX_PAGE_ROWS = 256
MAX_PAGE_BYTES = 1 << 20


class SqliteEngine:
    """One store: <path>, and beside it .heap, .redo0 and .redo1."""

    def __init__(self, path: Path, space: DiskSpace | None = None) -> None:
        """space: says when the disk counts as full, whatever the kernel thinks of it."""
        self._path = path
        self._space = space or DiskSpace()
        self._fresh = Overlay()
        self._frozen: Overlay | None = None
        self._flushing: Flushing | None = None  # of the heap: all that is frozen has been poured
        self._unsynced = Batch([], [], {}, 0)
        self._dirty = False
        self._due = 0  # rows to pour with the next lot
        self._lot = POUR_LOT
        self._young: dict[bytes, bytes] = {}  # the row cache: what was read lately, and what before that
        self._old: dict[bytes, bytes] = {}
        self._young_bytes = 0
        self._poured = 0  # lots: what was read before the last one may have moved
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._table = Table(path)
            try:
                self._redo = RedoLog(path, is_new=self._table.is_new)
                self._recover()
            except BaseException:
                self._table.close()
                raise
        except Failures as error:
            busy = "database is locked" in str(error)
            raise StoreError(
                f"{path} is in use by another process" if busy else f"cannot open {path}: {error}"
            ) from error

    def _recover(self) -> None:
        """Goes on with what the last process left in the redo log."""
        first = int(self._table.meta("redo") or 0)
        frozen, self._fresh = _read_again(self._redo, first, first + 1)
        frozen.drop(self._fresh.drop_upto)
        if frozen.rows or frozen.records:
            frozen.freeze()
            self._frozen = frozen
        else:
            self._declare(frozen, first + 1)

    # Reading

    def get(self, key: bytes) -> bytes | None:
        rows = self._fresh.rows
        if key in rows:
            return rows[key]
        if self._frozen is not None and key in self._frozen.rows:
            return self._frozen.rows[key]
        value = self._young.get(key)
        if value is not None:
            return value
        value = self._old.get(key)
        if value is None:
            value = self._table.get(key)
            if value is None:
                return None
        self._remember(key, value)
        return value

    def _remember(self, key: bytes, value: bytes) -> None:
        """Into the row cache: two dicts of half its size; what is asked for again moves to the younger one."""
        self._young[key] = value
        self._young_bytes += len(key) + len(value) + ROW_OVERHEAD_BYTES
        if self._young_bytes > ROW_CACHE_BYTES // 2:
            self._old, self._young, self._young_bytes = self._young, {}, 0

    def range(self, start: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        page = self._table.page(start, end, FIRST_PAGE_ROWS, reverse)
        short = few(self._overlays(), page, start, end, reverse) if len(page) < FIRST_PAGE_ROWS else None
        if short is not None:
            return self._begun(short)
        overlays = [overlay for overlay in self._overlays() if overlay.covers(start, end)]
        if not overlays:
            return self._pages(start, end, reverse, overlays, page)
        rows: Iterator[Row] = self._pages(start, end, reverse, overlays, page)
        for overlay in overlays:
            rows = over(overlay.between(start, end, reverse), rows, reverse)
        return ((key, value) for key, value in rows if value is not None)

    def _overlays(self) -> tuple[Overlay, ...]:
        """The older one first."""
        return (self._fresh,) if self._frozen is None else (self._frozen, self._fresh)

    def _pages(
        self, start: bytes, end: bytes, reverse: bool, hidden: list[Overlay], found: Page
    ) -> Iterator[tuple[bytes, bytes]]:
        """The table's rows, those left out that an overlay has. found: the first page."""
        limit = FIRST_PAGE_ROWS
        while True:
            page = found
            for overlay in hidden:
                page = [row for row in page if row[0] not in overlay.rows]
            yield from self._begun(page) if limit == FIRST_PAGE_ROWS else self._table.whole(page)
            if len(found) < limit:
                return
            if reverse:
                end = found[-1][0]
            else:
                start = found[-1][0] + b"\x00"
            per_row = 1 + sum(length_of(value) for _, value in found) // len(found)
            limit = max(1, min(limit * 4, MAX_PAGE_ROWS, MAX_PAGE_BYTES // per_row))
            found = self._table.page(start, end, limit, reverse)

    def _begun(self, page: Page) -> Iterator[tuple[bytes, bytes]]:
        """The page that begins a range, with its long values."""
        slots = {key for key, value in page if type(value) is int}
        return self._cached(page, slots) if slots else iter(cast("list[tuple[bytes, bytes]]", page))

    def _cached(self, page: Page, slots: AbstractSet[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The page with its long values: those of these keys are in the row cache afterwards. Only for what begins a
        range: a long scan would drive everything else out. (What an overlay has above the cache is no slot.)"""
        young, old, poured = self._young, self._old, self._poured
        known: Page = [
            (key, young.get(key) or old.get(key) or value) if key in slots else (key, value) for key, value in page
        ]
        for key, value in self._table.whole(known):
            if key in slots and poured == self._poured:  # else it may be a row that has moved
                self._remember(key, value)
            yield key, value

    def records(self, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        overlays = self._overlays()
        dropped = max(overlay.drop_upto for overlay in overlays)
        found = self._table.records(max(after, dropped), upto, limit)
        for overlay in overlays:
            kept = overlay.records
            if found:
                after = found[-1][0]  # a record may be here and there, after a failure
            if kept and len(found) < limit and kept[-1][0] > after:
                first = bisect_left(kept, (after + 1,))
                last = bisect_left(kept, (upto + 1,))
                found += kept[first : min(last, first + limit - len(found))]
        return found

    def last_position(self) -> int:
        for overlay in (self._fresh, self._frozen):
            if overlay is not None and overlay.records:
                return overlay.records[-1][0]
        return self._table.last_position()

    def meta(self, name: str) -> str | None:
        for overlay in (self._fresh, self._frozen):
            if overlay is not None and name in overlay.meta:
                return overlay.meta[name]
        return self._table.meta(name)

    # Writing

    def put(self, rows: Rows, records: Records, meta: Mapping[str, str]) -> None:
        self._dirty = True
        fresh, unsynced = self._fresh, self._unsynced
        for row in rows:
            fresh.put(*row)
            unsynced.rows.append(row)
        if records:
            fresh.records.extend(records)
            unsynced.records.extend(records)
        if meta:
            fresh.meta.update(meta)
            unsynced.meta.update(meta)

    def drop_records(self, upto: int) -> None:
        self._dirty = True
        self._fresh.drop(upto)
        if self._frozen is not None:
            self._frozen.drop(upto)
        self._unsynced.drop_upto = max(self._unsynced.drop_upto, upto)

    def sync(self) -> None:
        if not self._dirty:
            return
        batch = self._unsynced
        try:
            if self._space.full:
                raise StoreError(f"writing {self._path}: No space left on device")
            if self._redo.size_bytes > MAX_REDO_BYTES:
                self._make_room()
            before_bytes = self._redo.size_bytes
            self._redo.append(batch)
        except StoreError:
            self.abandon()
            raise
        self._unsynced = Batch([], [], {}, 0)
        self._dirty = False
        # The batch is durable: what goes wrong from here on is not its failure.
        try:
            self._go_on(len(batch.rows), self._redo.size_bytes - before_bytes)
        except Failures as error:
            log.warning("%s cannot be written, the redo log keeps what is new: %s", self._path, error)
            self._table.roll_back()

    def _make_room(self) -> None:
        """The redo log is full: what is frozen goes into the table at once, so that the next step frees a file. Raises
        StoreError: the table cannot be written."""
        if self._frozen is None:
            return
        try:
            if self._flushing is not None:
                self._flushed(self._flushing)
            self._pour_all(self._frozen)
            self._finish(self._frozen)
        except Failures as error:
            self._table.roll_back()
            raise StoreError(f"{self._path} cannot be written, and its redo log is full: {error}") from error

    def _go_on(self, rows: int, size_bytes: int) -> None:
        """So many rows of so many bytes were written: the next step of bringing what is frozen into the table. Raises
        Failures: the step is to be made again."""
        frozen, written_bytes = self._frozen, self._redo.size_bytes
        if frozen is None:
            if written_bytes >= REDO_BYTES:
                self._lot = min(POUR_LOT, 1 + POUR_LOT_BYTES * len(self._fresh.rows) // written_bytes)
                self._fresh.freeze()
                self._frozen, self._fresh = self._fresh, Overlay()
                self._redo.begin(self._redo.generation + 1)
            return
        if self._flushing is not None:
            if self._flushing.done or written_bytes >= PATIENCE * REDO_BYTES:
                self._flushed(self._flushing)
                self._finish(frozen)
            return
        # Few rows may be long: half a file's bytes drive out all that is frozen, as half a file's rows do.
        left = max(len(frozen.rows), len(frozen.records))
        by_bytes = POURED_PER_ROW * size_bytes * left // max(1, REDO_BYTES - written_bytes + size_bytes)
        self._due += max(POURED_PER_ROW * rows + POURED_PER_SYNC, by_bytes)
        if self._due >= self._lot:
            self._pour(frozen, self._due)
            self._due = 0
        if not frozen.rows and not frozen.records:
            if self._table.unflushed:
                self._flushing = self._table.flushing()
            else:
                self._finish(frozen)

    def _pour(self, frozen: Overlay, count: int) -> None:
        """So many rows and log records into the table. Raises Failures: then they are still frozen."""
        rows, records = frozen.first(count), frozen.records[:count]
        self._poured += 1
        self._table.pour(rows, records)
        young, old = self._young, self._old
        for key, value in rows:
            old.pop(key, None)
            cached = young.get(key)
            if cached is not None:
                if value is None:
                    del young[key]
                else:
                    young[key] = value
                    self._young_bytes += len(value) - len(cached)
        frozen.forget(rows, len(records))

    def _flushed(self, flushing: Flushing) -> None:
        """Waits for it. If it failed, nobody knows what of the heap is on the disk: all is poured again."""
        self._flushing = None
        try:
            flushing.wait()
        except OSError:
            self._read_all_again()
            raise
        self._table.flushed()

    def _finish(self, frozen: Overlay) -> None:
        self._declare(frozen, self._redo.generation)
        self._frozen = None

    def _declare(self, poured: Overlay, next_generation: int) -> None:
        """From now on the redo log is read from that generation on."""
        self._table.declare(poured.drop_upto, {**poured.meta, "redo": str(next_generation)})

    def abandon(self) -> None:
        self._unsynced = Batch([], [], {}, 0)
        self._dirty = False
        self._read_all_again()

    def _read_all_again(self) -> None:
        """The overlays are what the redo log has: what is not synced is gone, what is frozen is poured once more."""
        self._flushing = None
        overlays = _read_again(self._redo, int(self._table.meta("redo") or 0), self._redo.generation)
        assert 1 <= len(overlays) <= 2, "one generation is written, at most one is frozen"
        self._fresh = overlays[-1]
        self._frozen = overlays[0] if len(overlays) == 2 else None
        if self._frozen is not None:
            self._frozen.freeze()
            self._frozen.drop(self._fresh.drop_upto)

    def close(self) -> None:
        try:
            if self._frozen is not None:
                self._pour_all(self._frozen)
                self._finish(self._frozen)
            self._fresh.freeze()
            self._pour_all(self._fresh)
            self._declare(self._fresh, self._redo.generation + 1)
        except Failures as error:
            log.warning("%s cannot be written; its redo log has the rest: %s", self._path, error)
        self._redo.close()
        self._table.close()

    def _pour_all(self, overlay: Overlay) -> None:
        self._pour(overlay, len(overlay.rows) + len(overlay.records))
        self._table.flush()


def _read_again(redo: RedoLog, first: int, last: int) -> list[Overlay]:
    """The overlays of these generations, as the redo log has them. The log goes on behind the last one."""
    overlays = []
    for generation in range(first, last + 1):
        overlay = Overlay()
        for batch in redo.read(generation):
            overlay.add(batch)
        overlays.append(overlay)
    return overlays
