"""Usual requests: PutItem, GetItem, UpdateItem, Query and BatchWriteItem as clients mostly send them, the short way.

What it decides: whether a request is of the usual kind, and then what it comes to, without a task, a coroutine or a
tree of parameters. What it refuses to know: errors. A request that is not plainly right, or asks for more than the
bare operation, is left to the full way (items.py, queries.py, batch.py), which finds the right words: it is judged
there from the beginning, so nothing may have happened here before an operation is sure of itself.

Each operation takes the request's body and `done`, which it calls once if it returns True: with the answer's body, at
once or when the write is on disk, or with the error of a disk that refused. Items stay the bytes they are: a canonical
one is measured and stored without being decoded (raw_items.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.dynamodb import keys, rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table, disk_refused
from antipodes.services.dynamodb.expressions.ast import (
    And,
    Between,
    Call,
    Compare,
    Condition,
    ExpressionFault,
    Operand,
    Path,
    Placeholder,
)
from antipodes.services.dynamodb.expressions.parser import parse_condition, parse_update
from antipodes.services.dynamodb.key_conditions import bounds
from antipodes.services.dynamodb.metering import Meter
from antipodes.services.dynamodb.parameters import read_units
from antipodes.services.dynamodb.queries import PAGE_BYTES
from antipodes.services.dynamodb.raw_items import read_item
from antipodes.services.dynamodb.schema import MAX_HASH_BYTES, MAX_RANGE_BYTES, KeyPart, check_index_keys
from antipodes.services.dynamodb.values import MAX_ITEM_BYTES, Item, Value, add, measure, measure_item
from antipodes.store.engine import StoreError
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Told, UsualOperation

# Of msgspec: no JSON or another shape; bytes that are no text; nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
MAX_WRITES = 25
MAX_PLANS = 2000
MAX_NAME_CHARS = 255  # DynamoDB has longer names, and more to say of them
_NO_KEY = msgspec.Raw()
_HELD: Item = {}  # stands for an item that nobody needs decoded


class _Asked(msgspec.Struct, forbid_unknown_fields=True, rename="pascal", gc=False):
    """Members as AWS names them; any other member makes a request an unusual one."""


class _Put(_Asked, gc=False):
    table_name: str
    item: msgspec.Raw


class _Get(_Asked, gc=False):
    table_name: str
    key: msgspec.Raw
    consistent_read: bool = False


class _Update(_Asked, gc=False):
    table_name: str
    key: msgspec.Raw
    update_expression: str
    expression_attribute_values: dict[str, dict[str, Any]]
    expression_attribute_names: dict[str, str] | None = None


class _Query(_Asked, gc=False):
    table_name: str
    key_condition_expression: str
    expression_attribute_values: dict[str, dict[str, str]]
    expression_attribute_names: dict[str, str] | None = None
    limit: int | None = None
    scan_index_forward: bool = True
    consistent_read: bool = False
    exclusive_start_key: msgspec.Raw = _NO_KEY


class _PutRequest(_Asked, gc=False):
    item: msgspec.Raw


class _WriteRequest(_Asked, gc=False):
    put_request: _PutRequest


class _Batch(_Asked, gc=False):
    request_items: dict[str, list[_WriteRequest]]


_put = msgspec.json.Decoder(_Put).decode
_get = msgspec.json.Decoder(_Get).decode
_update = msgspec.json.Decoder(_Update).decode
_query = msgspec.json.Decoder(_Query).decode
_batch = msgspec.json.Decoder(_Batch).decode


class KeyTestPlan(msgspec.Struct, frozen=True):
    """A condition on one key attribute, its values still by reference."""

    name: str
    operator: str
    placeholders: tuple[str, ...]


class ChangePlan(msgspec.Struct, frozen=True):
    """A change of one attribute: SET it to a value, or ADD a number to it."""

    name: str
    adds: bool
    placeholder: str


class Usual:
    """The short ways of one Region's DynamoDB."""

    def __init__(self, database: Database, meter: Meter) -> None:
        self._database = database
        self._meter = meter
        self._now = database.world.monotonic
        # By expression and names; None: not of the usual kind. When full, the oldest makes room.
        self._queries: dict[tuple[str, ...], tuple[KeyTestPlan, ...] | None] = {}
        self._updates: dict[tuple[str, ...], tuple[ChangePlan, ...] | None] = {}

    @property
    def operations(self) -> Mapping[str, UsualOperation]:
        return {
            "PutItem": self.put_item,
            "GetItem": self.get_item,
            "UpdateItem": self.update_item,
            "Query": self.query,
            "BatchWriteItem": self.batch_write_item,
        }

    def put_item(self, body: bytes, done: Told) -> bool:
        """TableName and Item."""
        begun = self._now()
        try:
            asked = _put(body)
        except UNREADABLE:
            return False
        table = self._table(asked.table_name)
        write = self._planned(table, asked.item) if table is not None else None
        if write is None:
            return False
        self._database.write(write)
        self._settle("PutItem", asked.table_name, begun, b"{}", done)
        return True

    def get_item(self, body: bytes, done: Told) -> bool:
        """TableName and Key, ConsistentRead at most."""
        begun = self._now()
        try:
            asked = _get(body)
        except UNREADABLE:
            return False
        table = self._table(asked.table_name)
        found = _whole_key(table, asked.key) if table is not None else None
        if table is None or found is None:
            return False
        row = self._database.live(table, found[0])
        table.usage.read(read_units(rows.size_of(row) if row is not None else 0, asked.consistent_read))
        answer = b'{"Item":%b}' % rows.body_of(row) if row is not None else b"{}"
        self._settle("GetItem", asked.table_name, begun, answer, done)
        return True

    def update_item(self, body: bytes, done: Told) -> bool:
        """TableName, Key and an UpdateExpression that sets attributes to values or adds numbers to them."""
        begun = self._now()
        try:
            asked = _update(body)
        except UNREADABLE:
            return False
        table = self._table(asked.table_name)
        if table is None or table.shared.indexes:  # an index may refuse what an update comes to
            return False
        changes = self._changes(asked.update_expression, asked.expression_attribute_names)
        values = asked.expression_attribute_values
        found = _whole_key(table, asked.key)
        if changes is None or found is None or len(values) != len(changes) or not _measured(values):
            return False
        key, key_json, key_size = found
        row = self._database.row(table, key)
        if row is None or row[1] == rows.TOMBSTONE:
            item, size = orjson.loads(key_json), key_size
        else:
            item, size = rows.item_of(row), rows.size_of(row)
        shared = table.shared
        for change in changes:
            name, value = change.name, values.get(change.placeholder)
            if value is None or name == shared.hash.name or (shared.range is not None and name == shared.range.name):
                return False
            old = item.get(name)
            new = _sum(old, value) if change.adds else value
            if new is None:
                return False
            size += measure_item({name: new}) - (measure_item({name: old}) if old is not None else 0)
            item[name] = new
        if size > MAX_ITEM_BYTES:
            return False
        self._database.write(ItemWrite(table, key, row, item, size, orjson.dumps(item)))
        self._settle("UpdateItem", asked.table_name, begun, b"{}", done)
        return True

    def query(self, body: bytes, done: Told) -> bool:
        """A KeyConditionExpression on the table itself, whole items: Limit, direction and start at most."""
        begun = self._now()
        try:
            asked = _query(body)
        except UNREADABLE:
            return False
        table = self._table(asked.table_name)
        limit = asked.limit if asked.limit is not None else -1
        if table is None or (asked.limit is not None and limit < 1):
            return False
        tests = self._tests(asked.key_condition_expression, asked.expression_attribute_names)
        found = _range(table, tests, asked.expression_attribute_values) if tests is not None else None
        if found is None:
            return False
        prefix, (start, end) = table.rows_prefix, found
        if asked.exclusive_start_key is not _NO_KEY:
            behind = _whole_key(table, asked.exclusive_start_key)
            if behind is None or not start <= behind[0] < end:
                return False
            start, end = (behind[0] + b"\x00", end) if asked.scan_index_forward else (start, behind[0])
        pairs = self._database.store.range(prefix + start, prefix + end, reverse=not asked.scan_index_forward)
        bodies, size, at = rows.whole_items(pairs, limit, PAGE_BYTES)
        count = len(bodies)
        table.usage.read(read_units(size, asked.consistent_read))
        table.usage.gave("Query", count)
        tail = b"" if at is None else b',"LastEvaluatedKey":%b' % _last_key(table, at)
        answer = b'{"Count":%d,"ScannedCount":%d,"Items":[%b]%b}' % (count, count, b",".join(bodies), tail)
        self._settle("Query", asked.table_name, begun, answer, done)
        return True

    def batch_write_item(self, body: bytes, done: Told) -> bool:
        """Puts, and no more than RequestItems."""
        begun = self._now()
        try:
            asked = _batch(body).request_items
        except UNREADABLE:
            return False
        writes: list[ItemWrite] = []
        for name, requests in asked.items():
            table = self._table(name)
            if table is None or not requests or len(writes) + len(requests) > MAX_WRITES:
                return False
            seen: set[bytes] = set()
            for request in requests:
                write = self._planned(table, request.put_request.item)
                if write is None or write.key in seen:
                    return False
                seen.add(write.key)
                writes.append(write)
        if not writes:
            return False
        self._database.write(*writes)
        self._settle("BatchWriteItem", tuple(asked), begun, b'{"UnprocessedItems":{}}', done)
        return True

    # What they share

    def _table(self, name: str) -> Table | None:
        """The table, if it has its plain name, no throughput is enforced and no journal orders its writes."""
        table = self._database.tables.get(name)
        if table is None or table.strong or table.description.status != "ACTIVE" or self._database.buckets is not None:
            return None
        return table

    def _planned(self, table: Table, raw: msgspec.Raw) -> ItemWrite | None:
        """The write of a put."""
        shared = table.description.shared
        found = read_item(raw, table.key_names)
        if found is None:
            return None
        body, size, _, first, second = found
        key = _key(shared.hash, shared.range, first, second)
        if key is None or size > MAX_ITEM_BYTES:
            return None
        item = _HELD
        if table.orders or shared.indexes:
            item = orjson.loads(body)
            try:
                check_index_keys(shared.indexes, item)
            except ClientFault:
                return None
        return ItemWrite(table, key, self._database.row(table, key), item, size, body)

    def _settle(self, operation: str, tables: str | tuple[str, ...], begun: float, answer: bytes, done: Told) -> None:
        """Answers when all that was written and read is on disk."""
        store = self._database.store
        if store.settled:
            self._meter.took(operation, tables, self._now() - begun)
            done(answer, None)
            return

        def settled(error: StoreError | None) -> None:
            if error is None:
                self._meter.took(operation, tables, self._now() - begun)
                done(answer, None)
            else:
                fault = disk_refused(error)
                self._meter.failed(operation, tables, fault)
                done(None, fault)

        store.when_durable(settled)

    def _tests(self, text: str, names: dict[str, str] | None) -> tuple[KeyTestPlan, ...] | None:
        asked = (text,) if names is None else (text, *names, *names.values())
        if asked not in self._queries:
            _make_room(self._queries)
            self._queries[asked] = key_tests(text, names)
        return self._queries[asked]

    def _changes(self, text: str, names: dict[str, str] | None) -> tuple[ChangePlan, ...] | None:
        asked = (text,) if names is None else (text, *names, *names.values())
        if asked not in self._updates:
            _make_room(self._updates)
            self._updates[asked] = plain_changes(text, names)
        return self._updates[asked]


