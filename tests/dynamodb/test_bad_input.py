"""Whatever comes over the wire: an answer or an AWS error, never another exception, and nothing half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.values import measure_item
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.operation import Request
from antipodes.wire.protocols.json import parse_body
from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]

texts = st.sampled_from(["", "a", "pk", "sk", "1", "-1.5", "x" * 300, "AQID", "é", "#n", ":v", "NaN", "1e200"])
junk = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), texts)
leaf = st.one_of(
    st.builds(lambda kind, text: {kind: text}, st.sampled_from(["S", "N", "B", "BOOL", "NULL", "X"]), junk),
    st.builds(lambda kind, found: {kind: found}, st.sampled_from(["SS", "NS", "BS"]), st.lists(texts, max_size=3)),
)
plain = (
    st.sampled_from(
        [{"S": "a"}, {"N": "1"}, {"N": "-2.50"}, {"B": "AQID"}, {"BOOL": True}, {"SS": ["b", "a"]}, {"L": [{"N": "1"}]}]
    )
    .map(orjson.dumps)
    .map(orjson.loads)
)  # a fresh one each time: operations make values canonical in place
values = st.recursive(
    st.one_of(*[plain] * 9, leaf),
    lambda inner: st.one_of(
        st.builds(lambda found: {"L": found}, st.lists(inner, max_size=3)),
        st.builds(lambda found: {"M": found}, st.dictionaries(texts, inner, max_size=3)),
    ),
    max_leaves=4,
)
good_keys = st.builds(lambda pk, sk: {"pk": {"S": pk}, "sk": {"N": sk}}, st.sampled_from("ab"), st.sampled_from("123"))
items = st.one_of(good_keys, st.builds(lambda key, more: {**more, **key}, good_keys, st.dictionaries(texts, values)))
items = st.one_of(items, items, items, st.one_of(st.dictionaries(texts, values, max_size=3), junk))
WORDS = (
    "pk sk a #n :v :w = <> < AND OR NOT ( ) [0] . , SET REMOVE ADD DELETE + - BETWEEN IN size( contains( "
    "attribute_exists( begins_with( if_not_exists( list_append("
)
expressions = st.lists(st.sampled_from(WORDS.split()), max_size=8).map(" ".join)
usual = st.sampled_from(
    [
        "pk = :v",
        "pk = :v AND sk > :w",
        "a = :v",
        "attribute_exists(a) AND a <> :w",
        "SET a = :v, b = if_not_exists(a, :w)",
        "ADD a :v REMOVE #n",
        "a, #n[0].x",
    ]
)
expression = st.one_of(usual, usual, usual, st.one_of(expressions, junk))
members: dict[str, st.SearchStrategy[Any]] = {
    "TableName": st.sampled_from(["Things"] * 20 + ["Nothing", "", None]),
    "Item": items,
    "Key": items,
    "ExclusiveStartKey": items,
    "ConditionExpression": expression,
    "FilterExpression": expression,
    "KeyConditionExpression": expression,
    "UpdateExpression": expression,
    "ProjectionExpression": expression,
    "ExpressionAttributeNames": st.one_of(st.just({"#n": "a"}), st.dictionaries(texts, texts, max_size=2), junk),
    "ExpressionAttributeValues": st.one_of(
        st.builds(lambda one, two: {":v": one, ":w": two}, values, values),
        st.builds(lambda one: {":v": one}, values),
        st.just({":v": {"S": "a"}, ":w": {"N": "1"}}),
        st.one_of(st.dictionaries(texts, values, max_size=2), junk),
    ),
    "ReturnValues": st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_NEW", "UPDATED_OLD", "x"]),
    "ReturnConsumedCapacity": st.sampled_from(["TOTAL", "INDEXES", "NONE", "x"]),
    "IndexName": st.sampled_from(["by-a", "nope", ""]),
    "Limit": st.one_of(st.integers(-1, 5), junk),
    "Select": st.sampled_from(["COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "x"]),
    "Segment": st.one_of(st.integers(-1, 5), junk),
    "TotalSegments": st.one_of(st.integers(-1, 5), junk),
    "ScanIndexForward": st.booleans(),
    "ConsistentRead": st.booleans(),
}
WANTED: dict[str, tuple[str, ...]] = {
    "PutItem": ("TableName", "Item"),
    "GetItem": ("TableName", "Key"),
    "UpdateItem": ("TableName", "Key", "UpdateExpression", "ExpressionAttributeValues"),
    "DeleteItem": ("TableName", "Key"),
    "Query": ("TableName", "KeyConditionExpression", "ExpressionAttributeValues"),
    "Scan": ("TableName",),
}
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "BatchWriteItem": st.builds(
        lambda name, found: {"RequestItems": {name: found}},
        members["TableName"].map(str),
        st.lists(
            st.one_of(
                st.builds(lambda item: {"PutRequest": {"Item": item}}, items),
                st.builds(lambda key: {"DeleteRequest": {"Key": key}}, items),
                st.just({}),
                st.just({"PutRequest": {}}),
            ),
            max_size=3,
        ),
    ),
    "BatchGetItem": st.builds(
        lambda keys, text: {"RequestItems": {"Things": {"Keys": keys, "ProjectionExpression": text}}},
        st.lists(items, max_size=3),
        expression,
    ),
    "TransactWriteItems": st.builds(
        lambda kinds, item, text: {
            "TransactItems": [
                {kind: {"TableName": "Things", "Item": item, "Key": item, "ConditionExpression": text}}
                for kind in kinds
            ]
        },
        st.lists(st.sampled_from(["Put", "Delete", "Update", "ConditionCheck"]), max_size=2),
        items,
        expression,
    ),
}


RECIPES: dict[str, list[dict[str, str]]] = {
    "UpdateItem": [
        {"UpdateExpression": text}
        for text in (
            "SET c = :v",
            "ADD c :v",
            "SET c = if_not_exists(c, :v)",
            "REMOVE a, c SET d = :v",
            "SET a = :v",
            "ADD a :v",
            "DELETE a :v",
            "SET a = list_append(a, :v)",
            "SET b[2] = :v REMOVE a",
        )
    ],
    "Query": [
        {"KeyConditionExpression": "pk = :v"},
        {"KeyConditionExpression": "a = :v", "IndexName": "by-a"},
        {"KeyConditionExpression": "pk = :v", "FilterExpression": "a <> :v"},
    ],
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, bytes]:
    operation = draw(st.sampled_from([*WANTED, *OTHERS]))
    if operation in OTHERS:
        return operation, orjson.dumps(draw(OTHERS[operation]))
    if operation in RECIPES and draw(st.booleans()):
        recipe = {**draw(st.sampled_from(RECIPES[operation])), "TableName": "Things"}
        key = {} if operation == "Query" else {"Key": draw(good_keys)}
        return operation, orjson.dumps({**recipe, **key, "ExpressionAttributeValues": {":v": draw(values)}})
    names = [*WANTED[operation], *draw(st.lists(st.sampled_from(sorted(members)), max_size=3, unique=True))]
    return operation, orjson.dumps({name: draw(members[name]) for name in dict.fromkeys(names)})


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests(), min_size=1, max_size=4))
def test_every_request_is_answered_or_refused_and_the_counts_hold(found: list[tuple[str, bytes]]) -> None:
    async def story() -> None:
        planet = Planet()
        try:
            service = await planet.start("us-east-1")
            index = {
                "IndexName": "by-a",
                "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["b"]},
            }
            attributes = [{"AttributeName": "a", "AttributeType": "S"}]
            await make_table(service, range="N", attributes=attributes, GlobalSecondaryIndexes=[index])
            for operation, body in found:
                try:
                    params = parse_body("dynamodb", operation, body)
                    await service.operations[operation](Request("dynamodb", operation, params, "us-east-1"))
                except AwsError as error:
                    assert isinstance(error, ClientFault), error
                    assert error.message or error.code == "SerializationException"
            table = service.database.tables["Things"]
            stored = [row for _, row in service.database.store.range(table.rows_prefix, table.rows_end)]
            assert table.items == len(stored)
            assert all(rows.size_of(row) == measure_item(rows.item_of(row)) for row in stored)
            assert table.size_bytes == sum(rows.size_of(row) for row in stored)
            indexed = await ask(service, "Scan", {"TableName": "Things", "IndexName": "by-a"})
            assert indexed["Count"] == sum("a" in rows.item_of(row) for row in stored)
        finally:
            await planet.stop_all()

    asyncio.run(story())


schemas = st.recursive(
    st.one_of(junk, st.sampled_from(["HASH", "RANGE", "S", "ALL", "Things", "PAY_PER_REQUEST"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(
                [
                    "AttributeName",
                    "AttributeType",
                    "KeyType",
                    "IndexName",
                    "KeySchema",
                    "Projection",
                    "ProjectionType",
                    "Create",
                    "Delete",
                    "RegionName",
                    "ReadCapacityUnits",
                ]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=6,
)
TABLE_MEMBERS = (
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "LocalSecondaryIndexes",
    "GlobalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
    "StreamSpecification",
    "Tags",
    "ReplicaUpdates",
    "ResourceArn",
    "TagKeys",
    "Limit",
)


@pytest.mark.parametrize(
    "operation",
    ["CreateTable", "UpdateTable", "DescribeTable", "DeleteTable", "ListTables", "TagResource", "UntagResource"],
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_table_request_is_answered_or_refused(operation: str, data: st.DataObject) -> None:
    async def story() -> None:
        planet = Planet()
        try:
            service = await planet.start("us-east-1")
            base: dict[str, Any] = {
                "TableName": "Things",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            }
            if operation != "CreateTable":
                await make_table(service)
                base = {"TableName": "Things"}
            names = data.draw(st.lists(st.sampled_from(TABLE_MEMBERS), max_size=3, unique=True))
            body = orjson.dumps({**base, **{name: data.draw(schemas) for name in names}})
            try:
                params = parse_body("dynamodb", operation, body)
                await service.operations[operation](Request("dynamodb", operation, params, "us-east-1"))
            except AwsError as error:
                assert isinstance(error, ClientFault), error
        finally:
            await planet.stop_all()

    asyncio.run(story())


def test_mistyped_values_are_told_of_before_anything_else(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        for operation, params in (
            ("GetItem", {"Key": {"pk": {"S": True}}}),
            ("PutItem", {"TableName": "Nothing", "Item": {"pk": {"L": [{"M": {"x": {"N": True}}}]}}}),
            ("UpdateItem", {"ExpressionAttributeValues": {":v": {"SS": [True]}}}),
            ("TransactWriteItems", {"TransactItems": [{"Delete": {"Key": {"pk": {"S": True}}}}]}),
            ("Query", {"Limit": 0, "KeyConditions": {"pk": {"AttributeValueList": [{"S": True}]}}}),
        ):
            assert await refused(service, operation, params) == (
                "SerializationException",
                "TRUE_VALUE cannot be converted to String",
            )

    run(story)
