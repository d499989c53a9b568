"""Items that expire while Regions rewrite them: the expiry of one Region travels as an ordinary deletion (facts 1.4).

Own law: nothing is deleted before its time, only the Region that deletes it says that the service did; in the end
nothing that has expired is left.
"""

from __future__ import annotations

from typing import Any, ClassVar

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.laws import Planet
from antipodes.gameday.proof.workloads.plain import Plain
from antipodes.world.world import HERE

ITEMS = 8
LIVES_S = 3.0
PATIENCE_S = 75.0  # a Region that is down has its items expired by others after a minute


class Expiry(Plain):
    name: ClassVar[str] = "expiry"

    async def setup(self, bench: Bench) -> None:
        params = {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "until"}}
        outcome, code, _ = await bench.ask(bench.globe.regions[0], "UpdateTimeToLive", params)
        assert outcome == "done", code
        await bench.sleep(1.0)  # the others hear of it

    async def run(self, bench: Bench) -> None:
        clock = bench.globe.world(HERE)

        async def step(region: str, number: int) -> None:
            key = f"item-{int(bench.draw(f'{region} item {number}') * ITEMS)}"
            if bench.draw(f"{region} reads {number}") < 0.2:
                await bench.read(region, key)
                return
            until = int(clock.now() + bench.draw(f"{region} until {number}") * LIVES_S)
            await bench.put(region, key, f"{region}-{number}", {"until": {"N": str(until)}})

        await bench.everywhere(step)

    async def settle(self, bench: Bench) -> None:
        """Waits until every item has expired, or patience is over: then `check` will tell."""
        deadline = bench.now() + PATIENCE_S
        while bench.now() < deadline:
            answers = [await bench.ask(region, "Scan", {}) for region in bench.globe.regions]
            if all(outcome == "done" and not answer["Items"] for outcome, _, answer in answers):
                return
            await bench.sleep(1.0)

    def check(self, planet: Planet, bench: Bench) -> list[str]:
        wrong = []
        for region, evidence in sorted(planet.items()):
            for entry in evidence.log:
                mine = entry.version[1] == region
                if entry.by and not mine:
                    wrong.append(f"{region}: a replicated deletion at {entry.position} says that {entry.by} did it")
                if entry.by and entry.version[0] / (1e6 * 4096) < until(entry.before):
                    wrong.append(f"{region}: {entry.replaced} was expired before its time")
                if mine and entry.item is None and not entry.by:
                    wrong.append(f"{region}: nobody deletes here, and {entry.replaced} was deleted at {entry.position}")
            left = sorted(state.write for state in evidence.rows.values() if state.item is not None)
            if left:
                wrong.append(f"{region}: {', '.join(left)} should have expired")
        return wrong


def until(item: Any) -> float:
    return float(item["until"]["N"]) if item else 0.0
