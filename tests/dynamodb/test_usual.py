"""The short way of usual requests does what the full way does, or leaves them to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antipodes.services.dynamodb.usual import key_tests, plain_changes
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask_full, ask_usual, make_table
from tests.dynamodb.test_bad_input import values

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
SHORT, FULL = "us-east-1", "us-west-2"

parts = st.sampled_from(["a", "b", "é", "x" * 2049])
places = st.sampled_from(["1", "2", "-3.5", "1.0", "1e2", "x"])
keys = st.builds(lambda pk, sk: {"pk": {"S": pk}, "sk": {"N": sk}}, parts, places)
items = st.builds(
    lambda key, more: {**key, **more},
    keys,
    st.dictionaries(st.sampled_from(["n", "s", "list", ""]), values, max_size=3),
)
numbers = st.sampled_from(["1", "-2.5", "1e3", "9" * 38, "9e125", "x"])
puts = st.builds(lambda item: ("PutItem", {"TableName": "Things", "Item": item}), items)
gets = st.builds(
    lambda key, more: ("GetItem", {"TableName": "Things", "Key": key, **more}),
    st.one_of(keys, st.just({"pk": {"S": "a"}})),
    st.sampled_from([{}, {"ConsistentRead": True}, {"ProjectionExpression": "n"}]),
)
updates = st.builds(
    lambda key, text, number, value: (
        "UpdateItem",
        {
            "TableName": "Things",
            "Key": key,
            "UpdateExpression": text,
            "ExpressionAttributeValues": {":n": {"N": number}, **({":v": value} if ":v" in text else {})},
            **({"ExpressionAttributeNames": {"#s": "s"}} if "#s" in text else {}),
        },
    ),
    keys,
    st.sampled_from(
        [
            "ADD n :n",
            "SET n = :n",
            "SET #s = :v ADD n :n",
            "SET s = :v, n = :n",
            "SET n = n + :n",
            "ADD pk :n",
            "ADD n :m",
        ]
    ),
    numbers,
    values,
)
queries = st.builds(
    lambda text, pk, one, two, more, start: (
        "Query",
        {
            "TableName": "Things",
            "KeyConditionExpression": text,
            "ExpressionAttributeValues": {
                name: value
                for name, value in ((":p", {"S": pk}), (":a", {"N": one}), (":b", {"N": two}))
                if name in text
            },
            **({"ExpressionAttributeNames": {"#p": "pk"}} if "#p" in text else {}),
            **more,
            **start,
        },
    ),
    st.sampled_from(
        [
            "pk = :p",
            "#p = :p AND sk > :a",
            "sk = :a AND pk = :p",
            "pk = :p AND sk BETWEEN :a AND :b",
            "pk = :p AND begins_with(sk, :a)",
            "pk = :p AND sk <= :a",
            ":p = pk",
            "pk > :p",
            "s = :p",
        ]
    ),
    parts,
    places,
    places,
    st.sampled_from([{}, {"Limit": 1}, {"Limit": 0}, {"Limit": -1}, {"ScanIndexForward": False}, {"Select": "COUNT"}]),
    st.one_of(st.just({}), keys.map(lambda key: {"ExclusiveStartKey": key})),
)
batches = st.builds(
    lambda found: ("BatchWriteItem", {"RequestItems": {"Things": [{"PutRequest": {"Item": one}} for one in found]}}),
    st.lists(items, max_size=3),
)
stories = st.lists(st.one_of(puts, puts, gets, updates, queries, batches), min_size=1, max_size=6)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(stories, st.booleans())
def test_both_ways_do_the_same(run: Run, story: list[tuple[str, dict[str, Any]]], indexed: bool) -> None:
    async def both(planet: Planet) -> None:
        short, full = await planet.start(SHORT), await planet.start(FULL)
        more: dict[str, Any] = {"range": "N"}
        if indexed:
            schema = [{"AttributeName": "s", "KeyType": "HASH"}]
            index = {"IndexName": "by-s", "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}
            more |= {"GlobalSecondaryIndexes": [index], "attributes": [{"AttributeName": "s", "AttributeType": "S"}]}
        for service in (short, full):
            await make_table(service, **orjson.loads(orjson.dumps(more)))
        for operation, params in story:
            wanted: dict[str, Any] | None = None
            try:
                wanted = await ask_full(full, operation, orjson.loads(orjson.dumps(params)))
            except AwsError:
                pass
            answered = ask_usual(short, operation, params)
            if answered is not None:
                assert orjson.loads(await answered) == wanted
            elif wanted is not None:
                assert await ask_full(short, operation, orjson.loads(orjson.dumps(params))) == wanted
        seen = [await ask_full(service, "Scan", {"TableName": "Things"}) for service in (short, full)]
        assert seen[0] == seen[1]
        assert short.table_sizes() == full.table_sizes()
        if indexed:
            scan = {"TableName": "Things", "IndexName": "by-s"}
            assert await ask_full(short, "Scan", scan) == await ask_full(full, "Scan", scan)

    run(both)


def test_what_clients_mostly_send_goes_the_short_way(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(SHORT)
        await make_table(service, range="N")
        item = {"pk": {"S": "a"}, "sk": {"N": "1"}, "n": {"N": "1"}}
        key = {"pk": {"S": "a"}, "sk": {"N": "1"}}
        one = {"TableName": "Things"}
        values = {":n": {"N": "1"}}
        asked: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("PutItem", {**one, "Item": item}, {}),
            (
                "BatchWriteItem",
                {"RequestItems": {"Things": [{"PutRequest": {"Item": item}}]}},
                {"UnprocessedItems": {}},
            ),
            (
                "UpdateItem",
                {**one, "Key": key, "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": values},
                {},
            ),
            ("GetItem", {**one, "Key": key}, {"Item": {**item, "n": {"N": "2"}}}),
            (
                "Query",
                {
                    **one,
                    "KeyConditionExpression": "pk = :p",
                    "ExpressionAttributeValues": {":p": {"S": "a"}},
                    "Limit": 1,
                    "ExclusiveStartKey": {"pk": {"S": "a"}, "sk": {"N": "0"}},
                },
                {"Count": 1, "ScannedCount": 1, "Items": [{**item, "n": {"N": "2"}}], "LastEvaluatedKey": key},
            ),
        ]
        for operation, params, wanted in asked:
            answered = ask_usual(service, operation, params)
            assert answered is not None, operation
            assert orjson.loads(await answered) == wanted

    run(story)


def test_what_asks_for_more_is_left_to_the_full_way(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(SHORT)
        await make_table(service)
        put = {"TableName": "Things", "Item": {"pk": {"S": "a"}}}
        more: dict[str, Any]
        for more in (
            {"ReturnValues": "ALL_OLD"},
            {"ConditionExpression": "attribute_exists(pk)"},
            {"ReturnConsumedCapacity": "TOTAL"},
            {"TableName": "Nothing"},
            {"TableName": None},
            {"Item": {}},
        ):
            assert ask_usual(service, "PutItem", {**put, **more}) is None

    run(story)


def test_a_disk_that_refuses_is_told_of(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(SHORT)
        await make_table(service)
        answered = ask_usual(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "a"}}})
        assert answered is not None
        service.database.store._take_back(StoreError("full"))
        with pytest.raises(AwsError) as caught:
            await answered
        assert caught.value.code == "InternalServerError"
        assert await ask_full(service, "GetItem", {"TableName": "Things", "Key": {"pk": {"S": "a"}}}) == {}

    run(story)


def test_an_answer_waits_for_writes_it_has_seen(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(SHORT)
        await make_table(service)
        put = ask_usual(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "a"}}})
        get = ask_usual(service, "GetItem", {"TableName": "Things", "Key": {"pk": {"S": "a"}}})
        assert put is not None and get is not None
        assert not get.done()
        await asyncio.gather(put, get)

    run(story)


@pytest.mark.parametrize(
    "text", ["pk = :p OR sk = :s", "pk = :p AND pk.a = :s", "NOT pk = :p", "pk <> :p", "pk = #p", ""]
)
def test_key_conditions_of_other_kinds_have_no_plan(text: str) -> None:
    assert key_tests(text, None) is None


@pytest.mark.parametrize("text", ["REMOVE a", "SET a.b = :v", "SET a = b", "SET a = :v, b = :v", "DELETE a :v", "x"])
def test_updates_of_other_kinds_have_no_plan(text: str) -> None:
    assert plain_changes(text, None) is None
