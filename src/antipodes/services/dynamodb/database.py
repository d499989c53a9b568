"""The tables of one Region and the one path by which items are written.

What it decides: where rows lie in the store, what one write consists of (the row, its index entries, its change record:
one transaction), and which tables there are. What it refuses to know: operations, parameters, messages of requests.

Store keys, all under b"dynamodb/":
    table/<name>                     the table's Description, JSON
    item/<space>/<item key>          an item's row (rows.py)
    index/<space>/<place>/<key>      an entry of an index or the expiry order (orders.py); its value is the item key
    gone/<space>                     rows of a dropped copy that are still to be deleted
    left/<group>                     the version at which this Region left a global table
    news/<region>/<group>            a Shared that another Region has not confirmed yet (replicas.py)
    token/<token>                    a transaction that was carried out (transactions.py)
    stream/<table>/<label>           a stream (stream_ledger.py)
    conflict/<space>/<write>         a write that another Region's overwrote unknowingly (conflicts.py)
    tombstone/<space>/<time><key>    a tombstone that may go once all replicas have it (tombstones.py)
    history/<space>/<time>           what a change replaced, where that is recorded (history.py)
    backup/<id>, copying/<id>        backups, and copies under way (backups.py, copying.py)

ItemCount and TableSizeBytes live in memory: after a restart a task counts behind every table, key by key, while writes
before its cursor adjust the count and writes after it are yet to be counted.

The change record is written when somebody reads it: a replica or a stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.dynamodb import history, legacy_marks, limits, rows, tombstones
from antipodes.services.dynamodb.conflicts import Record, is_conflict
from antipodes.services.dynamodb.expressions.names import Expressions
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.metering import Usage
from antipodes.services.dynamodb.orders import COUNTED, Order, order_changes, orders_of, placed
from antipodes.services.dynamodb.overrides import seen_in
from antipodes.services.dynamodb.parameters import write_units
from antipodes.services.dynamodb.raw_items import KeyNames
from antipodes.services.dynamodb.schema import Description, Index, Shared
from antipodes.services.dynamodb.stream_ledger import followed
from antipodes.services.dynamodb.throughput import Buckets
from antipodes.services.dynamodb.values import Item
from antipodes.store.engine import StoreError
from antipodes.store.records import Change, Version
from antipodes.store.store import Store
from antipodes.wire.errors import ClientFault, ServerFault
from antipodes.wire.operation import Payload

TABLE = b"dynamodb/table/"
GONE = b"dynamodb/gone/"
LEFT = b"dynamodb/left/"
_KINDS = (b"index/", b"history/", b"conflict/", b"tombstone/")  # rows of a copy, but for its items
SWEEP_ROWS = 500  # rows deleted or counted between two turns of the event loop

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Description).decode


def not_found(message: str = "Requested resource not found") -> ClientFault:
    return ClientFault("ResourceNotFoundException", message)


@dataclass(slots=True, eq=False)
class Table:
    """A table of this Region: its description and what follows from it. Owned by the Database."""

    description: Description
    region: str
    updating: bool = False  # between an UpdateTable and its end
    record: Record | None = None  # once a conflict was seen, or looked for
    touched: tuple[str, ...] = ()  # replicas that this UpdateTable changes
    counted: bytes = COUNTED  # keys up to here are in the two counts
    items: int = 0
    size_bytes: int = 0
    usage: Usage = field(default_factory=Usage)  # since the meter last took it
    rows_prefix: bytes = field(init=False)
    key_names: KeyNames = field(init=False)
    rows_end: bytes = field(init=False)
    topic: str = field(init=False)
    replicated: bool = field(init=False)
    logged: bool = field(init=False)
    streamed: bool = field(init=False)
    legacy: bool = field(init=False)  # in a global table of version 2017.11.29
    strong: bool = field(init=False)  # of multi-Region strong consistency: a journal orders its writes (mrsc)
    orders: tuple[Order, ...] = ()  # the indexes, and what else is kept beside the items
    recorded: bool = field(init=False)  # what a change replaces goes into the table's history
    seen_here: Description = field(init=False)  # with this replica's own settings (overrides.py)

    def __post_init__(self) -> None:
        space = self.description.space.encode()
        self.rows_prefix = b"dynamodb/item/" + space + b"/"
        self.rows_end = after_prefix(self.rows_prefix)
        self.describe(self.description)

    def describe(self, description: Description) -> None:
        """Takes a new description of the same copy."""
        assert not hasattr(self, "topic") or description.space == self.description.space
        self.description = description
        shared = description.shared
        self.topic = topic_of(shared)
        behind = shared.range
        self.key_names = (
            *(shared.hash.name, shared.hash.kind),
            *((behind.name, behind.kind) if behind is not None else (None, None)),
        )
        self.replicated = len(shared.carriers) > 1
        self.strong = shared.strong
        self.streamed = bool(description.stream_view)
        self.legacy = bool(shared.common)
        self.logged = self.replicated or self.streamed
        self.orders = orders_of(description, self.orders, self.counted)
        self.recorded = description.recovery is not None or bool(description.copying)
        self.seen_here = msgspec.structs.replace(description, shared=seen_in(shared, self.region))

    @property
    def name(self) -> str:
        return self.description.shared.name

    def conflicts(self, store: Store) -> Record:
        """The record of this copy's conflicts."""
        if self.record is None:
            parts = (self.shared.hash, self.shared.range)
            names = tuple(part.name for part in parts if part is not None)
            self.record = Record(store, self.description.space, names, self.region)
        return self.record

    @property
    def shared(self) -> Shared:
        return self.description.shared

    @property
    def indexes(self) -> tuple[Index, ...]:
        return self.description.shared.indexes

    def index_prefix(self, index: Index) -> bytes:
        return next(order.prefix for order in self.orders if order.name == index.name)