def _make_room(plans: dict[tuple[str, ...], Any]) -> None:
    if len(plans) >= MAX_PLANS:
        del plans[next(iter(plans))]


# Expressions


def key_tests(text: str, names: dict[str, str] | None) -> tuple[KeyTestPlan, ...] | None:
    """The conditions on keys that the expression makes; None if it is not of the usual kind."""
    if names is not None and not names:
        return None
    try:
        node = parse_condition(text)
    except ExpressionFault:
        return None
    used: list[str] = []
    tests = [_key_test(one, names, used) for one in ([node.left, node.right] if isinstance(node, And) else [node])]
    plain = tuple(test for test in tests if test is not None)
    references = [one for test in plain for one in test.placeholders]
    if len(plain) != len(tests) or sorted(used) != sorted(names or ()) or len(set(references)) != len(references):
        return None
    return plain


def _key_test(node: Condition, names: dict[str, str] | None, used: list[str]) -> KeyTestPlan | None:
    operands: tuple[Operand, ...]
    if isinstance(node, Compare) and node.operator != "<>":
        operator, operands = node.operator, (node.left, node.right)
    elif isinstance(node, Between):
        operator, operands = "BETWEEN", (node.operand, node.low, node.high)
    elif isinstance(node, Call) and node.function == "begins_with" and len(node.arguments) == 2:
        operator, operands = "begins_with", node.arguments
    else:
        return None
    path, *values = operands
    name = _plain_name(path, names, used)
    references = tuple(value.name for value in values if isinstance(value, Placeholder))
    return KeyTestPlan(name, operator, references) if name is not None and len(references) == len(values) else None


