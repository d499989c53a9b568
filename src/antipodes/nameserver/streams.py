"""Streams: what CloudWatch tells the data plane (the metrics behind alarm checks), and what the data plane tells it.

Rules. An alarm check follows the metric's data, not the alarm: each is read every POLL_S seconds from its Region over
the planet's network (how often AWS looks is not documented: a guess). A Region that cannot be reached gives no data.
The other way round, the health of every check is recorded once a minute in the home Region's CloudWatch (namespace
AWS/Route53, "metrics are in us-east-1 only"); with that Region down the minute is lost, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from antipodes.replica.calls import CallClient, CallFailed
from antipodes.services.route53.records import Check, Stream
from antipodes.world.world import NetworkError, World

POLL_S = 10.0
RECORD_S = 60.0
TIMEOUT_S = 5.0

Told = Callable[[str, Sequence[float | None] | None], None]  # check id, values by period; None: nothing was heard
Metrics = Callable[[], list[dict[str, Any]]]  # MetricData of all checks, now


class Streams:
    """One task for each alarm check, one that records."""

    def __init__(self, world: World, client: CallClient, home: str, *, told: Told, metrics: Metrics) -> None:
        self._world = world
        self._client = client
        self._home = home
        self._told = told
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._recorder: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._recorder = self._world.spawn(self._record(), "health metrics")

    async def stop(self) -> None:
        tasks = [*self._tasks.values(), *((self._recorder,) if self._recorder else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, check: Check) -> None:
        """Reads the metric of this check from now on."""
        self.drop(check.id)
        if check.stream is not None and not check.disabled:
            self._tasks[check.id] = self._world.spawn(self._read(check.id, check.stream), f"metric of {check.id}")

    def drop(self, check_id: str) -> None:
        task = self._tasks.pop(check_id, None)
        if task is not None:
            task.cancel()

    async def _read(self, check_id: str, stream: Stream) -> None:
        while True:
            self._told(check_id, await self._values(stream))
            await self._world.sleep(POLL_S)

    async def _values(self, stream: Stream) -> list[float | None] | None:
        """The statistic of the last whole periods, the oldest first."""
        end = int(self._world.now() // stream.period_s * stream.period_s)
        starts = [end - (stream.periods - at) * stream.period_s for at in range(stream.periods)]
        params = {
            "Namespace": stream.namespace,
            "MetricName": stream.metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in stream.dimensions],
            "StartTime": float(starts[0]),
            "EndTime": float(end),
            "Period": stream.period_s,
            "Statistics": [stream.statistic],
        }
        answer = await self._call(stream.region, "GetMetricStatistics", params)
        if answer is None:
            return None
        found = {int(one["Timestamp"]): float(one[stream.statistic]) for one in answer["Datapoints"]}
        return [found.get(start) for start in starts]

    async def _record(self) -> None:
        while True:
            await self._world.tick(RECORD_S)
            data = self._metrics()
            if data:
                await self._call(self._home, "Record", {"Namespace": "AWS/Route53", "MetricData": data})

    async def _call(self, region: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        message = {"service": "cloudwatch", "operation": operation, "params": params}
        try:
            answer = await self._client.call(region, message, TIMEOUT_S)
        except (NetworkError, CallFailed):
            return None
        return answer.get("result")
