"""What a service tells CloudWatch of itself: gathered in memory, handed over together.

What it decides: when it is handed over, and that nothing waits for it: what CloudWatch or its disk refuses is lost, and
so is, in a crash, what was not handed over. It goes in small parts, one a turn of the loop: between them requests are
served. What it refuses to know: what is counted and written; a service does that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any

from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError

METRICS_S = 5.0
LINES_S = 0.1
TURN_VALUES = 100  # different values that are handed over in one turn of the loop; a datum has no more of them
DATUM_VALUES = 15  # what a datum costs beside its values, in values
TURN_LINES = 128  # lines that are handed over in one turn
PAUSE_S = 0.003  # between two such turns: a request, which takes several, meets one of them at most

Datum = dict[str, Any]  # of PutMetricData
Line = tuple[int, str]  # epoch milliseconds, text
Spawn = Callable[[Coroutine[Any, Any, None], str], object]


class MetricReports:
    """Metrics of one service in one Region.

    A flush is planned only when something was counted, METRICS_S later or when the minute ends, whichever comes first:
    so every count lies in its minute. taken: all that was counted since the last time, without timestamps; when it
    returns, the counters have begun anew, what it returns may be worked out as it is iterated over.
    """

    __slots__ = ("_call", "_namespace", "_spawn", "_taken", "_turn", "_world", "since")

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
        self._turn = asyncio.Lock()  # who flushes returns when a flush under way has ended too
        self.since: float | None = None  # when the first count after the last flush was made

    def begin(self) -> None:
        """Something is counted. Where it is often: only while `since` is None."""
        if self.since is None:
            self.since = self._world.now()
            self._spawn(self._flush_later(self.since), f"{self._namespace}: hand over metrics")

    async def flush(self, pause_s: float = 0.0) -> None:
        """Hands over what was counted."""
        async with self._turn:
            if self.since is None:
                return
            at, self.since = self.since, None
            try:
                for lot in _lots(self._taken()):
                    data = [{**datum, "Timestamp": at} for datum in lot]
                    await self._call("cloudwatch", "Record", {"Namespace": self._namespace, "MetricData": data})
                    await self._world.sleep(pause_s)
            except AwsError as fault:
                self._world.trace("metrics.lost", namespace=self._namespace, refused=fault.message)

    async def _flush_later(self, since: float) -> None:
        await self._world.sleep(min(METRICS_S, 60.0 - since % 60.0))
        await self.flush(PAUSE_S)


def _lots(data: Iterable[Datum]) -> Iterator[list[Datum]]:
    """Cut into what one turn of the loop can bear."""
    lot: list[Datum] = []
    cost = 0
    for datum in data:
        own = DATUM_VALUES + len(datum.get("Values", ()))
        if lot and cost + own > TURN_VALUES:
            yield lot
            lot, cost = [], 0
        lot.append(datum)
        cost += own
    if lot:
        yield lot


def data_of(
    metric: str, unit: str, counts: Mapping[float, int], dimensions: Iterable[tuple[str, str]]
) -> Iterator[Datum]:
    """Values and how often each was counted, in as many data as turns of the loop."""
    pairs = sorted(counts.items())
    named = [{"Name": name, "Value": value} for name, value in dimensions]
    for start in range(0, len(pairs), TURN_VALUES):
        lot = pairs[start : start + TURN_VALUES]
        yield {
            "MetricName": metric,
            "Unit": unit,
            "Dimensions": named,
            "Values": [value for value, _ in lot],
            "Counts": [count for _, count in lot],
        }


def milliseconds(seconds: float) -> float:
    """To three digits, but no finer than a REPORT line of Lambda: few different values, so that they are summed."""
    ms = seconds * 1000.0
    if ms < 100.0:
        return round(ms, 2 if ms < 10.0 else 1) if ms > 0.0 else 0.0
    return float(f"{ms:.3g}")


class LineReports:
    """Lines for CloudWatch Logs, of one service in one Region. has: whether a group may be written to now."""

    def __init__(
        self, surroundings: Surroundings, source: str, has: Callable[[str], Coroutine[Any, Any, bool]] | None = None
    ) -> None:
        self._world = surroundings.world
        self._call = surroundings.call
        self._source = source
        self._has = has
        self._lines: dict[tuple[str, str], list[Line]] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # one after the other: lines keep their order

    def write(self, group: str, stream: str, time: float, *texts: str) -> None:
        """Events of a log stream. time: epoch seconds, of all of them."""
        lines = self._lines.get((group, stream))
        if lines is None:
            lines = self._lines[group, stream] = []
            if self._flushing is None or self._flushing.done():
                self._flushing = self._world.spawn(self._flush_later(), f"{self._source}: hand over lines")
        time_ms = int(time * 1000)
        for text in texts:
            lines.append((time_ms, text))

    async def flush(self) -> None:
        """Hands over what there is, and what comes meanwhile. What is under way has arrived, too."""
        await self._hand_over()
        while self._lines:
            await self._hand_over()

    async def _hand_over(self, pause_s: float = 0.0) -> None:
        async with self._turn:
            lines, self._lines = self._lines, {}
            try:
                parts = deque(_parts([one for one in lines.items() if self._has is None or await self._has(one[0][0])]))
                lines.clear()  # they are let go of a part at a time, too
                if parts:
                    pause_s = min(pause_s, LINES_S / len(parts))  # else more would come than goes
                while parts:
                    await self._call("logs", "Record", {"streams": parts.popleft()})
                    await self._world.sleep(pause_s)
            except AwsError as error:
                self._world.trace("lines.lost", source=self._source, error=str(error))

    async def _flush_later(self) -> None:
        while self._lines:
            await self._world.sleep(LINES_S)
            await self._hand_over(PAUSE_S)


def _parts(lines: Iterable[tuple[tuple[str, str], list[Line]]]) -> Iterator[list[dict[str, Any]]]:
    """By group and stream, as `Record` takes them, cut into what one turn of the loop can bear."""
    streams: list[dict[str, Any]] = []
    room = TURN_LINES
    for (group, stream), events in lines:
        start = 0
        while start < len(events):
            some = events[start : start + room]
            streams.append({"logGroupName": group, "logStreamName": stream, "logEvents": some})
            start += len(some)
            room -= len(some)
            if not room:
                yield streams
                streams, room = [], TURN_LINES
    if streams:
        yield streams
