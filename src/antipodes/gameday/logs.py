"""The log of a function in all Regions at once: what `antipodes logs` prints, in order of time.

It asks each Region's CloudWatch Logs (FilterLogEvents) and remembers what it has shown; a Region that cannot be reached
is named once, and asked again: its lines come when it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from antipodes.globe.globe import Globe
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.world.world import HERE, NetworkError

POLL_S = 0.5
OVERLAP_MS = 5000  # events come in a little late: so far back each poll looks again
LAMBDA_GROUPS = "/aws/lambda/"
NAMED = 12  # groups, to who asked for one that there is not


class NoSuchLog(Exception):
    """No Region has a log group of that name, or several have one that it could mean."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event, of one Region's log stream."""

    time_ms: int
    region: str
    stream: str
    message: str
    id: str


@dataclass(slots=True)
class Reader:
    """Reads a group in each of some Regions. `unreachable` is called when a Region begins to be."""

    globe: Globe
    groups: Mapping[str, str]  # by Region
    pattern: str
    unreachable: Callable[[str, str], None]
    _from_ms: dict[str, int] = field(default_factory=dict)
    _shown: dict[str, dict[str, None]] = field(default_factory=dict)  # Region -> ids of events since _from_ms
    _down: dict[str, None] = field(default_factory=dict)

    async def newer(self, since_ms: int) -> list[Line]:
        """What came since the last call; the first one looks back to since_ms."""
        found: list[Line] = []
        for region in self.groups:
            try:
                lines = await self._of(region, self._from_ms.get(region, since_ms))
            except ClientFault as fault:
                if fault.code != "ResourceNotFoundException":  # a Region where the function has not run yet
                    raise
                continue
            except (AwsError, NetworkError) as error:
                if region not in self._down:
                    self._down[region] = None
                    self.unreachable(region, str(error))
                continue
            self._down.pop(region, None)
            shown = self._shown.get(region, {})
            found += [line for line in lines if line.id not in shown]
            if lines:
                newest = max(line.time_ms for line in lines)
                start = max(self._from_ms.get(region, since_ms), newest - OVERLAP_MS)
                self._from_ms[region] = start
                self._shown[region] = {line.id: None for line in lines if line.time_ms >= start}
        return sorted(found, key=lambda line: (line.time_ms, line.region, line.id))

    async def _of(self, region: str, start_ms: int) -> list[Line]:
        params: dict[str, Any] = {"logGroupName": self.groups[region], "startTime": start_ms}
        if self.pattern:
            params["filterPattern"] = self.pattern
        lines: list[Line] = []
        while True:
            answer: Mapping[str, Any] = await self.globe.call("logs", "FilterLogEvents", params, region)
            for one in answer["events"]:
                lines.append(Line(one["timestamp"], region, one["logStreamName"], one["message"], one["eventId"]))
            if "nextToken" not in answer:
                return lines
            params["nextToken"] = answer["nextToken"]


async def groups_of(globe: Globe, name: str, regions: Sequence[str]) -> dict[str, str]:
    """Region to the log group that a name means there: one of that name, a function's, or the only one that has it in
    its own (CloudFormation gives a function another name in each Region). A Region that is down is taken to have the
    same as another. Raises NoSuchLog."""
    held = {region: await _groups(globe, region) for region in regions}
    found: dict[str, str] = {}
    for region, groups in held.items():
        exact = [group for group in groups if group in (name, LAMBDA_GROUPS + name)]
        like = exact or [group for group in groups if name in group]
        if len(like) > 1:
            raise NoSuchLog(f"in {region} {name} could mean {' or '.join(like)}.")
        if like:
            found[region] = like[0]
    if not found:
        others = sorted(dict.fromkeys(group for groups in held.values() for group in groups))
        near = get_close_matches(LAMBDA_GROUPS + name, others, n=NAMED, cutoff=0.0) if len(others) > NAMED else others
        told = "There are:" if near == others else f"Of {len(others)} the nearest:"
        there = "\n  ".join([told, *near]) if others else "No function has run yet."
        raise NoSuchLog(f"no log group is called {name} or {LAMBDA_GROUPS}{name}. {there}")
    return {region: found.get(region, next(iter(found.values()))) for region in regions}


async def _groups(globe: Globe, region: str) -> list[str]:
    groups: list[str] = []
    params: dict[str, Any] = {}
    while True:
        try:
            answer = await globe.call("logs", "DescribeLogGroups", params, region)
        except (AwsError, NetworkError):
            return groups  # this Region is down: the others know
        groups += [one["logGroupName"] for one in answer["logGroups"]]
        if "nextToken" not in answer:
            return groups
        params["nextToken"] = answer["nextToken"]


async def follow(reader: Reader, since_ms: int, show: Callable[[Line], None]) -> None:
    """Shows what comes, until cancelled."""
    world = reader.globe.world(HERE)
    while True:
        for line in await reader.newer(since_ms):
            show(line)
        await world.sleep(POLL_S)
