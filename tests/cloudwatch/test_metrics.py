"""Metrics are put, kept, read and listed; what is wrong is refused in AWS's words and keeps nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.cloudwatch import listing
from antipodes.services.cloudwatch.archive import DATA, SERIES
from antipodes.services.cloudwatch.service import FLUSH_S
from antipodes.wire import protocols
from antipodes.wire.http import HttpRequest
from tests.cloudwatch.conftest import Desk

Tell = Callable[[Callable[[Desk], Awaitable[None]]], None]
DIMENSIONS = [{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}]


def minute(desk: Desk) -> float:
    return desk.world.now() // 60 * 60


def test_what_was_put_is_there_after_a_crash(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        now = minute(desk)
        await desk.put("Latency", 1.0, 2.0, 3.0, at=now, Unit="Milliseconds")
        await desk.die()
        await desk.put("Latency", 6.0, at=now + 59, Unit="Milliseconds")
        await desk.die()
        (found,) = await desk.statistics("Latency", now, now + 60)
        assert found == {
            "Timestamp": now,
            "Unit": "Milliseconds",
            "Sum": 12.0,
            "Average": 3.0,
            "Minimum": 1.0,
            "Maximum": 6.0,
            "SampleCount": 4.0,
        }
        percentiles: dict[str, Any] = {"Statistics": None, "ExtendedStatistics": ["p50", "p99"]}
        (found,) = await desk.statistics("Latency", now, now + 60, **percentiles)
        assert found["ExtendedStatistics"] == {"p50": 2.0, "p99": 6.0}

    tell(story)


def test_what_services_record_is_written_a_while_later(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        datum = {
            "MetricName": "Latency",
            "StatisticValues": {"SampleCount": 100, "Sum": 1000, "Minimum": 1, "Maximum": 90},
            "Values": [5.0, 50.0],
            "Counts": [90.0, 10.0],
        }
        now = minute(desk)
        await desk.ask("Record", Namespace="AWS/DynamoDB", MetricData=[datum])
        asked: dict[str, Any] = {"Namespace": "AWS/DynamoDB", "MetricName": "Latency", "Period": 60}
        asked |= {"StartTime": now, "EndTime": now + 120, "Statistics": ["Sum"], "ExtendedStatistics": ["p95"]}
        (found,) = (await desk.ask("GetMetricStatistics", **asked))["Datapoints"]
        assert (found["Sum"], found["ExtendedStatistics"]) == (1000, {"p95": 50.0})
        await desk.die()
        assert (await desk.ask("GetMetricStatistics", **asked))["Datapoints"] == []
        await desk.ask("Record", Namespace="AWS/DynamoDB", MetricData=[datum])
        await desk.here.sleep(FLUSH_S + 1)
        await desk.die()
        assert len((await desk.ask("GetMetricStatistics", **asked))["Datapoints"]) == 1

    tell(story)


def test_a_metric_is_its_name_its_dimensions_in_any_order_and_each_unit_apart(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        now = minute(desk)
        await desk.put("Load", 1.0, Dimensions=DIMENSIONS, Unit="Seconds")
        await desk.put("Load", 2.0, Dimensions=DIMENSIONS[::-1], Unit="Count")
        await desk.put("Load", 4.0)
        both = await desk.statistics("Load", now, now + 60, Dimensions=DIMENSIONS[::-1])
        assert sorted((point["Sum"], point["Unit"]) for point in both) == [(1.0, "Seconds"), (2.0, "Count")]
        (one,) = await desk.statistics("Load", now, now + 60, Dimensions=DIMENSIONS, Unit="Count")
        assert one["Sum"] == 2.0
        (plain,) = await desk.statistics("Load", now, now + 60)
        assert (plain["Sum"], plain["Unit"]) == (4.0, "None")

    tell(story)


def test_old_points_are_forgotten_and_their_metrics_too(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        start = minute(desk)
        await desk.put("Old", 1.0)
        await desk.put("Fine", 1.0, StorageResolution=1)
        assert len(await desk.statistics("Fine", start, start + 60, 1)) == 1
        await desk.here.sleep(4 * 3600)
        await desk.put("New", 1.0)
        assert len(await desk.statistics("Fine", start, start + 60)) == 1, "its minutes are kept longer"
        await desk.here.sleep(16 * 86400)
        await desk.put("New", 1.0)
        assert [one["MetricName"] for one in (await desk.ask("ListMetrics"))["Metrics"]] == ["New"]
        left = [*desk.store.range(SERIES, SERIES + b"\xff"), *desk.store.range(DATA, DATA + b"\xff")]
        assert len(left) == 2
        assert await desk.statistics("Old", start, start + 60) == []

    tell(story)


def test_metric_data_in_pages_in_either_order_with_labels_as_on_aws(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        now = minute(desk)
        for back in range(5):
            await desk.put("Load", float(back), at=now - 60 * back)

        def query(name: str, stat: str, period_s: int = 60, **more: Any) -> dict[str, Any]:
            metric = {"Namespace": "App", "MetricName": "Load"}
            return {"Id": name, "MetricStat": {"Metric": metric, "Period": period_s, "Stat": stat}, **more}

        window = {"StartTime": now - 600, "EndTime": now + 60}
        queries = [query("sum", "Sum"), query("max", "Maximum", 300), query("hidden", "p50", ReturnData=False)]
        whole = await desk.ask("GetMetricData", MetricDataQueries=queries, **window)
        first, second = whole["MetricDataResults"]
        assert (first["Values"], first["Label"]) == ([0.0, 1.0, 2.0, 3.0, 4.0], "Load Sum 60")
        assert first["Timestamps"][0] == now
        assert (second["Values"], second["Label"], second["StatusCode"]) == ([0.0, 4.0], "Load Maximum 300", "Complete")
        pages: list[float] = []
        token: dict[str, Any] = {}
        for _ in range(4):
            page = await desk.ask(
                "GetMetricData",
                MetricDataQueries=queries[:2],
                MaxDatapoints=2,
                ScanBy="TimestampAscending",
                **window,
                **token,
            )
            pages += [value for one in page["MetricDataResults"] for value in one["Values"]]
            token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
        assert pages == [4.0, 3.0, 2.0, 1.0, 0.0, 4.0, 0.0]
        assert token == {}

    tell(story)


def test_metrics_are_listed_in_pages_and_filtered(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)

    async def story(desk: Desk) -> None:
        await desk.put("Old", 1.0)
        await desk.here.sleep(5 * 3600)
        for name in ("A", "B", "C"):
            await desk.put(name, 1.0, Dimensions=DIMENSIONS)
        await desk.put("C", 1.0, Unit="Count", Dimensions=DIMENSIONS)
        names: list[str] = []
        token: dict[str, Any] = {}
        while True:
            page = await desk.ask("ListMetrics", **token)
            names += [one["MetricName"] for one in page["Metrics"]]
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
        assert names == ["A", "B", "C", "Old"]
        recent = await desk.ask("ListMetrics", RecentlyActive="PT3H", Dimensions=[{"Name": "a"}], MetricName="B")
        assert recent["Metrics"] == [
            {"Namespace": "App", "MetricName": "B", "Dimensions": sorted(DIMENSIONS, key=lambda one: one["Name"])}
        ]
        assert (await desk.ask("ListMetrics", Dimensions=[{"Name": "a", "Value": "9"}]))["Metrics"] == []
        assert (await desk.ask("ListMetrics", RecentlyActive="PT3H", MetricName="Old"))["Metrics"] == []
        assert await desk.refused("ListMetrics", NextToken="?") == (
            "InvalidParameterValueException",
            "Request parameter NextToken is invalid",
        )

    tell(story)


BOTH = "are mutually exclusive and you have specified both."


@pytest.mark.parametrize(
    ("datum", "code", "message"),
    [
        (
            {"Value": 1.0},
            "MissingRequiredParameterException",
            "The parameter MetricData.member.2.MetricName is required.",
        ),
        (
            {"MetricName": "m", "Value": 1.0, "Values": [1.0]},
            "InvalidParameterCombinationException",
            f"The parameters MetricData.member.2.Value and MetricData.member.2.Values {BOTH}",
        ),
        (
            {"MetricName": "m", "Values": [1.0, 2.0], "Counts": [1.0]},
            "InvalidParameterValueException",
            "The parameters MetricData.member.2.Values and MetricData.member.2.Counts must be of the same size.",
        ),
        (
            {"MetricName": "m", "Value": float("nan")},
            "InvalidParameterValueException",
            "The value nan for parameter MetricData.member.2.Value is invalid.",
        ),
        ({"MetricName": "m"}, "InvalidParameterCombinationException", "At least one of"),
        ({"MetricName": "m", "Value": 1.0, "Unit": "Parsec"}, "ValidationException", "enum value set"),
        ({"MetricName": "m", "Value": 1.0, "Timestamp": 1.0}, "InvalidParameterValueException", "two weeks"),
        (
            {"MetricName": "m", "Value": 1.0, "Dimensions": [{"Name": "a"}]},
            "MissingRequiredParameterException",
            "The parameter MetricData.member.2.Dimensions.member.1.Value is required.",
        ),
        (
            {"MetricName": "m", "Value": 1.0, "StorageResolution": 5},
            "InvalidParameterValueException",
            "StorageResolution",
        ),
    ],
)
def test_a_bad_datum_is_refused_and_the_good_one_beside_it_is_not_kept(
    tell: Tell, datum: dict[str, Any], code: str, message: str
) -> None:
    async def story(desk: Desk) -> None:
        good = {"MetricName": "good", "Value": 1.0}
        told = await desk.refused("PutMetricData", Namespace="App", MetricData=[good, datum])
        assert told[0] == code
        assert message in told[1]
        assert (await desk.ask("ListMetrics"))["Metrics"] == []

    tell(story)


def test_what_cannot_be_read_is_refused(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        now = minute(desk)
        good: dict[str, Any] = {"Namespace": "App", "MetricName": "m", "StartTime": now - 86400, "EndTime": now}
        good |= {"Period": 60, "Statistics": ["Sum"]}

        async def refused(**changed: Any) -> tuple[str, str]:
            return await desk.refused("GetMetricStatistics", **{**good, **changed})

        assert await refused(Period=1) == (
            "InvalidParameterCombinationException",
            "You have requested up to 86400 datapoints, which exceeds the limit of 1440. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range.",
        )
        assert await refused(StartTime=now) == (
            "InvalidParameterValueException",
            "The parameter StartTime must be less than the parameter EndTime.",
        )
        assert (await refused(Period=61))[0] == "InvalidParameterValueException"
        assert (await refused(Statistics=None))[0] == "MissingRequiredParameterException"
        assert (await refused(ExtendedStatistics=["tm90"]))[0] == "UnsupportedOperation"
        assert (await refused(ExtendedStatistics=["q9"]))[0] == "InvalidParameterValueException"
        window = {"StartTime": now - 60, "EndTime": now}
        math = {"Id": "twice", "Expression": "m1 * 2"}
        code, message = await desk.refused("GetMetricData", MetricDataQueries=[math], **window)
        assert code == "UnsupportedOperation"
        assert "twice" in message
        for name in ("PutCompositeAlarm", "PutDashboard"):
            assert name not in desk.service.operations

    tell(story)


def test_older_clients_are_answered_in_the_query_protocol() -> None:
    form = b"Action=ListMetrics&Version=2010-08-01&Namespace=App"
    request = HttpRequest("POST", "/", (("content-type", "application/x-www-form-urlencoded"),), form)
    assert protocols.protocol_spoken("cloudwatch", request) == "query"
    assert protocols.parse_request("cloudwatch", request) == ("ListMetrics", {"Namespace": "App"})
    metrics = {"Metrics": [{"Namespace": "App", "MetricName": "m", "Dimensions": []}]}
    answer = protocols.serialize_response("cloudwatch", "ListMetrics", metrics, "id", protocol="query")
    assert b"<MetricName>m</MetricName>" in answer.body
