"""Literals of a statement, and its parameters, as attribute values. Pure.

A literal's message names the place inside the value: "... under root.x[1]". Numbers of parameters are read as Java
reads a decimal: an exponent beyond 32 bits is no number at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Several
from typing import Any

from antipodes.services.dynamodb.partiql.lexer import Place
from antipodes.services.dynamodb.partiql.syntax import Call, Expr, Name, Operation, Parameter, Scalar, Sequence, Struct
from antipodes.services.dynamodb.values import INVALID, MAX_DEPTH, Value, canonical_number, measure
from antipodes.wire.errors import ValidationException

_EXPONENT = re.compile(r"[+-]?(?:[0-9]+\.?([0-9]*)|\.([0-9]+))[eE]([+-]?[0-9]+)").fullmatch
_INT32 = 1 << 31
_UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"


def checked_parameters(given: Any) -> list[Value]:
    """The Parameters of a request, canonical. Raises before the statement is looked at, as DynamoDB does."""
    values: list[Value] = list(given or ())
    for value in values:
        _check_exponents(value, 0)
        measure(value)
    return values


def _check_exponents(value: Any, depth: int) -> None:
    if depth >= MAX_DEPTH or not isinstance(value, dict):
        return  # what is wrong there, `measure` says
    for kind, content in value.items():
        if kind == "N" and isinstance(content, str):
            _check_exponent(content)
        elif kind == "NS" and isinstance(content, list):
            for member in content:
                if isinstance(member, str):
                    _check_exponent(member)
        elif kind == "M" and isinstance(content, dict):
            for inner in content.values():
                _check_exponents(inner, depth + 1)
        elif kind == "L" and isinstance(content, list):
            for inner in content:
                _check_exponents(inner, depth + 1)


def _check_exponent(text: str) -> None:
    matched = _EXPONENT(text)
    if matched is None:
        return
    power = int(matched[3][:12])
    scale = len(matched[1] or matched[2] or "") - power
    if not (-_INT32 <= power < _INT32 and -_INT32 <= scale < _INT32):
        raise ValidationException(f"The parameter cannot be converted to a numeric value: {text}")
    digits = len(text.lower().partition("e")[0].replace(".", "").lstrip("+-0"))
    if digits and digits - scale >= _INT32:
        raise ValidationException(_UNDERFLOW)  # seen on AWS: its magnitude wraps around, in 32 bits


def value_of(node: Expr, place: str = "root", depth: int = 0) -> Value:
    """The value of a literal. Raises ValidationException: a parameter, name or function inside is none."""
    if depth >= MAX_DEPTH:
        raise ValidationException(f"Nesting Levels have exceeded supported limits under {place}")
    if isinstance(node, Scalar):
        return _scalar(node, place)
    if isinstance(node, Sequence):
        if node.bag:
            return _set(node, place)
        return {"L": [value_of(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(node.items)]}
    if isinstance(node, Struct):
        found: dict[str, Value] = {}
        for name, inner in node.fields:
            key = field_name(name, found)
            found[key] = value_of(inner, f"{place}.{key}", depth + 1)
        return {"M": found}
    raise unsupported(_named(node), place, node.at)


def unsupported(what: str, place: str, at: Place) -> ValidationException:
    return ValidationException(f"Unsupported data type: {what} under key {place} at {at}")


def field_name(name: Expr, present: Any) -> str:
    """The name of a struct's field. The wordings are guesses."""
    if not isinstance(name, Scalar) or name.kind != "string":
        raise ValidationException(f"The keys of a tuple must be strings at {name.at}")
    if name.text in present:
        raise ValidationException(f"The key {name.text} occurs twice in a tuple at {name.at}")
    return name.text


def _scalar(node: Scalar, place: str) -> Value:
    if node.kind == "string":
        return {"S": node.text}
    if node.kind == "number":
        return {"N": _number(node.text, place)}
    if node.kind == "null":
        return {"NULL": True}
    if node.kind == "missing":
        raise unsupported("MISSING", place, node.at)  # the pattern is known, this word is a guess
    return {"BOOL": node.kind == "true"}


def _number(text: str, place: str) -> str:
    try:
        return canonical_number(text)
    except ValidationException as fault:
        raise ValidationException(f"{fault.message} under {place}") from None


def _set(node: Sequence, place: str) -> Value:
    if not node.items:
        raise ValidationException("Empty bags are not supported")
    kinds = {item.kind if isinstance(item, Scalar) else "" for item in node.items}
    for item in node.items:
        if isinstance(item, Parameter | Name | Call):
            raise unsupported(_named(item), f"{place}[0]", item.at)
    if kinds == {"string"}:
        value: Value = {"SS": [item.text for item in node.items if isinstance(item, Scalar)]}
        measure(value)
        return value
    if kinds != {"number"}:
        raise ValidationException(
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"
        )
    written = [item.text for item in node.items if isinstance(item, Scalar)]
    members = [_number(text, place) for text in written]
    if len(set(members)) != len(members):
        raise ValidationException(
            INVALID + f"Input collection [{', '.join(written)}] contains duplicates! under {place}"
        )
    value = {"NS": members}
    measure(value)
    return value


def _named(node: Expr) -> str:
    if isinstance(node, Call):
        return node.function
    if isinstance(node, Name):
        return str(node.steps[-1])
    if isinstance(node, Operation):
        return node.operator
    return type(node).__name__


def is_literal(node: Expr) -> bool:
    return isinstance(node, Scalar | Sequence | Struct)


def bound(node: Expr, parameters: Several[Value]) -> Value | None:
    """The value of a literal or a parameter; None: it is neither."""
    if isinstance(node, Parameter):
        return parameters[node.number]
    return value_of(node) if is_literal(node) else None
