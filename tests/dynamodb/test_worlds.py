"""DynamoDB on real stores, in both worlds: what was answered is there after the store is opened again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from antipodes.services.contract import Settings, Surroundings
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.store.engine import StoreError
from antipodes.store.store import Store
from antipodes.wire.errors import ServerFault
from antipodes.world.world import World
from tests.dynamodb.conftest import Planet, active, ask, make_table, refused, until
from tests.worlds import Worlds, both_worlds

__all__ = ["both_worlds"]
SITE = "us-east-1"
Run = Callable[[Callable[[Planet], Awaitable[None]]], None]


def opened(world: World, options: Mapping[str, str]) -> DynamoDB:
    async def call(
        service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        if operation == "ReplicaDescriptors":
            return {"shared": []}  # the other Region has no tables
        raise ServerFault("RegionUnavailable", "alone")

    store = Store.open(world, "region")
    return DynamoDB(Surroundings(SITE, world, store, call, Settings((SITE, "eu-west-1"), options=options)))


def test_answered_writes_are_there_after_reopening(both_worlds: Worlds) -> None:
    async def story() -> None:
        world = both_worlds.world(SITE)
        options = {"dynamodb.table_state_s": "0.01"}
        service = opened(world, options)
        await service.start()
        await ask(
            service,
            "CreateTable",
            {
                "TableName": "Things",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "B"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        while service.database.tables["Things"].description.status != "ACTIVE":
            await world.sleep(0.01)
        keys = [{"pk": {"B": pk}} for pk in ("AA==", "/w==", "AAD/", "AQ==")]
        puts = [ask(service, "PutItem", {"TableName": "Things", "Item": {**key, "n": {"N": "1"}}}) for key in keys]
        await asyncio.gather(*puts)
        update = {
            "TableName": "Things",
            "Key": keys[0],
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        await asyncio.gather(*(ask(service, "UpdateItem", update) for _ in range(10)))
        await service.stop()
        service.database.store.close()
        again = opened(world, options)
        await again.start()
        found = await ask(again, "GetItem", {"TableName": "Things", "Key": keys[0]})
        assert found["Item"]["n"] == {"N": "11"}
        assert (await ask(again, "Scan", {"TableName": "Things"}))["Count"] == len(keys)
        await again.stop()
        again.database.store.close()

    both_worlds.run(story)


def test_a_disk_that_refuses_is_an_error_and_nothing_has_happened(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(planet: Planet) -> None:
        service = await planet.start(SITE)
        await make_table(service)
        store = service.database.store
        with monkeypatch.context() as broken:

            def refuse() -> None:
                raise StoreError("disk full")

            broken.setattr(store._engine, "sync", refuse)
            put = {"TableName": "Things", "Item": {"pk": {"S": "a"}}}
            assert await refused(service, "PutItem", put) == ("InternalServerError", "disk full")
        await active(service)
        assert (await ask(service, "Scan", {"TableName": "Things"}))["Count"] == 0
        await ask(service, "PutItem", {"TableName": "Things", "Item": {"pk": {"S": "b"}}})
        await until(lambda: service.table_sizes() == {"Things": 1})

    run(story)
