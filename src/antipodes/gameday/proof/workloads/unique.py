"""Conditional creation: `attribute_not_exists` is judged by the Region's own copy, so two Regions may both succeed.

Own law: in each Region's log a creation follows only where nothing was; one owner remains, the same everywhere.
"""

from __future__ import annotations

from typing import ClassVar

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.evidence import KEY
from antipodes.gameday.proof.laws import Planet
from antipodes.gameday.proof.workloads.plain import Plain

WIDTH = 4  # Regions compete for names of about the same number


class Unique(Plain):
    name: ClassVar[str] = "unique"

    async def run(self, bench: Bench) -> None:
        async def step(region: str, number: int) -> None:
            key = f"name-{number + int(bench.draw(f'{region} name {number}') * WIDTH)}"
            write = f"{region}-{number}"
            made = await bench.put(region, key, write, ConditionExpression=f"attribute_not_exists({KEY})")
            if made.outcome == "refused" or bench.draw(f"{region} reads {number}") < 0.2:
                await bench.read(region, key)

        await bench.everywhere(step)

    def check(self, planet: Planet, bench: Bench) -> list[str]:
        return [
            f"{region}: {entry.write} created what {entry.replaced} had created before"
            for region, evidence in sorted(planet.items())
            for entry in evidence.own
            if entry.before is not None
        ]
