"""What the control plane's answers look like: pages of listings, and members that are there only if they say something.
Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.apigateway.v1.records import bad_request


def page(items: list[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a listing: `limit` (25 unless told, at most 500) items from `position` on."""
    limit = min(int(params.get("limit") or 25), 500)
    position = str(params.get("position") or "0")
    if not position.isdigit() or limit < 1:
        raise bad_request("Invalid position parameter")
    start = int(position)
    answer: dict[str, Any] = {"items": items[start : start + limit]}
    if start + limit < len(items):
        answer["position"] = str(start + limit)
    return answer


def answered(always: dict[str, Any], **sometimes: Any) -> dict[str, Any]:
    """An answer with what it always says, and what it says only where there is something (no empty text, no empty
    map). Maps of records are copied: an answer is its receiver's."""
    for name, value in sometimes.items():
        if value:
            always[name] = dict(value) if isinstance(value, dict) else value
    return always
