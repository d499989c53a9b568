"""Pages of listings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.apigateway.v1.records import bad_request


def page(items: list[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a listing: MaxResults (text; 100 unless told, at most 500) items from NextToken on."""
    limit, start = str(params.get("MaxResults") or "100"), str(params.get("NextToken") or "0")
    if not limit.isdecimal() or not 1 <= int(limit) <= 500:
        raise bad_request("Invalid maxResults")
    if not start.isdecimal():
        raise bad_request("Invalid nextToken")
    end = int(start) + int(limit)
    answer: dict[str, Any] = {"Items": items[int(start) : end]}
    if end < len(items):
        answer["NextToken"] = str(end)
    return answer
