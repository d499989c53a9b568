"""Global indexes whose keys have several attributes: made, filled, read by conditions, paged, refused."""

from __future__ import annotations

import random
from base64 import b64decode
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from antipodes.services.dynamodb.schema import Index
from antipodes.services.dynamodb.service import DynamoDB
from tests.dynamodb.conftest import REGIONS, Planet, active, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
EAST = REGIONS[0]
KINDS = {"season": "N", "place": "S", "round": "N", "court": "S", "mark": "B"}
KINDS_OF_KEYS = [{"AttributeName": name, "AttributeType": kind} for name, kind in KINDS.items()]
SCHEMA = [
    {"AttributeName": "season", "KeyType": "HASH"},
    {"AttributeName": "place", "KeyType": "HASH"},
    {"AttributeName": "round", "KeyType": "RANGE"},
    {"AttributeName": "court", "KeyType": "RANGE"},
    {"AttributeName": "mark", "KeyType": "RANGE"},
]
INDEX = {"IndexName": "matches", "KeySchema": SCHEMA, "Projection": {"ProjectionType": "ALL"}}
# Values whose order and whose borders are easily got wrong: an escape, a prefix, a sign.
CHOICES = {
    "season": ["1", "12"],
    "place": ["N", "N\x00", "N\x00\x00Y"],
    "round": ["-2", "0", "1", "10", "9"],
    "court": ["a", "a\x00", "ab", "b"],
    "mark": ["AAA=", "AA==", "/w==", "AAE="],
}


async def filled(service: DynamoDB, chance: random.Random) -> list[dict[str, Any]]:
    items = []
    for number in range(150):
        item: dict[str, Any] = {"pk": {"S": f"i{number}"}}
        for name, kind in KINDS.items():
            if chance.random() > 0.04:
                item[name] = {kind: chance.choice(CHOICES[name])}
        items.append(item)
        await ask(service, "PutItem", {"TableName": "Things", "Item": item})
    return items


def sorted_key(item: dict[str, Any]) -> tuple[Any, ...]:
    raw = b64decode(item["mark"]["B"])
    return Decimal(item["round"]["N"]), item["court"]["S"].encode(), raw


def of_value(name: str, text: str) -> Any:
    if KINDS[name] == "N":
        return Decimal(text)
    return text.encode() if KINDS[name] == "S" else b64decode(text)


async def paged(service: DynamoDB, request: dict[str, Any], operation: str = "Query") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await ask(service, operation, {"TableName": "Things", "IndexName": "matches", "Limit": 3, **request})
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        assert set(page["LastEvaluatedKey"]) == {"pk", *KINDS}
        request = {**request, "ExclusiveStartKey": page["LastEvaluatedKey"]}


@pytest.mark.parametrize("seed", range(3))
def test_conditions_answer_what_the_items_say(run: Run, seed: int) -> None:
    chance = random.Random(seed)

    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service, attributes=KINDS_OF_KEYS, GlobalSecondaryIndexes=[INDEX])
        items = await filled(service, chance)
        indexed = [item for item in items if all(name in item for name in KINDS)]
        assert sorted(one["pk"]["S"] for one in await paged(service, {}, "Scan")) == sorted(
            one["pk"]["S"] for one in indexed
        )
        for _ in range(60):
            wanted = {name: chance.choice(CHOICES[name]) for name in ("season", "place")}
            tests = [(name, "=", text, "") for name, text in wanted.items()]
            for name in ("round", "court", "mark")[: chance.randrange(4)]:
                tests.append((name, "=", chance.choice(CHOICES[name]), ""))
            if len(tests) > 2 and chance.random() < 0.7:
                name, _, low, _ = tests.pop()
                operators = ["<", "<=", ">", ">=", "BETWEEN"] + (["begins_with"] if KINDS[name] != "N" else [])
                high = chance.choice(CHOICES[name])
                low, high = sorted((low, high), key=lambda text, name=name: of_value(name, text))  # type: ignore[misc]
                tests.append((name, chance.choice(operators), low, high))
            forward = chance.random() < 0.5
            found = await paged(service, {**request_of(tests, chance), "ScanIndexForward": forward})
            matching = [item for item in indexed if all(met(item, *test) for test in tests)]
            matching.sort(key=sorted_key, reverse=not forward)
            assert [sorted_key(one) for one in found] == [sorted_key(one) for one in matching]
            assert {one["pk"]["S"] for one in found} == {one["pk"]["S"] for one in matching}

    run(story)


