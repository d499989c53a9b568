"""PutMetricData, and Record: the same for the Region's own services.

`Record` exists only inside a Region. It takes PutMetricData's parameters, with namespaces that begin with AWS/, and is
not waited for: what it brings is written within half a minute, and a crash may lose that much. What a client puts is on
disk before it is answered, as everything that is acknowledged.

A datum may carry StatisticValues and Values together in Record: the counts and sums from the one, the values for
percentiles from the other.
"""

from __future__ import annotations

import math
from typing import Any

from antipodes.services.cloudwatch.archive import KEPT_S, Series
from antipodes.services.cloudwatch.parameters import Params, conflicting, dimensions_of, invalid, refuse, required
from antipodes.services.cloudwatch.points import Point, point_of
from antipodes.wire.errors import ClientFault
from antipodes.wire.validation import validate

MAX_DATA = 1000
MAX_VALUES = 150
MAX_DIMENSIONS = 30
LARGEST = 2.0**360  # AWS: values are in the range of -2^360 to 2^360
PAST_S = 14 * 86400
FUTURE_S = 2 * 3600


def data_of(params: Params, now: float) -> list[tuple[Series, Point]]:
    """The points of a PutMetricData. Raises AWS's refusals; then nothing is kept."""
    required(params, "Namespace")
    refuse(params, "EntityMetricData")
    data: Any = params.get("MetricData")
    if not data:
        raise ClientFault("MissingRequiredParameterException", "The parameter MetricData is required.")
    if len(data) > MAX_DATA:
        raise invalid(f"The collection MetricData must not have a size greater than {MAX_DATA}.")
    namespace = params["Namespace"]
    if namespace.startswith("AWS/"):
        raise invalid(f"The value {namespace} for parameter Namespace is invalid.")
    for number, datum in enumerate(data, 1):
        required(datum, "MetricName", place=f"MetricData.member.{number}.")
        dimensions_of(datum.get("Dimensions"), f"MetricData.member.{number}.Dimensions")
    validate("cloudwatch", "PutMetricData", params)
    found: list[tuple[Series, Point]] = []
    for number, datum in enumerate(data, 1):
        place = f"MetricData.member.{number}"
        _check(datum, place, now)
        found += points_of(namespace, datum, place, now)
    return found


def points_of(namespace: str, datum: Params, place: str, now: float) -> list[tuple[Series, Point]]:
    """The points of one datum: of a minute, and with StorageResolution 1 of a second too."""
    dimensions = dimensions_of(datum.get("Dimensions"), f"{place}.Dimensions")
    time = datum.get("Timestamp")
    moment = now if time is None else time
    unit = datum.get("Unit") or "None"
    found = []
    for resolution in KEPT_S if datum.get("StorageResolution") == 1 else (60,):
        at = int(moment // resolution) * resolution
        series = Series(namespace, datum["MetricName"], dimensions, unit, resolution)
        found.append((series, _point(datum, at)))
    return found


def _point(datum: Params, at: int) -> Point:
    summary, values = datum.get("StatisticValues"), datum.get("Values")
    known = None
    if values:
        known = point_of(at, values, datum.get("Counts") or [1.0] * len(values))
        if summary is None:
            return known
    if summary is not None:
        return Point(
            at,
            summary["SampleCount"],
            summary["Sum"],
            summary["Minimum"],
            summary["Maximum"],
            None if known is None else known.values,
        )
    return point_of(at, [datum["Value"]], [1.0])


def _check(datum: Params, place: str, now: float) -> None:
    if len(datum.get("Dimensions") or ()) > MAX_DIMENSIONS:
        raise invalid(f"The collection {place}.Dimensions must not have a size greater than {MAX_DIMENSIONS}.")
    if datum.get("StorageResolution") not in (None, 1, 60):
        raise invalid(f"The value {datum['StorageResolution']} for parameter {place}.StorageResolution is invalid.")
    time = datum.get("Timestamp")
    if time is not None and not now - PAST_S <= time <= now + FUTURE_S:  # wording from memory
        raise invalid(
            f"The parameter {place}.Timestamp must specify a time no more than two weeks in the past "
            "and no more than two hours in the future."
        )
    given = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
    if len(given) > 1:
        raise conflicting(
            f"The parameters {place}.{given[0]} and {place}.{given[1]} are mutually exclusive "
            "and you have specified both."
        )
    if not given:
        raise conflicting(f"At least one of the parameters {place}.Value, Values or StatisticValues must be specified.")
    if given == ["Value"]:
        _check_number(datum["Value"], f"{place}.Value")
    elif given == ["Values"]:
        _check_values(datum, place)
    else:
        summary = datum["StatisticValues"]
        required(summary, "SampleCount", "Sum", "Minimum", "Maximum", place=f"{place}.StatisticValues.")
        for name, value in summary.items():
            _check_number(value, f"{place}.StatisticValues.{name}")
        if summary["SampleCount"] <= 0 or summary["Minimum"] > summary["Maximum"]:
            raise invalid(f"The values of parameter {place}.StatisticValues contradict each other.")


def _check_values(datum: Params, place: str) -> None:
    values, counts = datum["Values"], datum.get("Counts")
    if not values:
        raise ClientFault("MissingRequiredParameterException", f"The parameter {place}.Values is required.")
    if len(values) > MAX_VALUES:
        raise invalid(f"The collection {place}.Values must not have a size greater than {MAX_VALUES}.")
    if counts is not None and len(counts) != len(values):
        raise invalid(f"The parameters {place}.Values and {place}.Counts must be of the same size.")
    for number, value in enumerate(values, 1):
        _check_number(value, f"{place}.Values.member.{number}")
    for number, count in enumerate(counts or (), 1):
        _check_number(count, f"{place}.Counts.member.{number}")
        if count <= 0:
            raise invalid(f"The value {count} for parameter {place}.Counts.member.{number} is invalid.")


def _check_number(value: float, place: str) -> None:
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise invalid(f"The value {value} for parameter {place} is invalid.")
