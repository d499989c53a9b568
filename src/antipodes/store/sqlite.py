"""The SQLite engine: one table in WAL mode, one writer, and a redo log before it.

How it works. `put` notes a batch in an overlay over the table; `sync` appends what is new to the redo log and flushes
it: that is all that an acknowledged write waits for. When the redo log has grown to REDO_BYTES its overlay is frozen,
a fresh one begins in the log's other file, and the later syncs pour the frozen rows and log records into their tables
and commit them, in lots and in key order, so that neighbours share pages and no single sync takes long. These commits
are not flushed: until all is poured the redo log has it too, and pouring it twice does no harm. The last one is
flushed, and carries the number of the next generation (redo.py): the frozen one's file is free. After a crash the
overlays are read again from the redo log, and pouring goes on.

Who reads asks the fresh overlay, the frozen one, a cache of rows, the table. A range read pours the rows of its range
into the open transaction first, a lot at a time, where the same connection sees them.

Commits happen only in `sync`, when nothing is unsynced: the table never holds what the redo log might not. What the
table could not take (a full disk) stays in the redo log, and is tried again; when that has become too long, syncs fail.

Measured choices: pages of 8 KiB and WITHOUT ROWID (with 4 KiB pages each 1 KiB row spills to an overflow page: 2.5
times slower); exclusive locking (no lock calls per read, the WAL index in plain memory, and a second process that opens
the same data folder is refused instead of corrupting it).

Stop the planet, and any SQLite tool opens the file: closing pours everything. After a crash open and close it once.
"""

from __future__ import annotations

import logging
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path

from antipodes.store.engine import FORMAT, Records, Rows, StoreError, check_format
from antipodes.store.overlay import Overlay, Row
from antipodes.store.redo import Batch, RedoLog
from antipodes.world.disk import DiskSpace

log = logging.getLogger("antipodes.store")

PAGE_BYTES = 8192
CACHE_KIB = 16 * 1024
ROW_CACHE_BYTES = 32 << 20
ROW_OVERHEAD_BYTES = 200  # of a key and a value in a dict
REDO_BYTES = 16 << 20  # then the overlay is poured: what is written again until then is poured once
MAX_REDO_BYTES = 64 << 20  # so much more is taken while the table cannot be written
POURED_PER_ROW = 2  # rows poured for each row written: the frozen overlay is empty before the fresh one is full
POURED_PER_SYNC = 16
POUR_LOT = 256  # rows of one commit, at least: a commit has its own price, and neighbours share pages
CHECKPOINT_PAGES = 4000  # 32 MiB of WAL, then its pages go to the main file
JOURNAL_LIMIT_BYTES = 64 << 20
POURED_PER_READ = 256  # rows of an overlay that a range read pours before it reads on
FIRST_PAGE_ROWS = 16  # range reads fetch few rows first (most queries want few), then more
MAX_PAGE_ROWS = 256
MAX_PAGE_BYTES = 1 << 20

