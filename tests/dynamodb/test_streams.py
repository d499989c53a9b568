"""Streams: what is recorded, how it is read, how shards and streams end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.dynamodb import shards, streams
from antipodes.store.ages import mark_age
from antipodes.store.records import Change
from tests.dynamodb.conftest import REGIONS, Planet, active, ask, make_table, refused, until
from tests.dynamodb.streaming import all_records, arn_of, drained, iterator, shards_of, stream, stream_refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
EAST, WEST, _ = REGIONS
BOTH: dict[str, Any] = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}


def put(pk: str, **more: str) -> dict[str, Any]:
    return {"TableName": "Things", "Item": {"pk": {"S": pk}, **{name: {"S": text} for name, text in more.items()}}}


def test_records_tell_each_change_in_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, range="N", **BOTH)
        item = {"pk": {"S": "a"}, "sk": {"N": "101"}, "Message": {"S": "New item!"}}
        await ask(east, "PutItem", {"TableName": "Things", "Item": item})
        key = {"pk": {"S": "a"}, "sk": {"N": "101"}}
        await ask(
            east,
            "UpdateItem",
            {
                "TableName": "Things",
                "Key": key,
                "UpdateExpression": "SET Message = :m",
                "ExpressionAttributeValues": {":m": {"S": "changed"}},
            },
        )
        await ask(east, "DeleteItem", {"TableName": "Things", "Key": key})
        first, second, third = await all_records(east)
        changed = {**item, "Message": {"S": "changed"}}
        assert [one["eventName"] for one in (first, second, third)] == ["INSERT", "MODIFY", "REMOVE"]
        assert first["dynamodb"]["NewImage"] == item and "OldImage" not in first["dynamodb"]
        assert second["dynamodb"]["OldImage"] == item and second["dynamodb"]["NewImage"] == changed
        assert third["dynamodb"]["OldImage"] == changed and "NewImage" not in third["dynamodb"]
        for one in (first, second, third):
            assert one["awsRegion"] == EAST and one["eventSource"] == "aws:dynamodb" and one["eventVersion"] == "1.1"
            assert one["dynamodb"]["Keys"] == key and one["dynamodb"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
            assert len(one["eventID"]) == 32 and "userIdentity" not in one
        numbers = [one["dynamodb"]["SequenceNumber"] for one in (first, second, third)]
        assert numbers == sorted(numbers) and len(set(numbers)) == 3
        # AWS's arithmetic: the keys (pk 2+1, sk 2+3) and each image
        assert first["dynamodb"]["SizeBytes"] == 8 + (8 + 16)
        assert second["dynamodb"]["SizeBytes"] == 8 + (8 + 16) + (8 + 14)

    run(story)


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"])
def test_each_view_shows_its_images(run: Run, view: str) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, StreamSpecification={"StreamEnabled": True, "StreamViewType": view})
        await ask(east, "PutItem", put("a", x="1"))
        await ask(east, "PutItem", put("a", x="2"))
        await ask(east, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": "a"}}})
        shown = [sorted({"NewImage", "OldImage"} & set(one["dynamodb"])) for one in await all_records(east)]
        new, old = view in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}, view in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}
        assert shown == [
            ["NewImage"] * new,
            ["NewImage"] * new + ["OldImage"] * old,
            ["OldImage"] * old,
        ]

    run(story)


def test_a_write_that_changes_nothing_is_not_recorded(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        item = {"pk": {"S": "a"}, "tags": {"SS": ["x", "y"]}, "deep": {"M": {"SS": {"NS": ["1", "2"]}}}}
        same = {"deep": {"M": {"SS": {"NS": ["2", "1"]}}}, "tags": {"SS": ["y", "x"]}, "pk": {"S": "a"}}
        await ask(east, "PutItem", {"TableName": "Things", "Item": item})
        await ask(east, "PutItem", {"TableName": "Things", "Item": same})
        await ask(east, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": "nobody"}}})
        assert [one["eventName"] for one in await all_records(east)] == ["INSERT"]
        listed = {**item, "list": {"L": [{"S": "x"}, {"S": "y"}]}}
        turned = {**item, "list": {"L": [{"S": "y"}, {"S": "x"}]}}
        await ask(east, "PutItem", {"TableName": "Things", "Item": listed})
        await ask(east, "PutItem", {"TableName": "Things", "Item": turned})
        assert len(await all_records(east)) == 3, "lists have an order"

    run(story)


def test_iterators_begin_where_they_say(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        for number in range(5):
            await ask(east, "PutItem", put(f"k{number}"))
        arn = await arn_of(east)
        records, place = await drained(east, await iterator(east, arn))
        assert len(records) == 5
        latest = await iterator(east, arn, "LATEST")
        number = records[2]["dynamodb"]["SequenceNumber"]
        at, _ = await drained(east, await iterator(east, arn, "AT_SEQUENCE_NUMBER", SequenceNumber=number))
        after, _ = await drained(east, await iterator(east, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=number))
        assert at == records[2:] and after == records[3:]
        start = (await shards_of(east, arn))[0]["SequenceNumberRange"]["StartingSequenceNumber"]
        from_start, _ = await drained(east, await iterator(east, arn, "AT_SEQUENCE_NUMBER", SequenceNumber=start))
        assert from_start == records
        moment = records[3]["dynamodb"]["ApproximateCreationDateTime"]
        since, _ = await drained(east, await iterator(east, arn, "AT_TIMESTAMP", Timestamp=float(moment)))
        assert since == records[3:]
        await ask(east, "PutItem", put("later"))
        for one in (latest, place):
            found, _ = await drained(east, one)
            assert [record["dynamodb"]["Keys"]["pk"]["S"] for record in found] == ["later"]

    run(story)


def test_limits_of_one_answer(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        for number in range(12):
            await ask(east, "PutItem", put(f"k{number}", x="x" * 200_000))
        place = await iterator(east, await arn_of(east))
        answer = await stream(east, "GetRecords", {"ShardIterator": place, "Limit": 2})
        assert len(answer["Records"]) == 2
        answer = await stream(east, "GetRecords", {"ShardIterator": answer["NextShardIterator"]})
        assert len(answer["Records"]) == 6, "about 1 MB"
        rest, _ = await drained(east, answer["NextShardIterator"])
        assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in rest] == ["k8", "k9", "k10", "k11"]
        code, message = await stream_refused(east, "GetRecords", {"ShardIterator": place, "Limit": 1001})
        assert code == "ValidationException" and "less than or equal to 1000" in message

    run(story)


def test_a_disabled_stream_closes_its_shard_and_stays_readable(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        first = await arn_of(east)
        await ask(east, "PutItem", put("a"))
        off = {"TableName": "Things", "StreamSpecification": {"StreamEnabled": False}}
        await ask(east, "UpdateTable", off)
        table = (await ask(east, "DescribeTable", {"TableName": "Things"}))["Table"]
        assert "StreamSpecification" not in table and table["LatestStreamArn"] == first
        await ask(east, "PutItem", put("unseen"))
        await ask(east, "UpdateTable", {"TableName": "Things", **BOTH})
        second = await arn_of(east)
        assert second != first
        table = (await ask(east, "DescribeTable", {"TableName": "Things"}))["Table"]
        assert table["LatestStreamArn"] == second
        await ask(east, "PutItem", put("b"))
        described = (await stream(east, "DescribeStream", {"StreamArn": first}))["StreamDescription"]
        assert described["StreamStatus"] == "DISABLED"
        (shard,) = described["Shards"]
        assert int(shard["SequenceNumberRange"]["EndingSequenceNumber"]) >= int(
            shard["SequenceNumberRange"]["StartingSequenceNumber"]
        )
        old, end = await drained(east, await iterator(east, first))
        assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in old] == ["a"] and end is None
        new, end = await drained(east, await iterator(east, second))
        assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in new] == ["b"] and end is not None

    run(story)


def test_a_deleted_tables_stream_stays_readable(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        await ask(east, "PutItem", put("a"))
        arn = await arn_of(east)
        await ask(east, "DeleteTable", {"TableName": "Things"})
        await until(lambda: "Things" not in east.database.tables)
        records, end = await drained(east, await iterator(east, arn))
        assert [one["eventName"] for one in records] == ["INSERT"] and end is None
        await make_table(east, **BOTH)
        assert len((await stream(east, "ListStreams", {"TableName": "Things"}))["Streams"]) == 2
        assert await all_records(east) == []

    run(story)


def test_streams_survive_a_restart(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        await ask(east, "PutItem", put("a"))
        arn = await arn_of(east)
        place = await iterator(east, arn)
        await planet.stop(EAST)
        east = await planet.start(EAST)
        await ask(east, "PutItem", put("b"))
        records, _ = await drained(east, place)
        assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in records] == ["a", "b"]

    run(story)


def test_shards_roll_over_and_have_children(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.stream_shard_s": "1"}
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        await east.streams.start()
        arn = await arn_of(east)
        for number in range(3):
            await ask(east, "PutItem", put(f"k{number}"))
            count = number + 2

            async def grown(count: int = count) -> bool:
                return len(await shards_of(east, arn)) >= count

            await until(grown)
        chain = await shards_of(east, arn)
        assert [one.get("ParentShardId") for one in chain] == [None, *[one["ShardId"] for one in chain[:-1]]]
        assert [one["ShardId"] for one in chain] == sorted(one["ShardId"] for one in chain)
        assert ["EndingSequenceNumber" in one["SequenceNumberRange"] for one in chain] == [True] * 3 + [False]
        ids = [one["dynamodb"]["Keys"]["pk"]["S"] for one in await all_records(east)]
        assert ids == ["k0", "k1", "k2"]
        paged = await stream(east, "DescribeStream", {"StreamArn": arn, "Limit": 2})
        last = paged["StreamDescription"]["LastEvaluatedShardId"]
        assert last == chain[1]["ShardId"]
        rest = await stream(east, "DescribeStream", {"StreamArn": arn, "ExclusiveStartShardId": last})
        assert [one["ShardId"] for one in rest["StreamDescription"]["Shards"]] == [one["ShardId"] for one in chain[2:]]
        children = {"Type": "CHILD_SHARDS", "ShardId": chain[0]["ShardId"]}
        found = await stream(east, "DescribeStream", {"StreamArn": arn, "ShardFilter": children})
        assert [one["ShardId"] for one in found["StreamDescription"]["Shards"]] == [chain[1]["ShardId"]]

    run(story)


def test_what_is_older_than_the_retention_is_trimmed(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.stream_retention_s": "1000"}
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        await ask(east, "PutItem", put("old"))
        arn = await arn_of(east)
        begin = await iterator(east, arn)
        records, _ = await drained(east, begin)
        world, store = planet.worlds[EAST], east.database.store
        mark_age(store, world.now(), 1000)
        await ask(east, "PutItem", put("new"))
        later = world.now() + 1000
        world.now = lambda: later  # type: ignore[method-assign]
        assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in await all_records(east)] == ["new"]
        number = records[0]["dynamodb"]["SequenceNumber"]
        params = {
            "StreamArn": arn,
            "ShardId": (await shards_of(east, arn))[0]["ShardId"],
            "ShardIteratorType": "AT_SEQUENCE_NUMBER",
            "SequenceNumber": number,
        }
        assert (await stream_refused(east, "GetShardIterator", params))[0] == "TrimmedDataAccessException"
        assert (await stream_refused(east, "GetRecords", {"ShardIterator": begin}))[0] == "ExpiredIteratorException"
        fresh = await iterator(east, arn)
        store.trim(store.end)
        assert (await stream_refused(east, "GetRecords", {"ShardIterator": fresh}))[0] == "TrimmedDataAccessException"

    run(story)


def test_growth_behind_an_iterator_is_waited_for(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        await ask(east, "PutItem", put("old"))
        records, at_end = await drained(east, await iterator(east, await arn_of(east)))
        assert at_end is not None and len(records) == 1
        await stream(east, "AwaitGrowth", {"ShardIterator": at_end, "Seconds": 0.01})
        waiting = asyncio.create_task(stream(east, "AwaitGrowth", {"ShardIterator": at_end, "Seconds": 3600}))
        await asyncio.sleep(0)
        await ask(east, "PutItem", put("new"))
        await waiting
        await stream(east, "AwaitGrowth", {"ShardIterator": at_end, "Seconds": 3600})
        assert [one["dynamodb"]["Keys"]["pk"]["S"] for one in (await drained(east, at_end))[0]] == ["new"]

    run(story)


def test_upkeep_rests_however_short_the_retention() -> None:
    assert streams.upkeep_pause_s(4 * 3600, 24 * 3600) == 60
    assert streams.upkeep_pause_s(4 * 3600, 100) == 25
    assert streams.upkeep_pause_s(4 * 3600, 0.001) == streams.upkeep_pause_s(0.001, 24 * 3600) == 0.5


def test_a_quiet_streams_reader_gets_past_what_others_wrote(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        await ask(east, "PutItem", put("first"))
        store = east.database.store
        for _ in range(30):
            store.write((), [Change("other/t", b"k", store.stamp(), b"v") for _ in range(1000)])
            await store.durable()
        await ask(east, "PutItem", put("last"))
        place: str | None = await iterator(east, await arn_of(east))
        calls = 0
        seen: list[str] = []
        while len(seen) < 2:
            calls += 1
            answer = await stream(east, "GetRecords", {"ShardIterator": place})
            seen += [one["dynamodb"]["Keys"]["pk"]["S"] for one in answer["Records"]]
            place = answer["NextShardIterator"]
        assert seen == ["first", "last"] and calls == 2
        reads = 0
        changes = store.changes

        def counted(after: int, limit: int) -> Any:
            nonlocal reads
            reads += 1
            return changes(after, limit)

        store.changes = counted  # type: ignore[method-assign]
        assert len(await all_records(east)) == 2
        assert reads < 2 * streams.BLOCK // streams.PIECE + 4, "what others wrote is not read again"

    run(story)


def test_requests_that_are_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east, **BOTH)
        arn = await arn_of(east)
        shard = (await shards_of(east, arn))[0]["ShardId"]
        whole = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "LATEST"}
        nowhere = arn.replace("Things", "Nothings")
        number = shards.sequence(1)
        cases: list[tuple[str, dict[str, Any], str, str]] = [
            ("DescribeStream", {"StreamArn": "x" * 40}, "ValidationException", "Invalid StreamArn"),
            ("DescribeStream", {"StreamArn": "x"}, "ValidationException", "greater than or equal to 37"),
            ("DescribeStream", {}, "ValidationException", "Member must not be null"),
            ("DescribeStream", {"StreamArn": nowhere}, "ResourceNotFoundException", nowhere),
            ("DescribeStream", {"StreamArn": arn.replace(EAST, WEST)}, "ResourceNotFoundException", "not found"),
            ("DescribeStream", {"StreamArn": arn, "ShardFilter": {"ShardId": shard}}, "ValidationException", "type"),
            (
                "DescribeStream",
                {"StreamArn": arn, "ShardFilter": {"Type": "CHILD_SHARDS"}},
                "ValidationException",
                "shardFilter.shardId",
            ),
            ("ListStreams", {"Limit": 0}, "ValidationException", "greater than or equal to 1"),
            ("ListStreams", {"Limit": 101}, "ValidationException", "less than or equal to 100"),
            ("ListStreams", {"ExclusiveStartStreamArn": "k" * 50}, "ValidationException", "Invalid StreamArn"),
            ("GetShardIterator", {**whole, "ShardId": "s" * 40}, "ResourceNotFoundException", "s" * 40),
            ("GetShardIterator", {**whole, "StreamArn": nowhere}, "ResourceNotFoundException", nowhere),
            ("GetShardIterator", {**whole, "ShardIteratorType": "BULL"}, "ValidationException", "enum value set"),
            ("GetShardIterator", {**whole, "SequenceNumber": number}, "ValidationException", "SequenceNumber"),
            (
                "GetShardIterator",
                {**whole, "ShardIteratorType": "AT_SEQUENCE_NUMBER"},
                "ValidationException",
                "SequenceNumber",
            ),
            (
                "GetShardIterator",
                {**whole, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": "n" * 30},
                "ValidationException",
                "SequenceNumber",
            ),
            ("GetRecords", {"ShardIterator": "nonsense"}, "ValidationException", "Invalid ShardIterator"),
            ("GetRecords", {"ShardIterator": arn + "|1|AAAA"}, "ValidationException", "Invalid ShardIterator"),
            ("GetRecords", {"ShardIterator": arn + "|1|\u00e4"}, "ValidationException", "Invalid ShardIterator"),
        ]
        for operation, params, code, message in cases:
            found = await stream_refused(east, operation, params)
            assert found[0] == code and message in found[1], (operation, params, found)
        enabled = {"TableName": "Things", **BOTH}
        assert "already has an enabled stream" in (await refused(east, "UpdateTable", enabled))[1]

    run(story)


def test_streams_are_listed_page_by_page(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        for name in ("Tab-1", "Tab", "Tab.a"):
            await make_table(east, name, **BOTH)
        await make_table(east, "Plain")
        names: list[str] = []
        after: dict[str, Any] = {}
        while True:
            page = await stream(east, "ListStreams", {"Limit": 1, **after})
            names += [one["TableName"] for one in page["Streams"]]
            if "LastEvaluatedStreamArn" not in page:
                break
            after = {"ExclusiveStartStreamArn": page["LastEvaluatedStreamArn"]}
        assert names == ["Tab", "Tab-1", "Tab.a"]
        assert (await stream(east, "ListStreams", {"TableName": "Plain"}))["Streams"] == []

    run(story)


def test_each_replica_has_its_own_stream(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        await make_table(east, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
        first = await arn_of(east)
        updates = {"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]}
        await ask(east, "UpdateTable", updates)
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        here, there = await arn_of(east), await arn_of(west)
        assert here != first and WEST in there, "both images from now on, so another stream"
        await ask(east, "PutItem", put("a", x="1"))
        await ask(west, "PutItem", put("b"))
        planet.carry()
        await ask(west, "PutItem", put("a", x="2"))
        for service, region in ((east, EAST), (west, WEST)):
            records = await all_records(service)
            assert {one["awsRegion"] for one in records} == {region}
            assert sorted(one["dynamodb"]["Keys"]["pk"]["S"] for one in records if one["eventName"] == "INSERT") == [
                "a",
                "b",
            ]
        modified = [one for one in await all_records(west) if one["eventName"] == "MODIFY"]
        assert [one["dynamodb"]["OldImage"]["x"]["S"] for one in modified] == ["1"]

    run(story)
