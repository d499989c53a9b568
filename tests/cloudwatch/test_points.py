"""Points: what is kept of values, and statistics of them."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.cloudwatch.points import (
    MAX_VALUES,
    Gathered,
    Point,
    by_period,
    merged,
    percentile,
    point_of,
    statistic_of,
)

VALUES = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=60)


def one(values: list[float], at: int = 0) -> Point:
    return point_of(at, values, [1.0] * len(values))


@given(VALUES, VALUES)
def test_two_points_together_are_the_point_of_all_values(some: list[float], others: list[float]) -> None:
    both = merged(one(some), one(others))
    assert both.count == len(some) + len(others)
    assert math.isclose(both.total, math.fsum(some + others), rel_tol=1e-9, abs_tol=1e-3)
    assert (both.least, both.most) == (min(some + others), max(some + others))
    assert both.values is not None
    assert len(both.values) <= MAX_VALUES


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=MAX_VALUES), st.integers(0, 9_999) | st.just(10_000))
def test_a_percentile_of_few_values_is_exact(values: list[float], hundredths: int) -> None:
    # "p100" has no decimals: AWS's pattern is p(100|\d{0,2}(\.\d{0,10})?).
    found = statistic_of(one(values), "p100" if hundredths == 10_000 else f"p{hundredths / 100:.2f}")
    rank = math.ceil(len(values) * hundredths / 10_000)
    assert found == sorted(values)[max(rank, 1) - 1]


def test_many_values_are_rounded_but_stay_near() -> None:
    values = [1 + number / 1000 for number in range(5000)]
    point = one(values)
    assert point.values is not None
    assert len(point.values) <= MAX_VALUES
    assert sum(point.values.values()) == 5000
    for wanted in (1, 50, 99):
        exact = sorted(values)[wanted * 50 - 1]
        assert abs(percentile(point.values, wanted) - exact) / exact < 0.06


def test_a_percentile_of_a_statistic_set_is_known_only_when_all_values_are_one() -> None:
    assert statistic_of(Point(0, 3, 9, 3, 3), "p50") == 3
    assert statistic_of(Point(0, 3, 9, 1, 5), "p50") is None
    assert merged(one([1.0]), Point(0, 3, 9, 1, 5)).values is None


def test_periods_are_counted_from_the_start_and_empty_ones_are_left_out() -> None:
    points = [one([float(minute)], minute * 60) for minute in range(10)]
    found = by_period(points, 120, 540, 300)
    assert [(point.at, point.total) for point in found] == [(120, 2 + 3 + 4 + 5 + 6), (420, 7 + 8)]
    assert by_period(points, 6000, 9000, 60) == []


def test_parts_of_a_moment_put_together_are_rounded_once() -> None:
    parts = [[number / 100 for number in range(start, 90, 3)] for start in (30, 31, 32)]
    gathered = Gathered(one(parts[0]))
    for part in parts[1:]:
        gathered.add(one(part))
    assert gathered.point(60) == one(sorted(value for part in parts for value in part), at=60)
    many = [1 + number / 1000 for number in range(900)]
    for start in range(0, 900, 100):
        gathered.add(one(many[start : start + 100]))
    values = gathered.point(60).values
    assert values is not None
    assert len(values) == 60 + 9 + 1  # hundredths below one, tenths above
