"""Transactions over two items: atomic where they were made, item by item elsewhere (facts 1.2).

Own law: in the log of its Region a transaction is there as a whole, side by side, or not at all, and it moves what it
says; one that was cancelled is not there.
"""

from __future__ import annotations

from typing import Any, ClassVar

from antipodes.gameday.proof.bench import TABLE, Bench
from antipodes.gameday.proof.evidence import KEY, WRITE, Entry
from antipodes.gameday.proof.laws import Attempt, Planet
from antipodes.gameday.proof.workloads.plain import Plain

ACCOUNTS = 6


class Transfer(Plain):
    name: ClassVar[str] = "transfer"

    async def run(self, bench: Bench) -> None:
        async def step(region: str, number: int) -> None:
            one = int(bench.draw(f"{region} from {number}") * ACCOUNTS)
            other = (one + 1 + int(bench.draw(f"{region} to {number}") * (ACCOUNTS - 1))) % ACCOUNTS
            await transfer(bench, region, f"account-{one}", f"account-{other}", f"{region}-{number}")
            if bench.draw(f"{region} reads {number}") < 0.2:
                await bench.read(region, f"account-{one}")

        await bench.everywhere(step)

    def check(self, planet: Planet, bench: Bench) -> list[str]:
        wrong = []
        for region, evidence in sorted(planet.items()):
            whole: dict[str, list[Entry]] = {}
            for entry in evidence.own:
                whole.setdefault(entry.write.rpartition("/")[0], []).append(entry)
            for name, entries in whole.items():
                first, last = entries[0].position, entries[-1].position
                moved = [amount(entry.item) - amount(entry.before) for entry in entries]
                if len(entries) != 2 or last != first + 1 or sum(moved) != 0:
                    wrong.append(f"{region}: transaction {name} is torn: {len(entries)} items, moved {moved}")
        return wrong


async def transfer(bench: Bench, region: str, source: str, target: str, name: str) -> None:
    """Moves 1 from one account to the other, unless the source has sunk too low by this Region's own count."""
    items = [
        _move(source, f"{name}/1", "-1", "attribute_not_exists(n) OR n > :low"),
        _move(target, f"{name}/2", "1", ""),
    ]
    started = bench.now()
    outcome, code, _ = await bench.ask(region, "TransactWriteItems", {"TransactItems": items})
    for key, write in ((source, f"{name}/1"), (target, f"{name}/2")):
        bench.note(Attempt(region, "write", key, write, started, bench.now(), outcome, code=code))


def _move(key: str, write: str, by: str, condition: str) -> dict[str, Any]:
    values = {":by": {"N": by}, ":w": {"S": write}}
    update: dict[str, Any] = {
        "TableName": TABLE,
        "Key": {KEY: {"S": key}},
        "UpdateExpression": f"ADD n :by SET {WRITE} = :w",
        "ExpressionAttributeValues": values,
    }
    if condition:
        update["ConditionExpression"] = condition
        values[":low"] = {"N": "-8"}
    return {"Update": update}


def amount(item: Any) -> int:
    return int(item["n"]["N"]) if item else 0
