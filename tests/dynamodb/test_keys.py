"""Key bytes: their order is DynamoDB's order, and they can be read back."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.dynamodb import keys
from antipodes.services.dynamodb.values import canonical_number

coefficients = st.integers(min_value=-(10**38) + 1, max_value=10**38 - 1)
parts = st.binary(max_size=12)


@st.composite
def canonical_numbers(draw: st.DrawFn) -> str:
    coefficient = draw(st.one_of(coefficients, st.integers(-20, 20)))
    length = len(str(abs(coefficient)))
    exponent = draw(st.one_of(st.integers(-5, 5), st.integers(-130, 125)))
    exponent = max(-130 - length + 1, min(exponent, 125 - length + 1))
    return canonical_number(f"{coefficient}e{exponent}")


@given(canonical_numbers(), canonical_numbers())
def test_numbers_sort_as_numbers(left: str, right: str) -> None:
    a, b = keys.encoded_number(left), keys.encoded_number(right)
    assert (a < b) == (Decimal(left) < Decimal(right))
    assert (a == b) == (left == right)


@given(canonical_numbers())
def test_a_number_can_be_read_back(number: str) -> None:
    assert keys.decoded_number(keys.encoded_number(number)) == number


@given(parts, parts, parts)
def test_within_a_partition_keys_sort_by_their_range_part(one: bytes, left: bytes, right: bytes) -> None:
    assert (keys.item_key(one, left) < keys.item_key(one, right)) == (left < right)


@given(parts, parts)
def test_a_key_can_be_split_again(first: bytes, second: bytes) -> None:
    assert keys.split_item_key(keys.item_key(first, second)) == (first, second)


@given(parts, parts, parts)
def test_a_partitions_keys_and_no_others_lie_in_its_range(one: bytes, other: bytes, part: bytes) -> None:
    prefix = keys.partition_prefix(one)
    key = keys.item_key(other, part)
    assert (prefix <= key < keys.after_prefix(prefix)) == (one == other)


@given(parts, parts, parts, parts, parts)
def test_index_entries_sort_by_range_part_then_item(
    one: bytes, left: bytes, right: bytes, left_item: bytes, right_item: bytes
) -> None:
    a, b = keys.index_key(one, left, left_item), keys.index_key(one, right, right_item)
    assert (a < b) == ((left, left_item) < (right, right_item))


@given(st.integers(1, 50), st.binary(min_size=8, max_size=8))
def test_every_hash_lies_in_exactly_one_segment(total: int, hashed: bytes) -> None:
    found = 0
    for segment in range(total):
        start, end = keys.segment_bounds(segment, total)
        found += start <= hashed and (end is None or hashed < end)
    assert found == 1
