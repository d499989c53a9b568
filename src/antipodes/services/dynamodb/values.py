"""Attribute values: one walk that validates, makes canonical and measures. Pure.

Values stay in their JSON form, {"S": "text"}, because items are stored and answered as JSON. Canonical form, made in
place by `measure`: numbers in plain decimal notation without needless zeros, sets sorted. Two canonical values are
equal exactly when `==` says so.

Sizes are DynamoDB's item sizes in bytes (Developer Guide, "DynamoDB item sizes and formats"). Malformed types are a
SerializationException, as AWS's JSON reader raises before any validation; broken rules are a ValidationException.
"""

from __future__ import annotations

import binascii
import re
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

from antipodes.wire.errors import ClientFault, ValidationException

Value = dict[str, Any]  # one attribute value: {"S": "text"}
Item = dict[str, Value]  # attribute name -> value

MAX_ITEM_BYTES = 400 * 1024
MAX_NAME_BYTES = 65535  # of an attribute
MAX_DEPTH = 32  # nested lists and maps
MAX_DIGITS = 38
MAX_MAGNITUDE = 125  # of the first digit: 9.99e125
MIN_MAGNITUDE = -130

KINDS = ("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL")
SETS = ("SS", "NS", "BS")
INVALID = "One or more parameter values were invalid: "

_VALUE_CLASS = "class com.amazonaws.dynamodb.v20120810.AttributeValue"
_MAP_CLASS = "java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"
_PLAIN = re.compile(r"(?:0|-?[1-9][0-9]{0,37})").fullmatch  # an integer that is canonical as it stands
_SHORT_NUMBER = 40  # characters: what is longer is not worth a place in a cache
_NUMBER = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?", re.ASCII).fullmatch
EXACT = Context(prec=600)  # sums of any two numbers in range are exact in it


class BadName(ValidationException):
    """A name that no attribute can have. Told as it is, whichever parameter it stands in."""


def serialization(message: str) -> ClientFault:
    """What AWS's JSON reader says of a type that does not fit the shape."""
    return ClientFault("SerializationException", message)


def measure_item(item: Any) -> int:
    """Validates the attributes, makes them canonical in place; the item's size in bytes."""
    if type(item) is not dict:
        raise serialization("Unexpected field type")
    return _measure_members(item, 0)


def _measure_members(members: Item, depth: int) -> int:
    """Of an item or a map. Strings and numbers are most of what they hold: measured here without a further call."""
    if "" in members:
        raise BadName("1 validation error detected: Empty attribute name")  # a guess, by its neighbour
    size = 0
    for name, value in members.items():
        size += len(name) if name.isascii() else len(name.encode())
        if type(value) is dict and len(value) == 1:
            text = value.get("S")
            if type(text) is str:
                size += len(text) if text.isascii() else len(text.encode())
                continue
            text = value.get("N")
            if type(text) is str and len(text) < _SHORT_NUMBER:
                canonical, number_bytes = _short_number(text)
                if canonical is not text:
                    value["N"] = canonical
                size += number_bytes
                continue
        size += measure(value, depth)
    if size > MAX_NAME_BYTES:  # else no name is too long, and none is measured
        for name in members:
            check_name(name)
    return size


def check_name(name: str) -> None:
    """Refuses a name that no attribute can have. The sentence was seen on AWS."""
    if len(name.encode()) > MAX_NAME_BYTES:
        raise BadName("1 validation error detected: Attribute name is too large, must be less than 65536 bytes")


def measure(value: Any, depth: int = 0) -> int:
    """Validates one attribute value, makes it canonical in place; its size in bytes."""
    if type(value) is not dict:
        if type(value) is list:
            raise _no_collection(value, _VALUE_CLASS)
        raise serialization("Unexpected value type in payload" if value is not None else "Unexpected field type")
    if len(value) != 1:
        _drop_nulls(value)
    for kind, content in value.items():
        if kind == "S":
            if type(content) is not str:
                raise _mistyped(content, "String")
            return len(content) if content.isascii() else len(content.encode())
        if kind == "N":
            if type(content) is not str:
                raise _mistyped(content, "String")
            if len(content) < _SHORT_NUMBER:
                value["N"], size = _short_number(content)
                return size
            value["N"] = canonical_number(content)
            return number_size(value["N"])
        measure_other = _OTHERS.get(kind)
        if measure_other is None:
            break
        return measure_other(value, content, depth)
    raise ValidationException("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")


def _drop_nulls(value: Value) -> None:
    """Members that are null count as absent; more than one left is refused."""
    for kind in [kind for kind, content in value.items() if content is None or kind not in KINDS]:
        del value[kind]
    if len(value) > 1:
        for kind in list(value):
            measure({kind: value[kind]})  # a bad value is told of before there being two
        raise ValidationException(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )


