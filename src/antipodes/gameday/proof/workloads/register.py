"""Whole items overwritten from every Region, often at the very same moment: the laws themselves are the check."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.workloads.plain import Plain

ITEMS = 6
OWN = 0.65  # of the writes make items that nothing overwrites: what is lost of them cannot hide
VOLLEYS_S = 0.5  # every so often all Regions write the same item at once: their versions tie in time


class Register(Plain):
    name: ClassVar[str] = "register"

    async def run(self, bench: Bench) -> None:
        async def step(region: str, number: int) -> None:
            write, saw = f"{region}-{number}", ""
            key = f"item-{int(bench.draw(f'{region} item {number}') * ITEMS)}"
            if bench.draw(f"{region} own {number}") < OWN:
                key = f"own-{write}"
            if bench.draw(f"{region} reads {number}") < 0.4:
                saw = (await bench.read(region, key)).saw
            # An attribute of the writer's own: a merge by attribute would keep those of others.
            await bench.put(region, key, write, {f"by-{region}": {"S": write}}, saw=saw)

        await bench.together([lambda: bench.everywhere(step), lambda: self._volleys(bench)])

    async def _volleys(self, bench: Bench) -> None:
        number = 0
        while not bench.over:
            await bench.sleep(VOLLEYS_S)
            number += 1

            async def shot(region: str, number: int = number) -> None:
                write = f"volley-{number}-{region}"
                await bench.put(region, f"item-{number % ITEMS}", write, {f"by-{region}": {"S": write}})

            await bench.together([partial(shot, region) for region in bench.globe.regions])
