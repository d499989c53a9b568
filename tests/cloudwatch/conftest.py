"""CloudWatch of one Region in simulated time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pytest

from antipodes.services.cloudwatch.service import CloudWatch
from antipodes.services.contract import Settings, Surroundings
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, ServerFault
from antipodes.wire.operation import Request
from antipodes.world.world import World
from tests.worlds import SimulatedWorlds

SITE = "us-east-1"


class Desk:
    """The service, and a way to ask it. `die` is a crash."""

    def __init__(self, worlds: SimulatedWorlds) -> None:
        self.worlds = worlds
        self.world: World = worlds.world(SITE)
        self.here: World = worlds.world("here")
        self.service: CloudWatch
        self.store: Store

    async def boot(self) -> None:
        async def call(
            service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
        ) -> Mapping[str, Any]:
            raise ServerFault("RegionUnavailable", "alone")

        async def program() -> None:
            self.store = Store.open(self.world, "region")
            self.service = CloudWatch(Surroundings(SITE, self.world, self.store, call, Settings((SITE,))))
            await self.service.start()

        await self.worlds.simulation.boot(SITE, program)

    async def die(self) -> None:
        self.worlds.simulation.crash(SITE)
        await self.boot()

    async def ask(self, operation: str, **params: Any) -> dict[str, Any]:
        result = await self.service.operations[operation](Request("cloudwatch", operation, params, SITE))
        return cast("dict[str, Any]", result)

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        try:
            await self.ask(operation, **params)
        except AwsError as error:
            return error.code, error.message
        raise AssertionError(f"{operation} was not refused")

    async def put(self, name: str, *values: float, at: float | None = None, **more: Any) -> None:
        datum: dict[str, Any] = {"MetricName": name, "Values": list(values), **more}
        if at is not None:
            datum["Timestamp"] = at
        await self.ask("PutMetricData", Namespace="App", MetricData=[datum])

    async def statistics(self, name: str, start: float, end: float, period_s: int = 60, **more: Any) -> Any:
        asked = {"Statistics": ["Sum", "Average", "Minimum", "Maximum", "SampleCount"], **more}
        answer = await self.ask(
            "GetMetricStatistics",
            Namespace="App",
            MetricName=name,
            StartTime=start,
            EndTime=end,
            Period=period_s,
            **asked,
        )
        return answer["Datapoints"]


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
