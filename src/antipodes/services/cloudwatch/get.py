"""GetMetricStatistics and GetMetricData: statistics of metrics over periods.

Periods are counted from StartTime, rounded down to the minute (to the second, for periods under a minute), as AWS's
answers show. GetMetricData does MetricStat; Expression (metric math, SEARCH, SQL) is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from antipodes.services.cloudwatch.archive import KEPT_S, Archive
from antipodes.services.cloudwatch.parameters import (
    Params,
    check_period,
    conflicting,
    dimensions_of,
    invalid,
    refuse,
    required,
    resolution_of,
)
from antipodes.services.cloudwatch.points import STATISTICS, Point, by_period, datapoint, is_percentile, statistic_of
from antipodes.wire.errors import ClientFault, NotSupported, ValidationException
from antipodes.wire.operation import Result
from antipodes.wire.validation import validate

MAX_DATAPOINTS = 1440
MAX_PAGE = 100_800
MAX_QUERIES = 500
_IDENTIFIER = re.compile(r"[a-z][a-zA-Z0-9_]*").fullmatch


def metric_statistics(archive: Archive, params: Params, now: float) -> Result:
    """GetMetricStatistics: a Datapoint for each period and unit that has data."""
    required(params, "Namespace", "MetricName", "StartTime", "EndTime")
    validate("cloudwatch", "GetMetricStatistics", params)
    period_s = check_period(params.get("Period"))
    statistics, extended = params.get("Statistics") or [], params.get("ExtendedStatistics") or []
    if not statistics and not extended:
        raise ClientFault(
            "MissingRequiredParameterException",
            "At least one of the parameters Statistics, ExtendedStatistics is required.",
        )
    for one in extended:
        _check_statistic(one, "ExtendedStatistics")
    if params["StartTime"] >= params["EndTime"]:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    start, end = _bounds(params, period_s)
    wanted = -(-(end - start) // period_s)
    if wanted > MAX_DATAPOINTS:
        raise conflicting(
            f"You have requested up to {wanted} datapoints, which exceeds the limit of {MAX_DATAPOINTS}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    found: list[dict[str, Any]] = []
    dimensions = dimensions_of(params.get("Dimensions"))
    for unit, points in _read(archive, params, dimensions, params.get("Unit"), start, end, period_s, now):
        found += [datapoint(point, statistics, extended, unit) for point in points]
    found.sort(key=lambda one: one["Timestamp"])
    return {"Label": params["MetricName"], "Datapoints": found}


def metric_data(archive: Archive, params: Params, now: float) -> Result:
    """GetMetricData: series of values for up to 500 queries, in pages of MaxDatapoints."""
    queries: Any = params.get("MetricDataQueries")
    required(params, "MetricDataQueries", "StartTime", "EndTime")
    validate("cloudwatch", "GetMetricData", params)
    if params["StartTime"] >= params["EndTime"]:
        raise ValidationException("The parameter EndTime must be greater than StartTime.")
    if len(queries) > MAX_QUERIES:
        raise ValidationException(f"The collection MetricDataQueries must not have a size greater than {MAX_QUERIES}.")
    ids = [query.get("Id") for query in queries]
    if len(set(ids)) != len(ids):
        raise ValidationException("The values for parameter id in MetricDataQueries are not unique.")
    for number, query in enumerate(queries, 1):
        _check_query(query, f"MetricDataQueries.member.{number}")
    left = params.get("MaxDatapoints") or MAX_PAGE
    first, offset = _position(params.get("NextToken"), len(queries))
    descending = params.get("ScanBy") != "TimestampAscending"
    results: list[dict[str, Any]] = []
    token = None
    for number, query in enumerate(queries):
        if number < first or query.get("ReturnData") is False:
            continue
        values = _values(archive, params, query, now)
        if descending:
            values.reverse()
        rest = values[offset if number == first else 0 :]
        page = rest[:left]
        left -= len(page)
        whole = len(page) == len(rest)
        results.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or _label(query["MetricStat"], queries),
                "Timestamps": [at for at, _ in page],
                "Values": [value for _, value in page],
                "StatusCode": "Complete" if whole else "PartialData",
            }
        )
        if not whole:
            token = _token(number, len(values) - len(rest) + len(page))
            break
    return {"MetricDataResults": results, "Messages": []} | ({"NextToken": token} if token else {})


def _label(stat: Params, queries: Any) -> str:
    """The metric's name, and its statistic and period where the queries differ in them (seen on AWS)."""
    stats = [query["MetricStat"] for query in queries]
    words = [stat["Metric"]["MetricName"]]
    words += [stat["Stat"]] if any(one["Stat"] != stat["Stat"] for one in stats) else []
    words += [str(stat["Period"])] if any(one["Period"] != stat["Period"] for one in stats) else []
    return " ".join(words)


