"""The checks that AWS's front does from the model alone, in its words.

    1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null

Required members, lengths, ranges, patterns, enums. A path has lower-case first letters, counts lists from 1 and says
"member" for what is in them. At most ten errors are told (seen on DynamoDB). Patterns are Java's; the few that Python
cannot compile are not checked. DynamoDB has words of its own for parts of this, and checks itself.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from antipodes.wire import models
from antipodes.wire.errors import ValidationException
from antipodes.wire.models import Shape
from antipodes.wire.protocols.values import FLOATS, INTEGERS

MAX_ERRORS = 10


def validate(service: str, operation: str, params: Mapping[str, Any], *, body: str = "") -> None:
    """Raises ValidationException with all that is wrong (up to ten), in the order of the model. body: goes before the
    paths of members in the body ("createApiInput."), where a service says so."""
    shape = models.operation_model(service, operation).input_shape
    if shape is not None:
        _refuse(_of_structure(shape, params, "", body))


def complete(service: str, operation: str, params: Mapping[str, Any]) -> None:
    """Raises ValidationException with the required members that are not there, at every depth, and no more: for
    services that have words of their own for what is wrong with the others."""
    shape = models.operation_model(service, operation).input_shape
    if shape is not None:
        _refuse(_null(path) for path in _lacking(shape, params, ""))


def _refuse(found: Iterator[str]) -> None:
    errors = list(islice(found, MAX_ERRORS))
    if errors:
        noun = "error" if len(errors) == 1 else "errors"
        raise ValidationException(f"{len(errors)} validation {noun} detected: {'; '.join(errors)}")


def _null(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _lacking(shape: Shape, value: Any, at: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, member in shape.members.items():
            place = f"{at}{name[:1].lower()}{name[1:]}"
            if value.get(name) is not None:
                yield from _lacking(member, value[name], f"{place}.")
            elif name in shape.required_members and not member.metadata.get("idempotencyToken"):
                yield place
    elif shape.type_name == "list" and isinstance(value, list):
        for index, one in enumerate(value, 1):
            yield from _lacking(shape.member, one, f"{at}{index}.member.")


def _of_structure(shape: Shape, params: Mapping[str, Any], path: str, body: str = "") -> Iterator[str]:
    required = frozenset(shape.required_members)
    for name, member in shape.members.items():
        place = path if not body or "location" in member.serialization else body
        at = place + name[:1].lower() + name[1:]
        value = params.get(name)
        if value is not None:
            yield from _of_value(member, value, at)
        elif name in required and not member.metadata.get("idempotencyToken"):
            yield _null(at)


def _of_value(shape: Shape, value: Any, at: str) -> Iterator[str]:
    for constraint in _broken(shape, value):
        shown = "" if shape.metadata.get("sensitive") else f" '{_java(value)}'"
        yield f"Value{shown} at '{at}' failed to satisfy constraint: {constraint}"
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping) and not shape.is_document_type:
        yield from _of_structure(shape, value, at + ".")
    elif kind == "list" and isinstance(value, list):
        for index, one in enumerate(value, 1):
            yield from _of_value(shape.member, one, f"{at}.{index}.member")
    elif kind == "map" and isinstance(value, Mapping):
        for key, one in value.items():
            keys = list(_broken(shape.key, key))
            if keys:
                constraint = f"Map keys must satisfy constraint: [{', '.join(keys)}]"
                yield f"Value '{_java(value)}' at '{at}' failed to satisfy constraint: {constraint}"
            yield from _of_value(shape.value, one, f"{at}.{key}.member")


def _broken(shape: Shape, value: Any) -> Iterator[str]:
    metadata = shape.metadata
    lowest, highest = metadata.get("min"), metadata.get("max")
    kind = shape.type_name
    if kind in INTEGERS or kind in FLOATS:
        size, noun = value, "value"
    elif kind in {"string", "list", "map", "blob"}:
        size, noun = len(value), "length"
    else:
        return
    if highest is not None and size > highest:
        yield f"Member must have {noun} less than or equal to {highest}"
    if lowest is not None and size < lowest:
        yield f"Member must have {noun} greater than or equal to {lowest}"
    if kind != "string":
        return
    values = metadata.get("enum")
    if values and value not in values:
        yield f"Member must satisfy enum value set: [{', '.join(values)}]"
    pattern = metadata.get("pattern")
    compiled = _compiled(pattern) if pattern else None
    if compiled is not None and compiled.fullmatch(value) is None:
        yield f"Member must satisfy regular expression pattern: {pattern}"


@lru_cache(maxsize=2048)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "[[a-z]": a set within a set, in Java and some day in Python
            return re.compile(pattern)
    except re.error:
        return None


def _java(value: Any) -> str:
    """As Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_java(one) for one in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_java(one)}" for key, one in value.items()) + "}"
    return str(value)
