"""Store: one site's ordered key-value map, its change log, and group commit.

(Interface agreed first; see the methods.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from antipodes.store.records import Change, Logged, Version
from antipodes.world.world import World


class Store:
    """One site's data. Reads and writes are plain calls: between two awaits a caller is alone, which is what makes
    a condition check and its write atomic. Only `durable` waits."""

    incarnation: str  # drawn when the store was created on an empty disk: tells peers that a disk was lost

    @classmethod
    def open(cls, world: World, name: str) -> Store:
        """Opens (or creates) the store on the world's disk."""
        raise NotImplementedError

    def get(self, key: bytes) -> bytes | None:
        """The value, including writes that are not yet durable."""
        raise NotImplementedError

    def range(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < end, in key order (or reversed). Lazy; not valid across a write: collect first."""
        raise NotImplementedError

    def write(self, rows: Iterable[tuple[bytes, bytes | None]], changes: Sequence[Change] = ()) -> int:
        """Puts rows (None deletes) and appends changes to the log, atomically, in the open commit group.

        Returns the log position of the last change (or the current end of the log). Visible to reads at once;
        durable after `durable()`.
        """
        raise NotImplementedError

    @property
    def settled(self) -> bool:
        """Nothing waits for a sync: what reads see is on disk."""
        raise NotImplementedError

    async def durable(self) -> None:
        """Returns when everything written before the call is on disk. Never acknowledge a write, nor a read that may
        have seen one (`not settled`), before this returns."""
        raise NotImplementedError

    def stamp(self) -> Version:
        """A version later than every one this store has given or seen."""
        raise NotImplementedError

    def seen(self, version: Version) -> None:
        """Tells the clock of a version that came from elsewhere."""
        raise NotImplementedError

    @property
    def end(self) -> int:
        """Position of the last durable log entry (0: none)."""
        raise NotImplementedError

    @property
    def begin(self) -> int:
        """Position before the oldest entry still kept (0: all are)."""
        raise NotImplementedError

    def changes(self, after: int, limit: int) -> list[Logged]:
        """Durable log entries with position > after, oldest first."""
        raise NotImplementedError

    async def grown(self, after: int) -> None:
        """Waits until `end` > after."""
        raise NotImplementedError

    def trim(self, upto: int) -> None:
        """Forgets log entries with position <= upto."""
        raise NotImplementedError

    def close(self) -> None:
        """Syncs and closes."""
        raise NotImplementedError
