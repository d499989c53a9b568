"""All operations of DynamoDB, its streams and CloudWatch, drawn from AWS's models, through a Region's whole path.

Whatever comes in: an answer or a client's fault, never a 5xx; and afterwards the tables are whole: what was refused
left nothing, indexes and counts agree with the items. Bodies are also damaged byte by byte, with a good signature over
the damage. `pytest --hypothesis-profile=search` draws a thousand examples a test, new ones each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antipodes.region.path import Path
from antipodes.region.region import Region
from antipodes.services.contract import Settings
from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Table
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.services.dynamodb.values import measure_item
from antipodes.wire import models, sigv4
from antipodes.wire.http import HttpRequest, HttpResponse, IndexedHeaders
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld
from tests.dynamodb.conftest import until
from tests.dynamodb.test_bad_input import expression, items, junk, texts, values

SITE = "us-east-1"
ARN = f"arn:aws:dynamodb:{SITE}:000000000000:table/Things"
KEY = sigv4.Credentials("test", "test")
SERVICES = {"dynamodb": "dynamodb", "dynamodbstreams": "dynamodb", "cloudwatch": "monitoring"}
OPTIONS = {"dynamodb.table_state_s": "0"}
BASE: dict[str, Any] = {
    "TableName": "Things",
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "N"},
        {"AttributeName": "a", "AttributeType": "S"},
        {"AttributeName": "b", "AttributeType": "N"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    "LocalSecondaryIndexes": [
        {
            "IndexName": "local",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "a", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "both",
            "KeySchema": [
                {"AttributeName": "a", "KeyType": "HASH"},
                {"AttributeName": "b", "KeyType": "HASH"},
                {"AttributeName": "pk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}
STATEMENTS = (
    "SELECT * FROM Things",
    'SELECT a FROM "Things"."both" WHERE a = \'x\' AND b = 1 ORDER BY pk DESC',
    "INSERT INTO Things VALUE {'pk': 'a', 'sk': 1, 'a': 'x'}",
    "UPDATE Things SET a = ?, m.x = 1 REMOVE l[0] WHERE pk = 'a' AND sk = 1",
    "DELETE FROM Things WHERE pk = 'a' AND sk = 1 RETURNING ALL OLD *",
    "EXISTS(SELECT * FROM Things WHERE pk = 'a' AND sk = 1 AND a = 'x')",
    "SELECT",
    "",
    "(" * 300,
    "SELECT * FROM Things WHERE " + "NOT " * 200 + "a = 1",
)
# What stands under a member's name more often than not, so that requests get far.
NAMED: dict[str, st.SearchStrategy[Any]] = {
    "TableName": st.sampled_from(["Things"] * 8 + ["Others", "xx", ARN]),
    "TargetTableName": st.sampled_from(["Others", "Things"]),
    "SourceTableName": st.just("Things"),
    "IndexName": st.sampled_from(["local", "both", "nope"]),
    "AttributeName": st.sampled_from(["pk", "sk", "a", "b", "c"]),
    "ResourceArn": st.sampled_from([ARN, ARN + "x", "arn"]),
    "Key": items,
    "Item": items,
    "ExclusiveStartKey": items,
    "Statement": st.one_of(st.sampled_from(STATEMENTS), texts),
    "StreamArn": st.sampled_from([f"{ARN}/stream/2026-01-01T00:00:00.000", ARN]),
    "ExpressionAttributeNames": st.one_of(st.just({"#n": "a"}), st.dictionaries(texts, texts, max_size=2)),
    "ExpressionAttributeValues": st.one_of(
        st.builds(lambda one, two: {":v": one, ":w": two}, values, values), st.dictionaries(texts, values, max_size=2)
    ),
    **{f"{kind}Expression": expression for kind in ("Condition", "Filter", "KeyCondition", "Update", "Projection")},
}


@cache
def of_shape(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that fit a shape of the model, now and then something else."""
    kind = shape.type_name
    if shape.name == "AttributeValue":
        found: st.SearchStrategy[Any] = values
    elif kind == "structure":
        found = of_structure(shape, depth) if depth < 6 else st.just({})
    elif kind == "list":
        found = st.lists(of_shape(shape.member, depth + 1), max_size=3)
    elif kind == "map":
        names = st.sampled_from(["Things", "a", "pk", "Others"])
        found = st.dictionaries(names, of_shape(shape.value, depth + 1), max_size=2)
    elif shape.enum if kind == "string" else None:
        found = st.sampled_from(shape.enum)
    elif kind == "string":
        found = texts
    elif kind == "boolean":
        found = st.booleans()
    elif kind in {"integer", "long"}:
        found = st.sampled_from([0, 1, 2, 5, 100, 10**9])
    elif kind in {"double", "float", "timestamp"}:
        found = st.sampled_from([0, 1.5, 1e9, 1795818084.5])
    else:
        found = st.sampled_from(["", "QQ==", "x"])
    return st.one_of(*[found] * 19, junk)


