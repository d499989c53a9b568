"""Update expressions, applied to an item. Pure.

All operands are read from the item as it was; only then is anything written. Indexes of REMOVE mean the list as it was,
so they are taken out from the far end.
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from antipodes.services.dynamodb.expressions.ast import Arithmetic, Call, Operand, Path, SetChange, Update
from antipodes.services.dynamodb.expressions.evaluate import at_path, resolve
from antipodes.services.dynamodb.values import SETS, Item, Value, add, decoded, subtract
from antipodes.wire.errors import ValidationException

BAD_PATH = "The document path provided in the update expression is invalid for update"
BAD_KIND = "An operand in the update expression has an incorrect data type"
BAD_LEGACY_KIND = "Type mismatch for attribute to update"
MISSING = "The provided expression refers to an attribute that does not exist in the item"


def apply(update: Update, item: Item) -> None:
    """Changes `item`, which the caller owns. On a ValidationException it is half changed: drop it."""
    writes: list[tuple[Path, Value | None]] = []
    for assign in update.assigns:
        value = _operand(assign.value, item)
        if value is None:
            raise ValidationException(MISSING)
        writes.append((assign.path, value))
    mismatch = BAD_LEGACY_KIND if update.legacy else BAD_KIND
    writes += [(change.path, _added(change, item, mismatch)) for change in update.adds]
    writes += [(change.path, _deleted(change, item, mismatch)) for change in update.deletes]
    gone = list(update.removes)
    for path, value in sorted(writes, key=lambda write: _last_index(write[0])):
        if value is None:
            gone.append(path)
        else:
            _write(item, path, value)
    # Descending, so that an index means the list as it was when several go.
    for path in sorted(gone, key=_last_index, reverse=True):
        _remove(item, path)


def _last_index(path: Path) -> tuple[int, ...]:
    return tuple(part for part in path.parts if isinstance(part, int))


def _operand(node: Operand, item: Item) -> Value | None:
    """An operand of SET; what comes from the item is copied, since the item is about to change."""
    if isinstance(node, Arithmetic):
        left, right = _operand(node.left, item), _operand(node.right, item)
        if left is None or right is None:
            raise ValidationException(MISSING)
        if "N" not in left or "N" not in right:
            raise ValidationException(BAD_KIND)
        total = add if node.operator == "+" else subtract
        return {"N": total(left["N"], right["N"])}
    if isinstance(node, Call):
        if node.function == "if_not_exists":
            first = _operand(node.arguments[0], item)
            return first if first is not None else _operand(node.arguments[1], item)
        assert node.function == "list_append"
        left, right = (_operand(argument, item) for argument in node.arguments)
        if left is None or right is None:
            raise ValidationException(MISSING)
        if "L" not in left or "L" not in right:
            raise ValidationException(BAD_KIND)
        return {"L": left["L"] + right["L"]}
    value = resolve(node, item)
    return copy.deepcopy(value) if isinstance(node, Path) else value


def _operand_of(change: SetChange, item: Item) -> Value:
    value = resolve(change.value, item)
    assert value is not None, "ADD and DELETE take a value"
    return value


def _added(change: SetChange, item: Item, mismatch: str) -> Value:
    """ADD: a sum, a union, or (AttributeUpdates only) a longer list."""
    ((kind, content),) = _operand_of(change, item).items()
    old = at_path(item, change.path.parts)
    if old is None:
        return {kind: content}
    if kind not in old:
        raise ValidationException(mismatch)
    if kind == "N":
        return {"N": add(old["N"], content)}
    if kind == "L":
        return {"L": old["L"] + content}
    present = set(old[kind])
    return {kind: _sorted(kind, old[kind] + [member for member in content if member not in present])}


def _deleted(change: SetChange, item: Item, mismatch: str) -> Value | None:
    """DELETE: a difference; None when nothing is left."""
    ((kind, content),) = _operand_of(change, item).items()
    old = at_path(item, change.path.parts)
    if old is None:
        return None
    if kind not in old:
        raise ValidationException(mismatch)
    unwanted = set(content)
    rest = [member for member in old[kind] if member not in unwanted]
    return {kind: rest} if rest else None


def _sorted(kind: str, members: list[str]) -> list[str]:
    assert kind in SETS
    if kind == "NS":
        return sorted(members, key=Decimal)
    return sorted(members, key=str.encode if kind == "SS" else decoded)


def _holder(item: Item, path: Path) -> Any:
    """The dict or list that holds the last part of the path."""
    holder: Any = item
    for step, part in enumerate(path.parts[:-1]):
        value = _child(holder, part)
        if value is None:
            raise ValidationException(BAD_PATH)
        wanted = "L" if isinstance(path.parts[step + 1], int) else "M"
        holder = value.get(wanted)
        if holder is None:
            raise ValidationException(BAD_PATH)
    return holder


def _child(holder: Any, part: str | int) -> Value | None:
    if isinstance(part, int):
        return holder[part] if part < len(holder) else None
    found: Value | None = holder.get(part)
    return found


def _write(item: Item, path: Path, value: Value) -> None:
    holder, last = _holder(item, path), path.parts[-1]
    if isinstance(last, int) and last >= len(holder):
        holder.append(value)  # beyond the end: the list grows by one
    else:
        holder[last] = value


def _remove(item: Item, path: Path) -> None:
    holder, last = _holder(item, path), path.parts[-1]
    if isinstance(last, int):
        if last < len(holder):
            del holder[last]
    else:
        holder.pop(last, None)
