"""What the tests of PartiQL share: statements asked of a Region, and its tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from antipodes.services.dynamodb.service import DynamoDB
from tests.dynamodb.conftest import Planet, ask, make_table, refused

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
Row = dict[str, Any]


INVALID = "One or more parameter values were invalid: "


async def execute(service: DynamoDB, text: str, *parameters: Row, **more: Any) -> list[Row]:
    """The Items of one statement."""
    asked: Row = {"Statement": text, **more}
    if parameters:
        asked["Parameters"] = list(parameters)
    found: list[Row] = (await ask(service, "ExecuteStatement", asked))["Items"]
    return found


async def message(service: DynamoDB, text: str, *parameters: Row, **more: Any) -> str:
    """What a statement that must fail is refused with."""
    asked: Row = {"Statement": text, **more}
    if parameters:
        asked["Parameters"] = list(parameters)
    code, said = await refused(service, "ExecuteStatement", asked)
    return said if code == "ValidationException" else f"{code}: {said}"


async def keys(service: DynamoDB, where: str, *parameters: Row) -> list[str]:
    """The sort keys of the items that a condition finds in Things."""
    found = await execute(service, f"SELECT sk FROM Things WHERE {where}", *parameters)
    return sorted(item["sk"]["S"] for item in found)


INDEXES = {
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": kind, **({"NonKeyAttributes": ["p"]} if kind == "INCLUDE" else {})},
        }
        for name, kind in (("all", "ALL"), ("some", "INCLUDE"), ("keys", "KEYS_ONLY"))
    ],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "lk", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "attributes": [{"AttributeName": "gk", "AttributeType": "S"}, {"AttributeName": "lk", "AttributeType": "S"}],
}


async def things(planet: Planet, **more: Any) -> DynamoDB:
    """A Region with the empty table Things, keys pk and sk."""
    service = await planet.start("us-east-1")
    await make_table(service, range="S", **more)
    return service


async def filled(planet: Planet) -> DynamoDB:
    """Things with two partitions, o and p, of three items each."""
    service = await things(planet)
    for pk in ("o", "p"):
        for number in (1, 2, 3):
            item = f"{{'pk': '{pk}', 'sk': '{number}', 'n': {number}, 'tags': <<'t{number}', 'all'>>, 'nul': NULL}}"
            await execute(service, f"INSERT INTO Things VALUE {item}")
    return service


async def indexed(planet: Planet) -> DynamoDB:
    service = await things(planet, **INDEXES)
    for number, gk in enumerate("xzxy"):
        item = f"{{'pk':'p','sk':'{number}','gk':'{gk}','lk':'l{number}','p':'p{number}','q':'q{number}'}}"
        await execute(service, f"INSERT INTO Things VALUE {item}")
    await execute(service, "INSERT INTO Things VALUE {'pk':'p','sk':'9','q':'q9'}")
    return service