def _mistyped(content: Any, wanted: str) -> ClientFault:
    if content is True:
        return serialization(f"TRUE_VALUE cannot be converted to {wanted}")
    if content is False:
        return serialization(f"FALSE_VALUE cannot be converted to {wanted}")
    if isinstance(content, int | float):
        kind = "NUMBER_VALUE" if isinstance(content, int) else "DECIMAL_VALUE"
        return serialization(f"{kind} cannot be converted to {wanted}")
    if isinstance(content, str):
        return serialization(f"STRING_VALUE cannot be converted to {wanted}")
    if isinstance(content, list):
        return serialization(f"Unrecognized collection type class java.lang.{wanted}")
    return serialization("Start of structure or map found where not expected")


def _no_collection(content: Any, java_class: str) -> ClientFault:
    """What AWS says of a value that is no list or map where one must be, or the wrong one of the two."""
    if isinstance(content, list):
        return serialization(f"Unrecognized collection type {java_class}")
    if isinstance(content, dict):
        return serialization("Start of structure or map found where not expected")
    return serialization("Unexpected field type")


def check_types(value: Any) -> None:
    """Only the types of an attribute value, as AWS's JSON reader sees them. Raises SerializationException."""
    if type(value) is not dict:
        raise (
            _no_collection(value, _VALUE_CLASS)
            if type(value) is list
            else serialization("Unexpected value type in payload")
        )
    for kind, content in value.items():
        if content is None:
            continue
        if kind in {"S", "N"}:
            if type(content) is not str:
                raise _mistyped(content, "String")
        elif kind == "B":
            decoded(content)
        elif kind in {"BOOL", "NULL"}:
            _flag(content)
        elif kind in SETS:
            _check_members(content)
            for member in content if kind == "BS" else ():
                decoded(member)
        elif kind == "M":
            if type(content) is not dict:
                raise _no_collection(content, _MAP_CLASS)
            for inner in content.values():
                check_types(inner)
        elif kind == "L":
            if type(content) is not list:
                raise _no_collection(content, _MAP_CLASS)
            for inner in content:
                check_types(inner)


def _measure_binary(value: Value, content: Any, depth: int) -> int:
    return len(decoded(content))


def _measure_flag(value: Value, content: Any, depth: int) -> int:
    if type(content) is not bool:
        content = _flag(content)
        value[kind_of(value)] = content
    if "NULL" in value and not content:
        raise ValidationException(INVALID + "Null attribute value types must have the value of true")
    return 1


def _flag(content: Any) -> bool:
    """A boolean; seen on AWS: some words pass for one."""
    if type(content) is bool:
        return content
    if type(content) is not str:
        raise _mistyped(content, "Boolean")
    word = content.upper()
    if word in {"TRUE", "1", "YES"}:
        return True
    if word in {"FALSE", "0", "NO"}:
        return False
    raise serialization("Unexpected token received from parser")


def _measure_map(value: Value, content: Any, depth: int) -> int:
    if type(content) is not dict:
        raise _no_collection(content, _MAP_CLASS)
    _check_depth(depth)
    return 3 + len(content) + _measure_members(content, depth + 1)


def _measure_list(value: Value, content: Any, depth: int) -> int:
    if type(content) is not list:
        raise _no_collection(content, _MAP_CLASS)
    _check_depth(depth)
    size = 3 + len(content)
    for inner in content:
        size += measure(inner, depth + 1)
    return size


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise ValidationException(
            "Nesting Levels have exceeded supported limits: "
            "Attributes in the item have nested levels beyond supported limit"
        )


def _measure_strings(value: Value, content: Any, depth: int) -> int:
    _check_members(content)
    if not content:
        raise ValidationException(INVALID + "An string set  may not be empty")
    if len(set(content)) != len(content):
        raise ValidationException(INVALID + f"Input collection [{', '.join(content)}] contains duplicates.")
    content.sort()  # by code points, which is the order of their bytes in UTF-8
    text = "".join(content)
    return len(text) if text.isascii() else len(text.encode())


def _measure_numbers(value: Value, content: Any, depth: int) -> int:
    _check_members(content)
    if not content:
        raise ValidationException(INVALID + "An number set  may not be empty")
    content[:] = [canonical_number(member) for member in content]
    if len(set(content)) != len(content):
        raise ValidationException("Input collection contains duplicates")
    content.sort(key=Decimal)
    return sum(number_size(member) for member in content)


