"""How the users speak to the app under test: examples/globaldb's requests and answers.

Decides: what a user sends, and what is read from an answer. Refuses to know: DNS, time, who asks.
Every write puts the whole item and carries an id of its own, which is what makes the audit possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from antipodes.gameday.history import Copy
from antipodes.wire.http import HttpRequest

WRITE_ATTRIBUTE = "write"


@dataclass(frozen=True, slots=True)
class App:
    """Where the app is: its public name, its table, the table's key."""

    host: str = "api.globaldb.example"
    table: str = "globaldb"
    key: str = "id"

    def create(self, item: str, write: str) -> HttpRequest:
        """POST /items: the whole item, under an id that the user chose."""
        body = orjson.dumps({self.key: item, WRITE_ATTRIBUTE: write})
        return HttpRequest("POST", "/items", (*self._headers(), ("Content-Type", "application/json")), body)

    def read(self, item: str) -> HttpRequest:
        """GET /items/{id}."""
        return HttpRequest("GET", f"/items/{quote(item, safe='')}", self._headers(), b"")

    def health(self) -> HttpRequest:
        """GET /health."""
        return HttpRequest("GET", "/health", self._headers(), b"")

    def _headers(self) -> tuple[tuple[str, str], ...]:
        return (("Host", self.host), ("User-Agent", "antipodes-user"), ("Accept", "application/json"))

    def copy_of(self, item: Mapping[str, Any]) -> tuple[str, Copy]:
        """(item id, copy) of an item as DynamoDB gives it; the content in canonical form, sets in order."""
        name = str(_scalar(item[self.key]))
        write = _scalar(item.get(WRITE_ATTRIBUTE, {"S": ""}))
        return name, Copy(str(write), orjson.dumps(_canonical(item), option=orjson.OPT_SORT_KEYS).decode())


def served_region(body: bytes) -> str | None:
    """The Region that the app's JSON answer names; None if it names none or is no JSON."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    region = answer.get("region") if isinstance(answer, dict) else None
    return region if isinstance(region, str) else None


def _scalar(value: Mapping[str, Any]) -> Any:
    return next(iter(value.values()))


def _canonical(value: Any) -> Any:
    """Attribute values with the elements of sets in order: a set has none of its own."""
    if isinstance(value, Mapping):
        return {
            key: sorted(inner) if key in ("SS", "NS", "BS") and isinstance(inner, list) else _canonical(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    return value
