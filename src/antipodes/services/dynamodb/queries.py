"""Query and Scan: pages of items over a range of keys, of a table or of one of its indexes.

A page ends after Limit items, or when it has read 1 MB; then LastEvaluatedKey says where it stopped. A filter decides
what is answered, not what is read. Without filter and projection the answer is spliced from stored JSON.
A Scan goes in hash order; segment i of n is the i-th n-th of all hashes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.dynamodb import keys, rows
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.expressions.ast import Condition, Path, condition_names
from antipodes.services.dynamodb.expressions.evaluate import holds
from antipodes.services.dynamodb.expressions.names import Terms
from antipodes.services.dynamodb.expressions.projection import Tree, pick, tree_of
from antipodes.services.dynamodb.items import refuse_legacy
from antipodes.services.dynamodb.key_conditions import range_of, tests_of
from antipodes.services.dynamodb.parameters import (
    CAPACITY,
    Constraints,
    Params,
    capacity,
    read_units,
    table_name,
    terms_of,
)
from antipodes.services.dynamodb.schema import Index, KeyPart, index_entry, key_from_item
from antipodes.services.dynamodb.values import INVALID, Item, measure_item
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Payload, Request

PAGE_BYTES = 1 << 20
MAX_SEGMENTS = 1_000_000
SELECTS = ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
_LEGACY_QUERY = ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions")
_LEGACY_SCAN = ("AttributesToGet", "ScanFilter", "ConditionalOperator")


@dataclass(frozen=True, slots=True)
class Reading:
    """One page to read: which keys, in which direction, what of them to answer."""

    table: Table
    index: Index | None
    start: bytes
    end: bytes
    reverse: bool
    limit: int | None
    condition: Condition | None
    tree: Tree | None
    count_only: bool


@dataclass(frozen=True, slots=True)
class Page:
    """What was read."""

    bodies: list[bytes]
    count: int
    scanned: int
    size_bytes: int
    last: Item | None  # the item at which the page stopped before its end


async def query(database: Database, request: Request) -> Payload:
    """The items of one partition, in range key order."""
    params = request.params
    _check(params)
    terms = terms_of(params, ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"), _LEGACY_QUERY)
    refuse_legacy(params, _LEGACY_QUERY[1:])
    if params.get("KeyConditionExpression") is None:
        raise ValidationException(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    assert terms is not None
    node = database.expressions.condition(params["KeyConditionExpression"], terms, "KeyConditionExpression")
    condition, tree = _filter_and_tree(database, params, terms)
    tests = tests_of(node)
    table = database.table(table_name(params))
    index = _index(table, params)
    hash_part, range_part = _key_parts(table, index)
    found = range_of(tests, hash_part, range_part, index=index is not None)
    _check_filter(condition, hash_part, range_part)
    reverse = params.get("ScanIndexForward") is False
    start, end = found.start, found.end
    after = _start_key(table, index, params)
    if after is not None:
        if not after.startswith(found.partition):
            raise ValidationException(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        start, end = (start, min(end, after)) if reverse else (max(start, after + b"\x00"), end)
    tree, count_only = _selected(table, index, params, tree)
    page = read_page(
        database,
        Reading(table, index, start, end, reverse, params.get("Limit"), condition, tree, count_only),
    )
    return await _answer(database, params, table, index, page)


async def scan(database: Database, request: Request) -> Payload:
    """All items, or those of one segment, in hash order."""
    params = request.params
    _check(params)
    terms = terms_of(params, ("ProjectionExpression", "FilterExpression"), _LEGACY_SCAN)
    refuse_legacy(params, _LEGACY_SCAN[1:])
    condition, tree = _filter_and_tree(database, params, terms)
    table = database.table(table_name(params))
    index = _index(table, params)
    segment, total = params.get("Segment"), params.get("TotalSegments")
    start, end = keys.segment_bounds(segment, total) if segment is not None and total else (b"", None)
    after = _start_key(table, index, params)
    if after is not None:
        if not (start <= after and (end is None or after < end)):
            raise ValidationException("The provided starting key is outside the segment's boundaries")  # from memory
        start = after + b"\x00"
    tree, count_only = _selected(table, index, params, tree)
    page = read_page(
        database,
        Reading(table, index, start, end or b"", False, params.get("Limit"), condition, tree, count_only),
    )
    return await _answer(database, params, table, index, page)


def read_page(database: Database, reading: Reading) -> Page:
    """Reads until the range ends, Limit items or 1 MB. An end of b"" is the end of the table or index."""
    table, index, store = reading.table, reading.index, database.store
    prefix = table.rows_prefix if index is None else table.index_prefix(index)
    end = prefix + reading.end if reading.end else keys.after_prefix(prefix)
    bodies: list[bytes] = []
    count = scanned = size = 0
    raw = reading.condition is None and reading.tree is None
    limit = reading.limit or -1
    row = b""
    stopped = False
    if prefix + reading.start < end:
        for _, value in store.range(prefix + reading.start, end, reverse=reading.reverse):
            if index is None:
                row = value
                if row[1] == rows.TOMBSTONE:
                    continue
            else:
                found = store.get(table.rows_prefix + value)
                assert found is not None, "an index entry without its item"
                row = found
            scanned += 1
            size += rows.size_of(row)
            if raw:
                count += 1
                if not reading.count_only:
                    bodies.append(rows.body_of(row))
            else:
                item = rows.item_of(row)
                if reading.condition is None or holds(reading.condition, item):
                    count += 1
                    if not reading.count_only:
                        tree = reading.tree
                        bodies.append(rows.body_of(row) if tree is None else orjson.dumps(pick(item, tree)))
            if scanned == limit or size >= PAGE_BYTES:
                stopped = True
                break
    return Page(bodies, count, scanned, size, rows.item_of(row) if stopped else None)


async def _answer(database: Database, params: Params, table: Table, index: Index | None, page: Page) -> Payload:
    if not database.store.settled:
        await database.settle()
    parts = [b'{"Count":%d,"ScannedCount":%d' % (page.count, page.scanned)]
    if params.get("Select") != "COUNT":
        parts.append(b',"Items":[%b]' % b",".join(page.bodies))
    if page.last is not None:
        names = {part.name for part in (*_key_parts(table, index), *_key_parts(table, None)) if part is not None}
        last = {name: page.last[name] for name in sorted(names)}
        parts.append(b',"LastEvaluatedKey":%b' % orjson.dumps(last))
    if "ReturnConsumedCapacity" in params:
        units = read_units(page.size_bytes, params.get("ConsistentRead") is True)
        consumed = capacity(params, table.name, units, index.name if index else "", index.is_global if index else False)
        if consumed is not None:
            parts.append(b',"ConsumedCapacity":%b' % orjson.dumps(consumed))
    return Payload(b"".join(parts) + b"}")


def _check(params: Params) -> None:
    constraints = Constraints()
    table_name(params, constraints)
    constraints.one_of(params.get("Select"), "select", SELECTS)
    constraints.one_of(params.get("ReturnConsumedCapacity"), "returnConsumedCapacity", CAPACITY)
    constraints.at_least(params.get("Limit"), "limit", 1)
    segment, total = params.get("Segment"), params.get("TotalSegments")
    constraints.at_least(segment, "segment", 0)
    constraints.at_least(total, "totalSegments", 1)
    if total is not None and total > MAX_SEGMENTS:
        constraints.note(total, "totalSegments", f"Member must have value less than or equal to {MAX_SEGMENTS}")
    constraints.settle()
    if segment is not None and total is None:
        raise ValidationException(
            "The TotalSegments parameter is required but was not present in the request "
            "when Segment parameter is present"
        )
    if total is not None and segment is None:
        raise ValidationException(
            "The Segment parameter is required but was not present in the request "
            "when parameter TotalSegments is present"
        )
    if segment is not None and total is not None and segment >= total:
        raise ValidationException(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            f"Segment: {segment} is not less than TotalSegments: {total}"
        )


def _filter_and_tree(database: Database, params: Params, terms: Terms | None) -> tuple[Condition | None, Tree | None]:
    if terms is None:
        names = params.get("AttributesToGet")
        return None, tree_of([Path((name,)) for name in names]) if names else None
    text, projection = params.get("FilterExpression"), params.get("ProjectionExpression")
    condition = database.expressions.condition(text, terms, "FilterExpression") if text is not None else None
    tree = tree_of(database.expressions.projection(projection, terms).paths) if projection is not None else None
    terms.check_all_used()
    return condition, tree


def _check_filter(condition: Condition | None, hash_part: KeyPart, range_part: KeyPart | None) -> None:
    if condition is None:
        return
    for name in condition_names(condition):
        if name == hash_part.name or (range_part is not None and name == range_part.name):
            raise ValidationException(
                f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
            )


def _index(table: Table, params: Params) -> Index | None:
    name = params.get("IndexName")
    if name is None:
        return None
    for index in table.indexes:
        if index.name == name:
            if index.is_global and params.get("ConsistentRead") is True:
                raise ValidationException("Consistent reads are not supported on global secondary indexes")
            return index
    raise ValidationException(f"The table does not have the specified index: {name}")


def _key_parts(table: Table, index: Index | None) -> tuple[KeyPart, KeyPart | None]:
    holder = table.shared if index is None else index
    return holder.hash, holder.range


def _start_key(table: Table, index: Index | None, params: Params) -> bytes | None:
    """The key behind which the page begins, from ExclusiveStartKey."""
    key: Any = params.get("ExclusiveStartKey")
    if key is None:
        return None
    try:
        measure_item(key)
    except ValidationException as fault:
        raise ValidationException(f"The provided starting key is invalid: {fault.message}") from None
    parts = [part for part in (*_key_parts(table, index), *_key_parts(table, None)) if part is not None]
    if len({part.name for part in parts}) != len(key):
        raise ValidationException("The provided starting key is invalid")
    for part in parts:
        if part.kind not in key.get(part.name, {}):
            raise ValidationException(
                "The provided starting key is invalid: The provided key element does not match the schema"
            )
    shared = table.shared
    item_key = key_from_item(shared.hash, shared.range, key)
    if index is None:
        return item_key
    entry = index_entry(index, key, item_key)
    assert entry is not None, "its parts were just checked"
    return entry


def _selected(table: Table, index: Index | None, params: Params, tree: Tree | None) -> tuple[Tree | None, bool]:
    """What Select leaves of each item, and whether only the count is wanted."""
    select = params.get("Select")
    if select == "SPECIFIC_ATTRIBUTES" and tree is None:
        raise ValidationException(
            INVALID
            + "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if tree is not None and select not in {None, "SPECIFIC_ATTRIBUTES"}:
        name = "ProjectionExpression" if params.get("ProjectionExpression") is not None else "AttributesToGet"
        raise ValidationException(f"Cannot specify the {name} when choosing to get {select}")
    if select == "ALL_PROJECTED_ATTRIBUTES" and index is None:
        raise ValidationException(
            INVALID + "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
        )
    if index is None or index.projection == "ALL":
        return tree, select == "COUNT"
    projected = _projected(table, index)
    if index.is_global:
        if select == "ALL_ATTRIBUTES":
            raise ValidationException(
                INVALID + f"Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} "
                "because its projection type is not ALL"
            )
        for part in tree or ():
            if part not in projected:
                raise ValidationException(INVALID + f"Global secondary index {index.name} does not project [{part}]")
    if tree is None and select != "ALL_ATTRIBUTES":
        tree = projected
    return tree, select == "COUNT"


def _projected(table: Table, index: Index) -> Tree:
    parts = (*_key_parts(table, index), *_key_parts(table, None))
    names = [part.name for part in parts if part is not None] + list(index.included)
    return {name: {} for name in names}