def of_structure(shape: Any, depth: int) -> st.SearchStrategy[Any]:
    strategies = {
        name: NAMED.get(name, of_shape(member, depth + 1)) if name in NAMED else of_shape(member, depth + 1)
        for name, member in shape.members.items()
    }
    needed = {name: strategies[name] for name in shape.required_members}
    others = {name: strategy for name, strategy in strategies.items() if name not in needed}
    if not others:
        return st.fixed_dictionaries(needed)
    some = st.lists(st.sampled_from(sorted(others)), max_size=3, unique=True)
    return st.builds(
        lambda must, may: {**must, **may},
        st.fixed_dictionaries(needed),
        some.flatmap(lambda names: st.fixed_dictionaries({name: others[name] for name in names})),
    )


OPERATIONS = [
    (service, name)
    for service in SERVICES
    for name in models.service_model(service).operation_names
    if not (service == "cloudwatch" and name not in {"PutMetricData", "GetMetricData", "GetMetricStatistics"})
]


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    service, operation = draw(st.sampled_from(OPERATIONS))
    shape = models.operation_model(service, operation).input_shape
    return service, operation, orjson.dumps(draw(of_shape(shape)) if shape is not None else {})


def signed(service: str, operation: str, body: bytes, now: float, *more: tuple[str, str]) -> HttpRequest:
    """As a listener hands it over."""
    prefix = models.service_model(service).metadata["targetPrefix"]
    headers = (
        ("Host", "127.0.0.1"),
        ("X-Amz-Target", f"{prefix}.{operation}"),
        ("Content-Type", "application/x-amz-json-1.0"),
        *more,
    )
    request = HttpRequest("POST", "/", headers, body)
    request = sigv4.sign(request, KEY, region=SITE, service=SERVICES[service], now=now)
    indexed = IndexedHeaders(request.headers)
    indexed.by_name, indexed.repeats = {name.lower(): value for name, value in indexed}, False
    return msgspec.structs.replace(request, headers=indexed)


class Site:
    """A Region over a disk in memory, asked without a socket."""

    def __init__(self) -> None:
        self.world = RealWorld(SITE, links=Links(scale=0.0), disk=MemoryDisk())
        place = Settings((SITE,), options=OPTIONS)
        region = Region(self.world, place, token="", authority=None, set_links=lambda rules: None)
        self.services = region.services
        self._path = Path(SITE, self.world, place, region.services, admin=self._no_admin)
        dynamodb = region.services["dynamodb"]
        assert isinstance(dynamodb, DynamoDB)
        self.dynamodb = dynamodb

    async def _no_admin(self, request: HttpRequest) -> HttpResponse:
        raise AssertionError(request.target)

    async def ask(self, service: str, operation: str, body: bytes) -> HttpResponse:
        return await self.answer(signed(service, operation, body, self.world.now()))

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """By the short way if it takes the request, else by the long one."""
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()

        def answered(response: HttpResponse | None, error: BaseException | None) -> None:
            assert response is not None, error
            answer.set_result(response)

        taken = self._path.respond_usual(request, answered)
        return await answer if taken else await self._path.respond(request)

    async def start(self) -> None:
        for name in SERVICES:
            await self.services[name].start()
        assert (await self.ask("dynamodb", "CreateTable", orjson.dumps(BASE))).status == 200
        await until(lambda: self.dynamodb.database.tables["Things"].description.status == "ACTIVE")

    async def stop(self) -> None:
        for name in SERVICES:
            await self.services[name].stop()
        await self.world.close()


