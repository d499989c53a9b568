"""Engine: what a Store asks of the place where its data lies; and the error when that place fails.

Two implementations pass one test suite: `sqlite.SqliteEngine` on a folder, `memory.MemoryEngine` on a shelf of a
`MemoryDisk`. An engine knows rows, log records (bytes at a position) and a few named facts about itself (meta). It
knows nothing of changes, versions, waiters or time: those are the Store's.

Atomicity: one `put` is seen, and survives, as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

FORMAT = 3  # what this code writes; an engine reads its predecessors too: 1 had no redo log, 2 no heap

Rows = Iterable[tuple[bytes, bytes | None]]
Records = Sequence[tuple[int, bytes]]


class StoreError(Exception):
    """The disk failed (full, broken, unreadable, or of a newer format). What was not yet durable did not happen."""


class Engine(Protocol):
    """Storage for one store. Not for several threads or processes at once."""

    def get(self, key: bytes) -> bytes | None:
        """The row's value, unsynced writes included. Raises StoreError."""
        ...

    def range(self, start: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < end, lazily. Raises StoreError."""
        ...

    def records(self, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        """Log records with after < position <= upto, oldest first, at most `limit`. Raises StoreError."""
        ...

    def last_position(self) -> int:
        """The greatest position in the log; 0 if it is empty."""
        ...

    def meta(self, name: str) -> str | None:
        """A named fact."""
        ...

    def put(self, rows: Rows, records: Records, meta: Mapping[str, str]) -> None:
        """One atomic batch: rows (None deletes), log records, named facts. Seen at once; durable after `sync`."""
        ...

    def drop_records(self, upto: int) -> None:
        """Removes log records with position <= upto, as a batch of its own."""
        ...

    def sync(self) -> None:
        """Makes everything put durable. Raises StoreError: then nothing put since the last sync is there any more."""
        ...

    def abandon(self) -> None:
        """Takes back everything put since the last sync."""
        ...

    def close(self) -> None: ...


def check_format(found: str | None, where: str) -> bool:
    """True: an empty place, to be created. Raises StoreError for a format this code does not read.

    A later format adds its reader here: a step from each predecessor, applied in the opening transaction.
    """
    if found is None:
        return True
    if int(found) > FORMAT:
        raise StoreError(
            f"{where} has format {found}; this version of antipodes reads up to format {FORMAT}. "
            "It was written by a newer antipodes: use that one, or another data folder."
        )
    if int(found) < 1:
        raise StoreError(f"{where} has format {found}, which no antipodes ever wrote.")
    return False
