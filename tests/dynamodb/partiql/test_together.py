"""ExecuteTransaction: all statements or none."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.dynamodb.partiql.words import NOT_WELL_FORMED
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask, refused
from tests.dynamodb.partiql.statements import INDEXES, Row, Run, execute, filled, things

KEY = " WHERE pk = 'o' AND sk = '1'"
OTHER = " WHERE pk = 'p' AND sk = '1'"
MISMATCH = "The provided key element does not match the schema"


async def together(service: DynamoDB, *statements: str | Row, **more: Any) -> Row:
    members = [one if isinstance(one, dict) else {"Statement": one} for one in statements]
    return await ask(service, "ExecuteTransaction", {"TransactStatements": members, **more})


async def reasons(service: DynamoDB, *statements: str | Row, **more: Any) -> list[Row]:
    """Why a transaction was cancelled."""
    with pytest.raises(AwsError) as caught:
        await together(service, *statements, **more)
    assert caught.value.code == "TransactionCanceledException", caught.value
    found: list[Row] = caught.value.extra["CancellationReasons"]
    codes = ", ".join(reason["Code"] for reason in found)
    assert caught.value.message.endswith(f"for specific reasons [{codes}]")
    return found


async def said(service: DynamoDB, *statements: str | Row) -> str:
    """The message of a transaction that is refused as a whole."""
    members = [one if isinstance(one, dict) else {"Statement": one} for one in statements]
    code, message = await refused(service, "ExecuteTransaction", {"TransactStatements": members})
    assert code == "ValidationException"
    return message


def test_writes_happen_together(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        answer = await together(
            service,
            "INSERT INTO Things VALUE {'pk': 'new', 'sk': '1'}",
            {"Statement": f"UPDATE Things SET n = ?{KEY} AND n = 1", "Parameters": [{"N": "7"}]},
            f"DELETE FROM Things{OTHER}",
            "EXISTS(SELECT * FROM Things WHERE pk = 'o' AND sk = '2' AND nope IS MISSING)",
            "EXISTS(SELECT * FROM Things WHERE (pk = 'o' AND sk = '3') AND n = 3)",
        )
        assert answer == {"Responses": []}
        rows = await execute(service, "SELECT pk, n FROM Things WHERE sk = '1'")
        assert sorted((row["pk"]["S"], row.get("n", {}).get("N")) for row in rows) == [("new", None), ("o", "7")]

    run(story)


def test_one_fault_cancels_all_and_the_reasons_are_in_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        before = await execute(service, "SELECT * FROM Things")
        show = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        found = await reasons(
            service,
            "INSERT INTO Things VALUE {'pk': 'new', 'sk': '1'}",
            "INSERT INTO Things VALUE {'pk': 'o', 'sk': '2'}",
            {"Statement": f"UPDATE Things SET n = 1{KEY} AND n = 5", **show},
            "UPDATE Things SET n = 1 WHERE pk = 'nobody' AND sk = '1'",
            "EXISTS(SELECT * FROM Things WHERE pk = 'o' AND sk = '3' AND n = 1)",
        )
        assert [reason["Code"] for reason in found] == [
            "None",
            "DuplicateItem",
            "ConditionalCheckFailed",
            "ConditionalCheckFailed",
            "ConditionalCheckFailed",
        ]
        assert found[0] == {"Code": "None"}
        assert found[2]["Message"] == "The conditional request failed"
        assert found[2]["Item"]["n"] == {"N": "1"}
        assert "Item" not in found[3]
        assert await execute(service, "SELECT * FROM Things") == before

    run(story)


def test_keys_that_name_no_item_cancel(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        update = "UPDATE Things SET a = 1 WHERE "
        found = await reasons(
            service,
            update + "pk = 'o'",
            update + "pk IN ['o'] AND sk = '1'",
            update + "pk = 'o' AND sk = '1' AND pk = 'p'",
            update + "pk = 'o' AND sk = 1",
            update + "pk = 'o' AND sk = '1'",
        )
        assert [reason["Code"] for reason in found] == ["ValidationError"] * 4 + ["None"]
        assert found[0]["Message"] == found[3]["Message"] == MISMATCH
        found = await reasons(service, "INSERT INTO Things VALUE {'pk': 'o'}", "DELETE FROM Things WHERE sk = '1'")
        assert found[0]["Message"] == "One or more parameter values were invalid: Missing the key sk in the item"
        assert found[1]["Message"] == MISMATCH
        select = f"SELECT * FROM Things{KEY}"
        found = await reasons(service, select, select, "SELECT * FROM Things WHERE pk = 1 AND sk = '1'")
        assert [reason["Code"] for reason in found] == ["None", "None", "ValidationError"]

    run(story)


def test_a_missing_table_cancels_after_the_others_are_judged(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        missing = f"UPDATE Nothing SET a = 1{KEY}"
        assert await reasons(service, f"{missing} RETURNING ALL NEW *") == [
            {"Code": "ResourceNotFound", "Message": "Requested resource not found"}
        ]
        found = await reasons(service, f"SELECT * FROM Things{KEY}", 'SELECT * FROM "Nothing"."i" WHERE pk = 1')
        assert [reason["Code"] for reason in found] == ["None", "ResourceNotFound"]
        assert await said(service, missing, f"UPDATE Things SET a = 1{KEY} RETURNING ALL NEW *") == (
            "Validation failed in TransactStatements[1]: RETURNING clause is not supported in ExecuteTransaction."
        )

    run(story)


def test_reads_answer_the_items_or_nothing(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        answer = await together(
            service,
            f"SELECT n FROM Things{KEY}",
            "SELECT * FROM Things WHERE pk = 'nobody' AND sk = '1'",
            "SELECT sk FROM Things WHERE (sk = '2') AND pk IN ['o'] AND pk = 'o'",
            ReturnConsumedCapacity="TOTAL",
        )
        assert answer["Responses"] == [{"Item": {"n": {"N": "1"}}}, {}, {"Item": {"sk": {"S": "2"}}}]
        assert answer["ConsumedCapacity"] == [
            {"TableName": "Things", "CapacityUnits": 6.0, "ReadCapacityUnits": 6.0},
        ]

    run(story)


WITHIN = "Validation failed in TransactStatements[0]: "
BY_KEY = WITHIN + "Select statements within ExecuteTransaction must specify the primary key in the where clause."
EXISTS = WITHIN + "EXISTS() must contain a single item read with additional condition"
REFUSED = {
    f"SELECT * FROM Things{KEY} AND n = 1": BY_KEY,
    f"SELECT * FROM Things{KEY} AND pk = 'p'": BY_KEY,
    "SELECT * FROM Things WHERE pk = 'o'": BY_KEY,
    "SELECT * FROM Things": BY_KEY,
    'SELECT * FROM "Things"."all" WHERE gk = \'x\'': WITHIN + "Reads on indices are not supported within transactions.",
    "SELECT * FROM Things WHERE pk IN ['o', 'o'] AND sk = '1'": WITHIN
    + "Overlapping conditions with range keys are not supported in where clause",
    "SELECT * FROM Things WHERE": WITHIN + NOT_WELL_FORMED + "Unexpected term",
    f"UPDATE Things SET a = 1{KEY} RETURNING ALL NEW *": WITHIN
    + "RETURNING clause is not supported in ExecuteTransaction.",
    f"UPDATE Things SET n = n + [1]{KEY}": WITHIN
    + "Incorrect operand type for operator or function; operator or function: +, operand type: L",
    f"EXISTS(SELECT * FROM Things{KEY})": EXISTS,
    "EXISTS(SELECT * FROM Things WHERE pk = 'o' AND n = 1)": EXISTS,
    "EXISTS(SELECT * FROM Things WHERE pk IN ['o'] AND sk = '1' AND n = 1)": EXISTS,
}


def test_what_refuses_the_whole_transaction(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet, **INDEXES)
        assert {text: await said(service, text) for text in REFUSED} == REFUSED
        select, update = f"SELECT * FROM Things{KEY}", f"UPDATE Things SET a = 1{OTHER}"
        assert await said(service, select, update) == (
            "ExecuteTransaction API does not support both read and write operations in the same request."
        )
        twice = "Transaction request cannot include multiple operations on one item"
        assert await said(service, select, f"SELECT n FROM Things{KEY}") == twice
        assert await said(service, f"DELETE FROM Things{OTHER}", f"DELETE FROM Things{OTHER}") == twice
        assert "greater than or equal to 1" in await said(service)
        assert "less than or equal to 100" in await said(service, *[select] * 101)
        insert = "INSERT INTO Things VALUE {'pk': 'o', 'sk': '1', 'x': ?}"
        bad = {"Statement": insert, "Parameters": [{"SS": ["a", "a"]}]}
        assert await said(service, update, bad) == (
            "One or more parameter values were invalid: Input collection [a, a] contains duplicates."
        )

    run(story)


def test_the_first_value_of_a_key_is_read_by_exists(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        found = await reasons(
            service,
            f"EXISTS(SELECT * FROM Things{KEY} AND pk = 'p' AND n = 1)",
            "UPDATE Things SET b = 1 WHERE pk = 'p' AND sk = '1'",
        )
        assert [reason["Code"] for reason in found] == ["ConditionalCheckFailed", "None"]

    run(story)


def test_a_token_makes_a_transaction_happen_once(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        wish = {"ClientRequestToken": "once", "ReturnConsumedCapacity": "INDEXES"}
        first = await together(service, f"UPDATE Things SET n = n + 1{KEY}", **wish)
        again = await together(service, f"UPDATE Things SET n = n + 1{KEY}", **wish)
        assert await execute(service, f"SELECT n FROM Things{KEY}") == [{"n": {"N": "2"}}]
        assert first["Responses"] == again["Responses"] == []
        assert first["ConsumedCapacity"][0]["WriteCapacityUnits"] == 2.0
        assert again["ConsumedCapacity"][0]["ReadCapacityUnits"] == 2.0
        asked = {"TransactStatements": [{"Statement": f"DELETE FROM Things{KEY}"}], "ClientRequestToken": "once"}
        assert (await refused(service, "ExecuteTransaction", asked))[0] == "IdempotentParameterMismatchException"

    run(story)
