"""Counters with ADD. In one Region none is lost; between Regions the last writer wins, and its count with it.

Own law: each ADD makes one more of what the Region had then, and its answer says so.
"""

from __future__ import annotations

from typing import Any, ClassVar

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.laws import Ledger, Planet
from antipodes.gameday.proof.workloads.plain import Plain

COUNTERS = 4


class Counter(Plain):
    name: ClassVar[str] = "counter"

    async def run(self, bench: Bench) -> None:
        async def step(region: str, number: int) -> None:
            key = f"counter-{int(bench.draw(f'{region} counter {number}') * COUNTERS)}"
            write = f"{region}-{number}"
            params = {
                "UpdateExpression": "ADD n :one SET w = :w",
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":w": {"S": write}},
                "ReturnValues": "ALL_NEW",
            }
            await bench.update(region, key, write, params)
            if bench.draw(f"{region} reads {number}") < 0.2:
                await bench.read(region, key)

        await bench.everywhere(step)

    def check(self, planet: Planet, bench: Bench) -> list[str]:
        wrong = []
        for region, evidence in sorted(planet.items()):
            for entry in evidence.own:
                if count(entry.item) != count(entry.before) + 1:
                    wrong.append(f"{region}: {entry.write} made {count(entry.item)} of {count(entry.before)}")
        ledger = Ledger(planet)
        for attempt in bench.attempts:
            found = ledger.entry(attempt) if attempt.kind == "write" and attempt.outcome == "done" else None
            if found is not None and count(attempt.answer["Attributes"]) != count(found.item):
                wrong.append(f"{attempt} was told {count(attempt.answer['Attributes'])}, and wrote {count(found.item)}")
        return wrong


def count(item: Any) -> int:
    return int(item["n"]["N"]) if item else 0
