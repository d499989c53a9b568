"""Provisioned throughput: the buckets, and what a table with one refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.dynamodb.service import DynamoDB
from antipodes.services.dynamodb.throughput import BURST_S, Buckets, Place
from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask, make_table, refused

PLACE = Place("space", "", "Write")
PROVISIONED: dict[str, Any] = {
    "BillingMode": "PROVISIONED",
    "ProvisionedThroughput": {"ReadCapacityUnits": 2, "WriteCapacityUnits": 3},
}


def test_a_bucket_begins_with_a_second_s_worth_and_keeps_five_minutes() -> None:
    buckets = Buckets()
    let_in = 0
    while buckets.admits(PLACE, 3, 100.0):
        buckets.take(PLACE, 3, 1, 100.0)
        let_in += 1
    assert let_in == 3
    assert not buckets.admits(PLACE, 3, 100.0)
    assert buckets.admits(PLACE, 3, 100.5)
    later = 100_000.0
    let_in = 0
    while buckets.admits(PLACE, 3, later):
        buckets.take(PLACE, 3, 1, later)
        let_in += 1
    assert let_in == 3 * BURST_S


def test_a_large_item_leaves_a_debt() -> None:
    buckets = Buckets()
    assert buckets.admits(PLACE, 1, 0.0)
    buckets.take(PLACE, 1, 400, 0.0)
    assert not buckets.admits(PLACE, 1, 398.9)
    assert buckets.admits(PLACE, 1, 399.1)


def test_a_changed_rate_counts_at_once() -> None:
    buckets = Buckets()
    buckets.take(PLACE, 1, 1, 0.0)
    assert not buckets.admits(PLACE, 1, 0.0)
    assert buckets.admits(PLACE, 5, 0.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(1, 20)), max_size=200), st.integers(1, 50))
def test_never_more_than_rate_times_time_and_one_request(requests: list[tuple[float, int]], rate: int) -> None:
    buckets = Buckets()
    now, taken, largest = 0.0, 0, 0
    for wait_s, units in requests:
        now += wait_s
        if buckets.admits(PLACE, rate, now):
            buckets.take(PLACE, rate, units, now)
            taken += units
            largest = max(largest, units)
    assert taken <= rate * (now + 1) + largest + 1e-6


async def limited(planet: Planet, **more: Any) -> DynamoDB:
    """A service whose clock of throughput stands still until the test moves it."""
    planet.options = {"dynamodb.table_state_s": "0", "dynamodb.throttling": "on"}
    service = await planet.start("us-east-1")
    service.database.world.now_s = 0.0  # type: ignore[attr-defined]
    service.database.world.monotonic = lambda: service.database.world.now_s  # type: ignore[attr-defined,method-assign]
    await make_table(service, **{**PROVISIONED, **more})
    return service


def put(number: int, **more: Any) -> dict[str, Any]:
    return {"TableName": "Things", "Item": {"pk": {"S": f"k{number}"}, **more}}


def told(story: Any) -> None:
    async def whole() -> None:
        planet = Planet()
        try:
            await story(planet)
        finally:
            await planet.stop_all()

    asyncio.run(whole())


def test_a_table_refuses_what_is_beyond_its_units_and_takes_it_later() -> None:
    async def story(planet: Planet) -> None:
        service = await limited(planet)
        for number in range(3):
            await ask(service, "PutItem", put(number))
        with pytest.raises(AwsError) as caught:
            await ask(service, "PutItem", put(3))
        assert caught.value.code == "ProvisionedThroughputExceededException"
        assert caught.value.message == (
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API."
        )
        (reason,) = caught.value.extra["ThrottlingReasons"]
        assert reason["reason"] == "TableWriteProvisionedThroughputExceeded"
        key = {"TableName": "Things", "Key": {"pk": {"S": "k3"}}}
        for _ in range(2):
            await ask(service, "GetItem", {**key, "ConsistentRead": True})
        for operation, params in (
            ("GetItem", key),
            ("Query", {"TableName": "Things", "KeyConditionExpression": "pk = :p",
                       "ExpressionAttributeValues": {":p": {"S": "k1"}}}),
            ("Scan", {"TableName": "Things"}),
            ("ExecuteStatement", {"Statement": "SELECT * FROM Things"}),
            ("UpdateItem", {**key, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"N": "1"}}}),
            ("DeleteItem", key),
        ):  # fmt: skip
            assert (await refused(service, operation, params))[0] == "ProvisionedThroughputExceededException", operation
        service.database.world.now_s += 1  # type: ignore[attr-defined]
        await ask(service, "PutItem", put(3))
        assert "Item" in await ask(service, "GetItem", key)

    told(story)


def test_a_batch_gives_back_what_it_could_not_do() -> None:
    async def story(planet: Planet) -> None:
        service = await limited(planet)
        puts = [{"PutRequest": {"Item": {"pk": {"S": f"k{number}"}}}} for number in range(10)]
        answer = await ask(service, "BatchWriteItem", {"RequestItems": {"Things": puts}})
        assert answer["UnprocessedItems"] == {"Things": puts[3:]}
        assert (await refused(service, "BatchWriteItem", {"RequestItems": {"Things": puts}}))[0] == (
            "ProvisionedThroughputExceededException"
        )
        keys = [one["PutRequest"]["Item"] for one in puts]
        answer = await ask(service, "BatchGetItem", {"RequestItems": {"Things": {"Keys": keys}}})
        assert len(answer["Responses"]["Things"]) == 3
        assert answer["UnprocessedKeys"]["Things"]["Keys"] == keys[4:]
        assert (await refused(service, "BatchGetItem", {"RequestItems": {"Things": {"Keys": keys}}}))[0] == (
            "ProvisionedThroughputExceededException"
        )

    told(story)


def test_a_transaction_is_cancelled_and_pays_double() -> None:
    async def story(planet: Planet) -> None:
        service = await limited(planet)
        actions = [{"Put": put(number)} for number in range(2)]
        await ask(service, "TransactWriteItems", {"TransactItems": actions})
        with pytest.raises(AwsError) as caught:
            await ask(service, "TransactWriteItems", {"TransactItems": actions})
        assert caught.value.code == "TransactionCanceledException"
        assert [reason["Code"] for reason in caught.value.extra["CancellationReasons"]] == [
            "ProvisionedThroughputExceeded"
        ] * 2

    told(story)


def test_an_index_refuses_only_the_writes_that_touch_it() -> None:
    async def story(planet: Planet) -> None:
        index = {
            "IndexName": "by-g",
            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
        }
        more: dict[str, Any] = {"ProvisionedThroughput": {"ReadCapacityUnits": 50, "WriteCapacityUnits": 50}}
        attributes = [{"AttributeName": "g", "AttributeType": "S"}]
        service = await limited(planet, attributes=attributes, GlobalSecondaryIndexes=[index], **more)
        await ask(service, "PutItem", put(1, g={"S": "x"}))
        code, message = await refused(service, "PutItem", put(2, g={"S": "x"}))
        assert code == "ProvisionedThroughputExceededException"
        assert "global secondary indexes" in message
        await ask(service, "PutItem", put(3))
        same = put(1, g={"S": "x"}, other={"S": "y"})  # what the index holds of it stays the same
        await ask(service, "PutItem", same)

    told(story)


def test_nothing_is_refused_unless_it_is_asked_for_nor_on_demand() -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service, **PROVISIONED)
        for number in range(50):
            await ask(service, "PutItem", put(number))
        await planet.stop("us-east-1")
        service = await limited(planet, name="OnDemand", BillingMode="PAY_PER_REQUEST", ProvisionedThroughput=None)
        for number in range(50):
            await ask(service, "PutItem", {**put(number), "TableName": "OnDemand"})

    told(story)


def test_an_on_demand_maximum_is_a_limit_with_a_name_of_its_own() -> None:
    async def story(planet: Planet) -> None:
        index = {
            "IndexName": "by-g",
            "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
            "OnDemandThroughput": {"MaxWriteRequestUnits": 1},
        }
        service = await limited(
            planet,
            BillingMode="PAY_PER_REQUEST",
            ProvisionedThroughput=None,
            OnDemandThroughput={"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 3},
            attributes=[{"AttributeName": "g", "AttributeType": "S"}],
            GlobalSecondaryIndexes=[index],
        )
        await ask(service, "PutItem", put(0))
        await ask(service, "PutItem", put(1, g={"S": "x"}))
        with pytest.raises(AwsError) as caught:
            await ask(service, "PutItem", put(2, g={"S": "x"}))
        assert caught.value.code == "ThrottlingException"
        assert caught.value.extra["throttlingReasons"][0]["reason"] == "IndexWriteMaxOnDemandThroughputExceeded"
        await ask(service, "PutItem", put(2))
        assert (await refused(service, "PutItem", put(3)))[0] == "ThrottlingException"
        key = {"TableName": "Things", "Key": {"pk": {"S": "k0"}}, "ConsistentRead": True}
        await ask(service, "GetItem", key)
        with pytest.raises(AwsError) as caught:
            await ask(service, "GetItem", key)
        assert caught.value.extra["throttlingReasons"][0]["reason"] == "TableReadMaxOnDemandThroughputExceeded"

    told(story)
