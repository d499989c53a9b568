"""PutItem, GetItem, UpdateItem, DeleteItem.

Each reads the old item, decides and writes without an await between: that is what makes a condition and its write one.
Then it waits until the write is on disk. Answers are spliced from the stored JSON.

Order of judgement, as on AWS: simple constraints, parameters that exclude each other, attribute values, expressions or
what stood in their place before (legacy.py), then the table, then the key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb import consumption, rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.expressions import update as updates
from antipodes.services.dynamodb.expressions.ast import (
    Arithmetic,
    Call,
    Condition,
    Literal,
    Operand,
    Path,
    Update,
    operand_paths,
)
from antipodes.services.dynamodb.expressions.evaluate import holds
from antipodes.services.dynamodb.expressions.names import Terms
from antipodes.services.dynamodb.expressions.projection import Tree, pick, tree_of
from antipodes.services.dynamodb.legacy import condition_of_expected, paths_of, update_of
from antipodes.services.dynamodb.parameters import (
    Params,
    check_single,
    read_units,
    table_name,
    terms_of,
    write_units,
)
from antipodes.services.dynamodb.schema import EmptyKey, Index, check_index_keys, key_from_item, key_from_key
from antipodes.services.dynamodb.values import INVALID, MAX_ITEM_BYTES, Item, kind_of, measure_item
from antipodes.wire.errors import ClientFault, ValidationException
from antipodes.wire.operation import Payload, Request

_EMPTY = Payload(b"{}")
_ABSENT: dict[str, Any] = {}  # never written to
_LEGACY_WRITE = ("Expected", "ConditionalOperator")


async def put_item(database: Database, request: Request) -> Payload:
    """Creates or replaces an item."""
    params = request.params
    if params.get("Item") is None or len(params) > 2:
        check_single(params, "PutItem")
    terms = terms_of(params, ("ConditionExpression",), _LEGACY_WRITE) if len(params) > 2 else None
    item = params["Item"]
    size = measure_item(item)
    wanted = params.get("ReturnValues", "NONE")
    if wanted not in {"NONE", "ALL_OLD"}:
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    if size > MAX_ITEM_BYTES:
        raise ValidationException("Item size has exceeded the maximum allowed size")
    condition, guard = read_condition(database, params, terms)
    table = database.table(table_name(params))
    if table.strong:
        return await database.strong.write(table, "PutItem", params)
    write, old = plan_put(database, table, item, size, condition, guard)
    database.write(write)
    await database.settle()
    if len(params) == 2:
        return _EMPTY
    shown = rows.body_of(old) if wanted == "ALL_OLD" and old is not None else None
    return answer(database, params, table, item, write, shown)


async def get_item(database: Database, request: Request) -> Payload:
    """One item by its key."""
    params = request.params
    if params.get("Key") is None or len(params) > 2:
        check_single(params, "GetItem")
    key = params["Key"]
    tree = None
    if len(params) == 2:
        measure_item(key)
    else:
        terms = terms_of(params, ("ProjectionExpression",), ("AttributesToGet",))
        measure_item(key)
        tree = read_tree(database, params, terms)
    table = database.table(table_name(params))
    raw = key_of(table, key)
    if tree is not None:
        check_scalars(table, [], tree)
    table.usage.admit_read()
    if table.strong and params.get("ConsistentRead") is True:
        await database.strong.fresh(table)
    row = database.live(table, raw)
    size = rows.size_of(row) if row is not None else 0
    table.usage.read(read_units(size, params.get("ConsistentRead") is True))
    if not database.store.settled:
        await database.settle()
    body = None
    if row is not None:
        body = rows.body_of(row) if tree is None else orjson.dumps(pick(orjson.loads(rows.body_of(row)), tree))
    consumed = None
    if "ReturnConsumedCapacity" in params:
        consumed = consumption.of_read(size, params.get("ConsistentRead") is True).shown(params, table)
    return spliced(b"Item", body, consumption.tail(consumed, None) if consumed is not None else b"")


async def update_item(database: Database, request: Request) -> Payload:
    """Changes attributes of an item, or creates it."""
    params = request.params
    check_single(params, "UpdateItem")
    terms = terms_of(params, ("UpdateExpression", "ConditionExpression"), ("AttributeUpdates", *_LEGACY_WRITE))
    key = params["Key"]
    measure_item(key)
    guard = Guard.of(params)
    update, condition = read_update(database, params, terms)
    table = database.table(table_name(params))
    if table.strong:
        return await database.strong.write(table, "UpdateItem", params)
    plan = plan_update(database, table, key, update, condition, guard)
    if plan.write is not None:
        database.write(plan.write)
        await database.settle()
    elif not database.store.settled:
        await database.settle()
    wanted = params.get("ReturnValues", "NONE")
    return answer(database, params, table, key, plan.write, plan.returned(wanted, update))


async def delete_item(database: Database, request: Request) -> Payload:
    """Removes an item, if it is there."""
    params = request.params
    if params.get("Key") is None or len(params) > 2:
        check_single(params, "DeleteItem")
    terms = terms_of(params, ("ConditionExpression",), _LEGACY_WRITE) if len(params) > 2 else None
    key = params["Key"]
    measure_item(key)
    wanted = params.get("ReturnValues", "NONE")
    if wanted not in {"NONE", "ALL_OLD"}:
        raise ValidationException("ReturnValues can only be ALL_OLD or NONE")
    condition, guard = read_condition(database, params, terms)
    table = database.table(table_name(params))
    if table.strong:
        return await database.strong.write(table, "DeleteItem", params)
    write, old = plan_delete(database, table, key, condition, guard)
    if write is not None:
        database.write(write)
        await database.settle()
    elif not database.store.settled:
        await database.settle()
    shown = rows.body_of(old) if wanted == "ALL_OLD" and old is not None else None
    return answer(database, params, table, key, write, shown)


# What transactions and batches use as well


@dataclass(frozen=True, slots=True)
class Guard:
    """What a failed condition answers with."""

    show_item: bool = False

    @classmethod
    def of(cls, params: Params) -> Guard:
        return SHOWING if params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" else SILENT

    def check(self, condition: Condition | None, row: bytes | None, item: Item | None = None) -> None:
        """Raises ConditionalCheckFailedException. `item` saves decoding the row again."""
        if condition is None:
            return
        if item is None:
            item = rows.item_of(row) if row is not None else {}
        if not holds(condition, item):
            extra: dict[str, Any] = {"Item": rows.item_of(row)} if self.show_item and row is not None else {}
            raise ClientFault("ConditionalCheckFailedException", "The conditional request failed", **extra)


SHOWING = Guard(True)
SILENT = Guard(False)


class UpdatePlan(msgspec.Struct, frozen=True):
    """What an UpdateItem comes to. write is None: a delete-only update of nothing changes nothing."""

    write: ItemWrite | None
    old: bytes | None

    def returned(self, wanted: str, update: Update | None) -> bytes | None:
        """The JSON of Attributes for ReturnValues, or None."""
        if wanted == "NONE" or self.write is None:
            return None
        if wanted == "ALL_NEW":
            return self.write.body
        if wanted == "ALL_OLD":
            return rows.body_of(self.old) if self.old is not None else None
        if update is None:
            return None
        source = (
            self.write.body if wanted == "UPDATED_NEW" else rows.body_of(self.old) if self.old is not None else b"{}"
        )
        found = pick(orjson.loads(source), tree_of(update.paths()))
        return orjson.dumps(found) if found else None


def key_of(table: Table, key: Any) -> bytes:
    """The bytes of a Key parameter."""
    shared = table.description.shared
    return key_from_key(shared.hash, shared.range, key)


def live(row: bytes | None) -> bytes | None:
    return None if row is None or row[1] == rows.TOMBSTONE else row


def plan_put(
    database: Database, table: Table, item: Item, size: int, condition: Condition | None, guard: Guard
) -> tuple[ItemWrite, bytes | None]:
    """The write of a put, and the old row if there was an item."""
    shared = table.description.shared
    key = key_from_item(shared.hash, shared.range, item)
    if shared.indexes:
        check_index_keys(shared.indexes, item)
    row = database.row(table, key)
    old = live(row)
    table.usage.admit_write(old, size, item)
    _judge(table, guard, condition, old)
    return ItemWrite(table, key, row, item, size, orjson.dumps(item)), old


def plan_delete(
    database: Database, table: Table, key: Any, condition: Condition | None, guard: Guard
) -> tuple[ItemWrite | None, bytes | None]:
    """The write of a delete (None: nothing is there), and the old row."""
    raw = key_of(table, key)
    row = database.row(table, raw)
    old = live(row)
    table.usage.admit_write(old, 0, None)
    _judge(table, guard, condition, old)
    if old is None:
        table.usage.wrote(1.0)
        return None, None
    return ItemWrite(table, raw, row, None), old


def plan_update(
    database: Database, table: Table, key: Item, update: Update | None, condition: Condition | None, guard: Guard
) -> UpdatePlan:
    """The write of an update."""
    shared = table.description.shared
    if update is not None:
        check_paths(table, update)
    raw = key_of(table, key)
    row = database.row(table, raw)
    old = live(row)
    item = rows.item_of(old) if old is not None else {}
    _judge(table, guard, condition, old, item)
    if old is not None:
        size = rows.size_of(old)
    elif update is not None and not update.assigns and not update.adds:
        table.usage.admit_write(None, 0, None)
        table.usage.wrote(1.0)
        return UpdatePlan(None, None)
    else:
        item = dict(key)
        size = measure_item(key)
    if update is not None:
        # What the update does not touch is measured already: only the rest is walked.
        touched = dict.fromkeys(str(path.parts[0]) for path in update.paths())
        size -= _size_of_some(item, touched)
        updates.apply(update, item)
        size += _size_of_some(item, touched)
    if size > MAX_ITEM_BYTES:
        raise ValidationException("Item size to update has exceeded the maximum allowed size")
    if shared.indexes:
        if update is not None and not update.legacy:
            _check_index_kinds(shared.indexes, item)
        check_index_keys(shared.indexes, item)
    table.usage.admit_write(old, size, item)
    return UpdatePlan(ItemWrite(table, raw, row, item, size, orjson.dumps(item)), old)


def _judge(
    table: Table, guard: Guard, condition: Condition | None, row: bytes | None, item: Item | None = None
) -> None:
    """Checks a condition. One that does not hold takes the write units of the item that is there."""
    if condition is not None:
        try:
            guard.check(condition, row, item)
        except ClientFault:
            table.usage.wrote(write_units(rows.size_of(row) if row is not None else 0, 0))
            raise


def _check_index_kinds(indexes: tuple[Index, ...], item: Item) -> None:
    """What an update expression came to may not fit an index: that has a sentence of its own."""
    for index in indexes:
        for part in index.parts:
            content = item.get(part.name, _ABSENT).get(part.kind)
            if content is None and part.name in item:
                raise ValidationException(
                    "The update expression attempted to update the secondary index key to unsupported type"
                )
            if content == "":
                kind = "string" if part.kind == "S" else "binary"
                raise EmptyKey(
                    "One or more parameter values are not valid. The update expression attempted to update a secondary "
                    "index key to a value that is not supported. The AttributeValue for a key attribute cannot contain "
                    f"an empty {kind} value."
                )


def _size_of_some(item: Item, names: dict[str, None]) -> int:
    return measure_item({name: item[name] for name in names if name in item})


def check_paths(table: Table, update: Update) -> None:
    """Key attributes cannot be changed, those of indexes only to their kind; none can be looked into."""
    shared = table.description.shared
    written = update.paths()
    for part in shared.parts:
        if any(path.parts[0] == part.name for path in written):
            raise ValidationException(
                INVALID + f"Cannot update attribute {part.name}. This attribute is part of the key"
            )
    if shared.indexes:
        kinds = {str(one.path.parts[0]): _static_kind(one.value) for one in update.assigns if len(one.path.parts) == 1}
        for change in update.adds:
            if len(change.path.parts) == 1:
                kinds[str(change.path.parts[0])] = _static_kind(change.value)
        for index in shared.indexes:
            for part in index.parts:
                kind = kinds.get(part.name)
                if kind is not None and kind != part.kind:
                    raise ValidationException(
                        INVALID + f"Type mismatch for Index Key {part.name} Expected: {part.kind} "
                        f"Actual: {kind} IndexName: {index.name}"
                    )
    check_scalars(table, written + operand_paths(update), None)


def _static_kind(node: Operand) -> str | None:
    """The kind of a value that is known before there is an item."""
    if isinstance(node, Literal):
        return kind_of(node.value)
    if isinstance(node, Arithmetic):
        return "N"
    return "L" if isinstance(node, Call) and node.function == "list_append" else None


def check_scalars(table: Table, paths: list[Path], tree: Tree | None) -> None:
    """Refuses paths that lead into a key attribute of the table or of an index."""
    shared = table.description.shared
    parts = [("Key", part) for part in shared.parts]
    parts += [("IndexKey", part) for index in shared.indexes for part in index.parts]
    for word, part in parts:
        if any(_inside(path, part.name) for path in paths) or (tree is not None and tree.get(part.name)):
            raise ValidationException(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
                f"{word}: {part.name}"
            )


def _inside(path: Path, name: str) -> bool:
    return len(path.parts) > 1 and path.parts[0] == name


def read_condition(database: Database, params: Params, terms: Terms | None) -> tuple[Condition | None, Guard]:
    """ConditionExpression or Expected of a put or delete."""
    if len(params) == 2:
        return None, SILENT
    if terms is None:
        return condition_of_expected(params), Guard.of(params)
    terms.check()
    condition = database.expressions.condition(params["ConditionExpression"], terms)
    terms.check_all_used()
    return condition, Guard.of(params)


def read_update(database: Database, params: Params, terms: Terms | None) -> tuple[Update | None, Condition | None]:
    """UpdateExpression and ConditionExpression, or AttributeUpdates and Expected."""
    if terms is None:
        return update_of(params.get("AttributeUpdates") or {}), condition_of_expected(params)
    terms.check()
    text, condition_text = params.get("UpdateExpression"), params.get("ConditionExpression")
    update = database.expressions.update(text, terms) if text is not None else None
    condition = database.expressions.condition(condition_text, terms) if condition_text is not None else None
    terms.check_all_used()
    return update, condition


def read_tree(database: Database, params: Params, terms: Terms | None) -> Tree | None:
    """ProjectionExpression or AttributesToGet of a read by key; None: the whole item."""
    if terms is None:
        names = params.get("AttributesToGet")
        return tree_of(paths_of(names)) if names else None
    terms.check()
    projection = database.expressions.projection(params["ProjectionExpression"], terms)
    terms.check_all_used()
    return tree_of(projection.paths)


def answer(
    database: Database, params: Params, table: Table, key: Item, write: ItemWrite | None, attributes: bytes | None
) -> Payload:
    """The answer of a write: Attributes, ConsumedCapacity and ItemCollectionMetrics as asked for."""
    told = b""
    if "ReturnConsumedCapacity" in params or "ReturnItemCollectionMetrics" in params:
        consumed = consumption.of_write(table, write).shown(params, table) if consumption.asked(params) else None
        told = consumption.tail(consumed, consumption.collection_of(database, params, table, key))
    return spliced(b"Attributes", attributes, told)


def spliced(name: bytes, body: bytes | None, told: bytes) -> Payload:
    """{"<name>": body, <told>} without decoding the body; told is b"" or begins with a comma."""
    if body is not None:
        return Payload(b'{"%b":%b%b}' % (name, body, told))
    return Payload(b"{%b}" % told[1:]) if told else _EMPTY
