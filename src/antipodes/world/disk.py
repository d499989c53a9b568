"""Where a site's durable data lies: a folder on a real disk, or memory that behaves like a disk.

`store` opens one of these with the engine that fits. A `MemoryDisk` outlives the crash of its site, as a disk does:
`crash` takes back what had not been synced, `destroy` takes everything. It is written for simulated time and serves
`--in-memory` as well.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from sortedcontainers import SortedDict


class DiskSpace:
    """Whether there is room. Whoever writes asks `full` first; the fault `rules.Full` sets it."""

    __slots__ = ("full",)

    def __init__(self) -> None:
        self.full = False


@dataclass(frozen=True, slots=True)
class FileDisk:
    """A folder; files in it are opened by the store's SQLite engine."""

    folder: Path
    space: DiskSpace = field(default_factory=DiskSpace, compare=False, repr=False)


WHOLLY_LOST = 0.5  # of crashes


@dataclass(slots=True)
class Shelf:
    """One named ordered map on a memory disk.

    `unsynced` holds, oldest first, one undo list for each write batch since the last sync: (key, value before).
    """

    rows: SortedDict = field(default_factory=SortedDict)  # bytes -> bytes
    unsynced: list[list[tuple[bytes, bytes | None]]] = field(default_factory=list)

    def forget(self, batches: int) -> None:
        """Undoes the newest `batches` batches that were not synced."""
        for _ in range(batches):
            for key, before in reversed(self.unsynced.pop()):
                if before is None:
                    self.rows.pop(key, None)
                else:
                    self.rows[key] = before


@dataclass(slots=True)
class MemoryDisk:
    """Shelves by name. Survives the crash of its site; forgets what was not synced."""

    shelves: dict[str, Shelf] = field(default_factory=dict)
    space: DiskSpace = field(default_factory=DiskSpace, compare=False, repr=False)

    def shelf(self, name: str) -> Shelf:
        return self.shelves.setdefault(name, Shelf())

    def crash(self, chance: random.Random) -> None:
        """What was not synced is lost; every other time only a drawn number of its newest batches is: a disk may have
        kept some."""
        for name in sorted(self.shelves):
            shelf = self.shelves[name]
            unsynced = len(shelf.unsynced)
            shelf.forget(unsynced if chance.random() < WHOLLY_LOST else chance.randint(0, unsynced))
            shelf.unsynced.clear()

    def destroy(self) -> None:
        self.shelves.clear()


Disk = FileDisk | MemoryDisk
