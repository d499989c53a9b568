"""Metrics in log events: CloudWatch's embedded metric format (User Guide, "Specification: Embedded metric format").
Pure.

    {"_aws": {"Timestamp": ms, "CloudWatchMetrics": [{"Namespace", "Dimensions": [["service"]],
              "Metrics": [{"Name", "Unit", "StorageResolution"}]}]}, "service": "shop", "Sold": 3}

Each directive gives, for each of its dimension sets, the values that the event's own members have under the names of
its metrics: a number, or up to 100 of them. An event that is not wholly JSON gives nothing; nor does a directive that
breaks the specification, or a metric without a value (that the rest counts all the same is a guess). AWS counts such
failures in AWS/Logs, which there is not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeGuard

import orjson

from antipodes.wire import models

MARK = '"CloudWatchMetrics"'  # an event without it has no metrics
MAX_METRICS = 100
MAX_VALUES = 100
MAX_DIMENSIONS = 30
MAX_NAMESPACE, MAX_NAME, MAX_VALUE = 255, 1024, 1024  # characters
LARGEST = 2.0**360  # AWS: values are in the range of -2^360 to 2^360
PAST_S, FUTURE_S = 14 * 86400, 2 * 3600  # as of PutMetricData

Datum = dict[str, Any]  # of PutMetricData


def metrics_of(message: str, now: float) -> list[tuple[str, list[Datum]]]:
    """Namespaces with what is to be recorded there."""
    if MARK not in message:
        return []
    try:
        event = orjson.loads(message)
    except ValueError:
        return []
    told = event.get("_aws") if isinstance(event, dict) else None
    if not isinstance(told, dict) or not _is_number(told.get("Timestamp")):
        return []
    at, directives = told["Timestamp"] / 1000, told.get("CloudWatchMetrics")
    if not isinstance(directives, list) or not now - PAST_S <= at <= now + FUTURE_S:
        return []
    found = []
    for directive in directives:
        namespace = directive.get("Namespace") if isinstance(directive, dict) else None
        if _is_text(namespace, MAX_NAMESPACE) and not namespace.startswith("AWS/"):
            data = [{**datum, "Timestamp": at} for datum in _data(directive, event)]
            if data:
                found.append((namespace, data))
    return found


def _data(directive: Mapping[str, Any], event: Mapping[str, Any]) -> Iterator[Datum]:
    sets, metrics = directive.get("Dimensions", [[]]), directive.get("Metrics")
    if not isinstance(sets, list) or not isinstance(metrics, list) or len(metrics) > MAX_METRICS:
        return
    dimensions = [_dimensions(names, event) for names in sets or [[]]]
    for metric in metrics:
        if not isinstance(metric, dict) or not _is_text(metric.get("Name"), MAX_NAME):
            continue
        unit, resolution = metric.get("Unit", "None"), metric.get("StorageResolution", 60)
        values = _values(event.get(metric["Name"]))
        if not values or not isinstance(unit, str) or unit not in _units() or resolution not in (1, 60):
            continue
        for named in dimensions:
            if named is not None:
                yield {
                    "MetricName": metric["Name"],
                    "Dimensions": named,
                    "Unit": unit,
                    "Values": values,
                    "StorageResolution": resolution,
                }


def _dimensions(names: Any, event: Mapping[str, Any]) -> list[dict[str, str]] | None:
    """None: the set breaks the specification, or refers to what is not there."""
    if not isinstance(names, list) or len(names) > MAX_DIMENSIONS:
        return None
    if not all(isinstance(name, str) and _is_text(event.get(name), MAX_VALUE) for name in names):
        return None
    return [{"Name": name, "Value": event[name]} for name in dict.fromkeys(names)]


def _values(given: Any) -> list[float]:
    values = given if isinstance(given, list) else [given]
    if len(values) > MAX_VALUES or not all(_is_number(one) for one in values):
        return []
    return [float(one) for one in values]


def _is_number(given: Any) -> bool:
    return (
        isinstance(given, int | float)
        and not isinstance(given, bool)
        and abs(given) <= LARGEST
        and math.isfinite(given)
    )


def _is_text(given: Any, longest: int) -> TypeGuard[str]:
    return isinstance(given, str) and 0 < len(given) <= longest


@cache
def _units() -> frozenset[str]:
    return frozenset(models.service_model("cloudwatch").shape_for("StandardUnit").enum)
