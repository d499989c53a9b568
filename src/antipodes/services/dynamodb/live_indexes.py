"""Indexes of a live table: filled and emptied in the background while writes go on.

How it works. From the moment a description names a new index every write keeps its entries (orders.py), and a task goes
through the items once, in key order and in slices, and adds the entries of those that were there before. An item that
is written meanwhile is right either way: an entry put twice is one entry. When the last slice is in, the index is
ACTIVE. An index that was deleted is kept by nobody from that moment on; the task deletes its entries, then it is gone.

A Region that stops in between begins at the first key again: the description says what is not filled, and entries that
are there already cost a look only. Every replica of a global table does so for itself.
"""

from __future__ import annotations

from itertools import islice

import msgspec

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.orders import COUNTED, Order
from antipodes.services.dynamodb.schema import Leaving, Place
from antipodes.wire.errors import ServerFault

SLICE = 250  # items looked at between two turns of the event loop
RETRY_S = 0.5  # after the disk refused


class Indexer:
    """What is to be filled or emptied in one Region, table by table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._busy: set[str] = set()  # spaces that have a task

    def start(self) -> None:
        """Resumes what was under way when the Region stopped; watches from now on."""
        self._database.on_orders = self.tend
        for name in sorted(self._database.tables):
            self.tend(self._database.tables[name])

    def tend(self, table: Table) -> None:
        """Looks after a table whose description is new or changed."""
        space = table.description.space
        if space not in self._busy and self._has_work(table):
            self._busy.add(space)
            self._database.spawn(self._work(table.name, space), f"indexes of {table.name}")

    def _has_work(self, table: Table) -> bool:
        return bool(table.description.leaving) or any(not order.filled for order in table.orders)

    def _table(self, name: str, space: str) -> Table | None:
        table = self._database.tables.get(name)
        if table is None or table.description.space != space or table.description.status == "DELETING":
            return None
        return table

    async def _work(self, name: str, space: str) -> None:
        """Until nothing is left to do, or the table is gone."""
        try:
            while (table := self._table(name, space)) is not None and self._has_work(table):
                try:
                    leaving = table.description.leaving
                    if leaving:
                        await self._empty(name, space, leaving[0])
                    else:
                        await self._fill(name, space, next(one for one in table.orders if not one.filled))
                except ServerFault as fault:  # the disk refused; what is not done is still written down
                    self._database.world.trace("dynamodb.index", failed=fault.message)
                    await self._database.world.sleep(RETRY_S)
        finally:
            self._busy.discard(space)

    async def _fill(self, name: str, space: str, order: Order) -> None:
        """The phases of AWS: resources are allotted (CREATING), then filled (CREATING, Backfilling), then ACTIVE."""
        if order.index is not None:
            await self._database.world.sleep(self._database.state_s)
        while True:
            table = self._table(name, space)
            if table is None or order not in table.orders or order.filled:
                return  # gone, or read anew after the disk refused
            if fill_slice(self._database, table, order):
                filled(self._database, table, order)
            await self._database.settle()
            await self._database.world.sleep(0)

    async def _empty(self, name: str, space: str, gone: Leaving) -> None:
        if gone.index is not None:
            await self._database.world.sleep(self._database.state_s)
        store = self._database.store
        prefix = b"dynamodb/index/" + space.encode() + b"/" + gone.place.encode() + b"/"
        while (table := self._table(name, space)) is not None:
            found = [key for key, _ in islice(store.range(prefix, after_prefix(prefix)), SLICE)]
            store.write([(key, None) for key in found])
            if len(found) < SLICE:
                left = tuple(one for one in table.description.leaving if one.place != gone.place)
                self._database.keep(msgspec.structs.replace(table.description, leaving=left))
            await self._database.settle()
            if len(found) < SLICE:
                return
            await self._database.world.sleep(0)


def fill_slice(database: Database, table: Table, order: Order) -> bool:
    """Adds the entries of the next items (the caller awaits `settle`). True: that was the last of them."""
    order.filling = True
    store = database.store
    start = table.rows_prefix + order.counted + (b"\x00" if order.counted else b"")
    found = list(islice(store.range(start, table.rows_end), SLICE))
    added: list[tuple[bytes, bytes | None]] = []
    for place, row in found:
        if rows.is_tombstone(row):
            continue
        key = place[len(table.rows_prefix) :]
        item = rows.item_of(row)
        entry = order.entry(item, key)
        if entry is None:
            continue
        if order.index is not None:
            order.count(item, rows.size_of(row), 1)
        if store.get(order.prefix + entry) is None:
            added.append((order.prefix + entry, key))
    store.write(added)
    last = len(found) < SLICE
    order.counted = COUNTED if last else found[-1][0][len(table.rows_prefix) :]
    return last


def filled(database: Database, table: Table, order: Order) -> None:
    """Writes down that an order is complete."""
    order.filling = False
    places = {**table.description.places, order.name: Place(order.place, True)}
    database.keep(msgspec.structs.replace(table.description, places=places))
