"""BatchGetItem and BatchWriteItem.

A batch is many single operations in one request: it is no transaction on AWS, and here it is written in one commit only
because that is cheaper. All keys are checked before anything is written: a batch with a bad member changes nothing.
"""

from __future__ import annotations

from typing import Any

import orjson

from antipodes.services.dynamodb import consumption, rows
from antipodes.services.dynamodb.consumption import Spent
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.expressions.projection import Tree, pick
from antipodes.services.dynamodb.items import SILENT, key_of, plan_delete, plan_put, read_tree
from antipodes.services.dynamodb.parameters import (
    TABLE_NAME,
    Constraints,
    Params,
    check_attributes,
    check_capacity,
    check_metrics,
    read_units,
    terms_of,
)
from antipodes.services.dynamodb.schema import KEY_MISMATCH
from antipodes.services.dynamodb.throughput import THROTTLED
from antipodes.services.dynamodb.values import MAX_ITEM_BYTES, Item, measure_item
from antipodes.wire.errors import ClientFault, ValidationException
from antipodes.wire.operation import Payload, Request

MAX_GETS = 100
MAX_WRITES = 25
MAX_ANSWER_BYTES = 16 << 20
_LEGACY = ("AttributesToGet",)
DUPLICATES = "Provided list of item keys contains duplicates"


async def batch_get_item(database: Database, request: Request) -> Payload:
    """Up to 100 items of any tables; what does not fit into 16 MB is answered as UnprocessedKeys."""
    params = request.params
    wanted: Any = params.get("RequestItems")
    _check_get(params, wanted)
    if any("ProjectionExpression" in one for one in wanted.values()):
        older = [one["AttributesToGet"] for one in wanted.values() if "AttributesToGet" in one]
        if older:  # of whichever table: seen on AWS
            terms_of({"ProjectionExpression": "", "AttributesToGet": older}, ("ProjectionExpression",), _LEGACY)
    plans: list[tuple[str, Table, Any, list[bytes], Tree | None]] = []
    trees: dict[str, Tree | None] = {}
    for name, one in wanted.items():
        trees[name] = read_tree(database, one, terms_of(one, ("ProjectionExpression",), _LEGACY))
        for key in one["Keys"]:
            measure_item(key)
        if len({orjson.dumps(key, option=orjson.OPT_SORT_KEYS) for key in one["Keys"]}) != len(one["Keys"]):
            raise ValidationException(DUPLICATES)
    for name, one in wanted.items():
        table = database.table(name)
        plans.append((name, table, one, [key_of(table, key) for key in one["Keys"]], trees[name]))
    for _, table, one, _, _ in plans:
        if table.strong and one.get("ConsistentRead") is True:
            await database.strong.fresh(table)
    total = 0
    served = False
    refused: ClientFault | None = None
    parts: list[bytes] = []
    left: dict[str, Any] = {}
    consumed: list[dict[str, Any]] = []
    for name, table, one, raw_keys, tree in plans:
        bodies: list[bytes] = []
        spent = Spent()
        for number, raw in enumerate(raw_keys):
            try:
                table.usage.admit_read()
            except ClientFault as fault:
                left[name] = {**one, "Keys": one["Keys"][number:]}
                refused = fault
                break
            row = database.live(table, raw)
            size = rows.size_of(row) if row is not None else 0
            if total + size > MAX_ANSWER_BYTES:
                left[name] = {**one, "Keys": one["Keys"][number:]}
                break
            total += size
            units = read_units(size, one.get("ConsistentRead") is True)
            table.usage.read(units)
            spent.table += units
            if row is not None:
                body = rows.body_of(row)
                bodies.append(body if tree is None else orjson.dumps(pick(orjson.loads(body), tree)))
        served = served or number > 0 or name not in left
        parts.append(b"%b:[%b]" % (orjson.dumps(name), b",".join(bodies)))
        shown = spent.shown(params, table)
        if shown is not None:
            consumed.append(shown)
    if refused is not None and not served:
        raise refused  # nothing at all was read: AWS says so, instead of giving everything back
    if not database.store.settled:
        await database.settle()
    told = consumption.tail(consumed, None)
    return Payload(b'{"Responses":{%b},"UnprocessedKeys":%b%b}' % (b",".join(parts), orjson.dumps(left), told))


async def batch_write_item(database: Database, request: Request) -> Payload:
    """Up to 25 puts and deletes."""
    params = request.params
    wanted: Any = params.get("RequestItems")
    _check_write(params, wanted)
    measured = {name: [_measured(one) for one in requests] for name, requests in wanted.items()}
    if any(database.table(name).strong for name in wanted):
        _refuse_doubles(database, wanted)
        return await database.strong.batch_write(params)
    writes: list[ItemWrite] = []
    consumed: list[dict[str, Any]] = []
    collections: dict[str, list[dict[str, Any]]] = {}
    left: dict[str, Any] = {}
    refused: ClientFault | None = None
    for name, requests in wanted.items():
        table = database.table(name)
        seen: set[bytes] = set()
        spent = Spent()
        for one, size in zip(requests, measured[name], strict=True):
            try:
                write, raw = _planned(database, table, one, size)
            except ClientFault as fault:
                if fault.code not in THROTTLED:
                    raise
                left.setdefault(name, []).append(one)
                refused = fault
                continue
            if raw in seen:
                raise ValidationException(DUPLICATES)
            seen.add(raw)
            if write is not None:
                writes.append(write)
            if consumption.asked(params):
                spent.add(consumption.of_write(table, write))
        shown = spent.shown(params, table)
        if shown is not None:
            consumed.append(shown)
        if "ReturnItemCollectionMetrics" in params:
            told = consumption.collections_of(database, params, table, [_key(one) for one in requests])
            if told:
                collections[name] = told
    if refused is not None and left == wanted:
        raise refused  # nothing at all was written: AWS says so, instead of giving everything back
    if writes:
        database.write(*writes)
        await database.settle()
    told_all = consumption.tail(consumed, collections)
    return Payload(b'{"UnprocessedItems":%b%b}' % (orjson.dumps(left), told_all))


