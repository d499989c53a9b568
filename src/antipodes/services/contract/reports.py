"""What a service tells CloudWatch of itself: gathered in memory, handed over together.

What it decides: when it is handed over, and that nothing waits for it: what CloudWatch or its disk refuses is lost, and
so is, in a crash, what was not handed over. What it refuses to know: what is counted and written; a service does that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError

METRICS_S = 5.0
LINES_S = 0.1
VALUES = 150  # different values a datum: PutMetricData's own limit

Datum = dict[str, Any]  # of PutMetricData
Spawn = Callable[[Coroutine[Any, Any, None], str], object]


class MetricReports:
    """Metrics of one service in one Region.

    A flush is planned only when something was counted, METRICS_S later or when the minute ends, whichever comes first:
    so every count lies in its minute. taken: all that was counted since the last time, without timestamps.
    """

    __slots__ = ("_call", "_namespace", "_spawn", "_taken", "_world", "since")

    def __init__(
        self,
        surroundings: Surroundings,
        namespace: str,
        taken: Callable[[], Iterable[Datum]],
        spawn: Spawn | None = None,
    ) -> None:
        """spawn: instead of the world's."""
        self._world = surroundings.world
        self._call = surroundings.call
        self._namespace = namespace
        self._taken = taken
        self._spawn = spawn or surroundings.world.spawn
        self.since: float | None = None  # when the first count after the last flush was made

    def begin(self) -> None:
        """Something is counted. Where it is often: only while `since` is None."""
        if self.since is None:
            self.since = self._world.now()
            self._spawn(self._flush_later(self.since), f"{self._namespace}: hand over metrics")

    async def flush(self) -> None:
        """Hands over what was counted."""
        if self.since is None:
            return
        at, self.since = self.since, None
        data = [{**datum, "Timestamp": at} for datum in self._taken()]
        try:
            await self._call("cloudwatch", "Record", {"Namespace": self._namespace, "MetricData": data})
        except AwsError as fault:
            self._world.trace("metrics.lost", namespace=self._namespace, refused=fault.message)

    async def _flush_later(self, since: float) -> None:
        await self._world.sleep(min(METRICS_S, 60.0 - since % 60.0))
        await self.flush()


def data_of(
    metric: str, unit: str, counts: Mapping[float, int], dimensions: Iterable[tuple[str, str]]
) -> Iterator[Datum]:
    """Values and how often each was counted, in as many data as PutMetricData's limit asks for."""
    pairs = sorted(counts.items())
    named = [{"Name": name, "Value": value} for name, value in dimensions]
    for start in range(0, len(pairs), VALUES):
        lot = pairs[start : start + VALUES]
        yield {
            "MetricName": metric,
            "Unit": unit,
            "Dimensions": named,
            "Values": [value for value, _ in lot],
            "Counts": [count for _, count in lot],
        }


class LineReports:
    """Lines for CloudWatch Logs, of one service in one Region. has: whether a group may be written to now."""

    def __init__(
        self, surroundings: Surroundings, source: str, has: Callable[[str], Coroutine[Any, Any, bool]] | None = None
    ) -> None:
        self._world = surroundings.world
        self._call = surroundings.call
        self._source = source
        self._has = has
        self._lines: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self._flushing: asyncio.Task[None] | None = None

    def write(self, group: str, stream: str, time: float, text: str) -> None:
        """One event of a log stream. time: epoch seconds."""
        self._lines.setdefault((group, stream), []).append((int(time * 1000), text))
        if self._flushing is None or self._flushing.done():
            self._flushing = self._world.spawn(self._flush_later(), f"{self._source}: hand over lines")

    async def flush(self) -> None:
        """Hands over what there is, and what comes meanwhile."""
        while self._lines:
            await self._hand_over()

    async def _hand_over(self) -> None:
        """What there is, all together: one write and one sync, however many streams there are."""
        lines, self._lines = self._lines, {}
        try:
            streams = [
                {"logGroupName": group, "logStreamName": stream, "logEvents": events}
                for (group, stream), events in lines.items()
                if self._has is None or await self._has(group)
            ]
            if streams:
                await self._call("logs", "Record", {"streams": streams})
        except AwsError as error:
            self._world.trace("lines.lost", source=self._source, error=str(error))

    async def _flush_later(self) -> None:
        while self._lines:
            await self._world.sleep(LINES_S)
            await self._hand_over()
