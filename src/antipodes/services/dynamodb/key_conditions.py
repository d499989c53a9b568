"""Key conditions: from a bound KeyConditionExpression to a range of keys. Pure.

Only `hash = :v` and one condition on the range key may be said, joined by AND; everything else is refused with AWS's
sentence. The result is a range of item keys (a table) or of entry keys (an index).

A global index may have several attributes in its keys. Then each of the partition key's must be pinned, the sort key's
are named from the left without a gap, and only the last of those named may have another condition than equality
(Developer Guide, "Multi-attribute key schema"). AWS's words for breaking those rules are not known: guesses.
"""

from __future__ import annotations

import msgspec

from antipodes.services.dynamodb import keys
from antipodes.services.dynamodb.expressions.ast import (
    And,
    Between,
    Call,
    Compare,
    Condition,
    In,
    Literal,
    Not,
    Operand,
    Or,
    Path,
)
from antipodes.services.dynamodb.expressions.evaluate import holds
from antipodes.services.dynamodb.schema import KEY_MISMATCH, KeyPart
from antipodes.services.dynamodb.values import INVALID, Item, Value
from antipodes.wire.errors import ValidationException

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_INDEXABLE = ("=", "<", "<=", ">", ">=", "BETWEEN", "begins_with")
Parts = tuple[KeyPart, ...]
_PLACE = "Invalid condition in KeyConditionExpression: "


class KeyTest(msgspec.Struct, frozen=True):
    """One condition on one key attribute: operator is = < <= > >= BETWEEN or begins_with."""

    name: str
    operator: str
    values: tuple[Value, ...]


class KeyRange(msgspec.Struct, frozen=True):
    """start <= key < end, within one partition whose keys all begin with `partition`."""

    partition: bytes
    start: bytes
    end: bytes


def tests_of(node: Condition) -> list[KeyTest]:
    """The conditions on keys that the expression makes. Raises ValidationException."""
    if isinstance(node, And):
        found = tests_of(node.left) + tests_of(node.right)
        names = [test.name for test in found]
        if len(set(names)) != len(names):
            raise ValidationException("KeyConditionExpressions must only contain one condition per key")
        return found
    if isinstance(node, Compare):
        if node.operator == "<>":
            raise ValidationException("Invalid operator used in KeyConditionExpression: <>")
        return [_compared(node)]
    if isinstance(node, Between):
        name = _first_name(node.operand, "BETWEEN")
        return [KeyTest(name, "BETWEEN", (_value(node.low), _value(node.high)))]
    if isinstance(node, Call):
        if node.function != "begins_with":
            raise ValidationException(f"Invalid operator used in KeyConditionExpression: {node.function}")
        name = _first_name(node.arguments[0], "begins_with")
        return [KeyTest(name, "begins_with", (_value(node.arguments[1]),))]
    word = {Or: "OR", Not: "NOT", In: "IN"}[type(node)]
    raise ValidationException(f"Invalid operator used in KeyConditionExpression: {word}")


def _compared(node: Compare) -> KeyTest:
    left, right, operator = node.left, node.right, node.operator
    if isinstance(left, Path):
        _name(left)  # a nested one is told of first
    if isinstance(left, Path) and isinstance(right, Path):
        raise ValidationException(_PLACE + "Multiple attribute names used in one condition")
    if isinstance(right, Path):
        left, right, operator = right, left, _MIRRORED[operator]
    if isinstance(left, Call) or isinstance(right, Call):
        raise ValidationException("KeyConditionExpressions cannot contain nested operations")
    if not isinstance(left, Path):
        raise ValidationException(_PLACE + "No key attribute specified")
    return KeyTest(_name(left), operator, (_value(right),))


def _first_name(operand: Operand, operator: str) -> str:
    if isinstance(operand, Call):
        raise ValidationException("KeyConditionExpressions cannot contain nested operations")
    if not isinstance(operand, Path):
        raise ValidationException(f"{_PLACE}{operator} operator must have the key attribute as its first operand")
    return _name(operand)


def _name(path: Path) -> str:
    if len(path.parts) > 1:
        raise ValidationException("KeyConditionExpressions cannot have conditions on nested attributes")
    return str(path.parts[0])


def _value(operand: Operand) -> Value:
    if isinstance(operand, Literal):
        return operand.value
    if isinstance(operand, Call):
        raise ValidationException("KeyConditionExpressions cannot contain nested operations")
    raise ValidationException(_PLACE + "Multiple attribute names used in one condition")


