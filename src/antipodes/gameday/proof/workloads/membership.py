"""A replica is removed and added again while all Regions write and Regions fail: backfill with writes going on.

The copy of the Region that leaves is deleted, and with it what had not left it (as when a disk is lost): a write that
it acknowledged before it left may be gone if no other Region has it. All others must be whole and equal.
"""

from __future__ import annotations

from typing import ClassVar

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.workloads.plain import Plain

ITEMS = 8
STAYS_S = 2.5


class Membership(Plain):
    name: ClassVar[str] = "membership"

    async def run(self, bench: Bench) -> None:
        async def step(region: str, number: int) -> None:
            key = f"item-{int(bench.draw(f'{region} item {number}') * ITEMS)}"
            if bench.draw(f"{region} deletes {number}") < 0.2:
                await bench.delete(region, key)
            else:
                await bench.put(region, key, f"{region}-{number}")

        await bench.together([lambda: bench.everywhere(step), lambda: self._move(bench)])

    async def _move(self, bench: Bench) -> None:
        """The last Region leaves and comes, by word of one of the others."""
        *staying, moving = bench.globe.regions
        number = 0
        while not bench.over:
            number += 1
            await bench.sleep(STAYS_S * (0.3 + bench.draw(f"stays {number}")))
            change = {"Create" if number % 2 == 0 else "Delete": {"RegionName": moving}}
            teller = staying[int(bench.draw(f"teller {number}") * len(staying))]
            await bench.ask(teller, "UpdateTable", {"ReplicaUpdates": [change]})

    async def settle(self, bench: Bench) -> None:
        """All are members in the end, and all know it."""
        home, *_, moving = bench.globe.regions
        for _ in range(120):
            views = [await self._members(bench, region) for region in bench.globe.regions]
            if all(len(members) == len(views) - 1 for members in views):
                return
            if views[0] and moving not in views[0]:
                await bench.ask(home, "UpdateTable", {"ReplicaUpdates": [{"Create": {"RegionName": moving}}]})
            await bench.sleep(0.5)

    async def _members(self, bench: Bench, region: str) -> tuple[str, ...]:
        """The other replicas, if the Region says that they and its own are ACTIVE; else ()."""
        _, _, answer = await bench.ask(region, "DescribeTable", {})
        table = answer.get("Table", {})
        replicas = table.get("Replicas", ())
        if table.get("TableStatus") != "ACTIVE" or any(one["ReplicaStatus"] != "ACTIVE" for one in replicas):
            return ()
        return tuple(one["RegionName"] for one in replicas)

    def spared(self, regions: tuple[str, ...]) -> tuple[str, ...]:
        return regions[-1:]
