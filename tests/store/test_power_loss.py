"""Power loss: whatever the disk kept of what was not flushed, of each file by itself, what was acknowledged is there.

The redo log is flushed with every sync. Of the table the disk has at least what its last flushed commit had, and
perhaps some of the commits after that, the oldest first; of the heap at least what it had when it was last flushed, and
any of the sectors that were written since.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from antipodes.store import heap, table
from antipodes.store.sqlite import SqliteEngine
from antipodes.store.table import Table
from tests.store.conftest import pour_often

SECTOR = 512
Rows = dict[bytes, bytes]


class Flushed:
    """In place of Flushing: done when chance says so. What the file holds then is what the disk has of it."""

    chance: random.Random

    def __init__(self, file: int, flush: Callable[[int], None]) -> None:
        self._file, self._flush = file, flush

    @property
    def done(self) -> bool:
        return self.chance.random() < 0.3

    def wait(self) -> None:
        self._flush(self._file)


class Machine:
    """A store and what its disk has for certain."""

    def __init__(self, folder: Path, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.chance = folder / "store", chance
        self._copy = folder / "copy"
        self._heap = b""
        self._table = (b"", b"")
        self._elsewhere = False  # what is flushed is of the copy
        monkeypatch.setattr(Flushed, "chance", chance, raising=False)
        monkeypatch.setattr(table, "Flushing", Flushed)
        monkeypatch.setattr(heap, "flush_data", self._heap_flushed)
        monkeypatch.setattr(table, "flush_data", self._heap_flushed)
        declare = Table.declare

        def declared(*arguments: object) -> None:
            declare(*arguments)  # type: ignore[arg-type]
            if not self._elsewhere:
                self._table = (self._read("x.sqlite"), self._read("x.sqlite-wal"))

        monkeypatch.setattr(Table, "declare", declared)
        self.engine = SqliteEngine(self.folder / "x.sqlite")

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        return path.read_bytes() if path.exists() else b""

    def _heap_flushed(self, file: int) -> None:
        if not self._elsewhere:
            self._heap = os.pread(file, os.fstat(file).st_size, 0)

    def after_power_loss(self) -> Rows:
        """What opens after the power went now."""
        chance = self.chance
        self._copy.mkdir()
        for name in ("x.redo0", "x.redo1"):
            shutil.copy(self.folder / name, self._copy / name)
        old, new = self._heap, self._read("x.heap")
        lost = chance.choice((0.0, 0.5, 1.0))
        sectors = [
            (old if chance.random() < lost else new)[at : at + SECTOR]
            for at in range(0, max(len(old), len(new)), SECTOR)
        ]
        (self._copy / "x.heap").write_bytes(b"".join(sectors))
        main, log = self._read("x.sqlite"), self._read("x.sqlite-wal")
        if main == self._table[0]:
            log = log[: chance.choice((len(self._table[1]), chance.randint(len(self._table[1]), len(log)), len(log)))]
        (self._copy / "x.sqlite").write_bytes(main)
        (self._copy / "x.sqlite-wal").write_bytes(log)
        self._elsewhere = True
        engine = SqliteEngine(self._copy / "x.sqlite")
        found = dict(engine.range(b"", b"\xff", False))
        assert all(engine.get(key) == value for key, value in found.items())
        for key in list(found)[::3]:
            engine.put([(key, found[key] + b"!")], [], {})
            engine.sync()
        engine.close()
        engine = SqliteEngine(self._copy / "x.sqlite")
        assert dict(engine.range(b"", b"\xff", False)) == found | {key: found[key] + b"!" for key in list(found)[::3]}
        engine.close()
        self._elsewhere = False
        shutil.rmtree(self._copy)
        return found


@pytest.mark.parametrize("seed", range(8))
def test_what_was_acknowledged_survives_power_loss(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pour_often(monkeypatch)
    chance = random.Random(seed)
    machine = Machine(tmp_path, chance, monkeypatch)
    engine = machine.engine
    synced: Rows = {}
    for step in range(100):
        rows = dict(synced)
        for _ in range(chance.randint(1, 4)):
            key = b"%02d" % chance.randrange(30)
            value = None if chance.random() < 0.25 else b"%03d" % step * chance.choice((1, 10, 12, 30, 70, 400))
            engine.put([(key, value)], [], {})
            rows.pop(key, None)
            if value is not None:
                rows[key] = value
        if chance.random() < 0.1:
            engine.abandon()
        else:
            engine.sync()
            synced = rows
        if chance.random() < 0.15:
            assert machine.after_power_loss() == synced
    engine.close()
