"""ListMetrics: metrics by namespace, name and dimensions, 500 a page."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from antipodes.services.cloudwatch.archive import LISTED_S, Archive, Dimensions, Series
from antipodes.services.cloudwatch.parameters import Params, invalid, refuse, required
from antipodes.wire.operation import Result
from antipodes.wire.validation import validate

PAGE = 500
RECENT_S = 3 * 3600 + 50 * 60  # AWS: PT3H may show what was active up to 50 minutes earlier
Place = tuple[str, str, Dimensions]


def metrics(archive: Archive, params: Params, now: float) -> Result:
    """What had data in the last two weeks, or with RecentlyActive in the last three hours."""
    validate("cloudwatch", "ListMetrics", params)
    refuse(params, "IncludeLinkedAccounts", "OwningAccount")
    wanted: Any = params.get("Dimensions") or ()
    for number, one in enumerate(wanted, 1):
        required(one, "Name", place=f"Dimensions.member.{number}.")
    since = now - (RECENT_S if params.get("RecentlyActive") else LISTED_S)
    after = _place(params.get("NextToken"))
    found: dict[Place, None] = {}
    for series in archive.all_series():
        place = (series.namespace, series.name, series.dimensions)
        if series.last >= since and (after is None or place > after) and _matches(series, params):
            found[place] = None
    page = list(found)[:PAGE]
    shown = [
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": one, "Value": value} for one, value in dimensions],
        }
        for namespace, name, dimensions in page
    ]
    return {"Metrics": shown} | ({"NextToken": _token(page[-1])} if len(found) > PAGE else {})


def _matches(series: Series, params: Params) -> bool:
    if params.get("Namespace") not in (None, series.namespace) or params.get("MetricName") not in (None, series.name):
        return False
    held = dict(series.dimensions)
    return all(
        one["Name"] in held and one.get("Value") in (None, held[one["Name"]]) for one in params.get("Dimensions") or ()
    )


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode()


def _place(token: str | None) -> Place | None:
    if not token:
        return None
    try:
        namespace, name, dimensions = orjson.loads(base64.urlsafe_b64decode(token.encode()))
        return str(namespace), str(name), tuple((str(one), str(value)) for one, value in dimensions)
    except (ValueError, TypeError, binascii.Error):
        raise invalid("Request parameter NextToken is invalid") from None