def _check_query(query: Params, place: str) -> None:
    required(query, "Id", place=f"{place}.")
    if not _IDENTIFIER(query["Id"]):
        raise ValidationException(
            f"The value {query['Id']} for parameter {place}.Id is invalid. It must match ^[a-z][a-zA-Z0-9_]*$."
        )
    if query.get("Expression"):
        raise NotSupported(f"metric math (the Expression of the query {query['Id']})")
    refuse(query, "AccountId")
    if "${" in (query.get("Label") or ""):
        raise NotSupported(f"dynamic labels (the Label of the query {query['Id']})")
    required(query, "MetricStat", place=f"{place}.")
    stat = query["MetricStat"]
    required(stat, "Metric", "Stat", place=f"{place}.MetricStat.")
    required(stat["Metric"], "Namespace", "MetricName", place=f"{place}.MetricStat.Metric.")
    check_period(stat.get("Period"), f"{place}.MetricStat.Period")
    if stat["Stat"] not in STATISTICS:
        _check_statistic(stat["Stat"], f"{place}.MetricStat.Stat")


def _check_statistic(statistic: str, place: str) -> None:
    if is_percentile(statistic):
        return
    if re.fullmatch(r"(tm|wm|tc|ts|p)\d.*|(TM|WM|PR|TC|TS)\(.*\)|IQM", statistic):
        raise NotSupported(f"the statistic {statistic}")
    raise invalid(f"The value {statistic} for parameter {place} is invalid.")


def _values(archive: Archive, params: Params, query: Params, now: float) -> list[tuple[float, float]]:
    """(epoch seconds, value) of one query, in order of time."""
    stat = query["MetricStat"]
    period_s = int(stat["Period"])
    start, end = _bounds(params, period_s)
    metric = stat["Metric"]
    found: list[tuple[float, float]] = []
    dimensions = dimensions_of(metric.get("Dimensions"))
    for _, points in _read(archive, metric, dimensions, stat.get("Unit"), start, end, period_s, now):
        for point in points:
            value = statistic_of(point, stat["Stat"])
            if value is not None:
                found.append((float(point.at), value))
    return sorted(found)


def _bounds(params: Params, period_s: int) -> tuple[int, int]:
    step = resolution_of(period_s)
    return int(params["StartTime"] // step) * step, int(-(-params["EndTime"] // step)) * step


def _read(
    archive: Archive,
    metric: Params,
    dimensions: tuple[tuple[str, str], ...],
    unit: str | None,
    start: int,
    end: int,
    period_s: int,
    now: float,
) -> list[tuple[str, list[Point]]]:
    """(unit, points of the periods) for each unit in which the metric came, or the one asked for."""
    found = []
    for series in archive.series(metric["Namespace"], metric["MetricName"], dimensions, resolution_of(period_s)):
        if unit is not None and series.unit != unit:
            continue
        kept_from = int(now) - KEPT_S[series.resolution_s]
        points = archive.points(series, max(start, kept_from), min(end, int(now) + 86400))
        found.append((series.unit, by_period(points, start, end, period_s)))
    return found


def _token(query: int, offset: int) -> str:
    return base64.urlsafe_b64encode(f"{query}:{offset}".encode()).decode()


def _position(token: str | None, queries: int) -> tuple[int, int]:
    """(query, values of it already given)."""
    if not token:
        return 0, 0
    try:
        query, offset = base64.urlsafe_b64decode(token.encode()).decode().split(":")
        found = int(query), int(offset)
    except (ValueError, binascii.Error):
        raise ClientFault("InvalidNextToken", "The next token specified is invalid.") from None
    if not (0 <= found[0] < queries and found[1] >= 0):
        raise ClientFault("InvalidNextToken", "The next token specified is invalid.")
    return found
