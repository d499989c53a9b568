"""A few Regions of DynamoDB in one process: stores in memory, calls without a network, times short."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, cast

import orjson
import pytest

from antipodes.services.contract import Settings, Surroundings
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.store.records import Change
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, ServerFault
from antipodes.wire.operation import Payload, Request
from antipodes.world.disk import MemoryDisk
from antipodes.world.world import World

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


class LoopWorld:
    """What DynamoDB needs of a World, on a plain event loop. The wall clock is a counter: no test depends on time."""

    def __init__(self, site: str, disk: MemoryDisk) -> None:
        self.site = site
        self.chance = random.Random(site)
        self._disk = disk
        self._ticks = itertools.count(1_700_000_000)
        self.ahead_s = 0.0
        self.tasks: list[asyncio.Task[None]] = []

    def now(self) -> float:
        return float(next(self._ticks)) + self.ahead_s

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, 0.001) if delay_s < 1 else delay_s / 1000)

    async def tick(self, every_s: float) -> None:
        await self.sleep(every_s)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.append(task)
        return task

    def trace(self, kind: str, **facts: object) -> None: ...

    def disk(self) -> MemoryDisk:
        return self._disk


class Planet:
    """Regions that call each other. `down` and `cut` make calls fail as a network does."""

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self.disks = {region: MemoryDisk() for region in REGIONS}
        self.options = options or {"dynamodb.table_state_s": "0"}
        self.services: dict[str, DynamoDB] = {}
        self.worlds: dict[str, LoopWorld] = {}
        self.cut: set[frozenset[str]] = set()
        self.recorded: list[Mapping[str, Any]] = []  # what CloudWatch was told
        self.sync_delay_s: float | None = None

    async def start(self, region: str) -> DynamoDB:
        world = LoopWorld(region, self.disks[region])
        store = Store.open(cast("World", world), "store", sync_delay_s=self.sync_delay_s)

        async def call(
            service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
        ) -> Mapping[str, Any]:
            if service == "cloudwatch":
                self.recorded.append(params)
                return {}
            target = region or world.site
            await asyncio.sleep(0)
            if target not in self.services or frozenset((world.site, target)) in self.cut:
                raise ServerFault("RegionUnavailable", target)
            copied = orjson.loads(orjson.dumps(params))
            return await ask(self.services[target], operation, copied)

        settings = Settings(regions=REGIONS, options=self.options)
        surroundings = Surroundings(region, cast("World", world), store, call, settings)
        service = DynamoDB(surroundings)
        self.services[region], self.worlds[region] = service, world
        await service.start()
        return service

    async def stop(self, region: str) -> None:
        service = self.services.pop(region)
        await service.stop()
        for task in self.worlds.pop(region).tasks:
            task.cancel()
        service.database.store.close()

    async def stop_all(self) -> None:
        for region in sorted(self.services):
            await self.stop(region)

    def pass_time(self, seconds: float) -> None:
        """Moves every wall clock on."""
        for region in sorted(self.worlds):
            self.worlds[region].ahead_s += seconds

    def changes(self, region: str) -> list[Change]:
        """What a Region's global tables hold, as it would be copied; tombstones too."""
        carried = self.services[region].carried
        return [change for topic in carried.topics() for change in carried.snapshot(topic, b"", 100_000)]

    def carry(self) -> None:
        """Plays the replicator: every Region gets every other Region's whole tables."""
        for source in sorted(self.services):
            for topic in self.services[source].carried.topics():
                changes = self.services[source].carried.snapshot(topic, b"", 100_000)
                for target in self.services[source].carried.holders(topic):
                    if target != source and target in self.services:
                        self.services[target].carried.merge(topic, changes)


async def ask(service: DynamoDB, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """One operation, as the wire would ask it, the short way if it is a usual one; the answer decoded."""
    answered = ask_usual(service, operation, params)
    if answered is not None:
        return cast("dict[str, Any]", orjson.loads(await answered))
    return await ask_full(service, operation, params)


def ask_usual(service: DynamoDB, operation: str, params: Mapping[str, Any]) -> asyncio.Future[bytes] | None:
    """The answer's body to come; None: this is no usual request."""
    short = service.usual.get(operation)
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def told(body: bytes | None, error: AwsError | None) -> None:
        if error is not None:
            answered.set_exception(error)
        else:
            assert body is not None
            answered.set_result(body)

    return answered if short is not None and short(orjson.dumps(params), told) else None


async def ask_full(service: DynamoDB, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """One operation the full way."""
    request = Request("dynamodb", operation, params, service.database.region)
    result = await service.operations[operation](request)
    return cast("dict[str, Any]", orjson.loads(result.body if isinstance(result, Payload) else orjson.dumps(result)))


async def refused(service: DynamoDB, operation: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """(code, message) of an operation that must fail."""
    try:
        await ask(service, operation, params)
    except AwsError as error:
        return error.code, error.message
    raise AssertionError(f"{operation} was not refused")


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Lets the loop run until the condition holds."""
    for _ in range(2000):
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came true")


async def make_table(service: DynamoDB, name: str = "Things", **more: Any) -> None:
    """A table with hash key pk (S), and unless `range` is given, no range key; waits until it is ACTIVE."""
    kind = more.pop("range", None)
    attributes = [{"AttributeName": "pk", "AttributeType": "S"}]
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}]
    if kind:
        attributes.append({"AttributeName": "sk", "AttributeType": kind})
        schema.append({"AttributeName": "sk", "KeyType": "RANGE"})
    attributes += more.pop("attributes", [])
    await ask(
        service,
        "CreateTable",
        {
            "TableName": name,
            "AttributeDefinitions": attributes,
            "KeySchema": schema,
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        },
    )
    await active(service, name)


async def active(service: DynamoDB, name: str = "Things") -> None:
    async def is_active() -> bool:
        found = (await ask(service, "DescribeTable", {"TableName": name}))["Table"]
        return bool(found["TableStatus"] == "ACTIVE")

    await until(is_active)


@pytest.fixture
def run() -> Callable[[Callable[[Planet], Awaitable[None]]], None]:
    """Runs a story on a planet and takes the planet down after it."""

    def go(story: Callable[[Planet], Awaitable[None]]) -> None:
        async def whole() -> None:
            planet = Planet()
            try:
                await story(planet)
            finally:
                await planet.stop_all()

        asyncio.run(whole())

    return go
