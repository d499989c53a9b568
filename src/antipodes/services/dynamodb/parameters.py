"""What operations share in reading their parameters: constraints, expressions, capacity. Pure.

Constraint messages are AWS's: all broken constraints of a request in one message,
"2 validation errors detected: Value ... at 'tableName' failed to satisfy constraint: ...; Value ...".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.dynamodb.expressions.names import Terms
from antipodes.wire.errors import ValidationException

Params = Mapping[str, Any]

_TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]+", re.ASCII).fullmatch
_PATTERN = "[a-zA-Z0-9_.-]+"
CAPACITY = ("INDEXES", "TOTAL", "NONE")
METRICS = ("SIZE", "NONE")
RETURN_VALUES = ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
ON_FAILURE = ("ALL_OLD", "NONE")


class Constraints:
    """Collects broken constraints; `settle` raises them together."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def note(self, value: Any, member: str, constraint: str) -> None:
        shown = "null" if value is None else f"'{value}'"
        self.broken.append(f"Value {shown} at '{member}' failed to satisfy constraint: {constraint}")

    def required(self, value: Any, member: str) -> None:
        if value is None:
            self.note(None, member, "Member must not be null")

    def one_of(self, value: Any, member: str, allowed: Sequence[str]) -> None:
        if value is not None and value not in allowed:
            self.note(value, member, f"Member must satisfy enum value set: [{', '.join(allowed)}]")

    def at_least(self, value: Any, member: str, least: int) -> None:
        if value is not None and value < least:
            self.note(value, member, f"Member must have value greater than or equal to {least}")

    def settle(self) -> None:
        if self.broken:
            count = len(self.broken)
            plural = "s" if count > 1 else ""
            raise ValidationException(f"{count} validation error{plural} detected: {'; '.join(self.broken)}")


def table_name(params: Params, constraints: Constraints | None = None) -> str:
    """TableName: a name or an ARN. Without `constraints`, refuses at once."""
    name = params.get("TableName")
    if type(name) is str and len(name) <= 255 and name and (_TABLE_NAME(name) or name.startswith("arn:")):
        return name
    found = constraints if constraints is not None else Constraints()
    if name is None:
        found.required(None, "tableName")
    else:
        if not name:
            found.note(name, "tableName", "Member must have length greater than or equal to 1")
        if len(name) > 255:
            found.note(name, "tableName", "Member must have length less than or equal to 255")
        if not _TABLE_NAME(name) and name:
            found.note(name, "tableName", f"Member must satisfy regular expression pattern: {_PATTERN}")
    if constraints is None:
        found.settle()
    return name or ""


def check_single(params: Params, needed: str) -> None:
    """The constraints that PutItem, GetItem, UpdateItem and DeleteItem share."""
    constraints = Constraints()
    table_name(params, constraints)
    constraints.required(params.get(needed), needed[0].lower() + needed[1:])
    constraints.one_of(params.get("ReturnConsumedCapacity"), "returnConsumedCapacity", CAPACITY)
    constraints.one_of(params.get("ReturnItemCollectionMetrics"), "returnItemCollectionMetrics", METRICS)
    constraints.one_of(params.get("ReturnValues"), "returnValues", RETURN_VALUES)
    constraints.one_of(
        params.get("ReturnValuesOnConditionCheckFailure"), "returnValuesOnConditionCheckFailure", ON_FAILURE
    )
    constraints.settle()


def terms_of(params: Params, expressions: Sequence[str], legacy: Sequence[str]) -> Terms | None:
    """The request's names and values, checked; None when it has no expression at all.

    `expressions` are the expression parameters of the operation, `legacy` those of the older kind.
    """
    given = [name for name in expressions if params.get(name) is not None]
    old = [name for name in legacy if params.get(name) is not None]
    names, values = params.get("ExpressionAttributeNames"), params.get("ExpressionAttributeValues")
    if given and old:
        raise ValidationException(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(given)}}}"
        )
    if names is not None and not given:
        raise ValidationException("ExpressionAttributeNames can only be specified when using expressions")
    taking = [name for name in expressions if name != "ProjectionExpression"]
    if values is not None and taking and all(params.get(name) is None for name in taking):
        verb = "are" if len(taking) > 1 else "is"
        raise ValidationException(
            "ExpressionAttributeValues can only be specified when using expressions: "
            f"{' and '.join(taking)} {verb} null"
        )
    if not given:
        return None
    terms = Terms(names, values)
    terms.check_keys(names is not None, values is not None)
    return terms


def read_units(size: int, consistent: bool) -> float:
    """Read capacity units of `size` bytes: one for 4 KiB, half when eventually consistent."""
    units = max(1, -(-size // 4096))
    return float(units) if consistent else units / 2


def write_units(old_size: int, new_size: int) -> float:
    """Write capacity units: one for each KiB of the larger of the two states."""
    return float(max(1, -(-max(old_size, new_size) // 1024)))


def capacity(
    params: Params, name: str, units: float, index: str = "", is_global: bool = False
) -> dict[str, Any] | None:
    """ConsumedCapacity as asked for; None when it was not."""
    wanted = params.get("ReturnConsumedCapacity", "NONE")
    if wanted not in {"TOTAL", "INDEXES"}:
        return None
    found: dict[str, Any] = {"TableName": name, "CapacityUnits": units}
    if wanted == "INDEXES":
        found["Table"] = {"CapacityUnits": 0.0 if index else units}
        if index:
            found["GlobalSecondaryIndexes" if is_global else "LocalSecondaryIndexes"] = {
                index: {"CapacityUnits": units}
            }
    return found
