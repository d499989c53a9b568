"""Transactions: all or nothing, reasons in order, idempotent under a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.dynamodb.transactions import TOKEN
from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]


def put(pk: str, **more: Any) -> dict[str, Any]:
    return {"Put": {"TableName": "Things", "Item": {"pk": {"S": pk}}, **more}}


def keyed(kind: str, pk: str, **more: Any) -> dict[str, Any]:
    return {kind: {"TableName": "Things", "Key": {"pk": {"S": pk}}, **more}}


def test_all_actions_happen_together(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "old"}}})
        actions = [
            put("new"),
            keyed("Delete", "old"),
            keyed("Update", "counted", UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}}),
            keyed("ConditionCheck", "absent", ConditionExpression="attribute_not_exists(pk)"),
        ]
        assert await ask(service, "TransactWriteItems", {"TransactItems": actions}) == {}
        gets = [keyed("Get", pk) for pk in ("new", "old", "counted")]
        answer = await ask(service, "TransactGetItems", {"TransactItems": gets})
        assert answer["Responses"] == [
            {"Item": {"pk": {"S": "new"}}},
            {},
            {"Item": {"pk": {"S": "counted"}, "n": {"N": "1"}}},
        ]

    run(story)


def test_one_failed_condition_cancels_all_and_says_which(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "there"}}})
        condition = {
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        with pytest.raises(AwsError) as caught:
            await ask(service, "TransactWriteItems", {"TransactItems": [put("new"), put("there", **condition)]})
        assert caught.value.code == "TransactionCanceledException"
        assert caught.value.message == (
            "Transaction cancelled, please refer cancellation reasons for specific reasons "
            "[None, ConditionalCheckFailed]"
        )
        assert caught.value.extra["CancellationReasons"] == [
            {"Code": "None"},
            {
                "Code": "ConditionalCheckFailed",
                "Message": "The conditional request failed",
                "Item": {"pk": {"S": "there"}},
            },
        ]
        assert service.table_sizes() == {"Things": 1}

    run(story)


def test_a_token_makes_a_transaction_happen_once_even_after_a_restart(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        add = keyed("Update", "n", UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}})
        params = {"TransactItems": [add], "ClientRequestToken": "token"}
        await ask(service, "TransactWriteItems", params)
        await ask(service, "TransactWriteItems", params)
        await planet.stop("us-east-1")
        service = await planet.start("us-east-1")
        await ask(service, "TransactWriteItems", params)
        found = await ask(service, "GetItem", {"TableName": "Things", "Key": {"pk": {"S": "n"}}})
        assert found["Item"]["n"] == {"N": "1"}
        other = {"TransactItems": [put("x")], "ClientRequestToken": "token"}
        assert (await refused(service, "TransactWriteItems", other))[0] == "IdempotentParameterMismatchException"

    run(story)


def test_an_expired_token_is_forgotten(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        await ask(service, "TransactWriteItems", {"TransactItems": [put("a")], "ClientRequestToken": "first"})
        for _ in range(1300):  # the test world's clock moves a second with every look
            service.database.world.now()
        await ask(service, "TransactWriteItems", {"TransactItems": [put("b")], "ClientRequestToken": "second"})
        kept = [key for key, _ in service.database.store.range(TOKEN, TOKEN + b"\xff")]
        assert kept == [TOKEN + b"second"]

    run(story)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (
            [put("a"), keyed("Delete", "a")],
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            [],
            "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        ([{}], "TransactItems can only contain one of Check, Put, Update or Delete"),
    ],
)
def test_bad_transactions_are_refused_whole(run: Run, actions: list[dict[str, Any]], message: str) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        code, told = await refused(service, "TransactWriteItems", {"TransactItems": actions})
        assert code == "ValidationException"
        assert message in told
        assert service.table_sizes() == {"Things": 0}

    run(story)


def test_a_member_that_does_not_fit_its_table_cancels_the_transaction(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        bad = {"Put": {"TableName": "Things", "Item": {"pk": {"N": "1"}}}}
        for operation, actions, codes in (
            ("TransactWriteItems", [put("a"), bad], "[None, ValidationError]"),
            ("TransactGetItems", [{"Get": {"TableName": "Things", "Key": {}}}], "[ValidationError]"),
        ):
            code, told = await refused(service, operation, {"TransactItems": actions})
            assert code == "TransactionCanceledException"
            assert told == f"Transaction cancelled, please refer cancellation reasons for specific reasons {codes}"
        assert service.table_sizes() == {"Things": 0}

    run(story)


def test_a_transaction_reads_an_item_only_once(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        get = {"Get": {"TableName": "Things", "Key": {"pk": {"S": "a"}}}}
        assert await refused(service, "TransactGetItems", {"TransactItems": [get, get]}) == (
            "ValidationException",
            "Transaction request cannot include multiple operations on one item",
        )

    run(story)


def test_a_transaction_costs_double_and_says_on_which_side(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        params = {"TransactItems": [put("a"), put("b")], "ReturnConsumedCapacity": "TOTAL", "ClientRequestToken": "t"}
        told = await ask(service, "TransactWriteItems", params)
        assert told["ConsumedCapacity"] == [
            {"TableName": "Things", "CapacityUnits": 4.0, "WriteCapacityUnits": 4.0},
        ]
        again = await ask(service, "TransactWriteItems", params)
        assert again["ConsumedCapacity"] == [{"TableName": "Things", "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}]
        get = {"Get": {"TableName": "Things", "Key": {"pk": {"S": "a"}}}}
        told = await ask(service, "TransactGetItems", {"TransactItems": [get], "ReturnConsumedCapacity": "INDEXES"})
        assert told["ConsumedCapacity"] == [
            {
                "TableName": "Things",
                "CapacityUnits": 2.0,
                "ReadCapacityUnits": 2.0,
                "Table": {"CapacityUnits": 2.0, "ReadCapacityUnits": 2.0},
            }
        ]

    run(story)
