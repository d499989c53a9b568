"""Checks on an alarm's metric follow the data, not the alarm; health is recorded in us-east-1's CloudWatch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antipodes.services.route53.health import stream_health
from antipodes.services.route53.records import Stream
from antipodes.wire.errors import AwsError
from tests.route53.homes import HOME, Planet53, on_planet

ALARM: dict[str, Any] = {
    "AlarmName": "errors",
    "Namespace": "App",
    "MetricName": "Errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 10.0,
    "ComparisonOperator": "GreaterThanOrEqualToThreshold",
}
CONFIG = {
    "Type": "CLOUDWATCH_METRIC",
    "AlarmIdentifier": {"Region": HOME, "Name": "errors"},
    "InsufficientDataHealthStatus": "Unhealthy",
}


async def check(planet: Planet53, **more: Any) -> dict[str, Any]:
    made = await planet.do("CreateHealthCheck", CallerReference="r", HealthCheckConfig=CONFIG | more)
    return dict(made["HealthCheck"])


def healthy(planet: Planet53) -> bool:
    assert planet.nameserver is not None
    (status,) = planet.nameserver.status()
    return status.healthy


async def put(planet: Planet53, value: float, minutes: int) -> None:
    for _ in range(minutes):
        await planet.watch("PutMetricData", Namespace="App", MetricData=[{"MetricName": "Errors", "Value": value}])
        await asyncio.sleep(60)
    await asyncio.sleep(11)


def test_a_check_follows_the_metric_and_not_the_state_of_the_alarm() -> None:
    async def story(planet: Planet53) -> None:
        await planet.watch("PutMetricAlarm", **ALARM)
        made = await check(planet)
        assert made["CloudWatchAlarmConfiguration"]["MetricName"] == "Errors"
        assert made["HealthCheckConfig"]["AlarmIdentifier"] == CONFIG["AlarmIdentifier"]
        await asyncio.sleep(15)
        assert not healthy(planet)  # no data: InsufficientDataHealthStatus
        await put(planet, 3, 2)
        assert healthy(planet)
        await planet.watch("SetAlarmState", AlarmName="errors", StateValue="ALARM", StateReason="a test")
        await asyncio.sleep(15)
        assert healthy(planet)
        await put(planet, 30, 3)
        assert not healthy(planet)
        seen = await planet.do("GetHealthCheckStatus", HealthCheckId=made["Id"])
        (one,) = seen["HealthCheckObservations"]
        assert one["Region"] == HOME and one["StatusReport"]["Status"].startswith("Failure: Sum of App Errors")

    on_planet(story)


def test_a_changed_alarm_is_followed_after_an_update() -> None:
    async def story(planet: Planet53) -> None:
        await planet.watch("PutMetricAlarm", **ALARM)
        made = await check(planet)
        await planet.watch("PutMetricAlarm", **(ALARM | {"Threshold": 99.0}))
        found = (await planet.do("GetHealthCheck", HealthCheckId=made["Id"]))["HealthCheck"]
        assert found["CloudWatchAlarmConfiguration"]["Threshold"] == 10.0
        updated = await planet.do(
            "UpdateHealthCheck", HealthCheckId=made["Id"], AlarmIdentifier=CONFIG["AlarmIdentifier"]
        )
        assert updated["HealthCheck"]["CloudWatchAlarmConfiguration"]["Threshold"] == 99.0
        again = await check(planet)
        assert again["Id"] == made["Id"]

    on_planet(story)


@pytest.mark.parametrize(
    ("alarm", "config"),
    [
        ({}, {"AlarmIdentifier": {"Region": HOME, "Name": "none"}}),
        ({}, {"AlarmIdentifier": {"Region": "ap-south-1", "Name": "errors"}}),
        ({}, {"AlarmIdentifier": None}),
        ({"Period": 10}, {}),
        ({"DatapointsToAlarm": 1}, {}),
        ({}, {"IPAddress": "127.44.4.1"}),
    ],
)
def test_alarms_that_a_check_cannot_follow(alarm: dict[str, Any], config: dict[str, Any]) -> None:
    async def story(planet: Planet53) -> None:
        await planet.watch("PutMetricAlarm", **(ALARM | alarm))
        with pytest.raises(AwsError) as caught:
            await check(planet, **config)
        assert caught.value.code == "InvalidInput"

    on_planet(story)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([10.0, 11.0], False),
        ([10.0, 3.0], True),
        ([3.0, None], True),
        ([None, None], None),
        ([None, 11.0], None),
        ([], None),
    ],
)
def test_what_a_data_stream_says(values: list[float | None], wanted: bool | None) -> None:
    stream = Stream(HOME, "a", "App", "Errors", (), "Sum", 60, 2, 10.0, "GreaterThanOrEqualToThreshold")
    assert stream_health(stream, values) is wanted


def test_health_is_recorded_in_cloudwatch() -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        endpoint = {
            "Type": "HTTP",
            "IPAddress": "127.44.4.1",
            "Port": 80,
            "RequestInterval": 10,
            "MeasureLatency": True,
        }
        made = await planet.do("CreateHealthCheck", CallerReference="e", HealthCheckConfig=endpoint)
        await asyncio.sleep(70)
        planet.simulation.crash("us-west-2")
        await asyncio.sleep(120)
        (found,) = (await planet.watch("ListMetrics", MetricName="HealthCheckStatus"))["Metrics"]
        assert found["Namespace"] == "AWS/Route53"
        assert found["Dimensions"] == [{"Name": "HealthCheckId", "Value": made["HealthCheck"]["Id"]}]
        now = planet.simulation.world(HOME).now()
        for name, lowest, highest in (("HealthCheckStatus", 0.0, 1.0), ("HealthCheckPercentageHealthy", 0.0, 100.0)):
            asked = {
                "Namespace": "AWS/Route53",
                "MetricName": name,
                "Dimensions": found["Dimensions"],
                "StartTime": now - 300,
                "EndTime": now + 60,
                "Period": 60,
                "Statistics": ["Minimum", "Maximum"],
            }
            points = (await planet.watch("GetMetricStatistics", **asked))["Datapoints"]
            assert min(one["Minimum"] for one in points) == lowest
            assert max(one["Maximum"] for one in points) == highest
        names = [one["MetricName"] for one in (await planet.watch("ListMetrics", Namespace="AWS/Route53"))["Metrics"]]
        assert names == ["ConnectionTime", "HealthCheckPercentageHealthy", "HealthCheckStatus", "TimeToFirstByte"]

    on_planet(story)
