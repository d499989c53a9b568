"""The arithmetic from observations to verdicts."""

from __future__ import annotations

import pytest

from antipodes.services.route53.health import CHECKER_REGIONS, CheckState, Observation
from antipodes.services.route53.records import Check

CHECK = Check("h", "r", 1, "HTTP", ip="192.0.2.1", port=80, interval_s=10, threshold=1)


def state_of(check: Check, failing: int, now_s: float = 1.0) -> CheckState:
    state = CheckState.new(check, 0.0)
    for n, checker in enumerate(state.checkers.values()):
        checker.observe(
            Observation(now_s, n >= failing, "Failure: x" if n < failing else "Success: x"), check.threshold
        )
    state.decide(now_s, lambda _: True)
    return state


@pytest.mark.parametrize(("failing", "healthy"), [(0, True), (6, True), (7, False), (8, False)])
def test_more_than_18_percent_of_eight_checkers_make_it_healthy(failing: int, healthy: bool) -> None:
    assert state_of(CHECK, failing).healthy is healthy


def test_three_checkers_need_one() -> None:
    three = Check("h", "r", 1, "HTTP", ip="192.0.2.1", port=80, threshold=1, regions=CHECKER_REGIONS[:3])
    assert state_of(three, 2).healthy and not state_of(three, 3).healthy


@pytest.mark.parametrize("threshold", [1, 3, 10])
def test_a_checker_flips_after_consecutive_results_in_both_directions(threshold: int) -> None:
    checker = CheckState.new(CHECK, 0.0).checkers["us-east-1"]
    for wanted in (False, True):
        for n in range(1, threshold + 1):
            assert checker.healthy is not wanted
            checker.observe(Observation(n, wanted, ""), threshold)
        assert checker.healthy is wanted


def test_one_good_result_begins_the_count_anew() -> None:
    checker = CheckState.new(CHECK, 0.0).checkers["us-east-1"]
    for ok in (False, False, True, False, False):
        checker.observe(Observation(1, ok, ""), 3)
    assert checker.healthy
    checker.observe(Observation(1, False, ""), 3)
    assert not checker.healthy


@pytest.mark.parametrize(
    ("inverted", "disabled", "failing", "healthy"),
    [
        (True, False, 0, False),
        (True, False, 8, True),
        (False, True, 0, True),
        (True, True, 0, False),
    ],
)
def test_inverted_and_disabled(inverted: bool, disabled: bool, failing: int, healthy: bool) -> None:
    check = Check("h", "r", 1, "TCP", ip="192.0.2.1", port=1, threshold=1, inverted=inverted, disabled=disabled)
    assert state_of(check, failing).healthy is healthy


def test_a_new_check_is_healthy_and_an_inverted_one_is_not() -> None:
    assert CheckState.new(CHECK, 0.0).healthy
    assert not CheckState.new(Check("h", "r", 1, "TCP", ip="192.0.2.1", port=1, inverted=True), 0.0).healthy


@pytest.mark.parametrize(("threshold", "healthy"), [(0, True), (1, True), (2, False), (4, False)])
def test_calculated_counts_healthy_children(threshold: int, healthy: bool) -> None:
    check = Check("c", "r", 1, "CALCULATED", children=("a", "b", "c"), health_threshold=threshold)
    state = CheckState.new(check, 0.0)
    state.decide(1.0, lambda child: child == "a")
    assert state.healthy is healthy


def test_a_checker_that_is_not_heard_of_does_not_count() -> None:
    """Two dead checker Regions that saw the endpoint healthy must not keep it healthy for ever."""
    state = state_of(CHECK, 0, now_s=100.0)
    for n, checker in enumerate(state.checkers.values()):
        if n >= 2:
            checker.observe(Observation(125.0, False, "Failure: x"), 1)
    assert not state.decide(125.0, lambda _: True)
    for n, checker in enumerate(state.checkers.values()):
        if n >= 2:
            checker.observe(Observation(135.0, False, "Failure: y"), 1)
    assert state.decide(135.0, lambda _: True)
    assert (state.healthy, state.since_s, state.reason) == (False, 135.0, "Failure: y")
