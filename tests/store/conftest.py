"""A site for stores: chance from a seed, a clock that the test sets, a disk of either kind."""

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import pytest

from antipodes.store import overlay, sqlite, table
from antipodes.store.store import Store
from antipodes.world.disk import Disk, FileDisk, MemoryDisk
from antipodes.world.world import World


class Site:
    """As much of a World as a store touches."""

    def __init__(self, disk: Disk, seed: int = 1) -> None:
        self.site = "us-west-2"
        self.chance = random.Random(seed)
        self.now_s = 1_800_000_000.0
        self._disk = disk

    def now(self) -> float:
        return self.now_s

    def disk(self) -> Disk:
        return self._disk

    def open(self) -> Store:
        return Store.open(cast("World", self), "region")


def pour_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few writes freeze an overlay, and few of its rows are poured at a time."""
    monkeypatch.setattr(sqlite, "REDO_BYTES", 300)
    monkeypatch.setattr(sqlite, "POURED_PER_ROW", 1)
    monkeypatch.setattr(sqlite, "POURED_PER_SYNC", 1)
    monkeypatch.setattr(sqlite, "POUR_LOT", 3)
    monkeypatch.setattr(overlay, "FIRST_SLICE", 2)
    monkeypatch.setattr(table, "LONG_BYTES", 20)


@pytest.fixture(params=["memory", "sqlite", "sqlite that pours"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    if request.param == "sqlite that pours":
        pour_often(monkeypatch)
    return Site(MemoryDisk() if request.param == "memory" else FileDisk(tmp_path))
