"""What operations share in reading their parameters: constraints, expressions, capacity. Pure.

Constraint messages are AWS's: all broken constraints of a request in one message,
"2 validation errors detected: Value ... at 'tableName' failed to satisfy constraint: ...; Value ...".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from antipodes.services.dynamodb.expressions.names import Terms
from antipodes.services.dynamodb.values import MAX_NAME_BYTES
from antipodes.wire.errors import ValidationException

Params = Mapping[str, Any]

TABLE_NAME = re.compile(r"[a-zA-Z0-9_.-]+", re.ASCII).fullmatch
_PATTERN = "[a-zA-Z0-9_.-]+"
# How the front tells of one bad member among several names; wording from memory.
_EACH_NAME = f"Member must satisfy constraint: [Member must have length less than or equal to {MAX_NAME_BYTES}]"
MAX_ERRORS = 10  # more are not told of
CAPACITY = ("INDEXES", "TOTAL", "NONE")
METRICS = ("SIZE", "NONE")
RETURN_VALUES = ("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")
ON_FAILURE = ("ALL_OLD", "NONE")
OPERATORS = (
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "GE",
    "CONTAINS",
)  # of the legacy conditions


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
            told = self.broken[:MAX_ERRORS]
            plural = "s" if len(told) > 1 else ""
            raise ValidationException(f"{len(told)} validation error{plural} detected: {'; '.join(told)}")


def table_name(params: Params, constraints: Constraints | None = None, member: str = "tableName") -> str:
    """TableName: a name or an ARN. Without `constraints`, refuses at once."""
    name = params.get("TableName")
    if type(name) is str and len(name) <= 255 and name and (TABLE_NAME(name) or name.startswith("arn:")):
        return name
    found = constraints if constraints is not None else Constraints()
    if name is None:
        found.required(None, member)
    else:
        if not name:
            found.note(name, member, "Member must have length greater than or equal to 1")
        if len(name) > 255:
            found.note(name, member, "Member must have length less than or equal to 255")
        if not TABLE_NAME(name) and name:
            found.note(name, member, f"Member must satisfy regular expression pattern: {_PATTERN}")
    if constraints is None:
        found.settle()
    return name or ""


# The members that one operation constrains, in the order in which AWS reports them.
_SINGLE: Mapping[str, tuple[str, ...]] = {
    "PutItem": ("capacity", "table", "Item", "operator", "expected", "values", "metrics", "failure"),
    "GetItem": ("capacity", "attributes", "table", "Key"),
    "UpdateItem": ("capacity", "table", "metrics", "values", "Key", "operator", "expected", "actions", "failure"),
    "DeleteItem": ("capacity", "table", "values", "metrics", "Key", "operator", "expected", "failure"),
}


def check_single(params: Params, operation: str) -> None:
    """The simple constraints of PutItem, GetItem, UpdateItem and DeleteItem."""
    constraints = Constraints()
    for part in _SINGLE[operation]:
        if part == "table":
            table_name(params, constraints)
        elif part in _CHECKS:
            _CHECKS[part](constraints, params)
        else:
            constraints.required(params.get(part), part[0].lower() + part[1:])
    constraints.settle()


def check_capacity(constraints: Constraints, params: Params) -> None:
    constraints.one_of(params.get("ReturnConsumedCapacity"), "returnConsumedCapacity", CAPACITY)


def check_metrics(constraints: Constraints, params: Params) -> None:
    constraints.one_of(params.get("ReturnItemCollectionMetrics"), "returnItemCollectionMetrics", METRICS)


def check_operator(constraints: Constraints, params: Params) -> None:
    constraints.one_of(params.get("ConditionalOperator"), "conditionalOperator", ("OR", "AND"))


def check_attributes(constraints: Constraints, params: Params, member: str = "attributesToGet") -> None:
    names = params.get("AttributesToGet")
    if names and any(len(name.encode()) > MAX_NAME_BYTES for name in names):
        constraints.note(f"[{', '.join(names)}]", member, _EACH_NAME)
    if names is not None and not 1 <= len(names) <= 255:
        bound = "greater than or equal to 1" if not names else "less than or equal to 255"
        constraints.note(f"[{', '.join(names)}]", member, f"Member must have length {bound}")


def check_operators(constraints: Constraints, conditions: Any, member: str) -> None:
    """The comparison operators of Expected, KeyConditions and the two filters."""
    check_names(constraints, conditions, member)
    for name, one in (conditions or {}).items():
        operator = one.get("ComparisonOperator")
        place = f"{member}.{name}.member.comparisonOperator"
        if member != "expected":
            constraints.required(operator, place)
        constraints.one_of(operator, place, OPERATORS)


def _check_expected(constraints: Constraints, params: Params) -> None:
    check_operators(constraints, params.get("Expected"), "expected")


def check_names(constraints: Constraints, named: Any, member: str) -> None:
    """The attribute names that are the keys of a map of the older parameters."""
    if named and any(len(name.encode()) > MAX_NAME_BYTES for name in named):
        constraints.note(f"[{', '.join(named)}]", member, _EACH_NAME)


def _check_actions(constraints: Constraints, params: Params) -> None:
    check_names(constraints, params.get("AttributeUpdates"), "attributeUpdates")
    for name, one in (params.get("AttributeUpdates") or {}).items():
        constraints.one_of(one.get("Action"), f"attributeUpdates.{name}.member.action", ("ADD", "PUT", "DELETE"))


def _check_values(constraints: Constraints, params: Params) -> None:
    constraints.one_of(params.get("ReturnValues"), "returnValues", RETURN_VALUES)


def _check_failure(constraints: Constraints, params: Params) -> None:
    member = "returnValuesOnConditionCheckFailure"
    constraints.one_of(params.get("ReturnValuesOnConditionCheckFailure"), member, ON_FAILURE)


_CHECKS: Mapping[str, Callable[[Constraints, Params], None]] = {
    "capacity": check_capacity,
    "metrics": check_metrics,
    "operator": check_operator,
    "attributes": check_attributes,
    "expected": _check_expected,
    "actions": _check_actions,
    "values": _check_values,
    "failure": _check_failure,
}


def terms_of(params: Params, expressions: Sequence[str], legacy: Sequence[str], *, idle: bool = False) -> Terms | None:
    """The request's names and values, still to be checked (`Terms.check`); None when it has no expression at all.

    `expressions` are the expression parameters of the operation, `legacy` those of the older kind. idle: names and
    values without an expression are passed over; seen on AWS in members of transactions.
    """
    given = [name for name in expressions if params.get(name) is not None]
    old = [name for name in legacy if params.get(name) is not None]
    names, values = params.get("ExpressionAttributeNames"), params.get("ExpressionAttributeValues")
    if "KeyConditions" in old and "KeyConditionExpression" not in given:
        # Seen on AWS: the legacy key conditions go together with the other expressions.
        old.remove("KeyConditions")
    if given and old:
        raise ValidationException(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(old)}}} Expression parameters: {{{', '.join(given)}}}"
        )
    if idle and not given:
        return None
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
    return Terms(names, values)


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
