"""A global table's life in both worlds: filled while written to and while a Region dies, split, in conflict, healed,
and what is told of it all the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest

from antipodes.globe import replicas
from antipodes.globe.globe import Globe
from antipodes.globe.remote import RemoteGlobe
from antipodes.globe.simulated import simulate_globe
from antipodes.wire.errors import AwsError
from antipodes.world.rules import Partition
from antipodes.world.world import HERE, NetworkError
from tests.planet.planets import running

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
EAST, WEST, EUROPE = REGIONS
NAME = {"TableName": "Things"}


class Planet(Globe, Protocol):
    async def inspect(self, region: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


class Teller:
    """What the story asks of a planet."""

    def __init__(self, globe: Planet) -> None:
        self.globe = globe
        self.world = globe.world(HERE)

    async def ask(self, region: str, operation: str, **params: Any) -> Mapping[str, Any]:
        return await self.globe.call("dynamodb", operation, {**NAME, **params}, region)

    async def create(self) -> None:
        await self.ask(
            EAST,
            "CreateTable",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        await self.active(EAST)

    async def put(self, region: str, key: str, value: str) -> None:
        await self.ask(region, "PutItem", Item={"pk": {"S": key}, "v": {"S": value}})

    async def until(self, what: str, look: Callable[[], Awaitable[bool]]) -> None:
        deadline = self.world.monotonic() + 60
        while not await look():
            assert self.world.monotonic() < deadline, f"waited in vain: {what}"
            await self.world.sleep(0.1)

    async def active(self, *regions: str) -> None:
        async def look() -> bool:
            try:
                told = [(await self.ask(region, "DescribeTable"))["Table"] for region in regions]
            except (AwsError, NetworkError):  # a killed Region breaks the connection to it
                return False
            others = [[one["ReplicaStatus"] for one in table.get("Replicas", [])] for table in told]
            return all(table["TableStatus"] == "ACTIVE" for table in told) and all(
                states == ["ACTIVE"] * (len(regions) - 1) for states in others
            )

        await self.until(f"active in {regions}", look)

    async def equal(self) -> replicas.Comparison:
        found = await replicas.compare(self.globe, self.world, "Things", 30)
        assert found.equal, found
        return found

    async def table(self) -> replicas.GlobalTable:
        (found,) = await replicas.tables(self.globe)
        return found


async def life(globe: Planet) -> None:
    tell = Teller(globe)
    await tell.create()
    for number in range(60):
        await tell.put(EAST, f"before-{number}", "x")
    await tell.ask(
        EAST, "UpdateTable", ReplicaUpdates=[{"Create": {"RegionName": WEST}}, {"Create": {"RegionName": EUROPE}}]
    )
    await globe.kill(WEST)  # whatever it knows by now
    for number in range(20):
        await tell.put(EAST, f"while-{number}", "x")
    assert (await tell.table()).replicas[WEST] == "DOWN"
    await globe.restore(WEST)
    await tell.active(*REGIONS)
    assert (await tell.equal()).items == 80

    # Split: both sides write and delete; what loses is written down, once, and stays so after a kill.
    await globe.impose(Partition(EAST, WEST))
    await tell.put(EAST, "both", "east")
    await tell.put(WEST, "both", "west")
    await tell.ask(WEST, "DeleteItem", Key={"pk": {"S": "before-1"}})
    await tell.put(EUROPE, "europe", "x")
    await tell.ask(EUROPE, "DeleteItem", Key={"pk": {"S": "before-2"}})
    waiting = {(one.source, one.target): one.backlog for one in (await tell.table()).pairs}
    assert waiting[WEST, EAST] == 2
    assert (await tell.table()).tombstones[WEST] >= 1, "a Region that is away holds them up"
    await globe.heal()
    assert (await tell.equal()).items == 80
    for region in (EAST, EUROPE):
        await globe.kill(region)
        await globe.restore(region)
    await tell.active(*REGIONS)
    found, silent = await replicas.conflicts(globe, "Things")
    assert silent == []
    assert [(one.lost.item or {})["v"]["S"] for one in found] == ["east"]
    assert found[0].won.region == WEST

    async def collected() -> bool:
        return not any((await tell.table()).tombstones.values())

    await tell.until("tombstones are collected", collected)
    await tell.equal()

    # The seed stays; another goes, and the rest is whole.
    with pytest.raises(AwsError, match="24 hours"):
        await tell.ask(EAST, "DeleteTable")
    await tell.ask(EAST, "UpdateTable", ReplicaUpdates=[{"Delete": {"RegionName": WEST}}])
    await tell.active(EAST, EUROPE)
    await tell.put(EUROPE, "after", "x")
    assert (await tell.equal()).compared == (EAST, EUROPE)


@pytest.mark.parametrize("seed", range(3))
def test_a_global_tables_life_in_simulated_time(seed: int) -> None:
    simulate_globe(seed, REGIONS, life)


async def two_die_at_once(globe: Planet) -> None:
    tell = Teller(globe)
    await tell.create()
    others = [{"Create": {"RegionName": region}} for region in (WEST, EUROPE)]
    await tell.ask(EAST, "UpdateTable", ReplicaUpdates=others)
    await tell.active(*REGIONS)
    await tell.put(WEST, "kept", "x")
    await tell.equal()
    async with asyncio.timeout(10):
        await asyncio.gather(globe.kill(EUROPE, destroy=True), globe.kill(EAST))
    for region in (EAST, EUROPE):
        await globe.restore(region)
    await tell.active(*REGIONS)
    assert (await tell.equal()).items == 1


def test_a_region_that_dies_while_another_ones_disk_is_made_good_holds_up_nobody() -> None:
    simulate_globe(7, REGIONS, two_die_at_once)


@pytest.mark.planet
@pytest.mark.timeout(240)
def test_a_global_tables_life_with_processes(tmp_path: Path) -> None:
    with running(tmp_path / "p") as planet:

        async def real() -> None:
            globe = RemoteGlobe(planet.planet)
            try:
                await life(globe)
            finally:
                globe.close()

        asyncio.run(real())
        told = planet.command("conflicts", "Things", "--json")
        assert told.code == 1
        (conflict,) = orjson.loads(told.out)["conflicts"]
        assert (conflict["lost"]["region"], conflict["won"]["region"]) == (EAST, WEST)
        verified = planet.command("verify", "Things")
        assert (verified.code, "equal: " in verified.out) == (0, True)
        assert [planet.command(name, "Nothing").code for name in ("verify", "conflicts")] == [2, 2]
        (table,) = orjson.loads(planet.command("tables", "--json").out)
        assert table["replicas"] == {EAST: "ACTIVE", EUROPE: "ACTIVE"}