def _check_get(params: Params, wanted: Any) -> None:
    if wanted is not None and not wanted:
        raise ValidationException("The requestItems parameter is required for BatchGetItem")
    constraints = Constraints()
    check_capacity(constraints, params)
    constraints.required(wanted, "requestItems")
    _check_names(constraints, wanted)
    for name, one in (wanted or {}).items():
        place = f"requestItems.{name}.member"
        constraints.required(one.get("Keys"), f"{place}.keys")
        if one.get("Keys") == []:
            constraints.note("[]", f"{place}.keys", "Member must have length greater than or equal to 1")
        check_attributes(constraints, one, f"{place}.attributesToGet")
    constraints.settle()
    assert wanted is not None
    for name, one in wanted.items():
        if len(one["Keys"]) > MAX_GETS:
            # This part of AWS's front has other words than the rest: no value, and names as in the model.
            raise ValidationException(
                f"1 validation error detected: Value at 'RequestItems.{name}.member.Keys' failed to satisfy "
                f"constraint: Member must have length less than or equal to {MAX_GETS}"
            )
    if sum(len(one["Keys"]) for one in wanted.values()) > MAX_GETS:
        raise ValidationException("Too many items requested for the BatchGetItem call")


def _check_write(params: Params, wanted: Any) -> None:
    if wanted is not None and not wanted:
        raise ValidationException("The requestItems parameter is required for BatchWriteItem")
    constraints = Constraints()
    check_capacity(constraints, params)
    check_metrics(constraints, params)
    constraints.required(wanted, "requestItems")
    _check_names(constraints, wanted)
    for name, requests in (wanted or {}).items():
        if not 1 <= len(requests) <= MAX_WRITES:
            shown = f"{{{name}=[{', '.join(map(_shown, requests))}]}}"
            constraints.note(
                shown,
                "requestItems",
                f"Map value must satisfy constraint: [Member must have length less than or equal to {MAX_WRITES}, "
                "Member must have length greater than or equal to 1]",
            )
        for number, one in enumerate(requests, 1):
            place = f"requestItems.{name}.member.{number}.member"
            if "PutRequest" in one:
                constraints.required(one["PutRequest"].get("Item"), f"{place}.putRequest.item")
            if "DeleteRequest" in one:
                constraints.required(one["DeleteRequest"].get("Key"), f"{place}.deleteRequest.key")
    constraints.settle()
    assert wanted is not None
    if sum(len(one) for one in wanted.values()) > MAX_WRITES:
        raise ValidationException("Too many items requested for the BatchWriteItem call")
    if any(len(one) != 1 for requests in wanted.values() for one in requests):
        # AWS's own sentence, though no attribute value is at fault.
        raise ValidationException(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )


def _check_names(constraints: Constraints, wanted: Any) -> None:
    for name in wanted or ():
        if not 1 <= len(name) <= 255 or not (TABLE_NAME(name) or name.startswith("arn:")):
            constraints.note(
                f"{{{name}=...}}",
                "requestItems",
                "Map keys must satisfy constraint: [Member must have length less than or equal to 255, "
                "Member must have length greater than or equal to 1, "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
            )


def _refuse_doubles(database: Database, wanted: Any) -> None:
    """Raises ValidationException: two writes of the batch are about one item, or one names none."""
    for name, requests in wanted.items():
        table = database.table(name)
        keys = []
        for one in requests:
            names = [part.name for part in table.shared.parts]
            if any(part not in _key(one) for part in names):
                raise ValidationException(KEY_MISMATCH)
            keys.append(key_of(table, {part: _key(one)[part] for part in names}))
        if len(set(keys)) != len(keys):
            raise ValidationException(DUPLICATES)


def _shown(one: Any) -> str:
    """A write request somewhat as Java prints it (AWS's own form changes)."""
    return f"WriteRequest(putRequest={one.get('PutRequest')}, deleteRequest={one.get('DeleteRequest')})"


def _key(one: Any) -> Item:
    """The key of a write request, or the item that has it."""
    found: Item = one["PutRequest"]["Item"] if "PutRequest" in one else one["DeleteRequest"]["Key"]
    return found


def _measured(one: Any) -> int:
    """The size of the item to put, or of the key; its values are canonical now."""
    size = measure_item(_key(one))
    if "PutRequest" in one and size > MAX_ITEM_BYTES:
        raise ValidationException("Item size has exceeded the maximum allowed size")
    return size


def _planned(database: Database, table: Table, one: Any, size: int) -> tuple[ItemWrite | None, bytes]:
    """(the write or None, the item's key)."""
    if "PutRequest" in one:
        item = one["PutRequest"]["Item"]
        for part in (table.shared.hash, table.shared.range):
            if part is not None and part.kind not in item.get(part.name, {}):
                raise ValidationException(KEY_MISMATCH)  # PutItem would say more
        put, _ = plan_put(database, table, item, size, None, SILENT)
        return put, put.key
    key = one["DeleteRequest"]["Key"]
    return plan_delete(database, table, key, None, SILENT)[0], key_of(table, key)
