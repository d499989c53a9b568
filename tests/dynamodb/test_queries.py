"""Query and Scan: ranges, order, paging, filters, indexes, segments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.dynamodb.service import DynamoDB
from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]


async def filled(planet: Planet) -> DynamoDB:
    """Partitions a and b of ten items each: sk -5 to 4, v = sk, even or odd."""
    service = await planet.start("us-east-1")
    gsi = {
        "IndexName": "by-kind",
        "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}, {"AttributeName": "v", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    lsi = {
        "IndexName": "by-v",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "v", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    more = [{"AttributeName": "kind", "AttributeType": "S"}, {"AttributeName": "v", "AttributeType": "N"}]
    await make_table(service, range="N", attributes=more, GlobalSecondaryIndexes=[gsi], LocalSecondaryIndexes=[lsi])
    for number in range(-5, 5):
        for pk in "ab":
            item = {
                "pk": {"S": pk},
                "sk": {"N": str(number)},
                "v": {"N": str(-number)},
                "kind": {"S": "even" if number % 2 == 0 else "odd"},
                "other": {"S": "x"},
            }
            await ask(service, "PutItem", {"TableName": "Things", "Item": item})
    return service


def query(condition: str, values: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "TableName": "Things",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": {
            name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in values.items()
        },
        **more,
    }


def numbers(answer: dict[str, Any], name: str = "sk") -> list[int]:
    return [int(item[name]["N"]) for item in answer["Items"]]


@pytest.mark.parametrize(
    ("condition", "values", "wanted"),
    [
        ("pk = :p", {}, range(-5, 5)),
        ("pk = :p AND sk = :a", {":a": 2}, [2]),
        ("pk = :p AND sk < :a", {":a": -2}, [-5, -4, -3]),
        ("pk = :p AND sk <= :a", {":a": -3}, [-5, -4, -3]),
        ("pk = :p AND sk > :a", {":a": 2}, [3, 4]),
        (":a <= sk AND pk = :p", {":a": 2}, [2, 3, 4]),
        ("(pk = :p) AND (sk BETWEEN :a AND :b)", {":a": -1, ":b": 1}, [-1, 0, 1]),
        ("pk = :p AND sk > :a", {":a": 99}, []),
    ],
)
def test_key_conditions(run: Run, condition: str, values: dict[str, Any], wanted: Any) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        params = query(condition, {":p": "a", **values})
        assert numbers(await ask(service, "Query", params)) == list(wanted)
        backwards = await ask(service, "Query", {**params, "ScanIndexForward": False})
        assert numbers(backwards) == list(wanted)[::-1]

    run(story)


def test_begins_with_on_strings(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service, range="S")
        for sk in ("a", "ab", "abc", "b", "a\u00ff"):
            await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "p"}, "sk": {"S": sk}}})
        answer = await ask(service, "Query", query("pk = :p AND begins_with(sk, :s)", {":p": "p", ":s": "ab"}))
        assert [item["sk"]["S"] for item in answer["Items"]] == ["ab", "abc"]

    run(story)


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("index", [None, "by-v"])
def test_pages_join_into_the_whole(run: Run, forward: bool, index: str | None) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        params = query("pk = :p", {":p": "a"}, ScanIndexForward=forward)
        if index:
            params["IndexName"] = index
        whole = numbers(await ask(service, "Query", params))
        found: list[int] = []
        params["Limit"] = 3
        for _ in range(10):
            answer = await ask(service, "Query", params)
            found += numbers(answer)
            if "LastEvaluatedKey" not in answer:
                break
            params["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        assert found == whole
        assert len(whole) == 10

    run(story)


def test_limit_counts_what_is_read_and_a_filter_what_is_answered(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        params = query("pk = :p", {":p": "a", ":k": "even"}, FilterExpression="kind = :k", Limit=4)
        answer = await ask(service, "Query", params)
        assert (answer["Count"], answer["ScannedCount"], numbers(answer)) == (2, 4, [-4, -2])
        assert answer["LastEvaluatedKey"] == {"pk": {"S": "a"}, "sk": {"N": "-2"}}
        answer = await ask(service, "Query", {**params, "Select": "COUNT"})
        assert "Items" not in answer
        assert answer["Count"] == 2

    run(story)


def test_a_page_ends_at_one_megabyte(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service, range="N")
        for number in range(5):
            item = {"pk": {"S": "p"}, "sk": {"N": str(number)}, "v": {"S": "x" * 300_000}}
            await ask(service, "PutItem", {"TableName": "Things", "Item": item})
        answer = await ask(service, "Query", query("pk = :p", {":p": "p"}))
        assert numbers(answer) == [0, 1, 2, 3]
        answer = await ask(service, "Scan", {"TableName": "Things", "ExclusiveStartKey": answer["LastEvaluatedKey"]})
        assert numbers(answer) == [4]

    run(story)


def test_indexes_follow_puts_updates_and_deletes(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        key = {"pk": {"S": "a"}, "sk": {"N": "0"}}
        params = query("kind = :k", {":k": "even"}, IndexName="by-kind")

        async def present() -> int:
            return sum(item["pk"] == key["pk"] and item["sk"] == key["sk"] for item in await items())

        async def items() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await ask(service, "Query", params))["Items"]
            return found

        assert len(await items()) == 10
        assert await present() == 1
        assert set((await items())[0]) == {"pk", "sk", "kind", "v"}  # KEYS_ONLY
        change: dict[str, Any] = {
            "TableName": "Things",
            "Key": key,
            "UpdateExpression": "SET kind = :k",
            "ExpressionAttributeValues": {":k": {"S": "odd"}},
        }
        await ask(service, "UpdateItem", change)
        assert await present() == 0
        change["UpdateExpression"], change["ExpressionAttributeValues"] = (
            "REMOVE v SET kind = :k",
            {":k": {"S": "even"}},
        )
        await ask(service, "UpdateItem", change)
        assert await present() == 0  # without its range key an item has no place in the index
        await ask(service, "PutItem", {"TableName": "Things", "Item": {**key, "v": {"N": "7"}, "kind": {"S": "even"}}})
        assert await present() == 1
        await ask(service, "DeleteItem", {"TableName": "Things", "Key": key})
        assert await present() == 0
        scanned = await ask(service, "Scan", {"TableName": "Things", "IndexName": "by-kind", "Select": "COUNT"})
        assert scanned["Count"] == 19

    run(story)


def test_an_index_query_walks_in_its_own_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        params = query("pk = :p AND v BETWEEN :a AND :b", {":p": "a", ":a": -2, ":b": 2}, IndexName="by-v")
        assert numbers(await ask(service, "Query", params)) == [2, 1, 0, -1, -2]

    run(story)


@pytest.mark.parametrize("total", [1, 2, 7])
def test_segments_share_the_table_between_them(run: Run, total: int) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await make_table(service)
        for number in range(40):
            await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": str(number)}}})
        found: list[str] = []
        for segment in range(total):
            params: dict[str, Any] = {"TableName": "Things", "Segment": segment, "TotalSegments": total, "Limit": 3}
            while True:
                answer = await ask(service, "Scan", params)
                found += [item["pk"]["S"] for item in answer["Items"]]
                if "LastEvaluatedKey" not in answer:
                    break
                params["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        assert sorted(found, key=int) == [str(number) for number in range(40)]

    run(story)


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("Query", query("sk = :v", {":v": 1}), "Query condition missed key schema element: pk"),
        ("Query", query("", {":v": 1}), "Invalid KeyConditionExpression: The expression can not be empty;"),
        ("Query", query("pk < :v", {":v": "a"}), "Query key condition not supported"),
        (
            "Query",
            query("pk = :v", {":v": 1}),
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "Query",
            query("pk = :v OR sk = :v", {":v": "a"}),
            "Invalid operator used in KeyConditionExpression: OR",
        ),
        (
            "Query",
            query("pk = :v AND contains(sk, :v)", {":v": "a"}),
            "Invalid operator used in KeyConditionExpression: contains",
        ),
        (
            "Query",
            query("pk = :v AND pk = :v", {":v": "a"}),
            "KeyConditionExpressions must only contain one condition per key",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, FilterExpression="sk = :v"),
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, IndexName="nope"),
            "The table does not have the specified index: nope",
        ),
        (
            "Query",
            query("kind = :v", {":v": "a"}, IndexName="by-kind", ConsistentRead=True),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, ExclusiveStartKey={"pk": {"S": "a"}}),
            "The provided starting key is invalid",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, ExclusiveStartKey={"pk": {"S": "b"}, "sk": {"N": "1"}}),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            "Query",
            query("pk = :v AND sk > :w", {":v": "a", ":w": 3}, ExclusiveStartKey={"pk": {"S": "a"}, "sk": {"N": "1"}}),
            "The provided starting key does not match the range key predicate",
        ),
        (
            "Query",
            query("pk = :v AND sk > :w", {":v": "a", ":w": 3}, ExclusiveStartKey={"pk": {"S": "b"}, "sk": {"N": "4"}}),
            "The query can return at most one row and cannot be restarted",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, ExclusiveStartKey={"pk": {"S": "a"}, "sk": {"S": "1"}}),
            "The provided key element does not match the schema",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, ProjectionExpression="sk.x"),
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: sk",
        ),
        (
            "Scan",
            {"TableName": "Things", "FilterExpression": "attribute_exists(kind[0])"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
            "IndexKey: kind",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, FilterExpression="#n = :m AND x = x"),
            "Invalid FilterExpression: An expression attribute name used in the document path is not defined; "
            "attribute name: #n",
        ),
        (
            "Query",
            query("pk = :v", {":v": "a"}, Limit=0),
            "1 validation error detected: Value at 'Limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            "Query",
            {"TableName": "Things"},
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ),
        (
            "Scan",
            {"TableName": "Things", "Segment": 5, "TotalSegments": 5},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            "Segment: 5 is not less than TotalSegments: 5",
        ),
        (
            "Scan",
            {"TableName": "Things", "Segment": 1},
            "The TotalSegments parameter is required but was not present in the request "
            "when Segment parameter is present",
        ),
    ],
)
def test_bad_queries_are_refused_in_awss_words(run: Run, operation: str, params: dict[str, Any], message: str) -> None:
    async def story(planet: Planet) -> None:
        service = await filled(planet)
        assert await refused(service, operation, params) == ("ValidationException", message)

    run(story)