def _measure_binaries(value: Value, content: Any, depth: int) -> int:
    _check_members(content)
    if not content:
        raise ValidationException(INVALID + "Binary sets should not be empty")
    size = sum(len(decoded(member)) for member in content)
    if len(set(content)) != len(content):
        raise ValidationException(INVALID + f"Input collection [{', '.join(content)}]of type BS contains duplicates.")
    content.sort(key=decoded)
    return size


def _check_members(content: Any) -> None:
    if type(content) is not list:
        raise _no_collection(content, _MAP_CLASS)
    for member in content:
        if type(member) is not str:
            raise _mistyped(member, "String")


_OTHERS = {
    "B": _measure_binary,
    "BOOL": _measure_flag,
    "NULL": _measure_flag,
    "M": _measure_map,
    "L": _measure_list,
    "SS": _measure_strings,
    "NS": _measure_numbers,
    "BS": _measure_binaries,
}


def decoded(text: Any) -> bytes:
    """The bytes behind base64 text, strictly read: padded, no stray characters, no loose bits at the end."""
    if type(text) is not str:
        if isinstance(text, list | dict):
            raise _no_collection(text, "class java.nio.ByteBuffer")
        raise serialization("only base-64-encoded strings are convertible to bytes")
    if len(text) % 4:
        raise serialization(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}")
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise serialization("Invalid Base64 character found in the encoded text") from None
    if binascii.b2a_base64(raw, newline=False) != text.encode():
        raise serialization("Invalid last non-pad Base64 character dectected")  # AWS's own spelling
    return raw


def canonical_number(text: str) -> str:
    """Plain decimal notation: no exponent, no leading or trailing zeros, no negative zero.

    Raises ValidationException beyond 38 digits or the range 1e-130 to 9.99e125.
    """
    if _PLAIN(text):
        return text
    matched = _NUMBER(text)
    if not matched:
        tail = f": {text}" if text else ""
        raise ValidationException("The parameter cannot be converted to a numeric value" + tail)
    sign, whole, fraction, exponent = matched.group(1), matched.group(2), matched.group(3) or "", matched.group(4)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    # Cut before int(): an exponent of a million digits is out of range all the same.
    shift = int(exponent[:8]) if exponent else 0
    point = len(digits) - len(fraction) + shift  # the value is 0.digits * 10**point
    if point - 1 > MAX_MAGNITUDE:
        raise ValidationException(
            "Number overflow. Attempting to store a number with magnitude larger than supported range"
        )
    if point - 1 < MIN_MAGNITUDE:
        raise ValidationException(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    digits = digits.rstrip("0")
    if len(digits) > MAX_DIGITS:
        raise ValidationException("Attempting to store more than 38 significant digits in a Number")
    minus = "-" if sign == "-" else ""
    if point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return minus + digits + "0" * (point - len(digits))
    return f"{minus}{digits[:point]}.{digits[point:]}"


@lru_cache(maxsize=4096)
def _short_number(text: str) -> tuple[str, int]:
    """A number's canonical form (the same object, if it is that already) and its size. Items repeat their numbers."""
    canonical = canonical_number(text)
    return canonical, number_size(canonical)


def number_size(canonical: str) -> int:
    """One byte for each two significant digits before the point and for each two behind it, plus one, plus one if
    negative (the Developer Guide says "approximately"; the halves were measured on AWS at the 400 KB limit)."""
    negative = canonical[0] == "-"
    whole, _, fraction = (canonical[1:] if negative else canonical).partition(".")
    if not fraction:
        whole = whole.rstrip("0")
    elif whole == "0":
        whole, fraction = "", fraction.lstrip("0")
    return (len(whole) + 1) // 2 + (len(fraction) + 1) // 2 + 1 + negative


def add(left: str, right: str) -> str:
    """left + right of canonical numbers. Raises ValidationException when the sum is out of range."""
    return canonical_number(str(EXACT.add(Decimal(left), Decimal(right))))


def subtract(left: str, right: str) -> str:
    """left - right of canonical numbers."""
    return canonical_number(str(EXACT.subtract(Decimal(left), Decimal(right))))


def kind_of(value: Value) -> str:
    """ "S", "N", ... of a checked value."""
    return next(iter(value))


def order(left: Value, right: Value) -> int | None:
    """-1, 0, 1 for two values of one ordered kind (S, N, B); None where DynamoDB knows no order."""
    ((kind, one),) = left.items()
    ((other_kind, other),) = right.items()
    if kind != other_kind:
        return None
    a: Any
    b: Any
    if kind == "N":
        a, b = Decimal(one), Decimal(other)
    elif kind == "S":
        a, b = one.encode(), other.encode()
    elif kind == "B":
        a, b = binascii.a2b_base64(one), binascii.a2b_base64(other)
    else:
        return None
    return int(a > b) - int(a < b)
