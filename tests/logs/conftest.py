"""CloudWatch Logs of one Region in simulated time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from antipodes.services.contract import Surroundings
from antipodes.services.logs.service import Logs
from tests.desk import ServiceDesk, run

SITE = "eu-west-1"


class Desk(ServiceDesk):
    """What a test talks to."""

    site = SITE

    def made(self, around: Surroundings) -> Logs:
        return Logs(around)

    def now_ms(self) -> int:
        return int(self.world.now() * 1000)

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
    return partial(run, Desk)