def request_of(tests: list[tuple[str, str, str, str]], chance: random.Random) -> dict[str, Any]:
    parts, names, values = [], {}, {}
    for number, (name, operator, low, high) in enumerate(tests):
        names[f"#n{number}"] = name
        values[f":v{number}"] = {KINDS[name]: low}
        if operator == "BETWEEN":
            values[f":w{number}"] = {KINDS[name]: high}
            parts.append(f"#n{number} BETWEEN :v{number} AND :w{number}")
        elif operator == "begins_with":
            parts.append(f"begins_with(#n{number}, :v{number})")
        else:
            parts.append(f"#n{number} {operator} :v{number}")
    chance.shuffle(parts)
    joined = " AND ".join(parts)
    return {
        "KeyConditionExpression": joined,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def met(item: dict[str, Any], name: str, operator: str, low: str, high: str) -> bool:
    value, first = of_value(name, item[name][KINDS[name]]), of_value(name, low)
    if operator == "BETWEEN":
        return bool(first <= value <= of_value(name, high))
    if operator == "begins_with":
        return bool(value.startswith(first))
    return bool(
        {"=": value == first, "<": value < first, "<=": value <= first, ">": value > first}.get(
            operator, value >= first
        )
    )


def condition(*tests: str) -> dict[str, Any]:
    values = {":season": {"N": "1"}, ":place": {"S": "N"}, ":round": {"N": "1"}, ":court": {"S": "a"}}
    used = {name: value for name, value in values.items() if any(name in test for test in tests)}
    return {
        "TableName": "Things",
        "IndexName": "matches",
        "KeyConditionExpression": " AND ".join(tests),
        "ExpressionAttributeValues": used,
    }


def test_what_a_multi_attribute_key_cannot_answer_is_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service, attributes=KINDS_OF_KEYS, GlobalSecondaryIndexes=[INDEX])
        for tests in (
            ("season = :season",),  # not all of the partition key
            ("season = :season", "place > :place"),
            ("season = :season", "place = :place", "court = :court"),  # a gap
            ("season = :season", "place = :place", "round > :round", "court = :court"),  # not the last
            ("season = :season", "place = :place", "pk = :court"),
        ):
            code, _ = await refused(service, "Query", condition(*tests))
            assert code == "ValidationException", tests
        assert (await ask(service, "Query", condition("season = :season", "place = :place")))["Count"] == 0
        filtered = {**condition("season = :season", "place = :place"), "FilterExpression": "court <> :season"}
        assert (await refused(service, "Query", filtered))[0] == "ValidationException"

    run(story)


