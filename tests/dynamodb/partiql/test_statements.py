"""ExecuteStatement against a table: what it reads, writes and answers."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.dynamodb.partiql.words import PARAMETERS_MISMATCH
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.wire.errors import AwsError
from tests.dynamodb.conftest import Planet, ask
from tests.dynamodb.partiql.statements import (
    INVALID,
    Row,
    Run,
    execute,
    filled,
    indexed,
    keys,
    message,
    things,
)


def test_literals_become_attribute_values(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        text = (
            "INSERT INTO \"Things\" value {'pk': 'a', 'sk': '1', 'n': -1.50e2, 'l': [1, 's', [TRUE]], 'm': {'k': null},"
            " 'ns': <<1, 34, 4.5>>, 'ss': <<'x', 'it''s'>>, 'b': false, 'e': '', 'z': -0}"
        )
        assert await execute(service, text) == []
        assert await execute(service, "SELECT * FROM Things WHERE pk = 'a' AND sk = '1'") == [
            {
                "pk": {"S": "a"},
                "sk": {"S": "1"},
                "n": {"N": "-150"},
                "l": {"L": [{"N": "1"}, {"S": "s"}, {"L": [{"BOOL": True}]}]},
                "m": {"M": {"k": {"NULL": True}}},
                "ns": {"NS": ["1", "4.5", "34"]},
                "ss": {"SS": ["it's", "x"]},
                "b": {"BOOL": False},
                "e": {"S": ""},
                "z": {"N": "0"},
            }
        ]

    run(story)


def test_parameters_stand_where_values_do(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        await execute(
            service, "INSERT INTO Things VALUE {'pk': ?, 'sk': ?, 'v': ?}", {"S": "a"}, {"S": "1"}, {"B": "AQI="}
        )
        await execute(
            service, "UPDATE Things SET n = ?, v = ? WHERE pk = ? AND sk = ?", *[{"S": "x"}] * 2, {"S": "a"}, {"S": "1"}
        )
        found = await execute(service, "SELECT n FROM Things WHERE pk = ? AND v IN [?, 'y']", {"S": "a"}, {"S": "x"})
        assert found == [{"n": {"S": "x"}}]
        assert await message(service, "SELECT * FROM Things WHERE pk = ?") == PARAMETERS_MISMATCH
        assert await message(service, "SELECT * FROM Things", {"S": "a"}) == PARAMETERS_MISMATCH

    run(story)


CONDITIONS = {
    "n > 1": "23",
    "2 > n": "1",
    "n <> 2": "13",
    "n != 2": "13",
    "n BETWEEN 2 AND 3": "23",
    "n NOT BETWEEN 2 AND 3": "1",
    "n IN [1, 3]": "13",
    "n NOT IN (1, 3)": "2",
    "NOT n = 1": "23",
    "n = 1 OR n = 2 AND n > 2": "1",
    "(n = 1 OR n = 2) AND n > 1": "2",
    "begins_with(sk, '1')": "1",
    "sk > '1'": "23",
    "sk BETWEEN '1' AND '2'": "12",
    "sk = '1' OR sk = '3'": "13",
    "sk IN ['2', '3']": "23",
    "sk > '1' AND sk <> '2'": "3",
    "contains(tags, 't2')": "2",
    "size(tags) = 2": "123",
    "SIZE(sk) > 1": "",
    "attribute_type(tags, 'SS')": "123",
    "tags IS MISSING": "",
    "tags IS NOT MISSING": "123",
    "nope IS MISSING": "123",
    "nul IS NULL": "123",
    "nope IS NULL": "",
    "nope IS NOT NULL": "123",
    "n IS STRING": "",
    "sk IS STRING": "123",
    "n IS NUMERIC": "123",
    "attribute_exists(pk)": "123",
    "ATTRIBUTE_NOT_EXISTS (n)": "",
    "attribute_exists(n) = true": "123",
    "attribute_exists(nope) = false": "123",
    "true = attribute_exists(n)": "123",
    "attribute_exists(n) <> 1": "123",
    "attribute_exists(n) = 1": "",
    "(n BETWEEN 0 AND 2) = true": "12",
    "(n = 1 OR n = 2) = false": "3",
    "attribute_exists(nope) IN [true, false]": "123",
    "attribute_exists(n) = attribute_exists(tags)": "123",
    "NOT attribute_exists(n) = true": "",
    "(attribute_exists(n) = true) = false": "",
    "tags = <<'all', 't1'>>": "1",
    "n = - - 1": "1",
    "pk = 'p'": "",
}


def test_conditions_of_a_select(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        found = {text: "".join(await keys(service, f"pk = 'o' AND ({text})")) for text in CONDITIONS}
        assert found == CONDITIONS
        scanned = {text: "".join(await keys(service, f"({text}) AND pk < 'p'")) for text in CONDITIONS}
        assert scanned == CONDITIONS

    run(story)


def test_columns_are_called_by_the_last_name_of_their_path(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        await execute(service, "INSERT INTO Things VALUE {'pk':'a','sk':'1','m':{'k':['x',{'d.e':'y'}]},'l':[7]}")
        found = await execute(service, "SELECT l[0], m.k[1].\"d.e\", m.nope, sk FROM Things WHERE pk='a'")
        assert found == [{"l[0]": {"N": "7"}, "d.e": {"S": "y"}, "sk": {"S": "1"}}]
        assert await execute(service, "SELECT m.k[0], l[-0] FROM Things") == [{"k[0]": {"S": "x"}, "l[0]": {"N": "7"}}]
        assert await execute(service, "SELECT nope FROM Things") == [{}]

    run(story)


def test_order_by_the_keys(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        found = {}
        for order in (
            "pk = 'o' ORDER BY sk DESC",
            "pk = 'o' ORDER BY sk",
            "pk = 'o' ORDER BY pk ASC",
            "pk IN ['p', 'o']",
        ):
            rows = await execute(service, f"SELECT pk, sk FROM Things WHERE {order}")
            found[order] = " ".join(row["pk"]["S"] + row["sk"]["S"] for row in rows)
        rows = await execute(service, "SELECT pk, sk FROM Things WHERE pk IN ['o', 'p'] ORDER BY pk DESC, sk ASC")
        assert found == {
            "pk = 'o' ORDER BY sk DESC": "o3 o2 o1",
            "pk = 'o' ORDER BY sk": "o1 o2 o3",
            "pk = 'o' ORDER BY pk ASC": "o3 o2 o1",  # seen on AWS
            "pk IN ['p', 'o']": "o1 o2 o3 p1 p2 p3",
        }
        assert [row["pk"]["S"] + row["sk"]["S"] for row in rows] == ["p1", "p2", "p3", "o1", "o2", "o3"]

    run(story)


async def pages(service: DynamoDB, text: str, limit: int) -> list[list[str]]:
    """The keys of all pages, and a page never has more than it was limited to."""
    found: list[list[str]] = []
    asked: Row = {"Statement": text, "Limit": limit}
    while True:
        answer = await ask(service, "ExecuteStatement", asked)
        found.append([row["pk"]["S"] + row["sk"]["S"] for row in answer["Items"]])
        if "NextToken" not in answer:
            assert "LastEvaluatedKey" not in answer
            return found
        assert set(answer["LastEvaluatedKey"]) == {"pk", "sk"}
        asked["NextToken"] = answer["NextToken"]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_pages_join_to_the_whole(run: Run, limit: int) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        for text in (
            "SELECT pk, sk FROM Things",
            "SELECT * FROM Things WHERE pk = 'o'",
            "SELECT * FROM Things WHERE pk IN ['o', 'p', 'q'] ORDER BY pk DESC",
            "SELECT * FROM Things WHERE pk IN ['o', 'p'] AND sk IN ['1', '3', '9']",
            "SELECT * FROM Things WHERE pk = 'o' AND n > 1",
        ):
            whole = [row["pk"]["S"] + row["sk"]["S"] for row in await execute(service, text)]
            found = await pages(service, text, limit)
            assert [key for page in found for key in page] == whole
            assert all(len(page) <= limit for page in found)

    run(story)


def test_limit_counts_what_is_looked_at(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        assert await pages(service, "SELECT pk, sk FROM Things WHERE pk = 'o' AND n = 3", 2) == [[], ["o3"]]
        assert await pages(service, "SELECT pk, sk FROM Things WHERE pk = 'o' AND sk = '1'", 1) == [["o1"]]

    run(story)


def test_a_token_belongs_to_its_statement(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        text = "SELECT sk FROM Things WHERE pk = ?"
        answer = await ask(service, "ExecuteStatement", {"Statement": text, "Parameters": [{"S": "o"}], "Limit": 1})
        token = answer["NextToken"]
        assert len(await execute(service, text, {"S": "o"}, NextToken=token)) == 2
        other = "NextToken does not match request"
        assert await message(service, text, {"S": "p"}, NextToken=token) == other
        assert await message(service, "SELECT sk FROM Things", NextToken=token) == other
        for broken in ("garbage", "AAAA", token[:-4], "A" + token[1:] + "=", "ÿ"):
            assert await message(service, text, {"S": "o"}, NextToken=broken) in {other, "Invalid NextToken"}

    run(story)


def test_a_page_ends_with_a_megabyte(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        for number in range(7):
            await execute(
                service, "INSERT INTO Things VALUE {'pk':'a','sk':?,'x':?}", {"S": str(number)}, {"S": "x" * 300_000}
            )
        found = await pages(service, "SELECT pk, sk FROM Things WHERE pk = 'a'", 100)
        assert [len(page) for page in found] == [4, 3]

    run(story)


def test_an_update_changes_what_it_names(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        await execute(
            service,
            "INSERT INTO Things VALUE {'pk':'a','sk':'1','n':1,'l':['x','y'],'m':{'k':1},'s':<<'a'>>,'t':<<1>>}",
        )
        where = "WHERE pk = 'a' AND sk = '1'"
        for change in (
            "SET n = n + 100 SET m.more = [2020, <<'s'>>]",
            "SET l = list_append(l, ['z']), s = SET_ADD(s, <<'b', 'c'>>)",
            "SET l[7] = 'w' REMOVE l[0] REMOVE m.k",
            "SET s = set_delete(s, <<'a'>>) SET t = set_delete(t, <<1>>) SET u = set_add(u, ?)",
            "SET n=n-1",
            "SET c = n - 1 + 1",
        ):
            await execute(service, f"UPDATE Things {change} {where}", *([{"NS": ["7"]}] if "?" in change else []))
        assert await execute(service, f"SELECT * FROM Things {where}") == [
            {
                "pk": {"S": "a"},
                "sk": {"S": "1"},
                "n": {"N": "100"},
                "l": {"L": [{"S": "y"}, {"S": "z"}, {"S": "w"}]},
                "m": {"M": {"more": {"L": [{"N": "2020"}, {"SS": ["s"]}]}}},
                "s": {"SS": ["b", "c"]},
                "u": {"NS": ["7"]},
                "c": {"N": "100"},
            }
        ]

    run(story)


def test_returning_answers_the_item_or_what_was_changed(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await things(planet)
        await execute(service, "INSERT INTO Things VALUE {'pk':'a','sk':'1','n':1,'l':['x','y','z'],'m':{'a':1,'b':2}}")
        where = "WHERE pk = 'a' AND sk = '1' RETURNING"
        assert await execute(service, f"UPDATE Things SET n = 2, m.a = 5 {where} MODIFIED OLD *") == [
            {"n": {"N": "1"}, "m": {"M": {"a": {"N": "1"}}}}
        ]
        assert await execute(service, f"UPDATE Things SET l[2] = 'Z', l[0] = 'X' {where} MODIFIED NEW *") == [
            {"l": {"L": [{"S": "X"}, {"S": "Z"}]}}
        ]
        assert await execute(service, f"UPDATE Things SET q = 1 {where} MODIFIED OLD *") == []
        assert await execute(service, f"UPDATE Things REMOVE q {where} MODIFIED NEW *") == []
        assert await execute(service, f"UPDATE Things SET l[9] = 'w' {where} MODIFIED NEW *") == []
        old = (await execute(service, f"UPDATE Things SET n = 3 {where} ALL OLD *"))[0]
        new = (await execute(service, f"UPDATE Things SET n = 4 {where} ALL NEW *"))[0]
        assert (old["n"], new["n"], old["m"]) == ({"N": "2"}, {"N": "4"}, new["m"])
        assert (await execute(service, f"DELETE FROM Things {where} ALL OLD *"))[0] == new
        assert await execute(service, f"DELETE FROM Things {where} ALL OLD *") == []

    run(story)


def test_a_write_is_refused_by_its_condition_and_changes_nothing(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        before = await execute(service, "SELECT * FROM Things")
        failed = "ConditionalCheckFailedException: The conditional request failed"
        for text in (
            "UPDATE Things SET z = 1 WHERE pk = 'o' AND sk = '1' AND n = 2",
            "UPDATE Things SET z = 1 WHERE pk = 'nobody' AND sk = '1'",
            "UPDATE Things REMOVE z WHERE pk = 'nobody' AND sk = '1'",
            "UPDATE Things SET z = 1 WHERE pk = 'nobody' AND sk = '1' AND attribute_not_exists(pk)",
            "FROM Things WHERE pk = 'o' AND sk = '1' AND n = 2 SET z = 1",
            "DELETE FROM Things WHERE (pk = 'o' AND sk = '1') AND NOT begins_with(sk, '1')",
        ):
            assert await message(service, text) == failed, text
        assert await message(service, "INSERT INTO Things VALUE {'pk': 'o', 'sk': '1'}") == (
            "DuplicateItemException: Duplicate primary key exists in table"
        )
        assert await execute(service, "DELETE FROM Things WHERE pk = 'nobody' AND sk = '1' AND n = 1") == []
        assert await execute(service, "SELECT * FROM Things") == before

    run(story)


def test_a_failed_condition_shows_the_item_when_asked(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        asked = {"Statement": "UPDATE Things SET z = 1 WHERE pk = 'o' AND sk = '1' AND n = 2"}
        for wanted in ("ALL_OLD", "NONE"):
            with pytest.raises(AwsError) as caught:
                await ask(service, "ExecuteStatement", {**asked, "ReturnValuesOnConditionCheckFailure": wanted})
            assert (caught.value.extra.get("Item") or {}).get("n") == ({"N": "1"} if wanted == "ALL_OLD" else None)

    run(story)


def test_an_index_answers_what_it_holds(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await indexed(planet)

        async def attributes(source: str) -> list[str]:
            found = await execute(service, f"SELECT * FROM {source}")
            return [" ".join(sorted(row)) for row in found]

        assert await attributes('"Things"."all" WHERE gk = \'x\'') == ["gk lk p pk q sk"] * 2
        assert await attributes('"Things"."some" WHERE gk = \'x\'') == ["gk p pk sk"] * 2
        assert await attributes("\"Things\".\"keys\" WHERE gk IN ['x', 'z']") == ["gk pk sk"] * 3
        assert await attributes('"Things"."local" WHERE pk = \'p\'') == ["lk pk sk"] * 4
        assert len(await execute(service, 'SELECT q FROM "Things"."local" WHERE pk = \'p\' ORDER BY lk DESC')) == 4
        assert await execute(service, "SELECT q FROM \"Things\".\"local\" WHERE pk='p' AND lk > 'l2'") == [
            {"q": {"S": "q3"}}
        ]
        # A scan's filter sees only what the index holds.
        assert await execute(service, 'SELECT sk FROM "Things"."some" WHERE q = \'q1\'') == []
        assert len(await execute(service, 'SELECT sk FROM "Things"."keys" WHERE NOT q = \'q1\'')) == 4
        found = await execute(service, "SELECT sk FROM \"Things\".\"some\" WHERE (gk='x' AND q='q1') OR (gk='y')")
        assert found == [{"sk": {"S": "3"}}]

    run(story)


def test_what_an_index_does_not_hold_is_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await indexed(planet)
        some = 'SELECT pk FROM "Things"."some" WHERE '
        missing = INVALID + "Secondary index some does not project one or more filter attributes: "
        wanted = {
            some + "gk = 'y' AND q = 'np1'": missing + "[q]",
            some + "gk = 'y' AND q IS MISSING": missing + "[q]",
            some + "gk = 'y' AND begins_with(q, 'np')": missing + "[q]",
            some + "gk IN ['y', 'z'] AND q = 'np1'": missing + "[q]",
            some + "gk = 'y' AND NOT (q = '1' OR p = 'x')": missing + "[q]",
            some + "gk = 'y' AND b = '1' AND (a = '2' OR p = '3')": missing + "[a, b]",
            some + "gk = 'y' AND (zz = '1' OR aa = '2' OR mm = '3')": missing + "[zz, aa, mm]",
            some + "(gk = 'b' AND u1 = '1') OR (gk = 'q' AND u2 = '1')": missing + "[u2]",
            some + "(gk = 'q' AND u1 = '1') OR (gk = 'b' AND u2 = '1')": missing + "[u1]",
            'SELECT q FROM "Things"."some" WHERE gk = \'y\'': INVALID
            + "Global secondary index some does not project [q]",
        }
        assert {text: await message(service, text) for text in wanted} == wanted
        assert await message(service, some + "gk = 'y'", ConsistentRead=True) == (
            "Strongly consistent read is not supported on Global Secondary Indexes"
        )
        for accepted in (
            "(gk = 'y' AND p = '1') OR (gk = 'z' AND aa = '1')",
            "gk > 'a' AND zz = '1'",
            "gk = 'y' AND (gk = 'z' OR zz = '1')",
            "(gk = 'y' AND zz = '1') OR aa = '1'",
        ):
            await execute(service, some + accepted)

    run(story)


def test_pages_of_an_index_go_on_behind_their_last_entry(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await indexed(planet)
        for text in (
            'SELECT pk, sk FROM "Things"."all"',
            "SELECT pk, sk FROM \"Things\".\"keys\" WHERE gk IN ['x', 'y']",
        ):
            answer = await ask(service, "ExecuteStatement", {"Statement": text, "Limit": 1})
            assert set(answer["LastEvaluatedKey"]) == {"pk", "sk", "gk"}
            rest = await execute(service, text, NextToken=answer["NextToken"])
            assert answer["Items"] + rest == await execute(service, text)

    run(story)


def test_capacity_is_told_as_for_items_and_queries(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await indexed(planet)

        async def units(text: str, **more: Any) -> Row:
            asked = {"Statement": text, "ReturnConsumedCapacity": "INDEXES", **more}
            found: Row = (await ask(service, "ExecuteStatement", asked))["ConsumedCapacity"]
            return found

        assert await units("SELECT * FROM Things WHERE pk='p' AND sk='1'") == {
            "TableName": "Things",
            "CapacityUnits": 0.5,
            "Table": {"CapacityUnits": 0.5},
        }
        one = await units("SELECT * FROM Things WHERE pk='p' AND sk='1'", ConsistentRead=True)
        assert one["CapacityUnits"] == 1.0
        keyed = await units('SELECT pk FROM "Things"."all" WHERE gk = \'x\'')
        assert keyed["Table"] == {"CapacityUnits": 0.0}
        assert keyed["GlobalSecondaryIndexes"] == {"all": {"CapacityUnits": 0.5}}
        fetched = await units('SELECT q FROM "Things"."local" WHERE pk = \'p\'')
        assert fetched["Table"] == {"CapacityUnits": 2.0}
        filtered = await units("SELECT lk FROM \"Things\".\"local\" WHERE pk = 'p' AND lk = 'none'")
        assert filtered["Table"] == {"CapacityUnits": 0.0}
        written = await units("UPDATE Things SET q = 'new' WHERE pk = 'p' AND sk = '1'")
        assert written["GlobalSecondaryIndexes"] == {"all": {"CapacityUnits": 1.0}}

    run(story)
