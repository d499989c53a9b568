"""What was acknowledged survives a crash; what was not is there as a whole or not at all."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from antipodes.store.records import Change
from antipodes.store.store import Store
from antipodes.world.disk import FileDisk, MemoryDisk
from tests.store.conftest import Site

ROOT = Path(__file__).parent.parent.parent


def check_rows_and_log_agree(store: Store) -> set[bytes]:
    """Each write put a row and logged it under the same key: both are there or neither. Returns the keys."""
    rows = dict(store.range(b"0", b":"))
    logged = {entry.change.key: entry.change.value for entry in store.changes(0, 10**9)}
    assert rows == logged
    positions = [entry.position for entry in store.changes(0, 10**9)]
    assert positions == list(range(1, store.end + 1)), "no gap in the log"
    last = store.get(b"last")
    assert last is None or last in rows
    return set(rows)


def test_sigkill_at_random_moments_loses_no_acknowledged_write(tmp_path: Path) -> None:
    chance = random.Random(20)
    acknowledged: set[bytes] = set()
    for life in range(6):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.store.acknowledging_writer", str(tmp_path), str(life)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout
        for _ in range(chance.randint(1, 1500)):
            acknowledged.add(child.stdout.readline().strip())
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().split(b"\n")
        acknowledged.update(lines[:-1])
        child.stdout.close()
        child.wait()
        store = Site(FileDisk(tmp_path)).open()
        assert acknowledged <= check_rows_and_log_agree(store)
        newest = store.changes(store.end - 1, 1)[0].change.version
        assert store.stamp() > newest
        store.close()
    assert len(acknowledged) > 100


@pytest.mark.parametrize("seed", range(30))
def test_a_memory_disk_crashes_like_a_disk(seed: int) -> None:
    chance = random.Random(seed)
    disk = MemoryDisk()
    acknowledged: set[bytes] = set()
    lost = 0

    async def life(number: int) -> None:
        nonlocal lost
        store = Site(disk, seed).open()
        check_rows_and_log_agree(store)
        written: list[bytes] = []
        for n in range(chance.randint(1, 30)):
            key = b"%d/%d" % (number, n)
            store.write([(key, b"v"), (b"last", key)], [Change("toy/t", key, store.stamp(), b"v")])
            written.append(key)
            if chance.random() < 0.3:
                await store.durable()
                acknowledged.update(written)
        disk.crash(chance)
        again = Site(disk, seed).open()
        there = check_rows_and_log_agree(again)
        assert acknowledged <= there
        kept = [key in there for key in written]
        assert kept == sorted(kept, reverse=True), "what is lost is the newest"
        lost += kept.count(False)

    for number in range(5):
        asyncio.run(life(number))
    assert lost, "a disk that never forgets tests nothing"