def check(table: Table, store: Any) -> None:
    """Counts, sizes and entries are those of the items."""
    stored = {
        key[len(table.rows_prefix) :]: row
        for key, row in store.range(table.rows_prefix, table.rows_end)
        if not rows.is_tombstone(row)
    }
    assert table.items == len(stored)
    assert table.size_bytes == sum(rows.size_of(row) for row in stored.values())
    assert all(rows.size_of(row) == measure_item(rows.item_of(row)) for row in stored.values())
    for order in table.orders:
        if order.filled:
            entries = {order.entry(rows.item_of(row), key): key for key, row in stored.items()}
            entries.pop(None, None)
            found = dict(store.range(order.prefix, after_prefix(order.prefix)))
            assert found == {order.prefix + entry: key for entry, key in entries.items() if entry is not None}


def held(site: Site) -> dict[bytes, bytes]:
    """All items and index entries there are, as they lie in the store."""
    store = site.dynamodb.database.store
    kinds = (b"dynamodb/item/", b"dynamodb/index/")
    return dict(row for kind in kinds for row in store.range(kind, after_prefix(kind)))


def told(response: HttpResponse) -> Any:
    return orjson.loads(response.body) if response.body else {}


def run(story: Callable[[Site], Any]) -> None:
    async def whole() -> None:
        site = Site()
        try:
            await site.start()
            await story(site)
            database = site.dynamodb.database
            for name in sorted(database.tables):
                check(database.tables[name], database.store)
        finally:
            await site.stop()

    asyncio.run(whole())


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(requests(), min_size=1, max_size=6))
def test_every_operation_answers_or_refuses_and_leaves_whole_tables(found: list[tuple[str, str, bytes]]) -> None:
    async def story(site: Site) -> None:
        for service, operation, body in found:
            before = held(site)
            response = await site.ask(service, operation, body)
            assert response.status < 500, (operation, body, response.body)
            if response.status != 200:
                assert "__type" in told(response) or "Code" in str(response.body), (operation, response.body)
                assert held(site) == before, (operation, body, "was refused and changed something")

    run(story)


GOOD = [
    (
        "PutItem",
        {"TableName": "Things", "Item": {"pk": {"S": "a"}, "sk": {"N": "1"}, "a": {"S": "x"}, "b": {"N": "2"}}},
    ),
    ("GetItem", {"TableName": "Things", "Key": {"pk": {"S": "a"}, "sk": {"N": "1"}}}),
    (
        "UpdateItem",
        {
            "TableName": "Things",
            "Key": {"pk": {"S": "a"}, "sk": {"N": "1"}},
            "UpdateExpression": "SET a = :v ADD n :w",
            "ExpressionAttributeValues": {":v": {"S": "é"}, ":w": {"N": "1.5"}},
        },
    ),
    (
        "Query",
        {
            "TableName": "Things",
            "KeyConditionExpression": "pk = :v AND sk > :w",
            "ExpressionAttributeValues": {":v": {"S": "a"}, ":w": {"N": "-1"}},
        },
    ),
    ("BatchWriteItem", {"RequestItems": {"Things": [{"PutRequest": {"Item": {"pk": {"S": "c"}, "sk": {"N": "1"}}}}]}}),
    ("ExecuteStatement", {"Statement": STATEMENTS[2]}),
]
damage = st.one_of(
    st.binary(max_size=3),
    st.sampled_from([b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"]", b"\xff", b"1e999", b"null"]),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(GOOD), st.integers(0, 400), st.integers(0, 3), damage)
def test_damaged_bodies_are_answered_or_refused(good: tuple[str, Any], at: int, cut: int, put: bytes) -> None:
    operation, params = good
    body = orjson.dumps(params)
    at %= len(body)

    async def story(site: Site) -> None:
        response = await site.ask("dynamodb", operation, body[:at] + put + body[at + cut :])
        assert response.status in {200, 400}, response.body
        short = await site.ask("dynamodb", operation, body[:at])
        assert short.status == 400

    run(story)


@pytest.mark.parametrize("text", [*STATEMENTS, "[" * 5000, '{"a":' * 5000])
def test_deep_and_broken_bodies_do_not_crash(text: str) -> None:
    async def story(site: Site) -> None:
        assert (await site.ask("dynamodb", "PutItem", text.encode())).status == 400
        statement = orjson.dumps({"Statement": text})
        assert (await site.ask("dynamodb", "ExecuteStatement", statement)).status in {200, 400}
        deep = (
            b'{"TableName":"Things","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"d":'
            + b'{"L":[' * 3000
            + b"]}" * 3000
            + b"}}"
        )
        assert (await site.ask("dynamodb", "PutItem", deep)).status == 400

    run(story)
