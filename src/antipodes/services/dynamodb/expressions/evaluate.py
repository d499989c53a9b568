"""Bound conditions, evaluated on an item. Pure.

A comparison with an attribute that is not there is false, but for <>, which is then true; values of different kinds
are unequal and have no order.
"""

from __future__ import annotations

import binascii
from typing import Any

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
from antipodes.services.dynamodb.values import Item, Value, order


def holds(node: Condition, item: Item) -> bool:
    """Whether the item meets the condition; a missing item is {}."""
    if isinstance(node, Compare):
        return _compared(node.operator, resolve(node.left, item), resolve(node.right, item))
    if isinstance(node, And):
        return holds(node.left, item) and holds(node.right, item)
    if isinstance(node, Or):
        return holds(node.left, item) or holds(node.right, item)
    if isinstance(node, Not):
        return not holds(node.condition, item)
    if isinstance(node, Between):
        operand = resolve(node.operand, item)
        return _compared(">=", operand, resolve(node.low, item)) and _compared("<=", operand, resolve(node.high, item))
    if isinstance(node, In):
        operand = resolve(node.operand, item)
        return operand is not None and any(operand == resolve(one, item) for one in node.candidates)
    return _called(node, item)


def resolve(node: Operand, item: Item) -> Value | None:
    """The operand's value; None: there is none."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Path):
        return at_path(item, node.parts)
    assert isinstance(node, Call), "an unbound or misplaced operand"
    value = resolve(node.arguments[0], item)
    size = None if value is None else size_of(value)
    return None if size is None else {"N": str(size)}


def at_path(item: Item, parts: tuple[str | int, ...]) -> Value | None:
    """The value at a document path, or None."""
    value: Value | None = item.get(parts[0])  # type: ignore[arg-type]  # the first part is always a name
    for part in parts[1:]:
        if value is None:
            return None
        if isinstance(part, int):
            elements = value.get("L")
            value = elements[part] if elements is not None and part < len(elements) else None
        else:
            value = value.get("M", {}).get(part)
    return value


def size_of(value: Value) -> int | None:
    """The size function: characters, bytes or elements; None for kinds without a size."""
    ((kind, content),) = value.items()
    if kind == "B":
        return len(binascii.a2b_base64(content))
    if kind in {"N", "BOOL", "NULL"}:
        return None
    return len(content)


def _compared(operator: str, left: Value | None, right: Value | None) -> bool:
    if operator == "<>":
        return left != right
    if left is None or right is None:
        return False
    if operator == "=":
        return left == right
    found = order(left, right)
    if found is None:
        return False
    if operator == "<":
        return found < 0
    if operator == "<=":
        return found <= 0
    return found > 0 if operator == ">" else found >= 0


def _called(node: Call, item: Item) -> bool:
    value = resolve(node.arguments[0], item)
    if node.function == "attribute_exists":
        return value is not None
    if node.function == "attribute_not_exists":
        return value is None
    other = resolve(node.arguments[1], item)
    if value is None or other is None:
        return False
    if node.function == "attribute_type":
        return other.get("S") in value
    if node.function == "begins_with":
        return begins_with(value, other)
    assert node.function == "contains"
    return contains(value, other)


def begins_with(value: Value, prefix: Value) -> bool:
    ((kind, content),) = value.items()
    ((other_kind, other),) = prefix.items()
    if kind != other_kind:
        return False
    if kind == "B":
        return binascii.a2b_base64(content).startswith(binascii.a2b_base64(other))
    return kind == "S" and content.startswith(other)


def contains(value: Value, sought: Value) -> bool:
    """A substring, a member of a set or an element of a list."""
    ((kind, content),) = value.items()
    ((sought_kind, other),) = sought.items()
    if kind == "L":
        elements: list[Any] = content
        return sought in elements
    if kind == sought_kind + "S":
        return other in content
    if kind != sought_kind:
        return False
    if kind == "B":
        return binascii.a2b_base64(other) in binascii.a2b_base64(content)
    return kind == "S" and other in content
