"""Metrics that log events carry reach CloudWatch; no event is too odd."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.logs import embedded
from antipodes.wire.operation import Request
from tests.logs.conftest import Desk

NOW = 1_700_000_000.0


def event(*directives: Any, at_ms: float = NOW * 1000, **members: Any) -> str:
    return json.dumps({"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": list(directives)}, **members})


def directive(*names: str, namespace: str = "Shop", dimensions: Any = (("service",),), **more: Any) -> dict[str, Any]:
    return {"Namespace": namespace, "Dimensions": dimensions, "Metrics": [{"Name": name, **more} for name in names]}


def test_each_dimension_set_has_each_metric_with_all_its_values() -> None:
    sets = [["service"], ["service", "place"], []]
    text = event(
        directive("Sold", "Took", dimensions=sets, Unit="Count"), service="a", place="b", Sold=3, Took=[1, 2.5]
    )
    ((namespace, data),) = embedded.metrics_of(text, NOW)
    assert namespace == "Shop"
    assert [(one["MetricName"], [d["Value"] for d in one["Dimensions"]], one["Values"]) for one in data] == [
        ("Sold", ["a"], [3.0]),
        ("Sold", ["a", "b"], [3.0]),
        ("Sold", [], [3.0]),
        ("Took", ["a"], [1.0, 2.5]),
        ("Took", ["a", "b"], [1.0, 2.5]),
        ("Took", [], [1.0, 2.5]),
    ]
    assert {(one["Unit"], one["Timestamp"], one["StorageResolution"]) for one in data} == {("Count", NOW, 60)}


@pytest.mark.parametrize(
    "text",
    [
        "told: " + event(directive("Sold"), service="a", Sold=1),  # not wholly JSON
        event(directive("Sold"), service="a", Sold="1"),
        event(directive("Sold"), service="a", Sold=True),
        event(directive("Sold"), service="a", Sold=[1] * 101),
        event(directive("Sold"), service="a"),
        event(directive("Sold"), service=7, Sold=1),
        event(directive("Sold"), Sold=1),
        event(directive("Sold", namespace="AWS/Lambda"), service="a", Sold=1),
        event(directive("Sold", namespace=""), service="a", Sold=1),
        event(directive("Sold", Unit="Pieces"), service="a", Sold=1),
        event(directive("Sold", Unit=[]), service="a", Sold=1),
        event(directive("Sold"), service="a", Sold=1, at_ms=(NOW - 15 * 86400) * 1000),
        event(directive("Sold"), service="a", Sold=1, at_ms=(NOW + 3 * 3600) * 1000),
        event(directive(*map(str, range(101))), service="a", **{"0": 1}),
    ],
)
def test_what_breaks_the_specification_gives_nothing(text: str) -> None:
    assert embedded.metrics_of(text, NOW) == []


def test_a_metric_without_a_value_takes_nothing_from_the_others() -> None:
    ((_, data),) = embedded.metrics_of(event(directive("None", "Sold"), service="a", Sold=1), NOW)
    assert [one["MetricName"] for one in data] == ["Sold"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Namespace", "Dimensions", "Metrics", "Name", "Unit", "a"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_no_event_is_too_odd(first: Any, second: Any, at: Any) -> None:
    odd = {"Namespace": "N", "Dimensions": first, "Metrics": second}
    for directives in ([first], [odd], first):
        told = {"_aws": {"Timestamp": at, "CloudWatchMetrics": directives}, "a": second}
        embedded.metrics_of(json.dumps(told), NOW)
        told = {"_aws": {"Timestamp": NOW * 1000, "CloudWatchMetrics": directives}, "a": second}
        embedded.metrics_of(json.dumps(told), NOW)


def test_events_that_are_put_or_recorded_are_looked_into(
    tell: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def story(desk: Desk) -> None:
        told: list[tuple[str, str, str]] = []

        async def call(service: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
            told.extend((service, operation, one["MetricName"]) for one in params["MetricData"])
            return {}

        desk.service._call = call  # type: ignore[attr-defined]
        now_ms = desk.now_ms()
        await desk.stream()
        await desk.put((now_ms, event(directive("Put"), service="a", Put=1, at_ms=now_ms)), (now_ms, "words"))
        text = event(directive("Recorded"), service="a", Recorded=1, at_ms=now_ms)
        streams = [{"logGroupName": "g", "logStreamName": "s", "logEvents": [(now_ms, text)]}]
        await desk.service.operations["Record"](Request("logs", "Record", {"streams": streams}, desk.site))
        assert told == [("cloudwatch", "Record", "Put"), ("cloudwatch", "Record", "Recorded")]

    tell(story)
