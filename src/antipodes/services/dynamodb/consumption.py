"""What a request took: capacity units of a table and its indexes, and the size of item collections.

AWS's arithmetic (Developer Guide, "Read and write capacity units", "Item collections"): a read unit is 4 KiB, half as
much when eventually consistent; a write unit is 1 KiB of the larger of the two states. An index is written when what it
holds of the item changes, and twice when the entry moves. A transaction pays double. Computed only when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from antipodes.services.dynamodb import keys, rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.parameters import Params, read_units, write_units
from antipodes.services.dynamodb.schema import Index, index_entry
from antipodes.services.dynamodb.values import Item, measure_item

GIGABYTE = 1 << 30


@dataclass(slots=True)
class Spent:
    """Capacity units that one request took of one table. Owned by the operation that counts."""

    table: float = 0.0
    indexes: dict[str, float] = field(default_factory=dict)

    def add(self, other: Spent) -> None:
        self.table += other.table
        for name, units in other.indexes.items():
            self.indexes[name] = self.indexes.get(name, 0.0) + units

    def shown(self, params: Params, table: Table, side: str = "") -> dict[str, Any] | None:
        """ConsumedCapacity as asked for; None when it was not. side: "Read" or "Write", told by transactions only."""
        wanted = params.get("ReturnConsumedCapacity")
        if wanted not in {"TOTAL", "INDEXES"}:
            return None
        total = self.table + sum(self.indexes.values())
        found: dict[str, Any] = {"TableName": table.name, **_units(total, side)}
        if wanted == "INDEXES":
            found["Table"] = _units(self.table, side)
            for member, is_global in (("LocalSecondaryIndexes", False), ("GlobalSecondaryIndexes", True)):
                units = {
                    index.name: _units(self.indexes[index.name], side)
                    for index in table.indexes
                    if index.is_global is is_global and index.name in self.indexes
                }
                if units:
                    found[member] = units
        return found


def _units(units: float, side: str) -> dict[str, float]:
    return {f"{side}CapacityUnits": units, "CapacityUnits": units} if side else {"CapacityUnits": units}


def asked(params: Params) -> bool:
    return params.get("ReturnConsumedCapacity") in {"TOTAL", "INDEXES"}


def of_read(size: int, consistent: bool) -> Spent:
    return Spent(read_units(size, consistent))


def count_read(table: Table, spent: Spent) -> None:
    """Counts a read where the table's use is counted; reads of a local index are the table's."""
    here = spent.table
    for index in table.indexes if spent.indexes else ():
        units = spent.indexes.get(index.name)
        if units and index.is_global:
            table.usage.read_index(index.name, units)
        elif units:
            here += units
    if here:
        table.usage.read(here)


def of_write(table: Table, write: ItemWrite | None) -> Spent:
    """What one put, update or delete takes; None: a delete of nothing, or a check, which cost one unit."""
    if write is None:
        return Spent(1.0)
    old = write.row if write.row is not None and not rows.is_tombstone(write.row) else None
    spent = Spent(write_units(rows.size_of(old) if old is not None else 0, write.size))
    if not table.indexes:
        return spent
    before = rows.item_of(old) if old is not None else None
    for index in table.indexes:
        units = _index_units(table, index, before, write)
        if units:
            spent.indexes[index.name] = units
    return spent


def _index_units(table: Table, index: Index, before: Item | None, write: ItemWrite) -> float:
    was = index_entry(index, before, write.key) if before is not None else None
    will = index_entry(index, write.item, write.key) if write.item is not None else None
    if was is None and will is None:
        return 0.0
    held = projection_of(table, index, before) if was is not None and before is not None else {}
    new = projection_of(table, index, write.item) if will is not None and write.item is not None else {}
    if was == will:
        return 0.0 if held == new else write_units(measure_item(held), measure_item(new))
    removed = write_units(measure_item(held), 0) if was is not None else 0.0
    return removed + (write_units(0, measure_item(new)) if will is not None else 0.0)


def projected_names(table: Table, index: Index) -> list[str]:
    """The attributes that an index holds besides those of projection ALL."""
    parts = index.parts + table.shared.parts
    return list(dict.fromkeys([part.name for part in parts] + list(index.included)))


def projection_of(table: Table, index: Index, item: Item) -> Item:
    """What an index holds of an item that has a place in it."""
    if index.projection == "ALL":
        return item
    return {name: item[name] for name in projected_names(table, index) if name in item}


def collection_of(database: Database, params: Params, table: Table, key: Item) -> dict[str, Any] | None:
    """ItemCollectionMetrics of the collection that `key` (or the item) lies in, if asked for and if there are local
    indexes."""
    if params.get("ReturnItemCollectionMetrics") != "SIZE" or all(index.is_global for index in table.indexes):
        return None
    part = table.shared.hash
    value = key[part.name]
    whole = table.size_bytes
    if whole >= GIGABYTE:  # else no collection can be larger, and none is read
        prefix = table.rows_prefix + keys.partition_prefix(keys.encoded(part.kind, value[part.kind]))
        found = database.store.range(prefix, keys.after_prefix(prefix))
        whole = sum(rows.size_of(row) for _, row in found)
    lower = whole // GIGABYTE
    return {"ItemCollectionKey": {part.name: value}, "SizeEstimateRangeGB": [float(lower), float(lower + 1)]}


def collections_of(database: Database, params: Params, table: Table, items: list[Item]) -> list[dict[str, Any]]:
    """ItemCollectionMetrics of several writes: each collection once."""
    found: dict[bytes, dict[str, Any]] = {}
    for item in items:
        one = collection_of(database, params, table, item)
        if one is not None:
            found[orjson.dumps(one["ItemCollectionKey"])] = one
    return list(found.values())


def tail(consumed: Any, collections: Any) -> bytes:
    """The members of an answer that tell it, spliced: b"" or b',"ConsumedCapacity":...'."""
    found = b""
    if consumed:
        found += b',"ConsumedCapacity":' + orjson.dumps(consumed)
    if collections:
        found += b',"ItemCollectionMetrics":' + orjson.dumps(collections)
    return found
