"""Filter criteria of event source mappings: which records a function is invoked with. Pure.

A pattern is JSON: a member names a list of what its value may be, or a pattern for what is inside of it.

    {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"age": {"N": [{"numeric": [">", 5]}]}}}}

Members must all match, of a list one. Tests: a value; {"prefix": p}, {"suffix": s}, {"equals-ignore-case": t},
{"anything-but": v, [v ...] or {"prefix": p}}, {"numeric": [op, n, op, n]}, {"exists": bool}, {"wildcard": w}; "$or".
Source: Lambda Developer Guide, "Control which events Lambda sends to your function"; EventBridge's content filtering.
A number within an attribute value is text there, as in DynamoDB's JSON: `numeric` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from antipodes.services.lambda_.records import invalid

Test = Callable[[Any], bool]
MAX_PATTERN_CHARS = 4096
MAX_PATTERNS = 5
_ABSENT: Any = object()
_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    ">": lambda a, b: a > b,
}


def bad(why: str) -> Exception:
    return invalid(f"Invalid filter pattern definition: {why}")  # AWS's beginning; what follows is ours


def compiled(patterns: list[str]) -> Test:
    """The test of a record: any of the patterns matches; no patterns, every record does. Raises
    InvalidParameterValueException."""
    if len(patterns) > MAX_PATTERNS:
        raise invalid(f"FilterCriteria can have at most {MAX_PATTERNS} filters.")  # wording from memory
    tests = [_pattern(text) for text in patterns]
    return (lambda record: any(test(record) for test in tests)) if tests else (lambda record: True)


def _pattern(text: str) -> Test:
    if len(text) > MAX_PATTERN_CHARS:
        raise bad(f"it is longer than {MAX_PATTERN_CHARS} characters")
    try:
        pattern = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad(str(error)) from None
    if not isinstance(pattern, dict) or not pattern:
        raise bad("it must be a JSON object with members")
    return _members(pattern)


def _members(pattern: Mapping[str, Any]) -> Test:
    tests: list[tuple[str, Test]] = []
    either: list[Test] = []
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            either = [_members(_object(one)) for one in wanted]
        else:
            tests.append((name, _members(wanted) if isinstance(wanted, dict) else _any_of(name, wanted)))

    def test(value: Any) -> bool:
        found: Mapping[str, Any] = value if isinstance(value, dict) else {}
        return all(one(found.get(name, _ABSENT)) for name, one in tests) and (
            not either or any(one(found) for one in either)
        )

    return test


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value:
        raise bad("each of $or must be an object with members")
    return value


def _any_of(name: str, wanted: Any) -> Test:
    if not isinstance(wanted, list) or not wanted:
        raise bad(f'"{name}" must be an object or a non-empty array')
    tests = [_one(name, one) for one in wanted]

    def test(value: Any) -> bool:
        values = value if isinstance(value, list) else [value]
        return any(one(each) for one in tests for each in values)

    return test


def _one(name: str, wanted: Any) -> Test:
    if not isinstance(wanted, dict):
        return lambda value: value is not _ABSENT and type(value) is type(wanted) and value == wanted
    if len(wanted) != 1:
        raise bad(f'a test of "{name}" must have one member')
    ((kind, operand),) = wanted.items()
    make = _TESTS.get(kind)
    if make is None:
        raise bad(f"Unrecognized match type {kind}")
    return make(operand)


def _text(operand: Any, kind: str) -> str:
    if not isinstance(operand, str):
        raise bad(f"{kind} match pattern must be a string")
    return operand


def _prefix(operand: Any) -> Test:
    text = _text(operand, "prefix")
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(operand: Any) -> Test:
    text = _text(operand, "suffix")
    return lambda value: isinstance(value, str) and value.endswith(text)


def _same_letters(operand: Any) -> Test:
    text = _text(operand, "equals-ignore-case").casefold()
    return lambda value: isinstance(value, str) and value.casefold() == text


def _wildcard(operand: Any) -> Test:
    parts = [re.escape(part) for part in _text(operand, "wildcard").split("*")]
    match = re.compile(".*".join(parts), re.DOTALL).fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise bad("exists match pattern must be either true or false")
    return lambda value: (value is not _ABSENT) is operand


def _anything_but(operand: Any) -> Test:
    inner = [_one("anything-but", one) for one in (operand if isinstance(operand, list) else [operand])]
    return lambda value: value is not _ABSENT and not any(one(value) for one in inner)


def _numeric(operand: Any) -> Test:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        raise bad('numeric match pattern must be like ["<", 5] or [">", 1, "<=", 5]')
    bounds: list[tuple[Callable[[float, float], bool], float]] = []
    for order, bound in zip(operand[::2], operand[1::2], strict=True):
        if order not in _ORDERS or isinstance(bound, bool) or not isinstance(bound, int | float):
            raise bad(f"{order} {bound} is no comparison with a number")
        bounds.append((_ORDERS[order], bound))

    def test(value: Any) -> bool:
        number = _number(value)
        return number is not None and all(order(number, bound) for order, bound in bounds)

    return test


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


_TESTS: Mapping[str, Callable[[Any], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _same_letters,
    "wildcard": _wildcard,
    "exists": _exists,
    "anything-but": _anything_but,
    "numeric": _numeric,
}
