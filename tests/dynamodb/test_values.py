"""Attribute values: canonical form, sizes, refusals."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.dynamodb.values import (
    Value,
    add,
    canonical_number,
    decoded,
    measure,
    measure_item,
    order,
    subtract,
)
from antipodes.wire.errors import AwsError

INVALID = "One or more parameter values were invalid: "
digits = st.integers(min_value=1, max_value=10**38 - 1)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Any number in DynamoDB's range, in some notation."""
    coefficient = draw(digits)
    exponent = draw(st.integers(min_value=-130, max_value=125 - len(str(coefficient)) + 1))
    if exponent + len(str(coefficient)) - 1 < -130:
        exponent = -130
    sign = draw(st.sampled_from(["", "-", "+"]))
    return draw(st.sampled_from([f"{sign}{coefficient}E{exponent}", f"{sign}{coefficient}.0e{exponent}"]))


@given(numbers())
def test_canonical_number_keeps_the_value_and_is_canonical(text: str) -> None:
    found = canonical_number(text)
    assert Decimal(found) == Decimal(text)
    assert canonical_number(found) == found
    assert "E" not in found.upper()
    assert not found.startswith("+")
    assert "." not in found or not found.endswith("0")


@pytest.mark.parametrize(
    ("given_text", "wanted"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.00", "0"),
        ("007", "7"),
        ("1.50", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1e3", "-1000"),
        ("1E-3", "0.001"),
        ("100", "100"),
        ("1" + "0" * 60, "1" + "0" * 60),
    ],
)
def test_canonical_number(given_text: str, wanted: str) -> None:
    assert canonical_number(given_text) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The parameter cannot be converted to a numeric value"),
        ("abc", "The parameter cannot be converted to a numeric value: abc"),
        (" 1", "The parameter cannot be converted to a numeric value:  1"),
        ("1e", "The parameter cannot be converted to a numeric value: 1e"),
        (".", "The parameter cannot be converted to a numeric value: ."),
        ("٣", "The parameter cannot be converted to a numeric value: ٣"),
        ("NaN", "The parameter cannot be converted to a numeric value: NaN"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("1e126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e999999999999", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1e-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ],
)
def test_bad_numbers_are_refused_in_awss_words(text: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        canonical_number(text)
    assert (caught.value.code, caught.value.message) == ("ValidationException", message)


@given(digits, digits)
def test_sums_are_exact(left: int, right: int) -> None:
    small_left, small_right = left % 10**18, right % 10**18
    assert add(str(small_left), str(small_right)) == str(small_left + small_right)
    assert subtract(str(small_left), str(small_right)) == str(small_left - small_right)


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "abc"}, 3),
        ({"S": "é"}, 2),
        ({"S": ""}, 0),
        ({"N": "12345"}, 4),
        ({"N": "-1"}, 3),
        ({"B": base64.b64encode(b"12345").decode()}, 5),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}]}, 6),
        ({"M": {"a": {"S": "bc"}}}, 7),
        ({"SS": ["b", "aa"]}, 3),
    ],
)
def test_sizes(value: Value, size: int) -> None:
    assert measure(value) == size


def test_an_items_size_counts_its_names() -> None:
    assert measure_item({"pk": {"S": "x"}, "né": {"BOOL": True}}) == 2 + 1 + 3 + 1


def test_sets_become_sorted_and_their_numbers_canonical() -> None:
    value: Value = {"NS": ["10", "9.0", "-1"]}
    measure(value)
    assert value == {"NS": ["-1", "9", "10"]}
    strings: Value = {"SS": ["b", "a"]}
    measure(strings)
    assert strings == {"SS": ["a", "b"]}


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ({}, "ValidationException", "Supplied AttributeValue is empty, must contain exactly one of the supported"),
        ({"X": "1"}, "ValidationException", "Supplied AttributeValue is empty"),
        ({"S": "a", "N": "1"}, "ValidationException", "Supplied AttributeValue has more than one datatypes set"),
        ({"S": 1}, "SerializationException", "NUMBER_VALUE cannot be converted to String"),
        ({"N": True}, "SerializationException", "TRUE_VALUE cannot be converted to String"),
        ({"BOOL": "x"}, "SerializationException", "Unexpected token received from parser"),
        ({"L": "x"}, "SerializationException", "Unexpected field type"),
        ({"M": []}, "SerializationException", "Unrecognized collection type java.util.Map<java.lang.String"),
        ({"L": {}}, "SerializationException", "Start of structure or map found where not expected"),
        ({"B": []}, "SerializationException", "Unrecognized collection type class java.nio.ByteBuffer"),
        ({"S": "x", "N": "y"}, "ValidationException", "The parameter cannot be converted to a numeric value: y"),
        ({"NULL": "no"}, "ValidationException", "One or more parameter values were invalid: Null attribute value"),
        (None, "SerializationException", "Unexpected field type"),
        ("x", "SerializationException", "Unexpected value type in payload"),
        (
            {"B": "abc"},
            "SerializationException",
            "Base64 encoded length is expected a multiple of 4 bytes but found",
        ),
        ({"B": "ab*="}, "SerializationException", "Invalid Base64 character"),
        ({"B": "AB=="}, "SerializationException", "Invalid last non-pad Base64 character dectected"),
        ({"NULL": False}, "ValidationException", INVALID + "Null attribute value"),
        (
            {"SS": []},
            "ValidationException",
            INVALID + "An string set  may not be empty",
        ),
        (
            {"NS": []},
            "ValidationException",
            INVALID + "An number set  may not be empty",
        ),
        (
            {"BS": []},
            "ValidationException",
            INVALID + "Binary sets should not be empty",
        ),
        (
            {"SS": ["a", "a"]},
            "ValidationException",
            INVALID + "Input collection [a, a]",
        ),
        ({"NS": ["1", "1.0"]}, "ValidationException", "Input collection contains duplicates"),
    ],
)
def test_malformed_values_are_refused(value: Any, code: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        measure(value)
    assert caught.value.code == code
    assert caught.value.message.startswith(message)


def nested(levels: int) -> Value:
    value: Value = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


def test_nesting_ends_at_32_levels() -> None:
    measure(nested(32))
    with pytest.raises(AwsError, match="Nesting Levels"):
        measure(nested(33))


@given(st.binary(max_size=40))
def test_base64_is_read_strictly_and_back(raw: bytes) -> None:
    assert decoded(base64.b64encode(raw).decode()) == raw


@given(st.text(max_size=6), st.text(max_size=6))
def test_strings_are_ordered_by_their_utf8_bytes(left: str, right: str) -> None:
    found = order({"S": left}, {"S": right})
    a, b = left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass")
    assert found == (a > b) - (a < b)


def test_different_kinds_have_no_order() -> None:
    assert order({"S": "1"}, {"N": "1"}) is None
    assert order({"BOOL": True}, {"BOOL": False}) is None


@pytest.mark.parametrize(
    ("number", "size"),
    [("0", 1), ("7", 2), ("100", 2), ("101", 3), ("1.5", 3), ("12.34", 3), ("0.05", 2), ("10.05", 3), ("-42", 3)],
)
def test_digits_before_the_point_and_behind_it_are_halved_apart(number: str, size: int) -> None:
    assert measure_item({"n": {"N": number}}) == 1 + size