def plain_changes(text: str, names: dict[str, str] | None) -> tuple[ChangePlan, ...] | None:
    """The changes that an update makes, in the order in which they are written; None: not all are of the usual kind."""
    if names is not None and not names:
        return None
    try:
        update = parse_update(text)
    except ExpressionFault:
        return None
    if update.removes or update.deletes:
        return None
    used: list[str] = []
    changes = []
    actions = [(False, one.path, one.value) for one in update.assigns]
    actions += [(True, one.path, one.value) for one in update.adds]
    for adds, path, value in actions:
        name = _plain_name(path, names, used)
        if name is None or not isinstance(value, Placeholder):
            return None
        changes.append(ChangePlan(name, adds, value.name))
    distinct = {change.name for change in changes}, {change.placeholder for change in changes}
    if any(len(one) != len(changes) for one in distinct) or sorted(used) != sorted(names or ()):
        return None
    return tuple(changes)


def _plain_name(node: Operand, names: dict[str, str] | None, used: list[str]) -> str | None:
    """The attribute that a path of one step means."""
    if not isinstance(node, Path) or len(node.parts) != 1:
        return None
    part = name = str(node.parts[0])
    if part.startswith("#"):
        used.append(part)
        name = (names or {}).get(part, "")
    return name if 0 < len(name) <= MAX_NAME_CHARS else None