def check_tests(tests: list[KeyTest], hashes: Parts, ranges: Parts, start_key: Item | None = None) -> None:
    """Judges the conditions, and the parts of ExclusiveStartKey with them, key by key as AWS does."""
    most = len(hashes) + len(ranges)
    if not 1 <= len(tests) <= max(most, 2):
        raise ValidationException("Conditions can be of length 1 or 2 only")
    by_name = {test.name: test for test in tests}
    left = len(tests)
    pinned = True  # all before had an equality
    for number, part in enumerate(hashes + ranges):
        if start_key is not None:
            check_start_part(start_key, part)
        if len(tests) > most:
            raise ValidationException("Query key condition not supported")
        test = by_name.get(part.name)
        if test is None:
            if number < len(hashes) or left:
                raise ValidationException(f"Query condition missed key schema element: {part.name}")
            continue
        left -= 1
        if test.operator not in _INDEXABLE:
            raise ValidationException("Attempted conditional constraint is not an indexable operation")
        _check_kinds(test, part)
        if not pinned or (number < len(hashes) and test.operator != "="):
            raise ValidationException("Query key condition not supported")
        pinned = test.operator == "="


def check_start_part(start_key: Item, part: KeyPart) -> None:
    """One part of an ExclusiveStartKey."""
    if part.name not in start_key:
        raise ValidationException("The provided starting key is invalid")
    if part.kind not in start_key[part.name]:
        raise ValidationException(KEY_MISMATCH)


def check_start(tests: list[KeyTest], hashes: Parts, ranges: Parts, start_key: Item) -> None:
    """An ExclusiveStartKey must lie where the query reads; AWS's three ways to say that it does not."""
    by_name = {test.name: test for test in tests}
    same = all(start_key[part.name] == by_name[part.name].values[0] for part in hashes)
    on_ranges = [by_name[part.name] for part in ranges if part.name in by_name]
    if not on_ranges:
        if not same:
            raise ValidationException(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        return
    if not all(_met(test, start_key[test.name]) for test in on_ranges):
        raise ValidationException("The provided starting key does not match the range key predicate")
    if not same:
        raise ValidationException("The query can return at most one row and cannot be restarted")


def _met(test: KeyTest, value: Value) -> bool:
    path, literals = Path((test.name,)), [Literal(one) for one in test.values]
    node: Condition
    if test.operator == "BETWEEN":
        node = Between(path, *literals)
    elif test.operator == "begins_with":
        node = Call("begins_with", (path, *literals))
    else:
        node = Compare(test.operator, path, literals[0])
    return holds(node, {test.name: value})


def range_of(tests: list[KeyTest], hashes: Parts, ranges: Parts, *, index: bool, judged: bool = False) -> KeyRange:
    """The keys that meet the conditions. judged: `check_tests` was here."""
    if not judged:
        check_tests(tests, hashes, ranges)
    by_name = {test.name: test for test in tests}
    pinned = [keys.encoded(part.kind, by_name[part.name].values[0][part.kind]) for part in hashes]
    partition = keys.partition_prefix(keys.joined(pinned))
    start, end, base = partition, b"", partition
    for part in ranges:
        test = by_name.get(part.name)
        if test is None:
            break
        parts = [keys.encoded(part.kind, value[part.kind]) for value in test.values]
        start, end = bounds(test.operator, base, parts, index)
        base += keys.ended(parts[0])  # of no use but after an equality in an index
    return KeyRange(partition, start, max(start, end or keys.after_prefix(partition)))


def _check_kinds(test: KeyTest, part: KeyPart) -> None:
    for value in test.values:
        if part.kind not in value:
            raise ValidationException(INVALID + "Condition parameter type does not match schema type")
        if not value[part.kind]:
            kind = "string" if part.kind == "S" else "binary"
            raise ValidationException(
                "One or more parameter values are not valid. "
                f"The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {part.name}"
            )


def bounds(operator: str, partition: bytes, parts: list[bytes], index: bool) -> tuple[bytes, bytes]:
    """The keys that meet a condition on the range key; start <= key < end, or nothing.

    In a table a key ends with its range part; in an index a terminator and the item's key follow. partition: what
    all keys in question begin with."""
    if index:
        prefix = partition + keys.escaped(parts[0])
        first, behind = prefix + b"\x00\x00", keys.after_prefix(prefix + b"\x00\x00")
        last = keys.after_prefix(partition + keys.escaped(parts[-1]) + b"\x00\x00")
    else:
        prefix = partition + parts[0]
        first, behind = prefix, prefix + b"\x00"
        last = partition + parts[-1] + b"\x00"
    if operator == "=":
        return first, behind
    if operator == "<":
        return partition, first
    if operator == "<=":
        return partition, behind
    if operator == ">":
        return behind, keys.after_prefix(partition)
    if operator == ">=":
        return first, keys.after_prefix(partition)
    if operator == "BETWEEN":
        return first, last
    assert operator == "begins_with"
    return prefix, keys.after_prefix(prefix)
