"""Template values in the shape that a service model wants. Pure.

Parameters of a template are text: `!Ref Seconds` gives "10" where the API wants 10. `shaped` coerces by the operation's
input shape and refuses members the API does not know, with CloudFormation's message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.wire.errors import ClientFault
from antipodes.wire.models import operation_model


def shaped(service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with text turned to numbers and booleans where the model says so."""
    shape = operation_model(service, operation).input_shape
    found = _coerce(shape, dict(params), operation)
    assert isinstance(found, dict)
    return found


def _invalid(where: str, said: str) -> ClientFault:
    return ClientFault("InvalidRequest", f"Model validation failed (#/{where}: {said})")


def _coerce(shape: Any, value: Any, where: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, Mapping):
            raise _invalid(where, f"expected type: JSONObject, found: {type(value).__name__}")
        for name in value:
            if name not in shape.members:
                raise _invalid(where, f"extraneous key [{name}] is not permitted")
        return {name: _coerce(shape.members[name], one, f"{where}/{name}") for name, one in value.items()}
    if kind == "list":
        if not isinstance(value, list):
            raise _invalid(where, f"expected type: JSONArray, found: {type(value).__name__}")
        return [_coerce(shape.member, one, f"{where}/{index}") for index, one in enumerate(value)]
    if kind == "map":
        if not isinstance(value, Mapping):
            raise _invalid(where, f"expected type: JSONObject, found: {type(value).__name__}")
        return {str(key): _coerce(shape.value, one, f"{where}/{key}") for key, one in value.items()}
    return _scalar(kind, value, where)


def _scalar(kind: str, value: Any, where: str) -> Any:
    try:
        if kind == "boolean":
            if isinstance(value, bool):
                return value
            return {"true": True, "false": False}[str(value).lower()]
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("float", "double"):
            return float(value)
    except (KeyError, TypeError, ValueError):
        raise _invalid(where, f"expected type: {kind}, found: {value!r}") from None
    if kind == "string":
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        if not isinstance(value, str):
            raise _invalid(where, f"expected type: String, found: {type(value).__name__}")
    return value
