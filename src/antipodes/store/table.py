"""The table: a SQLite file and the heap beside it. Rows, log records and named facts, in transactions.

Long values lie in the heap, and the map has their slots instead (heap.py says why): an INTEGER where the short ones
have a BLOB. What decides when to write, flush and commit is the engine (sqlite.py).

Measured choices: WITHOUT ROWID, and pages of 8 KiB (with 4 KiB a row of 1 KiB, as format 2 wrote it, spills to an
overflow page: 2.5 times slower); exclusive locking (no lock calls per read, the WAL index in plain memory, and a second
process that opens the same data folder is refused instead of corrupting it).

Formats: 2 had no heap, all its values lie in the map: they move when they are next written. 1 had no redo log: its
generation is 0, and empty.
"""

from __future__ import annotations

import contextlib
import mmap
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from antipodes.store.engine import FORMAT, StoreError, check_format
from antipodes.store.files import flush_data
from antipodes.store.heap import HeapFile, Page, Placed, Space, keeps, size_for
from antipodes.store.overlay import Row
from antipodes.world.real_flush import Flushing

PAGE_BYTES = 8192
CACHE_KIB = 64 * 1024  # grows as it is used; the map of a million items takes 80 MB
CHECKPOINT_PAGES = 4000  # 32 MiB of WAL, then its pages go to the main file
JOURNAL_LIMIT_BYTES = 64 << 20
LONG_BYTES = 512  # values from here on lie in the heap
ASKED_AT_ONCE = 128  # keys of one statement
PLACES = 1 << 21  # 16 MiB, when all is used
PLACES_MASK = PLACES - 1

