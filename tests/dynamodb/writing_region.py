"""A process to be killed: DynamoDB on a folder under 32 writers. Prints "key number" for each acknowledged write.

Half of the writers add to counters that all share, the long way of a request; the others put items of their own, the
short way (usual.py) where it takes them.

    python -m tests.dynamodb.writing_region FOLDER LIFE

In every other life an index is made, in the others it is deleted: kills fall into backfills and clean-ups.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from antipodes.services.contract import Settings, Surroundings
from antipodes.services.dynamodb import live_indexes
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, ServerFault
from antipodes.world.disk import FileDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.world import World
from tests.dynamodb.conftest import ask

SITE = "us-east-1"
WRITERS = 32
KEYS = 300
INDEX = {
    "IndexName": "byColour",
    "KeySchema": [{"AttributeName": "colour", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
CREATE = {
    "TableName": "Things",
    "AttributeDefinitions": [{"AttributeName": "colour", "AttributeType": "S"}],
    "GlobalSecondaryIndexUpdates": [{"Create": INDEX}],
}
DELETE = {"TableName": "Things", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "byColour"}}]}


def opened(world: World) -> DynamoDB:
    """The service over the world's disk; it has no other Regions."""

    async def call(*_: Any, **__: Any) -> Mapping[str, Any]:
        raise ServerFault("RegionUnavailable", "alone")

    options = {"dynamodb.table_state_s": "0.01"}
    return DynamoDB(Surroundings(SITE, world, Store.open(world, "region"), call, Settings((SITE,), options=options)))


def world_on(folder: Path) -> RealWorld:
    return RealWorld(SITE, links=Links(scale=0.0), disk=FileDisk(folder), verify=False)


async def settled(service: DynamoDB, world: World) -> None:
    """The table is there, ACTIVE, and its orders are complete."""
    while True:
        found = (await ask(service, "DescribeTable", {"TableName": "Things"}))["Table"]
        if found["TableStatus"] == "ACTIVE":
            return
        await world.sleep(0.01)


async def make(service: DynamoDB, world: World) -> None:
    await ask(
        service,
        "CreateTable",
        {
            "TableName": "Things",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        },
    )
    await settled(service, world)
    expiry = {"Enabled": True, "AttributeName": "expires"}
    await ask(service, "UpdateTimeToLive", {"TableName": "Things", "TimeToLiveSpecification": expiry})


async def write_for_ever(service: DynamoDB, chance: random.Random) -> None:
    while True:
        pk = f"k{chance.randrange(KEYS)}"
        update = {
            "TableName": "Things",
            "Key": {"pk": {"S": pk}},
            "UpdateExpression": "SET colour = :c, expires = :e, filler = :f ADD n :one",
            "ExpressionAttributeValues": {
                ":c": {"S": chance.choice(("red", "green", "blue"))},
                ":e": {"N": str(2_000_000_000 + chance.randrange(100))},
                ":f": {"S": "x" * chance.randrange(2000)},
                ":one": {"N": "1"},
            },
            "ReturnValues": "UPDATED_NEW",
        }
        answer = await ask(service, "UpdateItem", update)
        print(pk, answer["Attributes"]["n"]["N"], flush=True)


async def put_for_ever(service: DynamoDB, chance: random.Random, writer: int, begin: int) -> None:
    for number in count(begin):
        pk = f"w{writer}-{chance.randrange(8)}"
        item = {
            "pk": {"S": pk},
            "n": {"N": str(number)},
            "colour": {"S": chance.choice(("red", "green", "blue"))},
            "expires": {"N": str(2_000_000_000 + chance.randrange(100))},
            "filler": {"S": "x" * chance.randrange(2000)},
        }
        request = {"TableName": "Things", "Item": item}
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(body: bytes | None, error: AwsError | None, on_disk: asyncio.Future[None] = on_disk) -> None:
            if error is not None:
                on_disk.set_exception(error)
            else:
                on_disk.set_result(None)

        if service.usual["PutItem"](orjson.dumps(request), told):
            await on_disk
        else:
            await ask(service, "PutItem", request)
        print(pk, number, flush=True)


async def live(folder: Path, life: int) -> None:
    live_indexes.SLICE = 20  # so that filling takes many commits
    world = world_on(folder)
    service = opened(world)
    await service.start()
    if "Things" not in service.database.tables:
        await make(service, world)
    else:
        await settled(service, world)

    async def change() -> None:
        await world.sleep(0.05)
        try:
            await ask(service, "UpdateTable", DELETE if service.database.tables["Things"].indexes else CREATE)
        except AwsError as error:
            print("#", error, flush=True)

    chance = random.Random(life)
    adding = [write_for_ever(service, chance) for _ in range(WRITERS // 2)]
    begin = (life + 1) * 1_000_000
    putting = [put_for_ever(service, chance, writer, begin) for writer in range(WRITERS - len(adding))]
    await asyncio.gather(change(), *adding, *putting)


if __name__ == "__main__":
    run_real(lambda: live(Path(sys.argv[1]), int(sys.argv[2])))
