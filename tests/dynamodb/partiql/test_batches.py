"""BatchExecuteStatement: each statement for itself."""

from __future__ import annotations

from typing import Any

from antipodes.services.dynamodb.partiql.words import NOT_WELL_FORMED
from antipodes.services.dynamodb.service import DynamoDB
from tests.dynamodb.conftest import Planet, ask, refused
from tests.dynamodb.partiql.statements import INDEXES, Row, Run, execute, filled, things

BY_KEY = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
KEY = " WHERE pk = 'o' AND sk = '1'"
OTHER = " WHERE pk = 'o' AND sk = '3'"


async def batch(service: DynamoDB, *statements: str | Row, **more: Any) -> list[Row]:
    members = [one if isinstance(one, dict) else {"Statement": one} for one in statements]
    found: list[Row] = (await ask(service, "BatchExecuteStatement", {"Statements": members, **more}))["Responses"]
    return found


def test_reads_by_key_answer_in_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        found = await batch(
            service,
            "SELECT n FROM Things WHERE sk = '2' AND pk = 'o'",
            {"Statement": "SELECT sk FROM Things WHERE pk = ? AND sk = ?", "Parameters": [{"S": "p"}, {"S": "1"}]},
            "SELECT sk FROM Things WHERE pk = 'nobody' AND sk = '1'",
            "SELECT sk FROM Things WHERE pk IN ['o'] AND sk IN ['3']",
        )
        assert found == [
            {"TableName": "Things", "Item": {"n": {"N": "2"}}},
            {"TableName": "Things", "Item": {"sk": {"S": "1"}}},
            {"TableName": "Things"},
            {"TableName": "Things", "Item": {"sk": {"S": "3"}}},
        ]

    run(story)


def test_reads_of_anything_but_one_item_are_refused_each(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet, **INDEXES)
        for where in (
            "Things WHERE n = 1",
            "Things WHERE pk = 'o'",
            f"Things{KEY} AND n = 1",
            f"Things{KEY} AND pk = 'p'",
            f"Things{KEY} AND attribute_exists(n)",
            '"Things"."all" WHERE gk = \'x\'',
            f'"Things"."all"{KEY}',
        ):
            found = await batch(service, f"SELECT * FROM {where}", f"SELECT * FROM Things{KEY}")
            assert found == [{"Error": {"Code": "ValidationError", "Message": BY_KEY}}, {"TableName": "Things"}], where

    run(story)


def test_a_faulty_statement_answers_its_own_error(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        found = await batch(
            service,
            f"UPDATE Things SET n = 10{KEY}",
            "UPDATE Things SET n = 11 WHERE pk = 'o' AND sk = '3' AND n = 1",
            "INSERT INTO Things VALUE {'pk': 'o', 'sk': '2'}",
            "INSERT INTO Nothing VALUE {'pk': 'o', 'sk': '2'}",
            "SLECT * FROM Things",
            "UPDATE Things SET n = 1 WHERE pk = 'o'",
            {"Statement": f"UPDATE Things SET n = ?{OTHER}", "Parameters": [{"N": "1e99999999999"}]},
            f"UPDATE Things SET n = ?{OTHER}",
            "UPDATE Things SET nope.x = 1 WHERE pk = 'p' AND sk = '1'",
            "INSERT INTO Things VALUE {'pk': 'new', 'sk': '1'}",
        )
        said = [(one.get("TableName", ""), one.get("Error", {}).get("Code", "")) for one in found]
        assert said == [
            ("Things", ""),
            ("Things", "ConditionalCheckFailed"),
            ("Things", "DuplicateItem"),
            ("", "ResourceNotFound"),
            ("", "ValidationError"),
            ("", "ValidationError"),
            ("", "ValidationError"),
            ("", "ValidationError"),
            ("Things", "ValidationError"),
            ("Things", ""),
        ]
        assert found[4]["Error"]["Message"] == NOT_WELL_FORMED + "Expected data manipulation"
        assert await execute(service, f"SELECT n FROM Things{KEY}") == [{"n": {"N": "10"}}]
        assert len(await execute(service, "SELECT * FROM Things WHERE pk = 'new'")) == 1

    run(story)


def test_returning_is_honoured_but_a_failed_condition_shows_no_item(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        found = await batch(
            service,
            f"UPDATE Things SET n = 5{KEY} RETURNING MODIFIED NEW *",
            f"UPDATE Things REMOVE n{OTHER} RETURNING MODIFIED NEW *",
            {"Statement": "UPDATE Things SET n = 5 WHERE pk = 'o' AND sk = '2' AND n = 1", **shown},
            "DELETE FROM Things WHERE pk = 'p' AND sk = '1' RETURNING ALL OLD *",
            "DELETE FROM Things WHERE pk = 'p' AND sk = '2' RETURNING MODIFIED OLD *",
        )
        assert found[0] == {"TableName": "Things", "Item": {"n": {"N": "5"}}}
        assert found[1] == {"TableName": "Things"}
        assert set(found[2]) == {"TableName", "Error"}
        assert set(found[2]["Error"]) == {"Code", "Message"}
        assert found[3]["Item"]["sk"] == {"S": "1"}
        assert found[4]["Error"]["Message"].startswith("Invalid returning clause: RETURNING MODIFIED OLD *.")

    run(story)


def test_capacity_is_told_statement_by_statement(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        select = f"SELECT * FROM Things{KEY}"
        other = f"SELECT * FROM Things{OTHER}"
        members = [{"Statement": select, "ConsistentRead": True}, {"Statement": "x"}, {"Statement": other}]
        asked = {"Statements": members, "ReturnConsumedCapacity": "TOTAL"}
        told = (await ask(service, "BatchExecuteStatement", asked))["ConsumedCapacity"]
        assert [one["CapacityUnits"] for one in told] == [1.0, 0.5]

    run(story)


def test_what_refuses_the_whole_batch(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)

        async def said(*statements: str) -> str:
            members = [{"Statement": one} for one in statements]
            code, message = await refused(service, "BatchExecuteStatement", {"Statements": members})
            assert code == "ValidationException"
            return message

        read, write = f"SELECT * FROM Things{KEY}", f"DELETE FROM Things{KEY}"
        assert "greater than or equal to 1" in await said()
        assert "less than or equal to 25" in await said(*[read] * 26)
        assert "at 'statements.2.member.statement'" in await said(read, "")
        assert await said(read, write) == "Read and write requests together in the same batch is not supported."
        assert await said(read, read) == "Provided list of item keys contains duplicates"
        assert await said(write, "INSERT INTO Things VALUE {'pk': 'o', 'sk': '1'}") == (
            "Provided list of item keys contains duplicates"
        )
        others = [f"SELECT * FROM Things WHERE pk = 'o' AND sk = '{number}'" for number in range(25)]
        assert len(await batch(service, *others)) == 25
        assert len(await execute(service, "SELECT * FROM Things")) == 6

    run(story)
