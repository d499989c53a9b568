"""Query and Scan: pages of items over a range of keys, of a table or of one of its indexes.

A page ends after Limit items, or when it has read 1 MB; then LastEvaluatedKey says where it stopped. A filter decides
what is answered, not what is read. Without filter and projection the answer is spliced from stored JSON.
A Scan goes in hash order; segment i of n is the i-th n-th of all hashes.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb import consumption, keys, rows
from antipodes.services.dynamodb.consumption import Spent, projected_names
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.expressions.ast import Condition, condition_paths
from antipodes.services.dynamodb.expressions.evaluate import holds
from antipodes.services.dynamodb.expressions.names import Terms
from antipodes.services.dynamodb.expressions.projection import Tree, pick, tree_of
from antipodes.services.dynamodb.items import check_scalars
from antipodes.services.dynamodb.key_conditions import (
    KeyTest,
    check_start,
    check_start_part,
    check_tests,
    range_of,
    tests_of,
)
from antipodes.services.dynamodb.legacy import (
    check_key_tests,
    condition_of_filter,
    key_tests_of,
    paths_of,
)
from antipodes.services.dynamodb.orders import place_of
from antipodes.services.dynamodb.parameters import (
    TABLE_NAME,
    Constraints,
    Params,
    check_attributes,
    check_capacity,
    check_operator,
    check_operators,
    read_units,
    table_name,
    terms_of,
)
from antipodes.services.dynamodb.schema import KEY_MISMATCH, Index, KeyPart, index_entry, key_from_key
from antipodes.services.dynamodb.values import INVALID, Item, measure_item
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Payload, Request

PAGE_BYTES = 1 << 20
MAX_SEGMENTS = 1_000_000
SELECTS = ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
_BARE_FAULTS = (
    "contains duplicates",
    "number set",
    "numeric value",
    "significant digits",
    "number with magnitude",
)
_LEGACY_QUERY = ("AttributesToGet", "QueryFilter", "ConditionalOperator", "KeyConditions")
_LEGACY_SCAN = ("AttributesToGet", "ScanFilter", "ConditionalOperator")


class Reading(msgspec.Struct, frozen=True):
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
    held: Tree | None = None  # what the index holds of an item, unless all of it
    fetch: bool = False  # more of the items is wanted than the index holds


class Page(msgspec.Struct, frozen=True):
    """What was read. fetched: read units (4 KiB) of items fetched from the table behind a local index."""

    bodies: list[bytes]
    count: int
    scanned: int
    size_bytes: int
    last: Item | None  # the item at which the page stopped before its end
    fetched: int = 0


async def query(database: Database, request: Request) -> Payload:
    """The items of one partition, in range key order."""
    params = request.params
    _check_query(params)
    terms = terms_of(params, ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"), _LEGACY_QUERY)
    condition = condition_of_filter(params, "QueryFilter")
    tree = _legacy_tree(params)
    _check_start_values(params)
    legacy_keys = params.get("KeyConditions")
    if params.get("KeyConditionExpression") is None and legacy_keys is None:
        raise ValidationException(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."
        )
    tests: list[KeyTest] = []
    if terms is not None:
        terms.check()
        text = params.get("KeyConditionExpression")
        node = database.expressions.condition(text, terms, "KeyConditionExpression") if text is not None else None
        condition, tree = _filter_and_tree(database, params, terms)
        tests = tests_of(node) if node is not None else []
        check_key_tests(tests)
    if legacy_keys is not None and not tests:
        tests = key_tests_of(legacy_keys)
    table = database.table(table_name(params))
    index = _index(table, params)
    hashes, ranges = _key_parts(table, index)
    start_key = params.get("ExclusiveStartKey")
    _check_start_size(table, index, start_key)
    check_tests(tests, hashes, ranges, start_key)
    after = _start_key(table, index, start_key)
    found = range_of(tests, hashes, ranges, index=index is not None, judged=True)
    reverse = params.get("ScanIndexForward") is False
    start, end = found.start, found.end
    if after is not None:
        assert start_key is not None
        check_start(tests, hashes, ranges, start_key)
        start, end = (start, min(end, after)) if reverse else (max(start, after + b"\x00"), end)
    if tree is not None or condition is not None:
        check_scalars(table, [], tree)
        _check_filter(params, condition, hashes + ranges)
        _selected(table, index, params, tree)  # judged before the paths of a filter
        check_scalars(table, condition_paths(condition) if condition is not None else [], None)
    reading = _reading(table, index, params, condition, tree, start, end)
    if table.strong and params.get("ConsistentRead") is True:
        await database.strong.fresh(table)
    return await _answer(database, params, table, index, read_page(database, reading))


async def scan(database: Database, request: Request) -> Payload:
    """All items, or those of one segment, in hash order."""
    params = request.params
    _check_scan(params)
    terms = terms_of(params, ("ProjectionExpression", "FilterExpression"), _LEGACY_SCAN)
    tree = _legacy_tree(params)
    condition = condition_of_filter(params, "ScanFilter")
    _check_start_values(params)
    _check_segments(params)
    if terms is not None:
        terms.check()
        condition, tree = _filter_and_tree(database, params, terms)
    table = database.table(table_name(params))
    index = _index(table, params)
    segment, total = params.get("Segment"), params.get("TotalSegments")
    start, end = keys.segment_bounds(segment, total) if segment is not None and total else (b"", None)
    start_key = params.get("ExclusiveStartKey")
    if start_key is not None:
        _check_start_size(table, index, start_key, bare=index is None)
        for part in index.parts if index is not None else ():
            check_start_part(start_key, part)
        _selected(table, index, params, tree)
    after = _start_key(table, index, start_key)
    if after is not None:
        if not (start <= after and (end is None or after < end)):
            raise ValidationException(
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with "
                f"correct Segment. TotalSegments: {total} Segment: {segment}"
            )
        start = after + b"\x00"
    if tree is not None or condition is not None:
        check_scalars(table, condition_paths(condition) if condition is not None else [], tree)
    reading = _reading(table, index, params, condition, tree, start, end or b"")
    if table.strong and params.get("ConsistentRead") is True:
        await database.strong.fresh(table)
    return await _answer(database, params, table, index, read_page(database, reading))


def read_page(database: Database, reading: Reading) -> Page:
    """Reads until the range ends, Limit items or 1 MB. An end of b"" is the end of the table or index."""
    table, index, store = reading.table, reading.index, database.store
    table.usage.admit_read(index.name if index is not None and index.is_global else "")
    prefix = table.rows_prefix if index is None else table.index_prefix(index)
    end = prefix + reading.end if reading.end else keys.after_prefix(prefix)
    bodies: list[bytes] = []
    count = scanned = size = fetched = 0
    held = reading.held
    raw = reading.condition is None and reading.tree is None and held is None
    limit = reading.limit or -1
    row = b""
    stopped = False
    if raw and index is None and not reading.count_only and prefix + reading.start < end:
        pairs = store.range(prefix + reading.start, end, reverse=reading.reverse)
        bodies, size, at = rows.whole_items(pairs, limit, PAGE_BYTES)
        return Page(bodies, len(bodies), len(bodies), size, rows.item_of(at) if at is not None else None)
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
            if raw:
                size += rows.size_of(row)
                count += 1
                if not reading.count_only:
                    bodies.append(rows.body_of(row))
            else:
                item = rows.item_of(row)
                if held is None:
                    size += rows.size_of(row)
                else:
                    part = pick(item, held)
                    size += measure_item(part)
                    if index is not None and index.is_global:
                        item = part  # a global index knows no more of the item, its filter neither
                if reading.fetch:
                    fetched += -(-rows.size_of(row) // 4096)
                if reading.condition is None or holds(reading.condition, item):
                    count += 1
                    if not reading.count_only:
                        tree = reading.tree
                        bodies.append(rows.body_of(row) if tree is None else orjson.dumps(pick(item, tree)))
            if scanned == limit or size >= PAGE_BYTES:
                stopped = True
                break
    return Page(bodies, count, scanned, size, rows.item_of(row) if stopped else None, fetched)


async def _answer(database: Database, params: Params, table: Table, index: Index | None, page: Page) -> Payload:
    if not database.store.settled:
        await database.settle()
    parts = [b'{"Count":%d,"ScannedCount":%d' % (page.count, page.scanned)]
    if params.get("Select") != "COUNT":
        parts.append(b',"Items":[%b]' % b",".join(page.bodies))
    if page.last is not None:
        names = {part.name for part in table.shared.parts + (index.parts if index is not None else ())}
        last = {name: page.last[name] for name in sorted(names)}
        parts.append(b',"LastEvaluatedKey":%b' % orjson.dumps(last))
    spent = spent_on(page, index, params.get("ConsistentRead") is True)
    consumption.count_read(table, spent)
    table.usage.gave("Scan" if by_scan(params) else "Query", page.count)
    if "ReturnConsumedCapacity" in params:
        parts.append(consumption.tail(spent.shown(params, table), None))
    return Payload(b"".join(parts) + b"}")


def spent_on(page: Page, index: Index | None, consistent: bool) -> Spent:
    """The read units that a page takes."""
    units = read_units(page.size_bytes, consistent)
    if index is None:
        return Spent(units)
    return Spent(page.fetched * (1.0 if consistent else 0.5), {index.name: units})


def by_scan(params: Params) -> bool:
    return "KeyConditionExpression" not in params and "KeyConditions" not in params


def _check_query(params: Params) -> None:
    constraints = Constraints()
    constraints.one_of(params.get("Select"), "select", SELECTS)
    _check_index_name(constraints, params)
    check_capacity(constraints, params)
    check_operators(constraints, params.get("QueryFilter"), "queryFilter")
    table_name(params, constraints)
    check_operator(constraints, params)
    check_attributes(constraints, params)
    check_operators(constraints, params.get("KeyConditions"), "keyConditions")
    constraints.settle()
    limit = params.get("Limit")
    if limit is not None and limit < 1:
        # Query's Limit is checked by another part of AWS's front than Scan's: no value, and the name as in the model.
        raise ValidationException(
            "1 validation error detected: Value at 'Limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1"
        )


def _check_scan(params: Params) -> None:
    constraints = Constraints()
    constraints.one_of(params.get("Select"), "select", SELECTS)
    _check_index_name(constraints, params)
    total = params.get("TotalSegments")
    constraints.at_least(total, "totalSegments", 1)
    if total is not None and total > MAX_SEGMENTS:
        constraints.note(total, "totalSegments", f"Member must have value less than or equal to {MAX_SEGMENTS}")
    check_capacity(constraints, params)
    table_name(params, constraints)
    check_operator(constraints, params)
    check_operators(constraints, params.get("ScanFilter"), "scanFilter")
    constraints.at_least(params.get("Segment"), "segment", 0)
    constraints.at_least(params.get("Limit"), "limit", 1)
    check_attributes(constraints, params)
    constraints.settle()


def _check_index_name(constraints: Constraints, params: Params) -> None:
    name = params.get("IndexName")
    if name is None:
        return
    if not TABLE_NAME(name):
        constraints.note(name, "indexName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
    if len(name) < 3:
        constraints.note(name, "indexName", "Member must have length greater than or equal to 3")
    if len(name) > 255:
        constraints.note(name, "indexName", "Member must have length less than or equal to 255")


def _check_segments(params: Params) -> None:
    segment, total = params.get("Segment"), params.get("TotalSegments")
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


def _legacy_tree(params: Params) -> Tree | None:
    names = params.get("AttributesToGet")
    return tree_of(paths_of(names)) if names else None


def _check_start_values(params: Params) -> None:
    key: Any = params.get("ExclusiveStartKey")
    if key is None:
        return
    try:
        measure_item(key)
    except ValidationException as fault:
        # Seen on AWS: faults of numbers and doubled members come without the words before them.
        bare = any(word in fault.message for word in _BARE_FAULTS)
        prefix = "" if bare else "The provided starting key is invalid: "
        raise ValidationException(prefix + fault.message) from None


def _filter_and_tree(database: Database, params: Params, terms: Terms) -> tuple[Condition | None, Tree | None]:
    text, projection = params.get("FilterExpression"), params.get("ProjectionExpression")
    condition = database.expressions.condition(text, terms, "FilterExpression") if text is not None else None
    tree = tree_of(database.expressions.projection(projection, terms).paths) if projection is not None else None
    terms.check_all_used()
    return condition, tree


def _check_filter(params: Params, condition: Condition | None, parts: tuple[KeyPart, ...]) -> None:
    """A Query's filter may not look at the keys it is queried by."""
    if condition is None:
        return
    kind = "Filter Expression" if params.get("FilterExpression") is not None else "QueryFilter"
    for part in parts:
        if any(path.parts[0] == part.name for path in condition_paths(condition)):
            raise ValidationException(
                f"{kind} can only contain non-primary key attributes: Primary key attribute: {part.name}"
            )


