"""Metrics over the wire, as boto3 sends them."""

from __future__ import annotations

import pytest

from tests.planet.planets import Running

pytestmark = [pytest.mark.planet, pytest.mark.timeout(180)]


def test_boto3_compresses_many_metrics_and_all_arrive(planet: Running) -> None:
    client = planet.client("cloudwatch", "us-east-1")
    sent: list[str] = []
    client.meta.events.register(
        "before-send", lambda request, **_: sent.append(str(request.headers.get("Content-Encoding", "")))
    )
    names = [f"metric-{number:03d}" for number in range(400)]
    client.put_metric_data(Namespace="compressed", MetricData=[{"MetricName": name, "Value": 1.0} for name in names])
    assert "gzip" in sent[0]
    pages = client.get_paginator("list_metrics").paginate(Namespace="compressed")
    assert sorted(metric["MetricName"] for page in pages for metric in page["Metrics"]) == names
