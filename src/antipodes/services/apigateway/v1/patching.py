"""Patch operations, as API Gateway's Update… operations take them: {"op", "path", "value"}. Pure.

A kind's table says which paths there are and what stands there; a path that is not in it is refused by name. In a
path, "~1" is a slash and "~0" a tilde (JSON Pointer, RFC 6901).

    One       a single value
    Entries   a map; the rest of the path is an entry's name
    Members   a list; the rest of the path is a member, or `value` is
    Inner     a record within the record, with a table of its own
    Own       anything else: a function

The key OTHER stands for paths that no other key begins, the key COPY for the operation `copy`.
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
OTHER, COPY = "*", "copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One operation: add, replace, remove; copy. value "": none was given."""

    op: str
    path: str
    value: str
    source: str  # `from`
    operation: str  # UpdateStage

    @property
    def removes(self) -> bool:
        return self.op == "remove"

    def refused(self) -> NotSupported:
        return NotSupported(f"{self.op} {self.path} of {self.operation}")


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
    """gone: what is there after `remove`; None: it cannot be removed."""

    field: str
    read: Callable[[str], Any] = text
    gone: Any = None


@dataclass(frozen=True, slots=True)
class Entries:
    field: str
    read: Callable[[str], Any] = text


@dataclass(frozen=True, slots=True)
class Members:
    field: str


@dataclass(frozen=True, slots=True)
class Inner:
    """new: what a patch changes where there is none yet. After `remove` of the whole there is none."""

    field: str
    new: msgspec.Struct
    table: Table


@dataclass(frozen=True, slots=True)
class Own:
    """change: the record after the patch; it is also told what of the path lies below its place, as it was written."""

    change: Callable[[Any, Patch, str], Any]


Table = Mapping[str, One | Entries | Members | Inner | Own]


def patched(record: Record, patches: Patches | None, table: Table, operation: str) -> Record:
    """The record after all of the patches. Raises BadRequestException, UnsupportedOperation."""
    for given in patches or ():
        value = given.get("value")
        patch = Patch(
            op=str(given.get("op") or ""),
            path=str(given.get("path") or ""),
            value="" if value is None else str(value),
            source=str(given.get("from") or ""),
            operation=operation,
        )
        record = _applied(record, patch, patch.path.removeprefix("/"), table)
    return record


def _applied(record: Any, patch: Patch, path: str, table: Table) -> Any:
    if patch.op not in {"add", "replace", "remove"}:
        if patch.op not in {COPY, "move", "test"}:
            raise bad_request(f"Invalid patch operation specified: {patch.op}")
        copying = table.get(patch.op)
        if not isinstance(copying, Own):
            raise patch.refused()
        return copying.change(record, patch, path)
    name, _, rest = path.partition("/")
    place = table.get(f"/{path}")
    if place is not None:
        rest = ""
    else:
        place = table.get(f"/{name}")
        if place is None or isinstance(place, One):
            place, rest = table.get(OTHER), path
    match place:
        case One():
            return _one(record, patch, place)
        case Entries() if rest:
            return _entry(record, patch, unescaped(rest), place)
        case Members():
            return _member(record, patch, unescaped(rest) or patch.value, place)
        case Inner():
            inner = None
            if rest or not patch.removes:
                inner = _applied(getattr(record, place.field) or place.new, patch, rest, place.table)
            return msgspec.structs.replace(record, **{place.field: inner})
        case Own():
            return place.change(record, patch, rest)
    raise patch.refused()


def _one(record: Any, patch: Patch, place: One) -> Any:
    if patch.removes and place.gone is None:
        raise bad_request(f"Invalid patch path '{patch.path}' specified for op 'remove'.")
    return msgspec.structs.replace(record, **{place.field: place.gone if patch.removes else place.read(patch.value)})


def _entry(record: Any, patch: Patch, key: str, place: Entries) -> Any:
    entries = dict(getattr(record, place.field))
    if patch.removes:
        entries.pop(key, None)
    else:
        entries[key] = place.read(patch.value)
    return msgspec.structs.replace(record, **{place.field: entries})


def _member(record: Any, patch: Patch, member: str, place: Members) -> Any:
    members = [one for one in getattr(record, place.field) if one != member]
    return msgspec.structs.replace(record, **{place.field: tuple(members if patch.removes else [*members, member])})


def unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
