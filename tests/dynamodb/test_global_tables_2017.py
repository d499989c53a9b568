"""Global tables of version 2017.11.29: how tables become one, what is written into items, and what each keeps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.dynamodb import legacy_marks
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.services.dynamodb.ttl import Sweeper
from tests.dynamodb.conftest import Planet, active, ask, make_table, refused, until
from tests.dynamodb.test_replicas import EAST, EUROPE, KEY, NAME, WEST, creating, item

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
STREAM: dict[str, Any] = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
GROUP = {"GlobalTableName": "Things"}
MARKS = [legacy_marks.DELETING, legacy_marks.REGION, legacy_marks.TIME]


def of(*regions: str) -> dict[str, Any]:
    return {**GROUP, "ReplicationGroup": [{"RegionName": region} for region in regions]}


async def described(service: DynamoDB) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(service, "DescribeGlobalTable", GROUP))["GlobalTableDescription"]
    return found


async def group(planet: Planet, *regions: str) -> list[DynamoDB]:
    """Tables that are one global table, ACTIVE everywhere."""
    services = [await planet.start(region) for region in regions]
    for service in services:
        await make_table(service, **STREAM)
    await ask(services[0], "CreateGlobalTable", of(*regions))
    for service in services:
        await settled(service)
    return services


async def settled(service: DynamoDB) -> None:
    async def done() -> bool:
        return service.database.tables["Things"].legacy and (await described(service))["GlobalTableStatus"] == "ACTIVE"

    await until(done)


def records(service: DynamoDB) -> list[tuple[bool, list[str]]]:
    """The log of the table: (whether the item is there after it, names of its attributes)."""
    table = service.database.tables["Things"]
    logged = [one.change for one in service.database.store.changes(0, 100) if one.change.topic == table.topic]
    from antipodes.services.dynamodb import rows

    return [(one.value is not None, sorted(rows.item_of(one.value)) if one.value else []) for one in logged]


def test_empty_tables_become_one_and_every_region_tells_it(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await group(planet, EAST, WEST)
        for service in (east, west):
            found = await described(service)
            assert found["GlobalTableArn"] == "arn:aws:dynamodb::000000000000:global-table/Things"
            assert [one["RegionName"] for one in found["ReplicationGroup"]] == [EAST, WEST]
            listed = (await ask(service, "ListGlobalTables", {}))["GlobalTables"]
            assert listed == [{"GlobalTableName": "Things", "ReplicationGroup": found_regions(found)}]
            table = (await ask(service, "DescribeTable", NAME))["Table"]
            assert "GlobalTableVersion" not in table
            assert "Replicas" not in table
        await planet.stop(WEST)
        west = await planet.start(WEST)
        await settled(west)

    run(story)


def found_regions(found: dict[str, Any]) -> list[dict[str, str]]:
    return [{"RegionName": one["RegionName"]} for one in found["ReplicationGroup"]]


def test_a_write_is_two_records_at_home_and_one_elsewhere(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await group(planet, EAST, WEST)
        await ask(east, "PutItem", item("x"))
        found = (await ask(east, "GetItem", KEY))["Item"]
        assert found[legacy_marks.REGION] == {"S": EAST}
        assert found[legacy_marks.DELETING] == {"BOOL": False}
        assert float(found[legacy_marks.TIME]["N"]) > 1_600_000_000
        planet.carry()
        assert (await ask(west, "GetItem", KEY))["Item"] == found
        assert records(east) == [(True, ["pk", "v"]), (True, [*MARKS, "pk", "v"])]
        assert records(west) == [(True, [*MARKS, "pk", "v"])]
        shipped = [one.change.version.region for one in east.database.store.changes(0, 10)]
        assert shipped == ["", EAST], "the first of the two is of no Region: it does not travel"
        await ask(west, "UpdateItem", {**KEY, "UpdateExpression": "REMOVE v"})
        planet.carry()
        assert (await ask(east, "GetItem", KEY))["Item"][legacy_marks.REGION] == {"S": WEST}
        await ask(east, "DeleteItem", KEY)
        planet.carry()
        assert await ask(west, "GetItem", KEY) == {}
        assert records(east)[-1] == (False, [])
        assert records(west)[-2:] == [(True, [*MARKS, "pk"]), (False, [])], "two phases at the destination"

    run(story)


def test_the_stream_goes_on_under_its_name(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        for service in (east, west):
            await make_table(service, **STREAM)
        await ask(east, "PutItem", item("before"))
        await ask(east, "DeleteItem", KEY)
        arn = (await ask(east, "DescribeTable", NAME))["Table"]["LatestStreamArn"]
        await ask(east, "CreateGlobalTable", of(EAST, WEST))
        await settled(east)
        await ask(east, "PutItem", item("after"))
        assert (await ask(east, "DescribeTable", NAME))["Table"]["LatestStreamArn"] == arn
        seen: list[str] = []
        streams = east.streams.operations
        from antipodes.wire.operation import Request

        async def stream(operation: str, params: dict[str, Any]) -> Any:
            import orjson

            from antipodes.wire.operation import Payload

            answer = await streams[operation](Request("dynamodbstreams", operation, params, EAST))
            return orjson.loads(answer.body) if isinstance(answer, Payload) else answer

        shards = (await stream("DescribeStream", {"StreamArn": arn}))["StreamDescription"]["Shards"]
        for shard in shards:
            place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = (await stream("GetShardIterator", place))["ShardIterator"]
            found = await stream("GetRecords", {"ShardIterator": iterator})
            seen += [one["eventName"] for one in found["Records"]]
        assert seen == ["INSERT", "REMOVE", "INSERT", "MODIFY"]
        assert len(shards) == 2

    run(story)


def test_settings_and_expiry_are_each_tables_own(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await group(planet, EAST, WEST)
        ttl = {**NAME, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "t"}}
        await ask(east, "UpdateTimeToLive", ttl)
        await ask(east, "UpdateTable", {**NAME, "TableClass": "STANDARD_INFREQUENT_ACCESS"})
        await active(east)
        status = (await ask(west, "DescribeTimeToLive", NAME))["TimeToLiveDescription"]["TimeToLiveStatus"]
        assert status == "DISABLED"
        assert "TableClassSummary" not in (await ask(west, "DescribeTable", NAME))["Table"]
        await ask(west, "PutItem", {**NAME, "Item": {"pk": {"S": "a"}, "t": {"N": "1699999999"}}})
        planet.carry()
        await Sweeper(east.database).sweep()
        assert await ask(east, "GetItem", KEY) == {}, "it expires where expiry is on, whoever wrote it"
        assert records(east)[-1] == (False, [])
        last = east.database.store.changes(0, 100)[-1].change
        assert last.version.region == "", "a deletion of what expired is not replicated"
        found = (await ask(east, "DescribeGlobalTableSettings", GROUP))["ReplicaSettings"]
        assert [one.get("ReplicaTableClassSummary", {}).get("TableClass") for one in found] == [
            "STANDARD_INFREQUENT_ACCESS",
            None,
        ]
        change = {
            **GROUP,
            "GlobalTableBillingMode": "PROVISIONED",
            "GlobalTableProvisionedWriteCapacityUnits": 7,
            "ReplicaSettingsUpdate": [
                {"RegionName": EAST, "ReplicaProvisionedReadCapacityUnits": 3},
                {"RegionName": WEST, "ReplicaProvisionedReadCapacityUnits": 4},
            ],
        }
        changed = (await ask(west, "UpdateGlobalTableSettings", change))["ReplicaSettings"]
        units = [
            (one["ReplicaProvisionedReadCapacityUnits"], one["ReplicaProvisionedWriteCapacityUnits"]) for one in changed
        ]
        assert units == [(3, 7), (4, 7)]

    run(story)


def test_a_table_that_leaves_goes_on_alone_and_an_empty_group_takes_one_in(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await group(planet, EAST, WEST)
        await ask(east, "PutItem", item("x"))
        planet.carry()
        remove = {**GROUP, "ReplicaUpdates": [{"Delete": {"RegionName": WEST}}]}
        await ask(east, "UpdateGlobalTable", remove)
        await until(lambda: not west.database.tables["Things"].legacy)
        await settled(east)
        assert [one["RegionName"] for one in (await described(east))["ReplicationGroup"]] == [EAST]
        assert (await refused(west, "DescribeGlobalTable", GROUP))[0] == "GlobalTableNotFoundException"
        assert (await ask(west, "GetItem", KEY))["Item"]["v"] == {"S": "x"}
        await ask(west, "PutItem", item("alone"))
        assert sorted((await ask(west, "GetItem", KEY))["Item"]) == ["pk", "v"]
        assert (await refused(east, "UpdateGlobalTable", remove))[0] == "ReplicaNotFoundException"
        add = {**GROUP, "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]}
        assert (await refused(east, "UpdateGlobalTable", add))[0] == "ValidationException"  # there are items
        for service in (east, west):
            await ask(service, "DeleteItem", KEY)
        await ask(east, "UpdateGlobalTable", add)
        await settled(west)
        await settled(east)
        assert (await refused(east, "UpdateGlobalTable", add))[0] == "ReplicaAlreadyExistsException"

    run(story)


def test_what_cannot_be_one_is_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = [await planet.start(region) for region in (EAST, WEST, EUROPE)]
        await make_table(east, **STREAM)
        assert await refused(east, "CreateGlobalTable", of(EAST, WEST)) == (
            "TableNotFoundException",
            f"Table not found: Table: 'Things' not found in region: '{WEST}'.",
        )
        await make_table(west)
        assert "Streams must be enabled" in (await refused(east, "CreateGlobalTable", of(EAST, WEST)))[1]
        await make_table(europe, **STREAM)
        await ask(europe, "PutItem", item("x"))
        assert "is not empty" in (await refused(east, "CreateGlobalTable", of(EAST, EUROPE)))[1]
        code, message = await refused(east, "CreateGlobalTable", of(EAST, "eu-west-3"))
        assert code == "ValidationException"
        assert "Value 'eu-west-3' at 'replicationGroup.2.member.regionName' failed to satisfy constraint" in message
        await ask(europe, "DeleteItem", KEY)
        await ask(east, "CreateGlobalTable", of(EAST, EUROPE))
        await settled(east)
        assert (await refused(east, "CreateGlobalTable", of(EAST, EUROPE)))[0] == "GlobalTableAlreadyExistsException"
        assert (await refused(east, "UpdateTable", creating(WEST)))[0] == "ValidationException"
        assert (await refused(west, "DescribeGlobalTable", {"GlobalTableName": "Nothing"}))[0] == (
            "GlobalTableNotFoundException"
        )

    run(story)


def test_a_strict_planet_refuses_it_in_awss_words(caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    async def story(options: dict[str, str]) -> tuple[str, str]:
        planet = Planet({"dynamodb.table_state_s": "0", **options})
        try:
            east = await planet.start(EAST)
            await make_table(east, **STREAM)
            if options:
                units = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
                await make_table(east, "Slow", BillingMode="PROVISIONED", ProvisionedThroughput=units)
                message = "Table write capacity should either be Pay-Per-Request or AutoScaled."
                assert (await refused(east, "UpdateTable", {**creating(WEST), "TableName": "Slow"}))[1] == message
                return await refused(east, "CreateGlobalTable", of(EAST))
            await ask(east, "CreateGlobalTable", of(EAST))
            return "", ""
        finally:
            await planet.stop_all()

    assert asyncio.run(story({"dynamodb.strict": "on"})) == (
        "ValidationException",
        "One or more parameter values were invalid: DynamoDB global tables version 2017.11.29 is not supported. We "
        "recommend using DynamoDB global tables version 2019.11.21, instead of version 2017.11.29 (Legacy).",
    )
    asyncio.run(story({}))
    assert "version 2017.11.29 (Legacy)" in caplog.text
