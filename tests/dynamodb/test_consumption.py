"""Capacity units of tables and indexes, and sizes of item collections, by AWS's arithmetic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
INDEXES = {"ReturnConsumedCapacity": "INDEXES"}


async def indexed_table(service: Any) -> None:
    """Things (pk, sk) with a local index by "when" (keys only) and a global one by "kind" (with "note")."""
    await make_table(
        service,
        range="S",
        attributes=[{"AttributeName": name, "AttributeType": "S"} for name in ("when", "kind")],
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-when",
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "when", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-kind",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]},
            }
        ],
    )


def put(**more: str) -> dict[str, Any]:
    item = {"pk": "a", "sk": "b", **more}
    return {"TableName": "Things", "Item": {name: {"S": value} for name, value in item.items()}, **INDEXES}


def spent(answer: dict[str, Any]) -> tuple[float, float, float | None, float | None]:
    """(total, table, local index, global index)."""
    told = answer["ConsumedCapacity"]
    local = told.get("LocalSecondaryIndexes", {}).get("by-when", {}).get("CapacityUnits")
    whole = told.get("GlobalSecondaryIndexes", {}).get("by-kind", {}).get("CapacityUnits")
    return told["CapacityUnits"], told["Table"]["CapacityUnits"], local, whole


def test_an_index_is_written_when_what_it_holds_changes_and_twice_when_the_entry_moves(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await indexed_table(service)
        assert spent(await ask(service, "PutItem", put())) == (1, 1, None, None)
        assert spent(await ask(service, "PutItem", put(when="1", kind="k"))) == (3, 1, 1, 1)
        assert spent(await ask(service, "PutItem", put(when="1", kind="k", extra="x"))) == (1, 1, None, None)
        assert spent(await ask(service, "PutItem", put(when="1", kind="k", note="n"))) == (2, 1, None, 1)
        assert spent(await ask(service, "PutItem", put(when="2", kind="k", note="n"))) == (3, 1, 2, None)
        assert spent(await ask(service, "PutItem", put(when="2", kind="k", note="n" * 1500))) == (4, 2, None, 2)
        key = {"TableName": "Things", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}, **INDEXES}
        assert spent(await ask(service, "DeleteItem", key)) == (5, 2, 1, 2)
        assert spent(await ask(service, "DeleteItem", key)) == (1, 1, None, None)

    run(story)


def test_a_local_index_fetches_what_it_does_not_hold_and_a_global_one_does_not_know_it(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await indexed_table(service)
        for number in range(3):
            await ask(service, "PutItem", put(sk=str(number), when=str(number), kind="k", extra="x" * 5000))
        query = {
            "TableName": "Things",
            "IndexName": "by-when",
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "a"}},
            **INDEXES,
        }
        assert spent(await ask(service, "Query", query)) == (0.5, 0, 0.5, None)  # all entries fit into 4 KiB
        whole = await ask(service, "Query", {**query, "Select": "ALL_ATTRIBUTES"})
        assert whole["Items"][0]["extra"] == {"S": "x" * 5000}
        assert spent(whole) == (3.5, 3, 0.5, None)  # each item fetched: two units of 4 KiB, eventually consistent
        on_kind = {
            "TableName": "Things",
            "IndexName": "by-kind",
            "KeyConditionExpression": "kind = :k",
            "FilterExpression": "attribute_exists(extra)",
            "ExpressionAttributeValues": {":k": {"S": "k"}},
        }
        found = await ask(service, "Query", on_kind)
        assert (found["Count"], found["ScannedCount"]) == (0, 3)

    run(story)


def test_the_size_of_a_collection_is_told_of_tables_with_local_indexes_only(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await indexed_table(service)
        await make_table(service, "Plain")
        size = {"ReturnItemCollectionMetrics": "SIZE"}
        told = await ask(service, "PutItem", {**put(), **size})
        collection = {"ItemCollectionKey": {"pk": {"S": "a"}}, "SizeEstimateRangeGB": [0.0, 1.0]}
        assert told["ItemCollectionMetrics"] == collection
        plain = {"TableName": "Plain", "Item": {"pk": {"S": "a"}}, **size}
        assert await ask(service, "PutItem", plain) == {}
        requests = [{"PutRequest": {"Item": put(sk=str(number))["Item"]}} for number in range(3)]
        told = await ask(service, "BatchWriteItem", {"RequestItems": {"Things": requests}, **size})
        assert told["ItemCollectionMetrics"] == {"Things": [collection]}

    run(story)


def test_a_key_of_an_index_is_as_short_as_a_key_of_a_table(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await indexed_table(service)
        invalid = "One or more parameter values were invalid: "
        assert await refused(service, "PutItem", put(when="x" * 1025)) == (
            "ValidationException",
            invalid + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        )
        assert await refused(service, "PutItem", put(kind="x" * 2049)) == (
            "ValidationException",
            invalid + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        )
        await ask(service, "PutItem", put(when="x" * 1024, kind="x" * 2048))

    run(story)


def test_an_update_may_not_bring_an_index_key_to_another_kind(run: Run) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start("us-east-1")
        await indexed_table(service)
        await ask(service, "PutItem", put())
        update = {"TableName": "Things", "Key": {"pk": {"S": "a"}, "sk": {"S": "b"}}}
        one = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
        kind = "One or more parameter values were invalid: Type mismatch for Index Key kind Expected: S Actual: N "
        scalar = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
        await ask(service, "UpdateItem", {**update, "UpdateExpression": "SET num = :one", **one})
        for expression, message in (
            ("SET kind = :one", kind + "IndexName: by-kind"),
            ("ADD kind :one", kind + "IndexName: by-kind"),
            ("SET kind.x = :one", scalar + "IndexKey: kind"),
            ("SET x = kind[0], y = :one", scalar + "IndexKey: kind"),
            (
                "SET kind = num, y = :one",
                "The update expression attempted to update the secondary index key to unsupported type",
            ),
        ):
            told = await refused(service, "UpdateItem", {**update, "UpdateExpression": expression, **one})
            assert told == ("ValidationException", message)
        get = {**update, "ProjectionExpression": "pk[0]"}
        assert await refused(service, "GetItem", get) == ("ValidationException", scalar + "Key: pk")

    run(story)
