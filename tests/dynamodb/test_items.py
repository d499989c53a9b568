"""PutItem, GetItem, UpdateItem, DeleteItem, as a client sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
KEY = {"pk": {"S": "a"}}


def put(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"TableName": "Things", "Item": {**KEY, **item}, **more}


def keyed(**more: Any) -> dict[str, Any]:
    return {"TableName": "Things", "Key": KEY, **more}


def test_what_was_put_is_got_in_canonical_form(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        assert await ask(service, "GetItem", keyed()) == {}
        assert await ask(service, "PutItem", put({"n": {"N": "1.50e1"}, "s": {"SS": ["b", "a"]}})) == {}
        assert await ask(service, "GetItem", keyed()) == {
            "Item": {"pk": {"S": "a"}, "n": {"N": "15"}, "s": {"SS": ["a", "b"]}}
        }

    run(story)


def test_put_returns_the_old_item_when_asked(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        assert await ask(service, "PutItem", put({"v": {"N": "1"}}, ReturnValues="ALL_OLD")) == {}
        answer = await ask(service, "PutItem", put({"v": {"N": "2"}}, ReturnValues="ALL_OLD"))
        assert answer == {"Attributes": {"pk": {"S": "a"}, "v": {"N": "1"}}}

    run(story)


def test_a_failed_condition_changes_nothing_and_shows_the_item(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", put({"v": {"N": "1"}}))
        condition = {
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        with pytest.raises(AwsError) as caught:
            await ask(service, "PutItem", put({"v": {"N": "2"}}, **condition))
        assert caught.value.code == "ConditionalCheckFailedException"
        assert caught.value.message == "The conditional request failed"
        assert caught.value.extra == {"Item": {"pk": {"S": "a"}, "v": {"N": "1"}}}
        assert (await ask(service, "GetItem", keyed()))["Item"]["v"] == {"N": "1"}

    run(story)


@pytest.mark.parametrize(
    ("wanted", "attributes"),
    [
        ("NONE", None),
        ("ALL_OLD", {"pk": {"S": "a"}, "n": {"N": "1"}, "m": {"M": {"x": {"S": "1"}, "y": {"S": "2"}}}}),
        ("UPDATED_OLD", {"n": {"N": "1"}, "m": {"M": {"x": {"S": "1"}}}}),
        ("ALL_NEW", {"pk": {"S": "a"}, "n": {"N": "2"}, "m": {"M": {"x": {"S": "z"}, "y": {"S": "2"}}}}),
        ("UPDATED_NEW", {"n": {"N": "2"}, "m": {"M": {"x": {"S": "z"}}}}),
    ],
)
def test_update_returns_what_was_asked_for(run: Run, wanted: str, attributes: Any) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", put({"n": {"N": "1"}, "m": {"M": {"x": {"S": "1"}, "y": {"S": "2"}}}}))
        answer = await ask(
            service,
            "UpdateItem",
            keyed(
                UpdateExpression="ADD n :one SET m.x = :z",
                ExpressionAttributeValues={":one": {"N": "1"}, ":z": {"S": "z"}},
                ReturnValues=wanted,
            ),
        )
        assert answer.get("Attributes") == attributes

    run(story)


def test_a_removing_update_of_nothing_creates_nothing_but_a_bare_update_does(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "UpdateItem", keyed(UpdateExpression="REMOVE v"))
        assert await ask(service, "GetItem", keyed()) == {}
        await ask(service, "UpdateItem", keyed())
        assert await ask(service, "GetItem", keyed()) == {"Item": KEY}

    run(story)


def test_delete_returns_the_old_item_and_is_idempotent(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", put({"v": {"N": "1"}}))
        answer = await ask(service, "DeleteItem", keyed(ReturnValues="ALL_OLD"))
        assert answer == {"Attributes": {"pk": {"S": "a"}, "v": {"N": "1"}}}
        assert await ask(service, "DeleteItem", keyed(ReturnValues="ALL_OLD")) == {}
        assert service.table_sizes() == {"Things": 0}

    run(story)


def test_counts_follow_the_items_and_survive_a_restart(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        for number in range(7):
            item = {"pk": {"S": str(number)}, "v": {"S": "x" * number}}
            await ask(service, "PutItem", {"TableName": "Things", "Item": item})
        await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "0"}}})
        await ask(service, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": "1"}}})
        table = service.database.tables["Things"]
        before = (table.items, table.size_bytes)
        assert before == (6, 6 * 3 + 5 * 1 - 1 + 2 + 3 + 4 + 5 + 6 + 1)
        await planet.stop("us-east-1")
        again = await planet.start("us-east-1")
        await ask(again, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "late"}}})  # while it counts
        await again.database.count()
        counted = again.database.tables["Things"]
        assert (counted.items, counted.size_bytes) == (before[0] + 1, before[1] + 6)

    run(story)


@pytest.mark.parametrize(
    ("operation", "params", "code", "message"),
    [
        (
            "PutItem",
            {"TableName": "Things"},
            "ValidationException",
            "1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null",
        ),
        (
            "PutItem",
            {"Item": KEY},
            "ValidationException",
            "1 validation error detected: Value null at 'tableName' failed to satisfy constraint: "
            "Member must not be null",
        ),
        ("PutItem", {"TableName": "Nothing", "Item": KEY}, "ResourceNotFoundException", "Requested resource not found"),
        (
            "PutItem",
            {"TableName": "Things", "Item": {"v": {"S": "x"}}},
            "ValidationException",
            "One or more parameter values were invalid: Missing the key pk in the item",
        ),
        (
            "PutItem",
            {"TableName": "Things", "Item": {"pk": {"N": "1"}}},
            "ValidationException",
            "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N",
        ),
        (
            "PutItem",
            {"TableName": "Things", "Item": {"pk": {"S": ""}}},
            "ValidationException",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string value. Key: pk",
        ),
        (
            "PutItem",
            {"TableName": "Things", "Item": {"pk": {"S": "x" * 2049}}},
            "ValidationException",
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 "
            "bytes",
        ),
        (
            "PutItem",
            put({"v": {"S": "x" * 409600}}),
            "ValidationException",
            "Item size has exceeded the maximum allowed size",
        ),
        ("PutItem", put({}, ReturnValues="ALL_NEW"), "ValidationException", "ReturnValues can only be ALL_OLD or NONE"),
        (
            "PutItem",
            put({}, ReturnValues="SOME"),
            "ValidationException",
            "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must "
            "satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
        ),
        (
            "PutItem",
            put({}, ExpressionAttributeValues={":v": {"S": "x"}}),
            "ValidationException",
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            "PutItem",
            put({}, ConditionExpression="attribute_not_exists(pk)", Expected={"pk": {"Exists": False}}),
            "ValidationException",
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
            "{Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            "PutItem",
            put({}, ConditionExpression="a = :v", ExpressionAttributeValues={":v": {"N": "x"}}),
            "ValidationException",
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x "
            "for key :v",
        ),
        (
            "PutItem",
            put({}, ConditionExpression="a = :v", ExpressionAttributeValues={":v": {"N": "1"}, ":w": {"N": "1"}}),
            "ValidationException",
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
        ),
        (
            "GetItem",
            {"TableName": "Things", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}},
            "ValidationException",
            "The provided key element does not match the schema",
        ),
        (
            "UpdateItem",
            keyed(UpdateExpression="SET pk = :v", ExpressionAttributeValues={":v": {"S": "x"}}),
            "ValidationException",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            "UpdateItem",
            keyed(UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"S": "x" * 409600}}),
            "ValidationException",
            "Item size to update has exceeded the maximum allowed size",
        ),
    ],
)
def test_bad_input_is_refused_in_awss_words_and_changes_nothing(
    run: Run, operation: str, params: dict[str, Any], code: str, message: str
) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        assert await refused(service, operation, params) == (code, message)
        assert service.table_sizes() == {"Things": 0}

    run(story)


def test_consumed_capacity_follows_awss_arithmetic(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        total = {"ReturnConsumedCapacity": "TOTAL"}
        answer = await ask(service, "PutItem", put({"v": {"S": "x" * 2000}}, **total))
        assert answer["ConsumedCapacity"] == {"TableName": "Things", "CapacityUnits": 2.0}
        answer = await ask(service, "GetItem", keyed(**total))
        assert answer["ConsumedCapacity"]["CapacityUnits"] == 0.5
        answer = await ask(service, "GetItem", keyed(ConsistentRead=True, **total))
        assert answer["ConsumedCapacity"]["CapacityUnits"] == 1.0
        answer = await ask(service, "PutItem", put({}, **total))  # the larger of old and new
        assert answer["ConsumedCapacity"]["CapacityUnits"] == 2.0

    run(story)


def test_batches_write_and_get(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await make_table(service, "Others", range="N")
        puts = [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(5)]
        others = [{"PutRequest": {"Item": {"pk": {"S": "x"}, "sk": {"N": "1"}, "v": {"S": "y"}}}}]
        answer = await ask(service, "BatchWriteItem", {"RequestItems": {"Things": puts, "Others": others}})
        assert answer == {"UnprocessedItems": {}}
        gone = [{"DeleteRequest": {"Key": {"pk": {"S": "0"}}}}]
        await ask(service, "BatchWriteItem", {"RequestItems": {"Things": gone}})
        answer = await ask(
            service,
            "BatchGetItem",
            {
                "RequestItems": {
                    "Things": {"Keys": [{"pk": {"S": str(number)}} for number in range(3)]},
                    "Others": {"Keys": [{"pk": {"S": "x"}, "sk": {"N": "1.0"}}], "ProjectionExpression": "v"},
                }
            },
        )
        assert answer == {
            "Responses": {"Things": [{"pk": {"S": "1"}}, {"pk": {"S": "2"}}], "Others": [{"v": {"S": "y"}}]},
            "UnprocessedKeys": {},
        }

    run(story)


def test_a_bad_member_of_a_batch_changes_nothing(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        good = {"PutRequest": {"Item": {"pk": {"S": "1"}}}}
        for bad, message in (
            ({"PutRequest": {"Item": {"pk": {"N": "1"}}}}, "The provided key element does not match the schema"),
            (good, "Provided list of item keys contains duplicates"),
            ({"DeleteRequest": {"Key": {"x": {"S": "1"}}}}, "The provided key element does not match the schema"),
        ):
            _, told = await refused(service, "BatchWriteItem", {"RequestItems": {"Things": [good, bad]}})
            assert message in told
        _, told = await refused(service, "BatchWriteItem", {"RequestItems": {"Things": [good] * 26}})
        assert told.startswith("1 validation error detected: Value '{Things=[WriteRequest(")
        assert told.endswith(
            "at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have "
            "length less than or equal to 25, Member must have length greater than or equal to 1]"
        )
        _, told = await refused(
            service, "BatchWriteItem", {"RequestItems": {"Things": [good] * 20, "Others": [good] * 6}}
        )
        assert told == "Too many items requested for the BatchWriteItem call"
        assert service.table_sizes() == {"Things": 0}

    run(story)
