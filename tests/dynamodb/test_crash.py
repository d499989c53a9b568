"""A Region that crashes under writers: items, indexes, the order of expiry and the stream always tell the same."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from antipodes.services.dynamodb import live_indexes, rows
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.world.real import run_real
from tests.dynamodb import writing_region
from tests.dynamodb.conftest import REGIONS, Planet, active, ask, make_table, until
from tests.dynamodb.streaming import all_records

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
EAST = REGIONS[0]
ROOT = Path(__file__).parent.parent.parent
LIVES = 4
WRITERS = 8
LATER = 2_000_000_000
COLOURS = ("red", "green", "blue")


def create(name: str, key: str) -> dict[str, Any]:
    return {
        "TableName": "Things",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [
            {
                "Create": {
                    "IndexName": name,
                    "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    }


async def check(service: DynamoDB, acknowledged: dict[str, int], tried: dict[str, int]) -> None:
    """Items against what was answered; index, expiry and stream against items."""
    table = service.database.tables["Things"]
    store = service.database.store
    await until(lambda: all(order.filled for order in table.orders))
    items = {
        key[len(table.rows_prefix) :]: rows.item_of(row) for key, row in store.range(table.rows_prefix, table.rows_end)
    }
    held = {item["pk"]["S"]: item for item in items.values()}
    for pk, number in acknowledged.items():
        assert number <= int(held[pk]["n"]["N"]) <= tried[pk], "an acknowledged write is missing"
    for order in table.orders:
        entries = {order.entry(item, key): key for key, item in items.items()}
        entries.pop(None, None)
        found = dict(store.range(order.prefix, after_prefix(order.prefix)))
        assert found == {order.prefix + entry: key for entry, key in entries.items() if entry is not None}
    told: dict[str, Any] = {}
    for record in await all_records(service):
        change = record["dynamodb"]
        pk = change["Keys"]["pk"]["S"]
        assert told.get(pk) == change.get("OldImage"), "the stream skips a state of an item"
        assert (record["eventName"] == "INSERT") is (pk not in told)
        told[pk] = change["NewImage"]
    assert told == held


async def one_life(planet: Planet, chance: random.Random, acknowledged: dict[str, int], tried: dict[str, int]) -> None:
    """Writers, index changes and switched expiry, until the disk forgets what was not synced."""
    service = planet.services[EAST]

    async def writer() -> None:
        while True:
            pk = f"k{chance.randrange(25)}"
            tried[pk] = tried.get(pk, 0) + 1
            update = {
                "TableName": "Things",
                "Key": {"pk": {"S": pk}},
                "UpdateExpression": "SET colour = :c, expires = :e ADD n :one",
                "ExpressionAttributeValues": {
                    ":c": {"S": chance.choice(COLOURS)},
                    ":e": {"N": str(LATER + chance.randrange(100))},
                    ":one": {"N": "1"},
                },
            }
            answer = await ask(service, "UpdateItem", {**update, "ReturnValues": "UPDATED_NEW"})
            acknowledged[pk] = max(acknowledged.get(pk, 0), int(answer["Attributes"]["n"]["N"]))
            await asyncio.sleep(0)

    writers = [asyncio.get_running_loop().create_task(writer()) for _ in range(WRITERS)]
    for _ in range(chance.randrange(1, 25)):
        await asyncio.sleep(0)
    present = "byColour" in [one.name for one in service.database.tables["Things"].indexes]
    change = {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "byColour"}}]}
    changing = asyncio.get_running_loop().create_task(
        ask(service, "UpdateTable", {"TableName": "Things", **change} if present else create("byColour", "colour"))
    )
    for _ in range(chance.randrange(1, 60)):
        await asyncio.sleep(0)
    for task in (*writers, changing, *planet.worlds[EAST].tasks):
        task.cancel()
    await asyncio.gather(*writers, changing, return_exceptions=True)
    planet.disks[EAST].crash(chance)
    planet.services.pop(EAST)
    planet.worlds.pop(EAST)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_disagrees_after_a_crash(run: Run, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(live_indexes, "SLICE", 4)
    chance = random.Random(seed)
    acknowledged: dict[str, int] = {}
    tried: dict[str, int] = {}

    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
        specification = {"Enabled": True, "AttributeName": "expires"}
        await ask(service, "UpdateTimeToLive", {"TableName": "Things", "TimeToLiveSpecification": specification})
        for _ in range(LIVES):
            await one_life(planet, chance, acknowledged, tried)
            service = await planet.start(EAST)
            await active(service)
            await check(service, acknowledged, tried)

    run(story)
    assert sum(acknowledged.values()) > LIVES


def test_sigkill_under_writers_leaves_nothing_that_disagrees(tmp_path: Path) -> None:
    """ANTIPODES_KILLS says how often (6); a hundred take some minutes, so with pytest --timeout=0."""
    chance = random.Random(3)
    acknowledged: dict[str, int] = {}
    tried: dict[str, int] = {}

    async def look() -> None:
        world = writing_region.world_on(tmp_path)
        service = writing_region.opened(world)
        await service.start()
        await writing_region.settled(service, world)
        await check(service, acknowledged, tried)
        service.database.stop()
        service.database.store.close()
        await world.close()

    for life in range(int(os.environ.get("ANTIPODES_KILLS", "6"))):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.dynamodb.writing_region", str(tmp_path), str(life)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(chance.randint(1, 800))]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().split(b"\n")[:-1]
        child.stdout.close()
        child.wait()
        for pk, number in (line.decode().split() for line in lines if line and not line.startswith(b"#")):
            acknowledged[pk] = max(acknowledged.get(pk, 0), int(number))
        tried = defaultdict(lambda: 1 << 60)  # any number may have been tried
        run_real(look)
    assert len(acknowledged) > 100
