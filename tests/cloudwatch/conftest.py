"""CloudWatch of one Region in simulated time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from antipodes.services.cloudwatch.service import CloudWatch
from antipodes.services.contract import Surroundings
from tests.desk import ServiceDesk, run

SITE = "us-east-1"


class Desk(ServiceDesk):
    """What a test talks to."""

    site = SITE

    def made(self, around: Surroundings) -> CloudWatch:
        return CloudWatch(around)

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
    return partial(run, Desk)
