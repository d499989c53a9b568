"""Patch operations, as API Gateway's Update… operations take them: {"op", "path", "value"}. Pure.

An operation's table says which paths there are and what stands there; a path that is not in it is refused by name. In a
path, "~1" is a slash and "~0" a tilde (JSON Pointer, RFC 6901).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from antipodes.services.apigateway.v1.records import bad_request
from antipodes.wire.errors import NotSupported

Record = TypeVar("Record", bound=msgspec.Struct)
Patches = Sequence[Mapping[str, Any]]


def text(value: str) -> str:
    return value


def flag(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise bad_request(f"Invalid patch value '{value}': must be true or false")
    return value.lower() == "true"


def whole(value: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise bad_request(f"Invalid patch value '{value}': must be a number") from error


def decimal(value: str) -> float:
    try:
        found = float(value)
    except ValueError as error:
        raise bad_request(f"Invalid patch value '{value}': must be a number") from error
    if not 0 <= found < 1e12:  # NaN too
        raise bad_request(f"Invalid patch value '{value}': must be a number")
    return found


@dataclass(frozen=True, slots=True)
class One:
    """A single value. gone: what is there after `remove`; None: it cannot be removed."""

    field: str
    read: Callable[[str], Any] = text
    gone: Any = None


@dataclass(frozen=True, slots=True)
class Entries:
    """A map: the rest of the path is the entry's name."""

    field: str
    read: Callable[[str], Any] = text


@dataclass(frozen=True, slots=True)
class Members:
    """A list: the rest of the path is the member, or `value` is."""

    field: str


Table = Mapping[str, One | Entries | Members]


def patched(record: Record, patches: Patches | None, table: Table, operation: str) -> Record:
    """The record after all of the patches. Raises BadRequestException, UnsupportedOperation."""
    for patch in patches or ():
        op, path, value = str(patch.get("op") or ""), str(patch.get("path") or ""), patch.get("value")
        if op not in {"add", "replace", "remove"}:
            if op in {"copy", "move", "test"}:
                raise NotSupported(f"{op} {path} of {operation}")
            raise bad_request(f"Invalid patch operation specified: {op}")
        record = _one(record, op, path, None if value is None else str(value), table, operation)
    return record


def _one(record: Record, op: str, path: str, value: str | None, table: Table, operation: str) -> Record:
    name, _, rest = path.removeprefix("/").partition("/")
    place = table.get(f"/{path.removeprefix('/')}")
    if isinstance(place, One):
        if op == "remove":
            if place.gone is None:
                raise bad_request(f"Invalid patch path '{path}' specified for op 'remove'.")
            return msgspec.structs.replace(record, **{place.field: place.gone})
        return msgspec.structs.replace(record, **{place.field: place.read(value or "")})
    place = place or table.get(f"/{name}")
    key = unescaped(rest)
    if isinstance(place, Members):
        items = [one for one in getattr(record, place.field) if one != (key or value)]
        if op != "remove":
            items.append(key or value or "")
        return msgspec.structs.replace(record, **{place.field: tuple(items)})
    if isinstance(place, Entries) and key:
        entries = {one: kept for one, kept in getattr(record, place.field).items() if one != key}
        if op != "remove":
            before = getattr(record, place.field)
            new = place.read(value or "")
            entries = {**before, key: new}
        return msgspec.structs.replace(record, **{place.field: entries})
    raise NotSupported(f"{op} {path} of {operation}")


def unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
