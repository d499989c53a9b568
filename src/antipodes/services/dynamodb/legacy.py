"""The parameters from before expressions, read as what they mean: conditions, updates and tests of keys. Pure.

Expected, QueryFilter and ScanFilter become a `Condition`, AttributeUpdates an `Update`, KeyConditions tests of keys:
the same trees that expressions become, so that there is one evaluator. Only the refusals are their own. The rules
follow the Developer Guide, "Legacy conditional parameters"; messages were seen on AWS unless a comment says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.dynamodb.expressions.ast import (
    And,
    Assign,
    Between,
    Call,
    Compare,
    Condition,
    In,
    Literal,
    Not,
    Or,
    Path,
    SetChange,
    Update,
)
from antipodes.services.dynamodb.key_conditions import KeyTest
from antipodes.services.dynamodb.parameters import Params
from antipodes.services.dynamodb.schema import MAX_INDEX_KEYS
from antipodes.services.dynamodb.values import INVALID, SETS, Value, kind_of, measure, order
from antipodes.wire.errors import ValidationException

_COMPARATORS = {"EQ": "=", "NE": "<>", "LT": "<", "LE": "<=", "GT": ">", "GE": ">="}
_SCALARS = ("S", "N", "B")
# EQ and NE take every kind. Operator -> the kinds of value it takes.
_KINDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("LT", "LE", "GT", "GE", "IN", "BETWEEN"), _SCALARS),
    **dict.fromkeys(("CONTAINS", "NOT_CONTAINS"), (*_SCALARS, "BOOL", "NULL")),
    "BEGINS_WITH": ("S", "B"),
}
_KEY_OPERATORS = {**_COMPARATORS, "BETWEEN": "BETWEEN", "BEGINS_WITH": "begins_with"}
_NAMES = {operator: name for name, operator in _KEY_OPERATORS.items()}
_ADDABLE = ("L", "SS", "NS", "BS", "N")


def condition_of_expected(params: Params) -> Condition | None:
    """Expected and ConditionalOperator; None: there is no condition. Raises ValidationException."""
    expected = params.get("Expected")
    _check_conditional_operator(params, expected)
    found = [_expectation(name, one) for name, one in (expected or {}).items()]
    return _joined(found, params)


def condition_of_filter(params: Params, parameter: str) -> Condition | None:
    """QueryFilter or ScanFilter, with ConditionalOperator."""
    conditions = params.get(parameter)
    _check_conditional_operator(params, conditions)
    found = []
    for name, one in (conditions or {}).items():
        operator, values = one["ComparisonOperator"], one.get("AttributeValueList") or []
        _check_values(values)
        _check_condition(operator, values)
        found.append(_condition(name, operator, values))
    return _joined(found, params)


def key_tests_of(conditions: Mapping[str, Any]) -> list[KeyTest]:
    """KeyConditions."""
    found = []
    for name, one in conditions.items():
        operator, values = one["ComparisonOperator"], one.get("AttributeValueList") or []
        _check_values(values)
        _check_condition(operator, values)
        found.append(KeyTest(name, _KEY_OPERATORS.get(operator, operator), tuple(values)))
    if not 1 <= len(found) <= MAX_INDEX_KEYS:
        raise ValidationException("Conditions can be of length 1 or 2 only")
    return found


def check_key_tests(tests: list[KeyTest]) -> None:
    """A KeyConditionExpression obeys the rules of KeyConditions."""
    for test in tests:
        _check_condition(_NAMES[test.operator], test.values)
    if len(tests) > MAX_INDEX_KEYS:
        raise ValidationException("Conditions can be of length 1 or 2 only")


def update_of(changes: Mapping[str, Any]) -> Update | None:
    """AttributeUpdates; None when it changes nothing (the item is created all the same)."""
    assigns: list[Assign] = []
    removes: list[Path] = []
    adds: list[SetChange] = []
    deletes: list[SetChange] = []
    for name, one in changes.items():
        value, action = one.get("Value"), one.get("Action") or "PUT"
        if value is not None:
            measure(value)
        elif action != "DELETE":
            raise ValidationException(INVALID + "Only DELETE action is allowed when no attribute value is specified")
        path = Path((name,))
        if value is None:
            removes.append(path)
        elif action == "PUT":
            assigns.append(Assign(path, Literal(value)))
        elif action == "ADD":
            if kind_of(value) not in _ADDABLE:
                raise ValidationException(INVALID + f"ADD action is not supported for the type {kind_of(value)}")
            adds.append(SetChange(path, Literal(value)))
        else:
            if kind_of(value) not in SETS:
                raise ValidationException(
                    INVALID + f"DELETE action with value is not supported for the type {kind_of(value)}"
                )
            deletes.append(SetChange(path, Literal(value)))
    if not changes:
        return None
    return Update(tuple(assigns), tuple(removes), tuple(adds), tuple(deletes), legacy=True)


def paths_of(names: Sequence[str]) -> list[Path]:
    """AttributesToGet: top-level attributes, each once."""
    seen: dict[str, Path] = {}
    for name in names:
        if name in seen:
            raise ValidationException(INVALID + f"Duplicate value in attribute name: {name}")
        seen[name] = Path((name,))
    return list(seen.values())


def _check_conditional_operator(params: Params, conditions: Any) -> None:
    if params.get("ConditionalOperator") is None:
        return
    if not conditions:
        raise ValidationException(INVALID + "ConditionalOperator cannot be used without Filter or Expected")
    if len(conditions) < 2:
        raise ValidationException(
            INVALID + "ConditionalOperator can only be used when Filter or Expected has two or more elements"
        )


def _joined(conditions: list[Condition], params: Params) -> Condition | None:
    if not conditions:
        return None
    join = Or if params.get("ConditionalOperator") == "OR" else And
    whole = conditions[0]
    for one in conditions[1:]:
        whole = join(whole, one)
    return whole


def _expectation(name: str, one: Mapping[str, Any]) -> Condition:
    """One member of Expected, in the old form (Value, Exists) or the newer one (ComparisonOperator)."""
    value, values, operator = one.get("Value"), one.get("AttributeValueList"), one.get("ComparisonOperator")
    if values is not None and value is not None:
        raise ValidationException(
            INVALID + f"Value and AttributeValueList cannot be used together for Attribute: {name}"
        )
    if operator is not None:
        if one.get("Exists") is not None:
            raise ValidationException(
                INVALID + f"Exists and ComparisonOperator cannot be used together for Attribute: {name}"
            )
        if operator not in {"NULL", "NOT_NULL"} and values is None and value is None:
            raise ValidationException(
                INVALID + f"Value or AttributeValueList must be used with ComparisonOperator: {operator} "
                f"for Attribute: {name}"
            )
        given = values if values is not None else [value] if value is not None else []
        _check_values(given)
        _check_condition(operator, given)
        return _condition(name, operator, given)
    if values is not None:
        raise ValidationException(
            INVALID + f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}"
        )
    exists = one.get("Exists")
    if exists is False:
        if value is not None:
            raise ValidationException(INVALID + f"Value cannot be used when Exists is false for Attribute: {name}")
        return _condition(name, "NULL", [])
    if value is None:
        shown = "null" if exists is None else "true"
        raise ValidationException(INVALID + f"Value must be provided when Exists is {shown} for Attribute: {name}")
    _check_values([value])
    return _condition(name, "EQ", [value])


def _check_values(values: Sequence[Value]) -> None:
    for value in values:
        measure(value)


def _check_condition(operator: str, values: Sequence[Value]) -> None:
    """Numbers and kinds of the operands."""
    wanted = {"NULL": (0, 0), "NOT_NULL": (0, 0), "BETWEEN": (2, 2), "IN": (1, len(values))}.get(operator, (1, 1))
    if not wanted[0] <= len(values) <= wanted[1]:
        raise ValidationException(INVALID + f"Invalid number of argument(s) for the {operator} ComparisonOperator")
    kinds = [kind_of(value) for value in values]
    if any(kind != kinds[0] for kind in kinds):
        raise ValidationException(INVALID + "AttributeValues inside AttributeValueList must be of same type")
    for kind in kinds:
        if kind not in _KINDS.get(operator, (kind,)):
            raise ValidationException(
                INVALID + f"ComparisonOperator {operator} is not valid for {kind} AttributeValue type"
            )
    if operator == "BETWEEN" and order(values[0], values[1]) == 1:
        raise ValidationException(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
        )


def _condition(name: str, operator: str, values: Sequence[Value]) -> Condition:
    path = Path((name,))
    literals = tuple(Literal(value) for value in values)
    if operator in _COMPARATORS:
        return Compare(_COMPARATORS[operator], path, literals[0])
    if operator == "NULL":
        return Call("attribute_not_exists", (path,))
    if operator == "NOT_NULL":
        return Call("attribute_exists", (path,))
    if operator == "BETWEEN":
        return Between(path, *literals)
    if operator == "IN":
        return In(path, literals)
    if operator == "BEGINS_WITH":
        return Call("begins_with", (path, *literals))
    contained = Call("contains", (path, *literals))
    return contained if operator == "CONTAINS" else Not(contained)