def _index(table: Table, params: Params) -> Index | None:
    name = params.get("IndexName")
    if name is None:
        return None
    for index in table.indexes:
        if index.name == name:
            if index.is_global and params.get("ConsistentRead") is True:
                raise ValidationException("Consistent reads are not supported on global secondary indexes")
            if not place_of(table.description, name).filled:
                raise ValidationException(f"Cannot read from backfilling global secondary index: {name}")
            return index
    raise ValidationException(f"The table does not have the specified index: {name}")


def _key_parts(table: Table, index: Index | None) -> tuple[tuple[KeyPart, ...], tuple[KeyPart, ...]]:
    holder = table.shared if index is None else index
    return holder.hashes, holder.ranges


def _check_start_size(table: Table, index: Index | None, start_key: Item | None, *, bare: bool = False) -> None:
    """bare: a Scan of a table, which says more of it."""
    parts = table.shared.parts + (index.parts if index is not None else ())
    if start_key is not None and len({part.name for part in parts}) != len(start_key):
        more = f": {KEY_MISMATCH}" if bare else ""
        raise ValidationException("The provided starting key is invalid" + more)


def _start_key(table: Table, index: Index | None, start_key: Item | None) -> bytes | None:
    """The key behind which the page begins, from ExclusiveStartKey; an index's own parts are judged already."""
    if start_key is None:
        return None
    shared = table.shared
    own = {part.name: start_key.get(part.name) for part in shared.parts}
    try:
        item_key = key_from_key(shared.hash, shared.range, {name: one for name, one in own.items() if one is not None})
    except ValidationException as fault:
        raise ValidationException(f"The provided starting key is invalid: {fault.message}") from None
    if index is None:
        return item_key
    entry = index_entry(index, start_key, item_key)
    assert entry is not None, "its parts were just checked"
    return entry


