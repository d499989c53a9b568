"""What is kept of a metric's values: one Point for each minute (or second), and statistics over periods. Pure.

A Point is a statistic set, and as far as the values themselves are known also how often each came: percentiles are read
from that. The number of different values in a Point is bounded (MAX_VALUES): beyond it they are rounded to fewer
significant digits until they fit, so a percentile may be off by as much (AWS's own histogram has bins 10 % wide).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import mul
from typing import Any

import msgspec

MAX_VALUES = 150
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{0,10})?|100)")


class Point(msgspec.Struct, frozen=True, array_like=True):
    """The values of one moment. values: value -> how often; None: they are not known one by one."""

    at: int  # epoch seconds, the start of its minute (or its second)
    count: float
    total: float
    least: float
    most: float
    values: dict[float, float] | None = None


def point_of(at: int, values: Sequence[float], counts: Sequence[float]) -> Point:
    """A Point from values and how often each came (the counts are positive)."""
    known = dict(zip(values, map(float, counts), strict=True))
    if len(known) < len(values):  # some came twice
        known = {}
        for value, count in zip(values, counts, strict=True):
            known[value] = known.get(value, 0.0) + count
    total = math.fsum(map(mul, known.keys(), known.values()))
    return Point(at, math.fsum(counts), total, min(known), max(known), _compacted(known))


class Gathered:
    """Points of one moment, put together as they come. Their values are rounded when it becomes a Point itself."""

    __slots__ = ("count", "least", "most", "total", "values")

    def __init__(self, first: Point) -> None:
        self.count, self.total, self.least, self.most = first.count, first.total, first.least, first.most
        self.values = None if first.values is None else dict(first.values)

    def add(self, other: Point) -> None:
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        values = self.values
        if values is None or other.values is None:
            self.values = None
            return
        for value, count in other.values.items():
            values[value] = values.get(value, 0.0) + count

    def point(self, at: int) -> Point:
        values = None if self.values is None else _compacted(self.values)
        return Point(at, self.count, self.total, self.least, self.most, values)


def merged(one: Point, other: Point) -> Point:
    """Both together, at the time of the first."""
    both = Gathered(one)
    both.add(other)
    return both.point(one.at)


def _compacted(values: dict[float, float]) -> dict[float, float]:
    """Rounded to as many digits, four at most, as leave MAX_VALUES of them (but to one at least)."""
    if len(values) <= MAX_VALUES:
        return values
    fitting = None
    for digits in (2, 3, 4):  # two is what most come to
        near = list(map(_near, values, repeat(digits)))
        if len(set(near)) > MAX_VALUES:
            break
        fitting = near
    rounded: dict[float, float] = {}
    for value, count in zip(fitting or map(_near, values, repeat(1)), values.values(), strict=True):
        rounded[value] = rounded.get(value, 0.0) + count
    return rounded


@lru_cache(maxsize=8192)
def _near(value: float, digits: int) -> float:
    """The value, to so many significant digits. The same values come again and again: most were rounded before."""
    return float(f"{value:.{digits - 1}e}")


def by_period(points: Iterable[Point], start: int, end: int, period_s: int) -> list[Point]:
    """One Point for each period, counted from `start`, that has any in [start, end); in order of time."""
    found: dict[int, Point] = {}
    for point in points:
        if start <= point.at < end:
            at = start + (point.at - start) // period_s * period_s
            before = found.get(at)
            moved = msgspec.structs.replace(point, at=at)
            found[at] = moved if before is None else merged(before, moved)
    return [found[at] for at in sorted(found)]


def is_percentile(statistic: str) -> bool:
    return _PERCENTILE.fullmatch(statistic) is not None


def statistic_of(point: Point, statistic: str) -> float | None:
    """A statistic by AWS's name ("Sum", "p99.9"); None: the values are not known one by one."""
    if statistic == "SampleCount":
        return point.count
    if statistic == "Sum":
        return point.total
    if statistic == "Average":
        return point.total / point.count if point.count else 0.0
    if statistic == "Minimum":
        return point.least
    if statistic == "Maximum":
        return point.most
    found = _PERCENTILE.fullmatch(statistic)
    assert found is not None, f"the statistic {statistic}"
    if point.least == point.most:
        return point.least
    return None if point.values is None else percentile(point.values, float(found[1]))


def percentile(values: Mapping[float, float], wanted: float) -> float:
    """The least value that at least `wanted` per cent of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = math.fsum(values.values()) * wanted / 100
    below = 0.0
    for value in ordered:
        below += values[value]
        if below >= rank - 1e-9:
            return value
    return ordered[-1]


def datapoint(point: Point, statistics: Sequence[str], extended: Sequence[str], unit: str) -> dict[str, Any]:
    """A Datapoint of GetMetricStatistics."""
    found: dict[str, Any] = {"Timestamp": float(point.at), "Unit": unit}
    for statistic in statistics:
        found[statistic] = statistic_of(point, statistic)
    known = {one: value for one in extended if (value := statistic_of(point, one)) is not None}
    if known:
        found["ExtendedStatistics"] = known
    return found
