"""Alarms follow their metric; what they cannot do is refused by name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.cloudwatch.alarms import judge
from tests.cloudwatch.conftest import Desk

Tell = Callable[[Callable[[Desk], Awaitable[None]]], None]
ALARM: dict[str, Any] = {
    "AlarmName": "slow",
    "Namespace": "App",
    "MetricName": "Latency",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 100.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


async def state(desk: Desk) -> str:
    (alarm,) = (await desk.ask("DescribeAlarms"))["MetricAlarms"]
    return str(alarm["StateValue"])


def test_an_alarm_follows_its_metric_and_outlives_a_crash(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.ask("PutMetricAlarm", **ALARM)
        assert await state(desk) == "INSUFFICIENT_DATA"
        for _ in range(2):
            await desk.put("Latency", 150.0)
            await asyncio.sleep(60)
        assert await state(desk) == "ALARM"
        await desk.die()
        assert await state(desk) == "ALARM"
        await desk.put("Latency", 50.0)
        await asyncio.sleep(60)
        (alarm,) = (await desk.ask("DescribeAlarms", StateValue="OK"))["MetricAlarms"]
        assert alarm["AlarmArn"].endswith(":alarm:slow") and "Threshold Crossed" in alarm["StateReason"]
        await desk.ask("DeleteAlarms", AlarmNames=["slow"])
        assert (await desk.ask("DescribeAlarms"))["MetricAlarms"] == []

    tell(story)


def test_a_state_that_was_set_holds_until_the_next_evaluation(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.ask("PutMetricAlarm", **ALARM)
        await desk.ask("SetAlarmState", AlarmName="slow", StateValue="ALARM", StateReason="a test")
        assert await state(desk) == "ALARM"
        await asyncio.sleep(60)
        assert await state(desk) == "INSUFFICIENT_DATA"
        assert (await desk.refused("SetAlarmState", AlarmName="x", StateValue="OK", StateReason=""))[0] == (
            "ResourceNotFound"
        )

    tell(story)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"AlarmActions": ["arn:aws:sns:us-east-1:000000000000:t"]}, "UnsupportedOperation"),
        ({"Metrics": [{"Id": "a", "Expression": "1"}]}, "UnsupportedOperation"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "UnsupportedOperation"),
        ({"Period": 61}, "InvalidParameterValueException"),
        ({"Period": 3600, "EvaluationPeriods": 25}, "InvalidParameterValueException"),
        ({"DatapointsToAlarm": 3}, "InvalidParameterValueException"),
        ({"TreatMissingData": "perhaps"}, "InvalidParameterValueException"),
        ({"Statistic": None}, "MissingRequiredParameterException"),
    ],
)
def test_what_an_alarm_cannot_be(tell: Tell, more: dict[str, Any], code: str) -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.refused("PutMetricAlarm", **(ALARM | more)))[0] == code
        assert (await desk.ask("DescribeAlarms"))["MetricAlarms"] == []

    tell(story)


@pytest.mark.parametrize(
    ("values", "more", "wanted"),
    [
        ([150, 150, 150], {}, "ALARM"),
        ([150, 50, 150], {}, "OK"),
        ([150, 50, 150], {"DatapointsToAlarm": 2}, "ALARM"),
        ([None, None, None], {}, "INSUFFICIENT_DATA"),
        ([None, 150, None], {}, "ALARM"),
        ([None, None, None], {"TreatMissingData": "breaching"}, "ALARM"),
        ([None, None, None], {"TreatMissingData": "notBreaching"}, "OK"),
        ([150, None, 150], {"TreatMissingData": "notBreaching"}, "OK"),
        ([None, None, None], {"TreatMissingData": "ignore"}, "ALARM"),
        ([100, 100, 100], {}, "OK"),
        ([100, 100, 100], {"ComparisonOperator": "GreaterThanOrEqualToThreshold"}, "ALARM"),
    ],
)
def test_states(values: list[float | None], more: dict[str, Any], wanted: str) -> None:
    known = [None if one is None else float(one) for one in values]
    assert judge(ALARM | {"EvaluationPeriods": 3} | more, known, "ALARM")[0] == wanted