def test_key_schemas_of_indexes_have_bounds(run: Run) -> None:
    many = [{"AttributeName": f"a{number}", "AttributeType": "S"} for number in range(9)]

    def index(hashes: int, ranges: int, **more: Any) -> dict[str, Any]:
        kinds = ["HASH"] * hashes + ["RANGE"] * ranges
        schema = [{"AttributeName": f"a{number}", "KeyType": kind} for number, kind in enumerate(kinds)]
        return {"IndexName": "many", "KeySchema": schema, "Projection": {"ProjectionType": "KEYS_ONLY"}, **more}

    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        base = {
            "TableName": "Things",
            "KeySchema": [{"AttributeName": "a0", "KeyType": "HASH"}, {"AttributeName": "a1", "KeyType": "RANGE"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        for hashes, ranges in ((5, 0), (4, 5), (1, 5), (0, 3)):
            params = {**base, "AttributeDefinitions": many, "GlobalSecondaryIndexes": [index(hashes, ranges)]}
            assert (await refused(service, "CreateTable", params))[0] == "ValidationException", (hashes, ranges)
        local = {**base, "AttributeDefinitions": many[:3], "LocalSecondaryIndexes": [index(1, 2)]}
        assert (await refused(service, "CreateTable", local))[0] == "ValidationException"
        table = {**base, "KeySchema": index(2, 1)["KeySchema"], "AttributeDefinitions": many[:3]}
        assert (await refused(service, "CreateTable", table))[0] == "ValidationException"
        twice = index(2, 1, KeySchema=[SCHEMA[0], SCHEMA[0], SCHEMA[2]])
        doubled = {**base, "AttributeDefinitions": [*many[:2], *KINDS_OF_KEYS], "GlobalSecondaryIndexes": [twice]}
        assert (await refused(service, "CreateTable", doubled))[0] == "ValidationException"
        created = await ask(
            service,
            "CreateTable",
            {**base, "AttributeDefinitions": many[:8], "GlobalSecondaryIndexes": [index(4, 4)]},
        )
        assert created["TableDescription"]["GlobalSecondaryIndexes"][0]["KeySchema"] == index(4, 4)["KeySchema"]

    run(story)


def test_one_is_made_on_a_live_table_and_outlives_a_restart(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service)
        items = await filled(service, random.Random(7))
        create = {"GlobalSecondaryIndexUpdates": [{"Create": INDEX}], "AttributeDefinitions": KINDS_OF_KEYS}
        await ask(service, "UpdateTable", {"TableName": "Things", **create})
        await active(service)
        await planet.stop(EAST)
        service = await planet.start(EAST)
        wanted = sorted(one["pk"]["S"] for one in items if all(name in one for name in KINDS))
        assert sorted(one["pk"]["S"] for one in await paged(service, {}, "Scan")) == wanted
        described = (await ask(service, "DescribeTable", {"TableName": "Things"}))["Table"]
        assert described["GlobalSecondaryIndexes"][0]["KeySchema"] == SCHEMA
        assert len(described["AttributeDefinitions"]) == 6

    run(story)


def test_values_that_fit_no_key_are_refused(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service, attributes=KINDS_OF_KEYS, GlobalSecondaryIndexes=[INDEX])
        base = {"pk": {"S": "p"}, "season": {"N": "1"}, "place": {"S": "N"}, "round": {"N": "1"}}
        for more in (
            {"court": {"N": "1"}},
            {"court": {"S": ""}},
            {"court": {"S": "c" * 600}, "mark": {"B": "A" * 800}},
        ):
            put = {"TableName": "Things", "Item": {**base, **more}}
            assert (await refused(service, "PutItem", put))[0] == "ValidationException"
        update = {
            "TableName": "Things",
            "Key": {"pk": {"S": "p"}},
            "UpdateExpression": "SET mark = :v",
            "ExpressionAttributeValues": {":v": {"S": "text"}},
        }
        assert "Type mismatch for Index Key mark" in (await refused(service, "UpdateItem", update))[1]

    run(story)


def test_partiql_reads_one_partition_in_its_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(EAST)
        await make_table(service, attributes=KINDS_OF_KEYS, GlobalSecondaryIndexes=[INDEX])
        items = await filled(service, random.Random(1))
        indexed = [item for item in items if all(name in item for name in KINDS)]
        here = [one for one in indexed if one["season"]["N"] == "1" and one["place"]["S"] == "N"]
        text = 'SELECT * FROM "Things"."matches" WHERE season = 1 AND place = \'N\''
        found = (await ask(service, "ExecuteStatement", {"Statement": text}))["Items"]
        assert [sorted_key(one) for one in found] == sorted(sorted_key(one) for one in here)
        more = " AND round > 0 AND court IN ['a', 'b'] ORDER BY round DESC"
        found = (await ask(service, "ExecuteStatement", {"Statement": text + more}))["Items"]
        narrowed = [one for one in here if int(one["round"]["N"]) > 0 and one["court"]["S"] in {"a", "b"}]
        assert [sorted_key(one) for one in found] == sorted((sorted_key(one) for one in narrowed), reverse=True)
        elsewhere = 'SELECT * FROM "Things"."matches" WHERE place = \'N\''
        found = (await ask(service, "ExecuteStatement", {"Statement": elsewhere}))["Items"]
        assert len(found) == sum(one["place"]["S"] == "N" for one in indexed)

    run(story)


def test_descriptions_from_before_read_as_they_were() -> None:
    """An index that was written down before keys could have several attributes."""
    old = b'{"name":"i","hash":{"name":"a","kind":"S"},"range":null,"projection":"ALL","included":[],"is_global":true}'
    index = msgspec.json.decode(old, type=Index)
    assert [part.name for part in index.parts] == ["a"]
