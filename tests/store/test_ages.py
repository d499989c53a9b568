"""Marks of the log's age."""

from __future__ import annotations

import asyncio
import random

from antipodes.store.ages import MARKS, PREFIX, mark_age, position_at
from antipodes.store.memory import MemoryEngine
from antipodes.store.records import Change
from antipodes.store.store import Store
from antipodes.world.disk import MemoryDisk


class StillWorld:
    site = "here"
    chance = random.Random(1)

    def now(self) -> float:
        return 1_700_000_000.0


def test_an_age_means_the_last_position_that_is_surely_so_old() -> None:
    async def story() -> None:
        store = Store(StillWorld(), MemoryEngine(MemoryDisk().shelf("x"), "x"))  # type: ignore[arg-type]
        start, keep_s = 1_700_000_000.0, float(MARKS)
        for second in range(400):
            store.write((), [Change("toy/t", b"k", store.stamp(), b"v")])
            await store.durable()
            mark_age(store, start + second, keep_s)
        assert position_at(store, start - 1) == 0
        assert position_at(store, start + 200) == 201
        assert position_at(store, start + 200.9) == 201
        assert position_at(store, start + 1000) == 400
        kept = [key for key, _ in store.range(PREFIX, PREFIX + b"\xff")]
        assert len(kept) <= 2 * MARKS + 2
        mark_age(store, start + 5000, keep_s)
        assert position_at(store, start + 5000) == 400, "nothing grew, nothing new to mark"
        store.close()

    asyncio.run(story())
