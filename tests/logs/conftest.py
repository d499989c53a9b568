"""CloudWatch Logs of one Region in simulated time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pytest

from antipodes.services.contract import Settings, Surroundings
from antipodes.services.logs.service import Logs
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, ServerFault
from antipodes.wire.operation import Request
from antipodes.world.world import World
from tests.worlds import SimulatedWorlds

SITE = "eu-west-1"


class Desk:
    """The service, and a way to ask it. `die` is a crash."""

    def __init__(self, worlds: SimulatedWorlds) -> None:
        self.worlds = worlds
        self.world: World = worlds.world(SITE)
        self.here: World = worlds.world("here")
        self.service: Logs
        self.store: Store

    async def boot(self) -> None:
        async def call(
            service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
        ) -> Mapping[str, Any]:
            raise ServerFault("RegionUnavailable", "alone")

        async def program() -> None:
            self.store = Store.open(self.world, "region")
            self.service = Logs(Surroundings(SITE, self.world, self.store, call, Settings((SITE,))))
            await self.service.start()

        await self.worlds.simulation.boot(SITE, program)

    async def die(self) -> None:
        self.worlds.simulation.crash(SITE)
        await self.boot()

    def now_ms(self) -> int:
        return int(self.world.now() * 1000)

    async def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        result = await self.service.operations[operation](Request("logs", operation, params, SITE))
        return cast("dict[str, Any]", result)

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        try:
            await self.ask(operation, **params)
        except AwsError as error:
            return error.code, error.message
        raise AssertionError(f"{operation} was not refused")

    async def stream(self, group: str = "g", *names: str) -> None:
        """A group with streams."""
        await self.ask("CreateLogGroup", logGroupName=group)
        for name in names or ("s",):
            await self.ask("CreateLogStream", logGroupName=group, logStreamName=name)

    async def put(self, *events: tuple[int, str], group: str = "g", stream: str = "s") -> dict[str, Any]:
        given = [{"timestamp": time_ms, "message": message} for time_ms, message in events]
        return await self.ask("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=given)

    async def found(self, pattern: str = "", group: str = "g", **more: Any) -> list[str]:
        """Messages that match, over all pages."""
        messages: list[str] = []
        while True:
            answer = await self.ask("FilterLogEvents", logGroupName=group, filterPattern=pattern, **more)
            messages += [one["message"] for one in answer["events"]]
            if "nextToken" not in answer:
                return messages
            more["nextToken"] = answer["nextToken"]


@pytest.fixture
def tell() -> Callable[[Callable[[Desk], Awaitable[None]]], None]:
    """Runs a story on a fresh desk."""

    def run(story: Callable[[Desk], Awaitable[None]]) -> None:
        worlds = SimulatedWorlds()
        desk = Desk(worlds)

        async def whole() -> None:
            await desk.boot()
            await story(desk)
            await desk.service.stop()
            desk.store.close()

        worlds.run(whole)

    return run
