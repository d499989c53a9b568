"""The SQLite engine: one file in WAL mode, one writer, commits on the caller's thread.

How it works. `put` only notes the batch in a dict that overlays the table; `sync` runs one transaction over all batches
since the last one: BEGIN, executemany, COMMIT (synchronous=FULL: COMMIT returns after fsync). A point read looks at
the overlay first; a range read first pours the overlay into the open transaction, where the same connection sees it.

Measured choices: pages of 8 KiB and WITHOUT ROWID (with 4 KiB pages each 1 KiB row spills to an overflow page: 2.5
times slower); exclusive locking (no lock calls per read, the WAL index in plain memory, and a second process that opens
the same data folder is refused instead of corrupting it).

Stop the planet, and any SQLite tool opens the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from antipodes.store.engine import FORMAT, Records, Rows, StoreError, check_format

PAGE_BYTES = 8192
CACHE_KIB = 32 * 1024
CHECKPOINT_PAGES = 4000  # 32 MiB of WAL, then its pages go to the main file
JOURNAL_LIMIT_BYTES = 64 << 20
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
_LOG = "INSERT INTO log(position, record) VALUES(?, ?)"
_META = "INSERT INTO meta(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value"
_MISSING = object()


class SqliteEngine:
    """One store in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[bytes, bytes | None] = {}  # the overlay: put, not yet in the table
        self._records: list[tuple[int, bytes]] = []
        self._meta: dict[str, str] = {}
        self._drop_upto = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=64)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            busy = "database is locked" in str(error)
            raise StoreError(
                f"{path} is in use by another process" if busy else f"cannot open {path}: {error}"
            ) from error
        self._cursor = self._connection.cursor()

    def _prepare(self) -> None:
        run = self._connection.execute
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
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
        if check_format(found, str(self._path)):
            for statement in _SCHEMA.strip().splitlines():
                run(statement)
            run(_META, ("format", str(FORMAT)))
        run("COMMIT")

    def get(self, key: bytes) -> bytes | None:
        if self._rows:
            value = self._rows.get(key, _MISSING)
            if value is not _MISSING:
                return value  # type: ignore[return-value]  # bytes or None: _MISSING is excluded
        try:
            row = self._cursor.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"reading {self._path}: {error}") from error
        return None if row is None else row[0]

    def range(self, start: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        if self._rows:
            self._pour()
        return self._pages(start, end, reverse)

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
        try:
            return self._connection.execute(statement, (after, upto, limit)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"reading {self._path}: {error}") from error

    def last_position(self) -> int:
        (last,) = self._connection.execute("SELECT max(position) FROM log").fetchone()
        return last or 0

    def meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def put(self, rows: Rows, records: Records, meta: Mapping[str, str]) -> None:
        self._rows.update(rows)
        if records:
            self._records.extend(records)
        if meta:
            self._meta.update(meta)

    def drop_records(self, upto: int) -> None:
        self._drop_upto = max(self._drop_upto, upto)

    def _pour(self) -> None:
        """Moves what was put into the open transaction (opening one if need be)."""
        run = self._connection
        try:
            if not run.in_transaction:
                run.execute("BEGIN IMMEDIATE")
            if self._rows:
                rows = sorted(self._rows.items())  # neighbours share pages
                self._cursor.executemany(_PUT, [row for row in rows if row[1] is not None])
                gone = [(key,) for key, value in rows if value is None]
                if gone:
                    self._cursor.executemany(_DELETE, gone)
                self._rows.clear()
            if self._records:
                self._cursor.executemany(_LOG, self._records)
                self._records.clear()
            if self._meta:
                self._cursor.executemany(_META, self._meta.items())
                self._meta.clear()
            if self._drop_upto:
                run.execute("DELETE FROM log WHERE position <= ?", (self._drop_upto,))
                self._drop_upto = 0
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def sync(self) -> None:
        self._pour()
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreError:
        self.abandon()
        return StoreError(f"writing {self._path}: {error}")

    def abandon(self) -> None:
        self._rows.clear()
        self._records.clear()
        self._meta.clear()
        self._drop_upto = 0
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has rolled back by itself; nothing is left to take back

    def close(self) -> None:
        self._cursor.close()  # a cursor that still holds a statement would keep the file locked
        self._connection.close()
