"""Items deleted and created again, from every Region: tombstones, resurrections, deletes of what is gone already."""

from __future__ import annotations

from typing import ClassVar

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.workloads.plain import Plain

ITEMS = 5


class Rebirth(Plain):
    name: ClassVar[str] = "rebirth"

    async def run(self, bench: Bench) -> None:
        async def step(region: str, number: int) -> None:
            key = f"item-{int(bench.draw(f'{region} item {number}') * ITEMS)}"
            drawn = bench.draw(f"{region} does {number}")
            if drawn < 0.40:
                await bench.delete(region, key)
            elif drawn < 0.55:
                await bench.read(region, key)
            else:
                await bench.put(region, key, f"{region}-{number}")

        await bench.everywhere(step)
