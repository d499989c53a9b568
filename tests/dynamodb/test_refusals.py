"""Refusals word by word, as AWS was seen to give them: one table, one request each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]

NAME = {"TableName": "Things"}
KEY = {"pk": {"S": "k"}}
LONG = "x" * 65536
TOO_LARGE = "1 validation error detected: Attribute name is too large, must be less than 65536 bytes"
NOT_VALID = "One or more parameter values are not valid. "
EMPTY = "The AttributeValue for a key attribute cannot contain an empty string value."
INDEX = {
    "IndexName": "by-g",
    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
BY_PK = {"KeyConditionExpression": "pk = :v", "ExpressionAttributeValues": {":v": {"S": "k"}}}


def update(expression: str, **more: Any) -> dict[str, Any]:
    return {**NAME, "Key": KEY, "UpdateExpression": expression, **more}


def tx(**action: Any) -> dict[str, Any]:
    return {"TransactItems": [action]}


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("PutItem", {**NAME, "Item": {**KEY, LONG: {"S": ""}}}, TOO_LARGE),
    ("PutItem", {**NAME, "Item": {**KEY, "m": {"M": {LONG: {"S": ""}}}}}, TOO_LARGE),
    ("PutItem", {**NAME, "Item": {**KEY, "é" * 33000: {"S": ""}}}, TOO_LARGE),
    ("BatchWriteItem", {"RequestItems": {"Things": [{"PutRequest": {"Item": {**KEY, LONG: {"S": ""}}}}]}}, TOO_LARGE),
    (
        "UpdateItem",
        update("SET d = :v", ExpressionAttributeValues={":v": {"M": {LONG: {"S": ""}}}}),
        TOO_LARGE,
    ),
    (
        "UpdateItem",
        update("SET #n = :v", ExpressionAttributeNames={"#n": LONG}, ExpressionAttributeValues={":v": {"S": ""}}),
        TOO_LARGE,
    ),
    (
        "GetItem",
        {**NAME, "Key": KEY, "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": ""}},
        "ExpressionAttributeNames contains invalid value: Empty attribute name for key #n",
    ),
    ("GetItem", {**NAME, "Key": {"pk": {"S": ""}}}, NOT_VALID + EMPTY + " Key: pk"),
    ("TransactWriteItems", tx(Delete={**NAME, "Key": {"pk": {"S": ""}}}), NOT_VALID + EMPTY + " Key: pk"),
    ("TransactGetItems", tx(Get={**NAME, "Key": {"pk": {"S": ""}}}), NOT_VALID + EMPTY + " Key: pk"),
    (
        "TransactWriteItems",
        tx(Put={**NAME, "Item": {**KEY, "g": {"S": ""}}}),
        f"{NOT_VALID}A value specified for a secondary index key is not supported. {EMPTY} "
        "IndexName: by-g, IndexKey: g",
    ),
    (
        "UpdateItem",
        update("SET g = :v", ExpressionAttributeValues={":v": {"S": ""}}),
        f"{NOT_VALID}The update expression attempted to update a secondary index key to a value that is not supported. "
        + EMPTY,
    ),
    (
        "Query",
        {**NAME, **BY_PK, "Select": "COUNT", "ProjectionExpression": "a"},
        "1 validation error detected: Cannot specify the ProjectionExpression when choosing to get only the Count",
    ),
    (
        "Scan",
        {**NAME, "Select": "ALL_ATTRIBUTES", "ProjectionExpression": "a"},
        "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
    ),
    (
        "Query",
        {**NAME, **BY_PK, "Select": "SPECIFIC_ATTRIBUTES"},
        "1 validation error detected: Must specify the AttributesToGet or ProjectionExpression when choosing to get "
        "SPECIFIC_ATTRIBUTES",
    ),
    (
        "BatchGetItem",
        {
            "RequestItems": {
                "Things": {"Keys": [KEY], "ProjectionExpression": "a"},
                "Others": {"Keys": [KEY], "AttributesToGet": ["a"]},
            }
        },
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        "{AttributesToGet} Expression parameters: {ProjectionExpression}",
    ),
    (
        "CreateTable",
        {
            "TableName": "Others",
            "AttributeDefinitions": [{"AttributeName": "a" * 256, "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "a" * 256, "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
        f"2 validation errors detected: Value '{'a' * 256}' at 'attributeDefinitions.1.member.attributeName' failed to "
        f"satisfy constraint: Member must have length less than or equal to 255; Value '{'a' * 256}' at "
        "'keySchema.1.member.attributeName' failed to satisfy constraint: Member must have length less than or equal "
        "to 255",
    ),
    (
        "CreateTable",
        {
            "TableName": "Others",
            "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": False, "StreamViewType": "NEW_IMAGE"},
        },
        "One or more parameter values were invalid: Table is being created with a stream disabled, UpdateViewType "
        "should not be specified",
    ),
]


def test_each_is_refused_in_these_words(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        attributes = [{"AttributeName": "g", "AttributeType": "S"}]
        await make_table(service, attributes=attributes, GlobalSecondaryIndexes=[INDEX])
        for operation, params, message in REFUSALS:
            assert await refused(service, operation, params) == ("ValidationException", message)
        assert (await ask(service, "Scan", NAME))["Count"] == 0

    run(story)


def test_names_of_the_older_parameters_have_a_length(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        for operation, params in (
            ("GetItem", {"Key": KEY, "AttributesToGet": [LONG]}),
            ("PutItem", {"Item": KEY, "Expected": {LONG: {"Exists": False}}}),
            ("UpdateItem", {"Key": KEY, "AttributeUpdates": {LONG: {"Action": "DELETE"}}}),
            ("Scan", {"ScanFilter": {LONG: {"ComparisonOperator": "NULL"}}}),
        ):
            code, message = await refused(service, operation, {**NAME, **params})
            assert code == "ValidationException"
            assert message.endswith("Member must have length less than or equal to 65535]")

    run(story)


def test_the_longest_names_are_kept(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        item = {**KEY, LONG[1:]: {"S": "v"}, "m": {"M": {LONG[1:]: {"S": "v"}}}}
        await ask(service, "PutItem", {**NAME, "Item": item})
        assert (await ask(service, "GetItem", {**NAME, "Key": KEY}))["Item"] == item

    run(story)


def test_members_of_transactions_may_name_what_they_do_not_use(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        put = {**NAME, "Item": KEY, "ExpressionAttributeNames": {"#a": "a"}}
        await ask(service, "TransactWriteItems", tx(Put=put))
        get = {**NAME, "Key": KEY, "ExpressionAttributeNames": {"#a": "a"}}
        assert (await ask(service, "TransactGetItems", tx(Get=get)))["Responses"] == [{"Item": KEY}]

    run(story)