_SCHEMA = (
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE map(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE log(position INTEGER PRIMARY KEY, record BLOB NOT NULL)",
)
_GET = "SELECT value FROM map WHERE key = ?"
_RANGE = "SELECT key, value FROM map WHERE key >= ? AND key < ? ORDER BY key LIMIT ?"
_RANGE_REVERSE = "SELECT key, value FROM map WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"
_KEYS = ", ".join("?" * ASKED_AT_ONCE)
_SLOTS = f"SELECT key, value FROM map WHERE key IN ({_KEYS}) AND typeof(value) = 'integer'"  # noqa: S608
_PUT = "INSERT INTO map(key, value) VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
_DELETE = "DELETE FROM map WHERE key = ?"
_LOG = "INSERT OR REPLACE INTO log(position, record) VALUES(?, ?)"
_RECORDS = "SELECT position, record FROM log WHERE position > ? AND position <= ? ORDER BY position LIMIT ?"
_META = "INSERT INTO meta(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value"

Failures = (sqlite3.Error, OSError)  # of writing


class Table:
    """Owned by one engine. Reads raise StoreError; writes raise `Failures`, and then the caller rolls back."""

    def __init__(self, path: Path) -> None:
        """Opens or creates <path> and its heap. Raises Failures, StoreError."""
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=64)
        self._cursor = self._connection.cursor()
        try:
            self.is_new = self._prepare()
            self._heap = HeapFile(path.with_suffix(".heap"), is_new=self.is_new)
        except BaseException:
            self._connection.close()
            raise
        self._space = Space(self._cursor, self._stored_end())
        # Slots by a part of their keys' hashes: of several keys with the same part the last one that was read or
        # written. A guess, which the key in the slot confirms; a slot that changes its owner is forgotten here.
        self._places = memoryview(mmap.mmap(-1, 8 * PLACES)).cast("Q")  # takes memory where it is written

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
        found = self.meta("format") if "meta" in tables else None
        if tables and found is None:
            raise StoreError(f"{self._path} is not a store of antipodes")
        is_new = check_format(found, str(self._path))
        for statement in (*(_SCHEMA if is_new else ()), *(Space.SCHEMA if "free" not in tables else ())):
            run(statement)
        run(_META, ("format", str(FORMAT)))
        run("COMMIT")
        return is_new

    def _stored_end(self) -> int:
        return int(self.meta("heap") or 0)

    # Reading

    def get(self, key: bytes) -> bytes | None:
        at = hash(key) & PLACES_MASK
        slot = self._places[at]
        if slot:
            value = self._heap.found(slot, key)
            if value is not None:
                return value
        try:
            row = self._cursor.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"reading {self._path}: {error}") from error
        if row is None:
            return None
        held: bytes | int = row[0]
        if isinstance(held, bytes):
            return held
        self._places[at] = held
        return self._heap.read(held, key)

    def page(self, start: bytes, end: bytes, limit: int, reverse: bool) -> Page:
        """The first rows with start <= key < end, or the last ones, backwards; a long value's slot in its place."""
        statement = _RANGE_REVERSE if reverse else _RANGE
        try:
            return self._connection.execute(statement, (start, end, limit)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"reading {self._path}: {error}") from error

    def whole(self, page: Page) -> Iterator[tuple[bytes, bytes]]:
        """The page with the long values, lazily."""
        if any(type(value) is int for _, value in page):
            return self._heap.whole(page, self.get)
        return iter(cast("list[tuple[bytes, bytes]]", page))

    def records(self, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        try:
            return self._connection.execute(_RECORDS, (after, upto, limit)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"reading {self._path}: {error}") from error

    def last_position(self) -> int:
        (last,) = self._connection.execute("SELECT max(position) FROM log").fetchone()
        return last or 0

    def meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    # Writing

    def pour(self, rows: Sequence[Row], records: Iterable[tuple[int, bytes]]) -> None:
        """Rows, in key order, and log records: one commit. It is not flushed, and neither is the heap."""
        self._connection.execute("BEGIN IMMEDIATE")
        freed, placed = self._put(rows)
        self._cursor.executemany(_LOG, records)
        self._connection.execute("COMMIT")
        places = self._places
        for key, slot in freed:
            at = hash(key) & PLACES_MASK
            if places[at] == slot:
                places[at] = 0
        for slot, key, _ in placed:
            places[hash(key) & PLACES_MASK] = slot

    def _put(self, rows: Sequence[Row]) -> tuple[list[tuple[bytes, int]], list[Placed]]:
        """What rows have lost their slots, and what was written into slots."""
        slots = self._slots([key for key, _ in rows])
        placed: list[Placed] = []
        moving: list[tuple[bytes, bytes]] = []
        short: list[tuple[bytes, bytes]] = []
        gone: list[tuple[bytes]] = []
        freed: list[tuple[bytes, int]] = []
        for key, value in rows:
            slot = slots.get(key)
            if slot is not None:
                if value is not None and keeps(slot, len(key) + len(value)):
                    placed.append((slot, key, value))
                    continue
                freed.append((key, slot))
            if value is None:
                gone.append((key,))
            elif len(value) < LONG_BYTES:
                short.append((key, value))
            else:
                moving.append((key, value))
        end = self._space.end
        self._space.give_back(slot for _, slot in freed)
        new = self._space.take([size_for(len(key) + len(value)) for key, value in moving])
        moved = list(zip(new, moving, strict=True))
        placed += [(slot, key, value) for slot, (key, value) in moved]
        if placed:
            self._heap.write(placed)
        run = self._cursor
        run.executemany(_PUT, [(key, slot) for slot, (key, _) in moved])
        run.executemany(_PUT, short)
        run.executemany(_DELETE, gone)
        if self._space.end != end:
            run.execute(_META, ("heap", str(self._space.end)))
        return freed, placed

    def _slots(self, keys: list[bytes]) -> dict[bytes, int]:
        """The slots of those that have one."""
        found: dict[bytes, int] = {}
        if self._space.end == 0:
            return found
        for at in range(0, len(keys), ASKED_AT_ONCE):
            some = keys[at : at + ASKED_AT_ONCE]
            some += some[-1:] * (ASKED_AT_ONCE - len(some))
            found.update(self._cursor.execute(_SLOTS, some))
        return found

    @property
    def unflushed(self) -> bool:
        """The heap has to be flushed before `declare`."""
        return self._heap.dirty

    def flushing(self) -> Flushing:
        """Begins to flush the heap. When it is done, and nothing was poured meanwhile, `flushed`."""
        return Flushing(self._heap.file, flush_data)

    def flushed(self) -> None:
        self._heap.dirty = False

    def flush(self) -> None:
        self._heap.flush()

    def declare(self, drop_upto: int, meta: Mapping[str, str]) -> None:
        """A commit that is flushed, with all that was committed before: log records up to there go, facts are set."""
        assert not self._heap.dirty, "the heap first"
        run = self._connection.execute
        run("PRAGMA synchronous=FULL")
        run("BEGIN IMMEDIATE")
        if drop_upto:
            run("DELETE FROM log WHERE position <= ?", (drop_upto,))
        self._cursor.executemany(_META, meta.items())
        run("COMMIT")
        run("PRAGMA synchronous=NORMAL")
        self._heap.shorten(self._space.end)

    def roll_back(self) -> None:
        """Takes back what is not committed. The heap keeps what was written: in slots of rows that the redo log has."""
        with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("PRAGMA synchronous=NORMAL")
        self._space.end = self._stored_end()

    def close(self) -> None:
        self._heap.close()
        self._cursor.close()  # a cursor that still holds a statement would keep the file locked
        self._connection.close()