class Strong(Protocol):
    """What serves tables of strong consistency (mrsc/serving.py)."""

    async def write(self, table: Table, operation: str, params: Mapping[str, Any]) -> Payload:
        """Has a write carried out by the leader of the table's journal."""
        ...

    async def fresh(self, table: Table) -> None:
        """Returns when the copy here has all that was acknowledged in any Region before."""
        ...

    async def batch_write(self, params: Mapping[str, Any]) -> Payload:
        """BatchWriteItem of which some tables are of strong consistency."""
        ...


class ItemWrite(msgspec.Struct, frozen=True):
    """One item to write: `row` is the old row (a tombstone too), `item` and `body` the new item or None to delete."""

    table: Table
    key: bytes
    row: bytes | None
    item: Item | None
    size: int = 0
    body: bytes = b""
    by: str = ""  # as in a Change


def topic_of(shared: Shared) -> str:
    """The group keeps a table's log apart from that of an earlier table of the same name. Tables that became a global
    table of version 2017.11.29 share a log from then on."""
    return f"dynamodb/{shared.name}/{shared.common or shared.group}"


class Database:
    """All tables of one Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        self.region = surroundings.region
        self.account = surroundings.settings.account
        self.world = surroundings.world
        self.store = surroundings.store
        self.expressions = Expressions()
        self.state_s = float(surroundings.settings.options.get("dynamodb.table_state_s", "0.2"))
        self.on_orders: Callable[[Table], None] = lambda table: None  # told of each description (live_indexes.py)
        self.strong: Strong  # set by mrsc/membership.py before the first request
        self.token_expiry = 0.0  # when expired transaction tokens are looked for next
        self.tables: dict[str, Table] = {}
        self.by_topic: dict[str, Table] = {}
        throttling = surroundings.settings.options.get(limits.OPTION) == "on"
        self.buckets = Buckets() if throttling else None  # None: throughput is not enforced
        self.tidying = False  # a task forgets what is over (recovery.py)
        self.pins: dict[str, int] = {}  # spaces that copies under way read: their rows are not swept away yet
        self._tasks: list[asyncio.Task[None]] = []
        self._counting: asyncio.Task[None] | None = None
        self.reload()
        self.store.when_taken_back(self._read_again)

    # Tasks

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts a task that ends with the service."""
        self._tasks = [task for task in self._tasks if not task.done()]
        task = self.world.spawn(work, f"dynamodb: {name}")
        self._tasks.append(task)
        return task

    def stop(self) -> None:
        """Ends what `spawn` started."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    # Tables

    def reload(self) -> None:
        """Reads the tables from the store. Counts begin anew."""
        self.tables.clear()
        self.by_topic.clear()
        for _, raw in list(self.store.range(TABLE, after_prefix(TABLE))):
            table = self._limited(Table(_read(raw), self.region, counted=b""))
            self.tables[table.name] = table
            self.by_topic[table.topic] = table

    def _read_again(self) -> None:
        """A commit group failed, whoever wrote in it: descriptions and counts may have come from it."""
        if self._counting is not None:
            self._counting.cancel()
        self.reload()
        self._counting = self.spawn(self.count(), "count")

    def table(self, name: str) -> Table:
        """The table for item operations. Raises ResourceNotFoundException: none, or not yet, or no longer."""
        table = self.tables.get(name)
        if table is None:
            table = self.tables.get(self.table_name(name))
        if table is None or table.description.status != "ACTIVE":
            raise not_found()
        return table

    def table_name(self, name: str) -> str:
        """A TableName parameter may be an ARN of this Region."""
        prefix = f"arn:aws:dynamodb:{self.region}:{self.account}:table/"
        return name.removeprefix(prefix)

    def keep(self, description: Description, extra: Iterable[tuple[bytes, bytes | None]] = ()) -> Table:
        """Writes a description, new or changed, and what follows from it (the caller awaits `durable`)."""
        name = description.shared.name
        table = self.tables.get(name)
        if table is not None and table.description.space != description.space:
            table = None
        old = table.description if table is not None else None
        description = placed(old, description, f"{self.store.stamp().time:x}")
        description, also = followed(self.store, self.world.now(), old, description, topic_of(description.shared))
        self.store.write([(TABLE + name.encode(), _encode(description)), *also, *extra])
        if table is None:
            table = self._limited(Table(description, self.region))
            self.tables[name] = table
        else:
            self.by_topic.pop(table.topic, None)
            table.describe(description)
        self.by_topic[table.topic] = table
        self.on_orders(table)
        return table

    def _limited(self, table: Table) -> Table:
        """The table, with its throughput enforced if that was asked for."""
        if self.buckets is not None:
            arn = f"arn:aws:dynamodb:{self.region}:{self.account}:table/{table.name}"
            table.usage = limits.Limited(self.buckets, self.world.monotonic, lambda: table.seen_here, arn)
        return table

    def update_for_a_while(self, table: Table) -> None:
        """The table is UPDATING for a moment. The change itself holds at once, and after a restart too."""

        async def settles() -> None:
            await self.world.sleep(self.state_s)
            table.updating, table.touched = False, ()

        table.updating = True
        self.spawn(settles(), f"{table.name} is updating")

    def drop(self, table: Table, extra: Iterable[tuple[bytes, bytes | None]] = (), *, items_kept: bool = False) -> None:
        """Forgets a table; its rows are deleted by `sweep`. items_kept: those of its items are a backup's now."""
        gone = GONE + table.description.space.encode()
        self.store.write([(TABLE + table.name.encode(), None), (gone, b"index" if items_kept else b""), *extra])
        del self.tables[table.name]
        del self.by_topic[table.topic]
        if self.buckets is not None:
            self.buckets.forget(table.description.space)

    async def sweep(self) -> None:
        """Deletes the rows of dropped tables, in slices."""
        for marker, only in list(self.store.range(GONE, after_prefix(GONE))):
            space = marker.removeprefix(GONE)
            if space.decode() in self.pins:
                continue
            for kind in _KINDS if only else (*_KINDS, b"item/"):
                prefix = b"dynamodb/" + kind + space + b"/"
                while True:
                    found = [row for row, _ in _first(self.store.range(prefix, after_prefix(prefix)), SWEEP_ROWS)]
                    if not found:
                        break
                    self.store.write([(row, None) for row in found])
                    await self.store.durable()
                    await self.world.sleep(0)
            self.store.write([(marker, None)])
        await self.store.durable()

    async def count(self) -> None:
        """Counts the items of tables that were read from disk."""
        for name in sorted(self.tables):
            table = self.tables.get(name)
            while table is not None and table.counted != COUNTED:
                start = table.rows_prefix + table.counted + (b"\x00" if table.counted else b"")
                found = _first(self.store.range(start, table.rows_end), SWEEP_ROWS)
                orders = [one for one in table.orders if one.index and one.filled and one.counted == table.counted]
                for place, row in found:
                    if not rows.is_tombstone(row):
                        table.items += 1
                        table.size_bytes += rows.size_of(row)
                        if orders:
                            _count_entries(orders, place[len(table.rows_prefix) :], row)
                last = found[-1][0][len(table.rows_prefix) :] if len(found) == SWEEP_ROWS else COUNTED
                table.counted = last
                for order in orders:
                    order.counted = last
                await self.world.sleep(0)
                table = self.tables.get(name)

    # Items

    def row(self, table: Table, key: bytes) -> bytes | None:
        """The stored row, tombstones too."""
        return self.store.get(table.rows_prefix + key)

    def live(self, table: Table, key: bytes) -> bytes | None:
        """The row of an item that is there."""
        found = self.store.get(table.rows_prefix + key)
        return None if found is None or found[1] == rows.TOMBSTONE else found

    def write(
        self, *writes: ItemWrite, also: Iterable[tuple[bytes, bytes | None]] = (), free: bool = False, times: int = 1
    ) -> None:
        """Writes items, their index entries and change records in one transaction, and other rows with them.

        free: nobody asked for the writes, so they take no capacity; times: how often each counts for its table (a
        transaction: 2; index entries count once all the same, as seen on AWS).
        The caller awaits `settle`, without another await between.
        """
        changed: list[tuple[bytes, bytes | None]] = list(also)
        changes: list[Change] = []
        for one in writes:
            version = self.store.stamp()
            new: bytes | None = None
            replicated = one.table.replicated
            past = rows.past_after(one.row, self.region) if replicated and one.row is not None else b""
            if one.item is not None:
                new = rows.item_row(version, one.size, one.body, past)
            elif replicated:
                new = rows.tombstone_row(version, past)
            asked = 0 if free or one.by else times
            marked = one.table.legacy and (one.item is not None or bool(one.by))
            self._collect(one, new, version, changed, changes, asked, at_home=marked)
            if one.table.legacy and one.item is not None and new is not None:
                self._mark(one, new, past, changed, changes)
            if asked:
                units = write_units(rows.size_of(one.row) if one.row is not None else 0, one.size)
                one.table.usage.wrote(units * asked)
                if asked > 1:
                    one.table.usage.wrote_again(units * (asked - 1))
        self.store.write(changed, changes)

    def _mark(
        self,
        one: ItemWrite,
        row: bytes,
        past: bytes,
        changed: list[tuple[bytes, bytes | None]],
        changes: list[Change],
    ) -> None:
        """Version 2017.11.29 follows a write by one of its own, which says when and where (legacy_marks.py)."""
        version = self.store.stamp()
        item, size, body = legacy_marks.marked(orjson.loads(one.body), version)
        write = ItemWrite(one.table, one.key, row, item, size, body)
        self._collect(write, rows.item_row(version, size, body, past), version, changed, changes)

    def merge(self, table: Table, changes: Sequence[Change]) -> None:
        """Takes changes from another site, each if its version wins over the stored row, tombstones included, in one
        transaction. Of two versions that did not know of each other the one that loses is written down."""
        changed: list[tuple[bytes, bytes | None]] = []
        records: list[Change] = []
        there: dict[bytes, bytes | None] = {}  # rows as they are with what is taken already
        for change in changes:
            key = change.key
            old = there[key] if key in there else self.row(table, key)
            there[key] = self._take(table, change, old, changed, records)
        if changed:
            self.store.write(changed, records, patient=True)

    def _take(
        self,
        table: Table,
        change: Change,
        old: bytes | None,
        changed: list[tuple[bytes, bytes | None]],
        records: list[Change],
    ) -> bytes | None:
        """Adds what taking one change consists of; the row that is there then."""
        self.store.seen(change.version)
        held = rows.version_of(old) if old is not None else None
        if held == change.version:
            return old
        new = change.value if change.value is not None else rows.tombstone_row(change.version, change.note)
        if old is not None and held is not None:
            lost, won = (old, new) if held < change.version else (new, old)
            if is_conflict(lost, won):
                self.store.write(changed, records, patient=True)  # conflicts among them count for the record
                changed.clear()
                records.clear()
                changed += table.conflicts(self.store).rows_for(change.key, lost, won, self.world.now())
            if held > change.version:
                return old
        live = not rows.is_tombstone(new)
        item = rows.item_of(new) if live and table.orders else ({} if live else None)
        if table.legacy and not live and old is not None and not rows.is_tombstone(old):
            dying, size, body = legacy_marks.deleting(rows.item_of(old))
            row = rows.item_row(change.version, size, body)
            self._collect(ItemWrite(table, change.key, old, dying, size, body), row, change.version, changed, records)
            old = row
        write = ItemWrite(table, change.key, old, item, rows.size_of(new))
        # Where nothing was, there may have been a tombstone that is collected here, and not yet elsewhere.
        told = records if old is not None or live else []
        self._collect(write, new, change.version, changed, told)
        return new

    def ordered(
        self,
        table: Table,
        found: Iterable[tuple[bytes, bytes | None]],
        also: Iterable[tuple[bytes, bytes | None]],
        version: Version | None,
    ) -> None:
        """Writes rows (None: no item) as a journal orders them, and other rows with them, in one transaction.

        version: of all of them; None: a copy of what was written elsewhere, which is nothing that a stream tells.
        """
        changed: list[tuple[bytes, bytes | None]] = list(also)
        changes: list[Change] = []
        for key, row in found:
            old = self.row(table, key)
            if row is None and old is None:
                continue
            told = version or self.store.stamp()
            self.store.seen(rows.version_of(row) if row is not None else told)
            item = None if row is None else rows.item_of(row) if table.orders else {}
            size = rows.size_of(row) if row is not None else 0
            self._collect(
                ItemWrite(table, key, old, item, size), row, told, changed, changes, 0 if version is None else 1
            )
            if version is not None:
                table.usage.wrote(write_units(rows.size_of(old) if old is not None else 0, size))
        self.store.write(changed, changes if version is not None else [])

    def _collect(
        self,
        one: ItemWrite,
        new: bytes | None,
        version: Version,
        changed: list[tuple[bytes, bytes | None]],
        changes: list[Change],
        times: int = 0,
        *,
        at_home: bool = False,
    ) -> None:
        """Adds what one write consists of, and counts it. at_home: its change record does not travel."""
        table, key, old = one.table, one.key, one.row
        live_old = old if old is not None and old[1] != rows.TOMBSTONE else None
        changed.append((table.rows_prefix + key, new))
        if one.item is None and new is not None:
            changed.append((tombstones.place(table.description.space, version, key), b""))
        if table.orders:
            old_item = rows.item_of(live_old) if live_old is not None else None
            old_size = rows.size_of(live_old) if live_old is not None else 0
            usage = table.usage if times else None
            changed += order_changes(table.orders, key, old_item, old_size, one.item, one.size, usage)
        if table.logged:
            value = new if one.item is not None else None
            note = rows.past_of(new) if value is None and new is not None else b""
            before = live_old if table.streamed else None
            stamped = Version(version.time, "") if at_home else version  # of no Region: nobody ships it
            changes.append(Change(table.topic, key, stamped, value, before, one.by, note))
        if table.recorded:
            changed.append(history.entry(table.description.space, self.store.stamp(), key, live_old))
        if table.counted is COUNTED or key <= table.counted:
            table.items += (one.item is not None) - (live_old is not None)
            table.size_bytes += one.size - (rows.size_of(live_old) if live_old is not None else 0)

    async def settle(self) -> None:
        """Waits until all writes so far are on disk; must follow a write without another await between.

        Raises InternalServerError when the disk refused: then nothing of the group happened.
        """
        try:
            await self.store.durable()
        except StoreError as error:
            raise disk_refused(error) from error


def disk_refused(error: StoreError) -> ServerFault:
    """What to tell of a write whose group failed."""
    return ServerFault("InternalServerError", str(error), happened=False)


def _read(raw: bytes) -> Description:
    """A description; one of a version that did not synchronise encryption says so now."""
    found = _decode(raw)
    if found.kms_key and not found.shared.settings.sse:
        settings = msgspec.structs.replace(found.shared.settings, sse="KMS")
        found = msgspec.structs.replace(found, shared=msgspec.structs.replace(found.shared, settings=settings))
    return found


def _count_entries(orders: list[Order], key: bytes, row: bytes) -> None:
    item = rows.item_of(row)
    for order in orders:
        if order.entry(item, key) is not None:
            order.count(item, rows.size_of(row), 1)


def _first(pairs: Iterable[tuple[bytes, bytes]], limit: int) -> list[tuple[bytes, bytes]]:
    found = []
    for pair in pairs:
        found.append(pair)
        if len(found) == limit:
            break
    return found
