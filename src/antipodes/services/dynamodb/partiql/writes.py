"""INSERT, UPDATE, DELETE and EXISTS planned: which item, under which condition, what it writes.

An UPDATE is no upsert: an item that is not there fails its condition. A DELETE of nothing succeeds whatever its
condition says. An INSERT of an item that is there is a duplicate.
"""

from __future__ import annotations

from dataclasses import dataclass

from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.expressions.ast import Call, Condition, In, Path, Update
from antipodes.services.dynamodb.items import Guard, key_of, plan_delete, plan_put, plan_update
from antipodes.services.dynamodb.partiql.plan import all_of, conjuncts_of, key_equality
from antipodes.services.dynamodb.partiql.prepared import Changing, Checking, Inserting
from antipodes.services.dynamodb.partiql.reads import keys_of
from antipodes.services.dynamodb.rows import body_of
from antipodes.services.dynamodb.schema import key_from_item
from antipodes.services.dynamodb.values import MAX_DEPTH, MAX_ITEM_BYTES, Item, Value, measure_item
from antipodes.wire.errors import ClientFault, ValidationException

Writing = Inserting | Changing | Checking
_TOO_DEEP = "Nesting Levels have exceeded supported limits"
_RETURN_VALUES = {
    ("ALL", "OLD"): "ALL_OLD",
    ("ALL", "NEW"): "ALL_NEW",
    ("MODIFIED", "OLD"): "UPDATED_OLD",
    ("MODIFIED", "NEW"): "UPDATED_NEW",
}


class KeyIncomplete(ValidationException):
    """The WHERE clause does not name one item."""


@dataclass(frozen=True, slots=True)
class Target:
    """The one item that a statement is about, and what else its WHERE clause says."""

    key: Item
    condition: Condition | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What a statement writes (None: nothing) and answers (the JSON of an item, or None)."""

    write: ItemWrite | None
    returned: bytes | None = None


def target_of(table: Table, where: Condition | None) -> Target:
    """The item of an UPDATE or DELETE. Raises KeyIncomplete."""
    found: dict[str, Value] = {}
    rest: list[Condition] = []
    for node in conjuncts_of(where):
        test = key_equality(node, keys_of(table))
        if test is None:
            rest.append(node)
        elif found.setdefault(test.name, test.values[0]) != test.values[0]:
            raise KeyIncomplete(
                f"Multiple conditions on same key {test.name}. Only single item Update/Insert/Delete are supported"
            )
    if any(name not in found for name in _key_names(table)):
        raise KeyIncomplete("Where clause does not contain a mandatory equality on all key attributes")
    return Target(found, all_of(rest))


def check_target(table: Table, statement: Checking) -> Target:
    """The item of an EXISTS: the first value given for each key attribute; all else is the condition."""
    found: dict[str, Value] = {}
    rest: list[Condition] = []
    keys = keys_of(table)
    for node in conjuncts_of(statement.reading.where):
        test = key_equality(node, keys)
        if test is not None and found.setdefault(test.name, test.values[0]) == test.values[0]:
            continue
        rest.append(node)
    by_list = any(
        isinstance(node, In) and isinstance(node.operand, Path) and node.operand.parts[0] in _key_names(table)
        for node in rest
    )
    if by_list or not rest or any(name not in found for name in _key_names(table)):
        raise ValidationException("EXISTS() must contain a single item read with additional condition")
    return Target(found, all_of(rest))


def _key_names(table: Table) -> list[str]:
    return [part.name for part in (table.shared.hash, table.shared.range) if part is not None]


def place_of(table: Table, statement: Writing, target: Target | None) -> bytes:
    """The key of the item. Raises ValidationException."""
    if isinstance(statement, Inserting):
        return key_from_item(table.shared.hash, table.shared.range, statement.item)
    assert target is not None
    return key_of(table, target.key)


def planned(database: Database, table: Table, statement: Writing, target: Target | None, guard: Guard) -> Planned:
    """What the statement comes to now. Raises DuplicateItemException, ConditionalCheckFailedException..."""
    if isinstance(statement, Inserting):
        return _inserted(database, table, statement)
    assert target is not None
    if isinstance(statement, Checking):
        guard.check(target.condition, database.live(table, key_of(table, target.key)))
        return Planned(None)
    if statement.update is None:
        return _deleted(database, table, statement, target, guard)
    exists = Call("attribute_exists", (Path((table.shared.hash.name,)),))
    condition = all_of([exists] if target.condition is None else [exists, target.condition])
    try:
        plan = plan_update(database, table, target.key, statement.update, condition, guard)
    except ValidationException as fault:
        # Parameters were measured before; here it is the item that would be too deep, and AWS says less.
        if fault.message.startswith(_TOO_DEEP):
            raise ValidationException(_TOO_DEEP) from None
        raise
    if plan.write is not None and plan.write.item is not None:
        _check_depth(plan.write.item, statement.update)
    returning = statement.returning
    wanted = _RETURN_VALUES[returning.extent, returning.state] if returning is not None else "NONE"
    return Planned(plan.write, plan.returned(wanted, statement.update))


def _check_depth(item: Item, update: Update) -> None:
    """What was set deep inside an attribute may leave it too deep."""
    for path in update.paths():
        if len(path.parts) > 1 and _depth(item.get(str(path.parts[0]), {})) > MAX_DEPTH:
            raise ValidationException(_TOO_DEEP)


def _depth(value: Value) -> int:
    """How many values lie inside each other, the outermost included."""
    inner = value.get("L") or list((value.get("M") or {}).values())
    return 1 + max(map(_depth, inner), default=0)


def _inserted(database: Database, table: Table, statement: Inserting) -> Planned:
    size = measure_item(statement.item)
    if size > MAX_ITEM_BYTES:
        raise ValidationException("Item size has exceeded the maximum allowed size")
    write, old = plan_put(database, table, statement.item, size, None, Guard())
    if old is not None:
        raise ClientFault("DuplicateItemException", "Duplicate primary key exists in table")
    return Planned(write)


def _deleted(database: Database, table: Table, statement: Changing, target: Target, guard: Guard) -> Planned:
    if database.live(table, key_of(table, target.key)) is None:
        return Planned(None)
    write, old = plan_delete(database, table, target.key, target.condition, guard)
    wanted = statement.returning is not None and old is not None
    return Planned(write, body_of(old) if wanted and old is not None else None)
