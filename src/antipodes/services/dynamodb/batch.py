"""BatchGetItem and BatchWriteItem.

A batch is many single operations in one request: it is no transaction on AWS, and here it is written in one commit only
because that is cheaper. All keys are checked before anything is written: a batch with a bad member changes nothing.
"""

from __future__ import annotations

from typing import Any

import orjson

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.expressions.projection import Tree, pick
from antipodes.services.dynamodb.items import SILENT, key_of, plan_delete, plan_put, read_tree
from antipodes.services.dynamodb.parameters import CAPACITY, Constraints, Params, capacity, read_units, write_units
from antipodes.services.dynamodb.values import MAX_ITEM_BYTES, measure_item
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Payload, Request

MAX_GETS = 100
MAX_WRITES = 25
MAX_ANSWER_BYTES = 16 << 20
DUPLICATES = "Provided list of item keys contains duplicates"


async def batch_get_item(database: Database, request: Request) -> Payload:
    """Up to 100 items of any tables; what does not fit into 16 MB is answered as UnprocessedKeys."""
    params = request.params
    wanted: Any = params.get("RequestItems")
    _check(params, wanted)
    constraints = Constraints()
    for name, one in wanted.items():
        constraints.required(one.get("Keys"), f"requestItems.{name}.member.keys")
    constraints.settle()
    if sum(len(one["Keys"]) for one in wanted.values()) > MAX_GETS:
        raise ValidationException("Too many items requested for the BatchGetItem call")
    plans: list[tuple[str, Table, Any, list[bytes], Tree | None]] = []
    for name, one in wanted.items():
        tree = read_tree(database, one)
        for key in one["Keys"]:
            measure_item(key)
        table = database.table(name)
        raw_keys = [key_of(table, key) for key in one["Keys"]]
        if len(set(raw_keys)) != len(raw_keys):
            raise ValidationException(DUPLICATES)
        plans.append((name, table, one, raw_keys, tree))
    total = 0
    parts: list[bytes] = []
    left: dict[str, Any] = {}
    consumed: list[dict[str, Any]] = []
    for name, table, one, raw_keys, tree in plans:
        bodies: list[bytes] = []
        units = 0.0
        for number, raw in enumerate(raw_keys):
            row = database.live(table, raw)
            size = rows.size_of(row) if row is not None else 0
            if total + size > MAX_ANSWER_BYTES:
                left[name] = {**one, "Keys": one["Keys"][number:]}
                break
            total += size
            units += read_units(size, one.get("ConsistentRead") is True)
            if row is not None:
                body = rows.body_of(row)
                bodies.append(body if tree is None else orjson.dumps(pick(orjson.loads(body), tree)))
        parts.append(b"%b:[%b]" % (orjson.dumps(name), b",".join(bodies)))
        spent = capacity(params, table.name, units)
        if spent is not None:
            consumed.append(spent)
    if not database.store.settled:
        await database.settle()
    tail = b',"ConsumedCapacity":%b' % orjson.dumps(consumed) if consumed else b""
    return Payload(b'{"Responses":{%b},"UnprocessedKeys":%b%b}' % (b",".join(parts), orjson.dumps(left), tail))


async def batch_write_item(database: Database, request: Request) -> Payload:
    """Up to 25 puts and deletes."""
    params = request.params
    wanted: Any = params.get("RequestItems")
    _check(params, wanted)
    if sum(len(one) for one in wanted.values()) > MAX_WRITES:
        raise ValidationException("Too many items requested for the BatchWriteItem call")
    measured = {name: [_measured(one) for one in requests] for name, requests in wanted.items()}
    writes: list[ItemWrite] = []
    consumed: list[dict[str, Any]] = []
    for name, requests in wanted.items():
        table = database.table(name)
        seen: set[bytes] = set()
        units = 0.0
        for one, size in zip(requests, measured[name], strict=True):
            write, raw, spent = _planned(database, table, one, size)
            units += spent
            if raw in seen:
                raise ValidationException(DUPLICATES)
            seen.add(raw)
            if write is not None:
                writes.append(write)
        used = capacity(params, table.name, units)
        if used is not None:
            consumed.append(used)
    if writes:
        database.write(*writes)
        await database.settle()
    tail = b',"ConsumedCapacity":%b' % orjson.dumps(consumed) if consumed else b""
    return Payload(b'{"UnprocessedItems":{}%b}' % tail)


def _check(params: Params, wanted: Any) -> None:
    constraints = Constraints()
    constraints.required(wanted, "requestItems")
    constraints.one_of(params.get("ReturnConsumedCapacity"), "returnConsumedCapacity", CAPACITY)
    if wanted is not None and not wanted:
        constraints.note("{}", "requestItems", "Member must have length greater than or equal to 1")
    constraints.settle()


def _measured(one: Any) -> int:
    """Checks one write request; the size of the item to put."""
    if len(one) != 1:
        raise ValidationException(
            "Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest"  # wording from memory
        )
    constraints = Constraints()
    if "PutRequest" in one:
        constraints.required(one["PutRequest"].get("Item"), "requestItems.member.putRequest.item")
        constraints.settle()
        size = measure_item(one["PutRequest"]["Item"])
        if size > MAX_ITEM_BYTES:
            raise ValidationException("Item size has exceeded the maximum allowed size")
        return size
    constraints.required(one["DeleteRequest"].get("Key"), "requestItems.member.deleteRequest.key")
    constraints.settle()
    return measure_item(one["DeleteRequest"]["Key"])


def _planned(database: Database, table: Table, one: Any, size: int) -> tuple[ItemWrite | None, bytes, float]:
    """(the write or None, the item's key, write units)."""
    if "PutRequest" in one:
        put, old = plan_put(database, table, one["PutRequest"]["Item"], size, None, SILENT)
        return put, put.key, write_units(rows.size_of(old) if old is not None else 0, size)
    raw = key_of(table, one["DeleteRequest"]["Key"])
    delete, old = plan_delete(database, table, one["DeleteRequest"]["Key"], None, SILENT)
    return delete, raw, write_units(rows.size_of(old) if old is not None else 0, 0)