_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE map(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE log(position INTEGER PRIMARY KEY, record BLOB NOT NULL);
"""
_GET = "SELECT value FROM map WHERE key = ?"
_RANGE = "SELECT key, value FROM map WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
_RANGE_AFTER = "SELECT key, value FROM map WHERE key > ? AND key < ? ORDER BY key LIMIT ?"
_RANGE_REVERSE = "SELECT key, value FROM map WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"
_PUT = "INSERT INTO map(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
_DELETE = "DELETE FROM map WHERE key = ?"
_LOG = "INSERT OR REPLACE INTO log(position, record) VALUES(?, ?)"
_META = "INSERT INTO meta(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value"
_MISSING = object()


class SqliteEngine:
    """One store in one file."""

    def __init__(self, path: Path, space: DiskSpace | None = None) -> None:
        """space: says when the disk counts as full, whatever the kernel thinks of it."""
        self._path = path
        self._space = space or DiskSpace()
        self._fresh = Overlay()
        self._frozen: Overlay | None = None
        self._unsynced = Batch([], [], {}, 0)
        self._dirty = False
        self._due = 0  # rows to pour with the next lot
        self._young: dict[bytes, bytes] = {}  # the row cache: what was read lately, and what before that
        self._old: dict[bytes, bytes] = {}
        self._young_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=64)
            self._cursor = self._connection.cursor()
            try:
                is_new = self._prepare()
                self._redo = RedoLog(path, is_new=is_new)
                self._recover()
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            busy = "database is locked" in str(error)
            raise StoreError(
                f"{path} is in use by another process" if busy else f"cannot open {path}: {error}"
            ) from error

    def _prepare(self) -> bool:
        """Settings and schema; whether the store is a new one."""
        run = self._connection.execute
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            f"cache_size=-{CACHE_KIB}",
            f"wal_autocheckpoint={CHECKPOINT_PAGES}",
            f"journal_size_limit={JOURNAL_LIMIT_BYTES}",
            "temp_store=MEMORY",
        ):
            run(f"PRAGMA {pragma}").fetchall()
        run("BEGIN IMMEDIATE")
        tables = {name for (name,) in run("SELECT name FROM sqlite_master")}
        found = self._stored_meta("format") if "meta" in tables else None
        if tables and found is None:
            raise StoreError(f"{self._path} is not a store of antipodes")
        is_new = check_format(found, str(self._path))
        if is_new:
            for statement in _SCHEMA.strip().splitlines():
                run(statement)
        run(_META, ("format", str(FORMAT)))  # format 1 had no redo log: its generation is 0, and empty
        run("COMMIT")
        return is_new

    def _recover(self) -> None:
        """Goes on with what the last process left in the redo log."""
        first = int(self._stored_meta("redo") or 0)
        frozen, self._fresh = self._read_again(first, first + 1)
        frozen.drop(self._fresh.drop_upto)
        if frozen.rows or frozen.records:
            self._frozen = frozen
        else:
            self._begin()
            self._commit(frozen, first + 1)

    def _read_again(self, first: int, last: int) -> list[Overlay]:
        """The overlays of these generations, as the redo log has them."""
        overlays = []
        for generation in range(first, last + 1):
            overlay = Overlay()
            for batch in self._redo.read(generation):
                overlay.add(batch)
            overlays.append(overlay)
        return overlays

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
            try:
                row = self._cursor.execute(_GET, (key,)).fetchone()
            except sqlite3.Error as error:
                raise StoreError(f"reading {self._path}: {error}") from error
            if row is None:
                return None
            value = row[0]
        self._remember(key, value)
        return value

    def _remember(self, key: bytes, value: bytes) -> None:
        """Into the row cache: two dicts of half its size; what is asked for again moves to the younger one."""
        self._young[key] = value
        self._young_bytes += len(key) + len(value) + ROW_OVERHEAD_BYTES
        if self._young_bytes > ROW_CACHE_BYTES // 2:
            self._old, self._young, self._young_bytes = self._young, {}, 0

    def range(self, start: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        low, high = self._pour_range(start, end, reverse)
        if (low, high) == (start, end):
            return self._pages(start, end, reverse)
        return self._in_lots(start, end, low, high, reverse)

    def _in_lots(
        self, start: bytes, end: bytes, low: bytes, high: bytes, reverse: bool
    ) -> Iterator[tuple[bytes, bytes]]:
        """Reads and pours by turns: a page of a large range must not wait for all that was written in it lately."""
        while True:
            yield from self._pages(low, high, reverse)
            if (reverse and low == start) or (not reverse and high == end):
                return
            start, end = (start, low) if reverse else (high, end)
            low, high = self._pour_range(start, end, reverse)

    def _pour_range(self, start: bytes, end: bytes, reverse: bool) -> tuple[bytes, bytes]:
        """Pours rows of the range, at most POURED_PER_READ of an overlay, from the end where reading begins.

        The part of the range, from that end, of which the table has all now."""
        overlays = (self._frozen, self._fresh) if self._frozen is not None else (self._fresh,)
        bounds = [overlay.bound(start, end, POURED_PER_READ, reverse) for overlay in overlays]
        for bound in bounds:
            if bound is not None and reverse:
                start = max(start, bound + b"\x00")
            elif bound is not None:
                end = min(end, bound)
        lots = [overlay.take(start, end) for overlay in overlays]
        if any(lots):
            try:
                self._begin()
                for rows in lots:
                    self._pour(rows)
            except sqlite3.Error as error:
                raise self._failed(error) from error
        return start, end

    def _pages(self, start: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        limit = FIRST_PAGE_ROWS
        statement = _RANGE_REVERSE if reverse else _RANGE
        while True:
            try:
                page = self._connection.execute(statement, (start, end, limit)).fetchall()
            except sqlite3.Error as error:
                raise StoreError(f"reading {self._path}: {error}") from error
            yield from page
            if len(page) < limit:
                return
            if reverse:
                end = page[-1][0]
            else:
                start, statement = page[-1][0], _RANGE_AFTER
            size_bytes = sum(len(value) for _, value in page)
            per_row = max(1, size_bytes // len(page))
            limit = max(1, min(limit * 4, MAX_PAGE_ROWS, MAX_PAGE_BYTES // per_row))

    def records(self, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        statement = "SELECT position, record FROM log WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
        overlays = (self._frozen, self._fresh) if self._frozen is not None else (self._fresh,)
        dropped = max(overlay.drop_upto for overlay in overlays)
        try:
            found = self._connection.execute(statement, (max(after, dropped), upto, limit)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"reading {self._path}: {error}") from error
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
        (last,) = self._connection.execute("SELECT max(position) FROM log").fetchone()
        return last or 0

    def meta(self, name: str) -> str | None:
        for overlay in (self._fresh, self._frozen):
            if overlay is not None and name in overlay.meta:
                return overlay.meta[name]
        return self._stored_meta(name)

    def _stored_meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

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
                raise StoreError(f"{self._path} cannot be written: its redo log is full")
            self._redo.append(batch)
        except StoreError:
            self.abandon()
            raise
        self._unsynced = Batch([], [], {}, 0)
        self._dirty = False
        # The batch is durable: what goes wrong from here on is not its failure.
        try:
            if self._frozen is not None:
                self._due += POURED_PER_ROW * len(batch.rows) + POURED_PER_SYNC
                if self._due >= POUR_LOT:
                    self._pour_some(self._due)
                    self._due = 0
            elif self._redo.size_bytes >= REDO_BYTES:
                self._frozen, self._fresh = self._fresh, Overlay()
                self._redo.begin(self._redo.generation + 1)
        except sqlite3.Error as error:
            log.warning("%s cannot be written, the redo log keeps what is new: %s", self._path, error)
            self.abandon()

    def _pour_some(self, count: int) -> None:
        """So many rows and log records of the frozen overlay into their tables; after the last, the last commit."""
        frozen = self._frozen
        assert frozen is not None
        self._begin()
        self._pour(frozen.take_first(count))
        self._cursor.executemany(_LOG, frozen.take_first_records(count))
        if frozen.rows or frozen.records:
            self._connection.execute("COMMIT")
        else:
            self._commit(frozen, self._redo.generation)
            self._frozen = None

    def _begin(self) -> None:
        if not self._connection.in_transaction:
            self._connection.execute("BEGIN IMMEDIATE")

    def _pour(self, rows: list[Row]) -> None:
        """Rows, in key order, into the open transaction."""
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
        self._cursor.executemany(_PUT, [row for row in rows if row[1] is not None])
        gone = [(key,) for key, value in rows if value is None]
        if gone:
            self._cursor.executemany(_DELETE, gone)

    def _commit(self, overlay: Overlay, next_generation: int) -> None:
        """The rest of a poured overlay, flushed with all that was committed before: from now on the redo log is read
        from that generation on."""
        run = self._connection.execute
        run("COMMIT")  # the next one may be flushed: it must not be changed within a transaction
        run("PRAGMA synchronous=FULL")
        run("BEGIN IMMEDIATE")
        if overlay.drop_upto:
            run("DELETE FROM log WHERE position <= ?", (overlay.drop_upto,))
        self._cursor.executemany(_LOG, overlay.records)
        self._cursor.executemany(_META, {**overlay.meta, "redo": str(next_generation)}.items())
        run("COMMIT")
        run("PRAGMA synchronous=NORMAL")

    def _failed(self, error: sqlite3.Error) -> StoreError:
        self.abandon()
        return StoreError(f"writing {self._path}: {error}")

    def abandon(self) -> None:
        self._unsynced = Batch([], [], {}, 0)
        self._dirty = False
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error:
            pass  # SQLite has rolled back by itself; nothing is left to take back
        # What was synced and poured was rolled back too: the redo log has it.
        self._young, self._old, self._young_bytes = {}, {}, 0
        overlays = self._read_again(int(self._stored_meta("redo") or 0), self._redo.generation)
        assert 1 <= len(overlays) <= 2, "one generation is written, at most one is frozen"
        self._fresh = overlays[-1]
        self._frozen = overlays[0] if len(overlays) == 2 else None
        if self._frozen is not None:
            self._frozen.drop(self._fresh.drop_upto)

    def close(self) -> None:
        try:
            self._begin()
            if self._frozen is not None:
                self._pour_some(len(self._frozen.rows) + len(self._frozen.records))
                self._begin()
            self._pour(self._fresh.take_first(len(self._fresh.rows)))
            self._commit(self._fresh, self._redo.generation + 1)
        except sqlite3.Error as error:
            log.warning("%s cannot be written; its redo log has the rest: %s", self._path, error)
        self._redo.close()
        self._cursor.close()  # a cursor that still holds a statement would keep the file locked
        self._connection.close()
