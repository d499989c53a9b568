"""Indexes made and deleted on a live table: states, backfill under writes, crashes, counts, replicas."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from antipodes.services.contract import Settings, Surroundings
from antipodes.services.dynamodb import live_indexes, rows
from antipodes.services.dynamodb.database import Table
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.orders import COUNTED
from antipodes.services.dynamodb.schema import index_entry
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.store.engine import StoreError
from antipodes.store.store import Store
from antipodes.wire.errors import ServerFault
from tests.dynamodb.conftest import REGIONS, Planet, active, ask, make_table, refused, until
from tests.worlds import Worlds, both_worlds

__all__ = ["both_worlds"]
Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
EAST, WEST, _ = REGIONS


def create(name: str = "byColour", key: str = "colour", kind: str = "S", **more: Any) -> dict[str, Any]:
    return {
        "TableName": "Things",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
        "GlobalSecondaryIndexUpdates": [
            {
                "Create": {
                    "IndexName": name,
                    "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                    **more,
                }
            }
        ],
    }


def delete(name: str = "byColour") -> dict[str, Any]:
    return {"TableName": "Things", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]}


async def put(service: DynamoDB, pk: str, **values: dict[str, Any]) -> None:
    await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": pk}, **values}})


async def described(service: DynamoDB) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(service, "DescribeTable", {"TableName": "Things"}))["Table"]
    return found


async def scanned(service: DynamoDB, index: str = "byColour") -> list[str]:
    found = await ask(service, "Scan", {"TableName": "Things", "IndexName": index})
    return sorted(one["pk"]["S"] for one in found["Items"])


def check(service: DynamoDB, table: Table) -> None:
    """Index rows are exactly those of the items, and the counts are right."""
    store = service.database.store
    items = {
        key[len(table.rows_prefix) :]: row
        for key, row in store.range(table.rows_prefix, table.rows_end)
        if not rows.is_tombstone(row)
    }
    expected: dict[bytes, bytes] = {}
    for order in table.orders:
        assert order.filled and order.index is not None
        count = size = 0
        for key, row in items.items():
            entry = index_entry(order.index, rows.item_of(row), key)
            if entry is not None:
                expected[order.prefix + entry] = key
                count += 1
                size += order.size(rows.item_of(row), rows.size_of(row))
        assert (order.items, order.size_bytes) == (count, size)
    everything = b"dynamodb/index/" + table.description.space.encode() + b"/"
    assert dict(store.range(everything, after_prefix(everything))) == expected


def test_an_index_takes_in_what_was_there_and_what_is_written(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east)
        await put(east, "a", colour={"S": "red"}, more={"S": "x" * 100})
        await put(east, "b", colour={"S": "red"})
        await put(east, "none")
        await put(east, "number", colour={"N": "3"})
        await put(east, "empty", colour={"S": ""})
        await put(east, "long", colour={"S": "x" * 2049})
        await put(east, "longest", colour={"S": "x" * 2048})
        answer = (await ask(east, "UpdateTable", create()))["TableDescription"]
        (index,) = answer["GlobalSecondaryIndexes"]
        assert (answer["TableStatus"], index["IndexStatus"], index["Backfilling"]) == ("UPDATING", "CREATING", False)
        assert {"AttributeName": "colour", "AttributeType": "S"} in answer["AttributeDefinitions"]
        query = {
            "TableName": "Things",
            "IndexName": "byColour",
            "KeyConditionExpression": "colour = :c",
            "ExpressionAttributeValues": {":c": {"S": "red"}},
        }
        code, message = await refused(east, "Query", query)
        assert code == "ValidationException"
        assert message == "Cannot read from backfilling global secondary index: byColour"
        await active(east)
        (index,) = (await described(east))["GlobalSecondaryIndexes"]
        assert index["IndexStatus"] == "ACTIVE" and "Backfilling" not in index
        assert await scanned(east) == ["a", "b", "longest"]
        assert sorted(one["pk"]["S"] for one in (await ask(east, "Query", query))["Items"]) == ["a", "b"]
        await put(east, "c", colour={"S": "blue"})
        await put(east, "a", colour={"S": "blue"})
        await ask(east, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": "b"}}})
        await put(east, "empty", other={"S": "x"})
        code, message = await refused(
            east, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "d"}, "colour": {"N": "1"}}}
        )
        assert code == "ValidationException" and "Type mismatch for Index Key colour" in message
        assert await scanned(east) == ["a", "c", "longest"]
        check(east, east.database.tables["Things"])
        (index,) = (await described(east))["GlobalSecondaryIndexes"]
        assert index["ItemCount"] == 3 and index["IndexSizeBytes"] > 2048

    run(story)


def test_a_deleted_index_is_gone_with_its_rows_and_may_come_back(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "5"}  # of LoopWorld's time
        east = await planet.start(EAST)
        await make_table(east)
        for number in range(10):
            await put(east, f"k{number}", colour={"S": "red"})
        await ask(east, "UpdateTable", create())
        await active(east)
        answer = (await ask(east, "UpdateTable", delete()))["TableDescription"]
        assert (answer["TableStatus"], answer["GlobalSecondaryIndexes"][0]["IndexStatus"]) == ("UPDATING", "DELETING")
        assert {"AttributeName": "colour", "AttributeType": "S"} not in answer["AttributeDefinitions"]
        code, _ = await refused(east, "UpdateTable", create())
        assert code == "ResourceInUseException", "one at a time"
        code, message = await refused(east, "Scan", {"TableName": "Things", "IndexName": "byColour"})
        assert "does not have the specified index: byColour" in message
        await put(east, "k0", colour={"S": "blue"})
        await put(east, "number", colour={"N": "1"})
        await active(east)
        assert "GlobalSecondaryIndexes" not in await described(east)
        check(east, east.database.tables["Things"])
        await ask(east, "UpdateTable", create())
        await active(east)
        assert await scanned(east) == [f"k{number}" for number in range(10)]
        check(east, east.database.tables["Things"])

    run(story)


def test_an_index_may_be_deleted_while_it_is_made(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "5"}
        east = await planet.start(EAST)
        await make_table(east)
        await put(east, "a", colour={"S": "red"})
        await ask(east, "UpdateTable", create())
        await ask(east, "UpdateTable", delete())
        await active(east)
        check(east, east.database.tables["Things"])
        assert east.database.tables["Things"].orders == ()

    run(story)


def test_throughput_of_an_index_changes(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        units = {"ReadCapacityUnits": 2, "WriteCapacityUnits": 3}
        await make_table(east, BillingMode="PROVISIONED", ProvisionedThroughput=units)
        code, message = await refused(east, "UpdateTable", create())
        assert code == "ValidationException" and "ProvisionedThroughput must be specified" in message
        await ask(east, "UpdateTable", create(ProvisionedThroughput=units))
        await active(east)
        change: dict[str, Any] = {
            "TableName": "Things",
            "GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "byColour", "ProvisionedThroughput": units}}],
        }
        code, message = await refused(east, "UpdateTable", change)
        assert code == "ValidationException" and "will not change" in message
        change["GlobalSecondaryIndexUpdates"][0]["Update"]["ProvisionedThroughput"] = {**units, "ReadCapacityUnits": 9}
        await ask(east, "UpdateTable", change)
        found = await described(east)
        assert found["TableStatus"] == "ACTIVE"
        assert found["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 9
        change["GlobalSecondaryIndexUpdates"][0]["Update"]["IndexName"] = "other"
        assert (await refused(east, "UpdateTable", change))[0] == "ResourceNotFoundException"

    run(story)


def test_requests_that_are_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        local = {
            "IndexName": "local",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "colour", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        await make_table(
            east,
            range="S",
            attributes=[{"AttributeName": "colour", "AttributeType": "S"}],
            LocalSecondaryIndexes=[local],
        )
        one, two = create()["GlobalSecondaryIndexUpdates"][0], create("other")["GlobalSecondaryIndexUpdates"][0]
        both = {"Create": one["Create"], "Delete": {"IndexName": "local"}}
        undefined = {name: value for name, value in create().items() if name != "AttributeDefinitions"}
        cases: list[tuple[Mapping[str, Any], str, str]] = [
            ({**create(), "GlobalSecondaryIndexUpdates": [{}]}, "ValidationException", "GlobalSecondaryIndexUpdate"),
            ({**create(), "GlobalSecondaryIndexUpdates": [both]}, "ValidationException", "one of"),
            ({**create(), "GlobalSecondaryIndexUpdates": [one, two]}, "LimitExceededException", "Only 1 online index"),
            ({**create(), "GlobalSecondaryIndexUpdates": []}, "ValidationException", "GlobalSecondaryIndexUpdates"),
            (create("local"), "ValidationException", "already exists"),
            (create(kind="N"), "ValidationException", "redefined"),
            (undefined, "ValidationException", "AttributeDefinitions"),
            (create("x" * 256), "ValidationException", "less than or equal to 255"),
            (delete("local"), "ValidationException", "not a global secondary index"),
            (delete("nothing"), "ResourceNotFoundException", ""),
            (create(ProvisionedThroughput={"ReadCapacityUnits": 1}), "ValidationException", "writeCapacityUnits"),
        ]
        before = await described(east)
        for params, code, message in cases:
            found = await refused(east, "UpdateTable", params)
            assert found[0] == code and message in found[1], (params, found)
        assert await described(east) == before

    run(story)


def test_backfill_goes_on_under_writes_and_after_crashes(both_worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_indexes, "SLICE", 7)

    async def story() -> None:
        world = both_worlds.world(EAST)
        chance = random.Random(7)

        async def call(*_: Any, **__: Any) -> Mapping[str, Any]:
            raise ServerFault("RegionUnavailable", "alone")

        def opened() -> DynamoDB:
            store = Store.open(world, "region")
            options = {"dynamodb.table_state_s": "0.005"}
            return DynamoDB(Surroundings(EAST, world, store, call, Settings((EAST, WEST), options=options)))

        async def is_active(service: DynamoDB) -> bool:
            return bool((await described(service))["TableStatus"] == "ACTIVE")

        service = opened()
        await service.start()
        table = {
            "TableName": "Things",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        await ask(service, "CreateTable", table)
        while not await is_active(service):
            await world.sleep(0.005)
        colours = ("red", "blue", "green")
        for number in range(150):
            await put(service, f"k{number}", colour={"S": chance.choice(colours)})
        include: dict[str, Any] = {"Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["extra"]}}
        await ask(service, "UpdateTable", create(**include))
        restarts = 0
        while not await is_active(service):
            for _ in range(4):
                pk = f"k{chance.randrange(180)}"
                if chance.random() < 0.3:
                    await ask(service, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": pk}}})
                else:
                    extra = {"S": "x" * chance.randrange(30)}
                    await put(service, pk, colour={"S": chance.choice(colours)}, extra=extra)
            await world.sleep(0.002)
            if restarts < 2 and any(one.filling for one in service.database.tables["Things"].orders):
                restarts += 1
                await service.stop()
                service.database.store.close()
                service = opened()
                await service.start()
        assert restarts == 2, "it was interrupted while it went on"
        for _ in range(30):
            await put(service, f"k{chance.randrange(180)}", colour={"S": chance.choice(colours)})
        while service.database.tables["Things"].counted != COUNTED:
            await world.sleep(0.005)
        check(service, service.database.tables["Things"])
        await service.stop()
        service.database.store.close()
        again = opened()
        await again.start()
        while again.database.tables["Things"].counted != COUNTED:
            await world.sleep(0.005)
        check(again, again.database.tables["Things"])
        await again.stop()
        again.database.store.close()

    both_worlds.run(story)


def test_every_replica_fills_and_empties_its_own(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        await make_table(east)
        await put(east, "a", colour={"S": "red"})
        await ask(east, "UpdateTable", {"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]})
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        await active(east)
        planet.carry()
        await ask(west, "UpdateTable", create())
        await until(lambda: bool(east.database.tables["Things"].orders))
        await active(east)
        await active(west)
        await put(east, "b", colour={"S": "blue"})
        planet.carry()
        for service in (east, west):
            assert await scanned(service) == ["a", "b"]
            check(service, service.database.tables["Things"])
        await ask(east, "UpdateTable", delete())
        await until(lambda: not west.database.tables["Things"].orders)
        await active(west)
        check(west, west.database.tables["Things"])

    run(story)


def test_a_disk_that_refuses_only_delays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_indexes, "SLICE", 3)
    monkeypatch.setattr(live_indexes, "RETRY_S", 0.001)

    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east)
        for number in range(20):
            await put(east, f"k{number}", colour={"S": "red"})
        store = east.database.store
        sync, refused_times = store._engine.sync, 0

        def refuse() -> None:
            nonlocal refused_times
            filling = any(one.filling and one.counted for one in east.database.tables["Things"].orders)
            if filling and refused_times < 3:
                refused_times += 1
                raise StoreError("disk full")
            sync()

        monkeypatch.setattr(store._engine, "sync", refuse)
        await ask(east, "UpdateTable", create())
        await active(east)
        assert refused_times == 3
        await until(lambda: east.database.tables["Things"].counted == COUNTED)
        assert await scanned(east) == sorted(f"k{number}" for number in range(20))
        check(east, east.database.tables["Things"])

    run(story)


def test_throughput_of_an_index_is_kept_and_told(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service)
        bounds: dict[str, Any] = {
            "OnDemandThroughput": {"MaxReadRequestUnits": 10},
            "WarmThroughput": {"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 4000},
        }
        await ask(service, "UpdateTable", create(**bounds))
        await active(service)
        (index,) = (await described(service))["GlobalSecondaryIndexes"]
        assert index["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": -1}
        assert index["WarmThroughput"] == {**bounds["WarmThroughput"], "Status": "ACTIVE"}
        change = {"IndexName": "byColour", "OnDemandThroughput": {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 7}}
        update = {"TableName": "Things", "GlobalSecondaryIndexUpdates": [{"Update": change}]}
        await ask(service, "UpdateTable", update)
        await active(service)
        (index,) = (await described(service))["GlobalSecondaryIndexes"]
        assert index["OnDemandThroughput"] == {"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": 7}
        colder = {"IndexName": "byColour", "WarmThroughput": {"ReadUnitsPerSecond": 1}}
        update = {"TableName": "Things", "GlobalSecondaryIndexUpdates": [{"Update": colder}]}
        assert (await refused(service, "UpdateTable", update))[0] == "ValidationException"

    run(story)