# Keys and values


def _whole_key(table: Table, raw: msgspec.Raw) -> tuple[bytes, bytes, int] | None:
    """(bytes of a Key parameter, its JSON, its size)."""
    shared = table.description.shared
    found = read_item(raw, table.key_names)
    if found is None or found[2] != (1 if shared.range is None else 2):
        return None
    body, size, _, first, second = found
    key = _key(shared.hash, shared.range, first, second)
    return None if key is None else (key, body, size)


def _key(hash_part: KeyPart, range_part: KeyPart | None, first: str, second: str | None) -> bytes | None:
    """The key's bytes, if its parts are neither empty nor too long."""
    raw = keys.encoded(hash_part.kind, first)
    if not 0 < len(raw) <= MAX_HASH_BYTES:
        return None
    if range_part is None or second is None:
        return keys.item_key(raw)
    behind = keys.encoded(range_part.kind, second)
    return keys.item_key(raw, behind) if 0 < len(behind) <= MAX_RANGE_BYTES else None


def _measured(values: dict[str, dict[str, Any]]) -> bool:
    """Whether all values are well; they are canonical then."""
    try:
        for value in values.values():
            measure(value)
    except ClientFault:
        return False
    return True


def _sum(old: Value | None, value: Value) -> Value | None:
    """What ADD of a number comes to."""
    if "N" not in value or (old is not None and "N" not in old):
        return None
    if old is None:
        return value
    try:
        return {"N": add(old["N"], value["N"])}
    except ClientFault:
        return None


def _range(
    table: Table, tests: tuple[KeyTestPlan, ...], values: dict[str, dict[str, str]]
) -> tuple[bytes, bytes] | None:
    """The keys that a query means, start <= key < end."""
    shared = table.description.shared
    if len(values) != sum(len(test.placeholders) for test in tests):
        return None
    on_hash, on_range = tests[0], tests[1] if len(tests) > 1 else None
    if on_hash.name != shared.hash.name:
        on_hash, on_range = on_range or on_hash, on_hash
    if on_hash.name != shared.hash.name or on_hash.operator != "=":
        return None
    first = _part(shared.hash, on_hash, values, MAX_HASH_BYTES)
    if first is None:
        return None
    partition = keys.partition_prefix(first[0])
    if on_range is None:
        return partition, keys.after_prefix(partition)
    if shared.range is None or on_range.name != shared.range.name:
        return None
    parts = _part(shared.range, on_range, values, MAX_RANGE_BYTES)
    if parts is None or (on_range.operator == "begins_with" and shared.range.kind == "N") or parts[0] > parts[-1]:
        return None
    start, end = bounds(on_range.operator, partition, parts, index=False)
    return (start, end) if start < end else None


def _part(part: KeyPart, test: KeyTestPlan, values: dict[str, dict[str, str]], limit: int) -> list[bytes] | None:
    """The values that a test compares a key attribute with, encoded."""
    found = []
    for name in test.placeholders:
        value = values.get(name)
        if value is None or part.kind not in value or not _measured({name: value}):
            return None
        raw = keys.encoded(part.kind, value[part.kind])
        if not 0 < len(raw) <= limit:
            return None
        found.append(raw)
    return found


def _last_key(table: Table, row: bytes) -> bytes:
    item = rows.item_of(row)
    names = sorted(part.name for part in (table.shared.hash, table.shared.range) if part is not None)
    return orjson.dumps({name: item[name] for name in names})