def _selected(table: Table, index: Index | None, params: Params, tree: Tree | None) -> tuple[Tree | None, bool]:
    """What Select leaves of each item, and whether only the count is wanted."""
    select = params.get("Select")
    # Seen on AWS: a Query's fault comes in the envelope of the simple constraints, a Scan's as it is.
    envelope = "" if by_scan(params) else "1 validation error detected: "
    if select == "SPECIFIC_ATTRIBUTES" and tree is None:
        raise ValidationException(
            f"{envelope}Must specify the AttributesToGet or ProjectionExpression when choosing to get "
            "SPECIFIC_ATTRIBUTES"
        )
    if tree is not None and select not in {None, "SPECIFIC_ATTRIBUTES"}:
        name = "ProjectionExpression" if params.get("ProjectionExpression") is not None else "AttributesToGet"
        wanted = "only the Count" if select == "COUNT" else select
        raise ValidationException(f"{envelope}Cannot specify the {name} when choosing to get {wanted}")
    if select == "ALL_PROJECTED_ATTRIBUTES" and index is None:
        raise ValidationException(
            f"{envelope}ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"
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


def _reading(
    table: Table,
    index: Index | None,
    params: Params,
    condition: Condition | None,
    tree: Tree | None,
    start: bytes,
    end: bytes,
) -> Reading:
    """The page to read, once Select is understood."""
    wanted, count_only = _selected(table, index, params, tree)
    held: Tree | None = None
    fetch = False
    if index is not None and index.projection != "ALL":
        held = _projected(table, index)
        filtered = condition_paths(condition) if condition is not None else []
        fetch = wanted is None or any(name not in held for name in [*wanted, *(path.parts[0] for path in filtered)])
        fetch = fetch and not index.is_global
    reverse = params.get("ScanIndexForward") is False
    limit = params.get("Limit")
    return Reading(table, index, start, end, reverse, limit, condition, wanted, count_only, held, fetch)


def _projected(table: Table, index: Index) -> Tree:
    return {name: {} for name in projected_names(table, index)}
