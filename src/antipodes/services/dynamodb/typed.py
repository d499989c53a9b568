"""AWS reads the types of all attribute values before it judges anything. Here that is done only when it matters.

A request that is well is measured as it is used, which finds mistyped values too. When one is refused, its attribute
values are read once more for their types alone: a mistyped one is what AWS would have told of first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.dynamodb.values import check_types
from antipodes.wire import models
from antipodes.wire.errors import ClientFault
from antipodes.wire.models import Shape
from antipodes.wire.operation import Operation, Request, Result

_JUDGED_LATER = ("ConditionalCheckFailedException", "SerializationException")


def typed(name: str, operation: Operation) -> Operation:
    """The operation, with mistyped attribute values told of first."""

    async def run(request: Request) -> Result:
        try:
            return await operation(request)
        except ClientFault as fault:
            if fault.code not in _JUDGED_LATER:
                check_request(name, request.params)
            raise

    return run


def takes_values(name: str) -> bool:
    """Whether the operation takes attribute values."""
    shape = models.operation_model("dynamodb", name).input_shape
    return shape is not None and _has_values(shape, ())


def check_request(name: str, params: Mapping[str, Any]) -> None:
    """Raises SerializationException for the first mistyped attribute value."""
    shape = models.operation_model("dynamodb", name).input_shape
    if shape is not None:
        _check(shape, params)


def _check(shape: Shape, value: Any) -> None:
    if value is None:
        return
    if shape.name == "AttributeValue":
        check_types(value)
    elif shape.type_name == "structure" and isinstance(value, Mapping):
        for name, member in shape.members.items():
            _check(member, value.get(name))
    elif shape.type_name == "list" and isinstance(value, list):
        for one in value:
            _check(shape.member, one)
    elif shape.type_name == "map" and isinstance(value, Mapping):
        for one in value.values():
            _check(shape.value, one)


def _has_values(shape: Shape, outer: tuple[str, ...]) -> bool:
    if shape.name == "AttributeValue":
        return True
    if shape.name in outer:
        return False
    inner = (*outer, shape.name)
    if shape.type_name == "structure":
        return any(_has_values(member, inner) for member in shape.members.values())
    if shape.type_name == "list":
        return _has_values(shape.member, inner)
    return bool(shape.type_name == "map" and _has_values(shape.value, inner))
