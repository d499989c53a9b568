"""Orders: what a table keeps beside its items, so that they can be found otherwise: its indexes, and its expiry order.

What it decides: which entries an item has, how entries and counts change with a write, and what a changed description
means for the rows that are there: `placed` gives a new order a place of its own, to be filled in the background
(live_indexes.py), and marks the place of one that went, to be emptied. So an index that is deleted and made again
under the same name never meets its old entries. Pure, but for the counts that an `Order` holds.

An index entry is described in keys.py. An expiry entry is the second at which the item expires (8 bytes), then its key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from antipodes.services.dynamodb.metering import Usage
from antipodes.services.dynamodb.parameters import write_units
from antipodes.services.dynamodb.schema import Description, Index, Leaving, Place, Shared, index_entry
from antipodes.services.dynamodb.values import Item, measure_item

EXPIRY = "~ttl"  # its name among the places; no index can have it
COUNTED = b"\xff" * 16  # a cursor behind every key: all is counted
_MAX_DIGITS = 18  # of a time; more is no time

Row = tuple[bytes, bytes | None]


@dataclass(slots=True, eq=False)
class Order:
    """One index of a table, or its expiry order (index None). Owned by the Table."""

    name: str
    place: str
    prefix: bytes
    index: Index | None
    attribute: str  # of the expiry order
    filled: bool
    filling: bool = False  # the background is at it (Backfilling)
    counted: bytes = COUNTED  # items with keys up to here are in the two counts
    items: int = 0
    size_bytes: int = 0
    names: tuple[str, ...] = ()  # attributes of an entry; (): all of the item

    def entry(self, item: Item, key: bytes) -> bytes | None:
        """The item's entry; None: it has none."""
        if self.index is not None:
            return index_entry(self.index, item, key)
        return expiry_entry(self.attribute, item, key)

    def size(self, item: Item, whole: int) -> int:
        """Bytes of the item in this index, of `whole` bytes altogether."""
        return measure_item({name: item[name] for name in self.names if name in item}) if self.names else whole

    def count(self, item: Item, whole: int, sign: int) -> None:
        """Adds an item that has an entry to the counts, or takes it from them."""
        self.items += sign
        self.size_bytes += sign * self.size(item, whole)


def orders_of(description: Description, held: tuple[Order, ...], counted: bytes) -> tuple[Order, ...]:
    """The orders of a description. Those of `held` stay the same objects; counted: where new ones begin to count."""
    shared = description.shared
    by_place = {order.place: order for order in held}
    found = []
    base = b"dynamodb/index/" + description.space.encode() + b"/"
    for name, index in _named(shared):
        place = place_of(description, name)
        order = by_place.get(place.name)
        if order is None:
            begun = counted if place.filled else b""
            attribute = shared.settings.ttl_attribute if index is None else ""
            prefix = base + place.name.encode() + b"/"
            order = Order(name, place.name, prefix, index, attribute, place.filled, counted=begun)
        order.filled, order.index, order.names = place.filled, index, _projected(shared, index)
        found.append(order)
    return tuple(found)


def _named(shared: Shared) -> Iterator[tuple[str, Index | None]]:
    for index in shared.indexes:
        yield index.name, index
    if shared.settings.ttl_attribute:
        yield EXPIRY, None


def _projected(shared: Shared, index: Index | None) -> tuple[str, ...]:
    if index is None or index.projection == "ALL":
        return ()
    return tuple(dict.fromkeys([*(part.name for part in (*shared.parts, *index.parts)), *index.included]))


def place_of(description: Description, name: str) -> Place:
    """Where the rows of an order are. What was made with its table lies under its own name."""
    return description.places.get(name) or Place(name, True)


def placed(old: Description | None, new: Description, serial: str) -> Description:
    """The new description of a table with places for what is new in it, and what went on its way out.

    serial: never used before for this copy. A new copy has no rows yet: its orders are filled from the beginning.
    """
    if old is None:
        return new
    before, after = dict(_named(old.shared)), dict(_named(new.shared))
    places, leaving = dict(new.places), list(new.leaving)
    attribute_changed = old.shared.settings.ttl_attribute != new.shared.settings.ttl_attribute
    for name, index in before.items():
        if name in after and not (attribute_changed if index is None else _moved(index, after[name])):
            continue
        leaving.append(Leaving(place_of(old, name).name, index))
        places.pop(name, None)
    for name, index in after.items():
        if name not in before or (attribute_changed if index is None else _moved(index, before[name])):
            places[name] = Place(f"{name}~{serial}", False)
    if places == new.places and len(leaving) == len(new.leaving):
        return new
    return msgspec.structs.replace(new, places=places, leaving=tuple(leaving))


def _moved(one: Index, other: Index | None) -> bool:
    """Entries depend on the keys alone."""
    return other is None or (one.hashes, one.ranges) != (other.hashes, other.ranges)


def order_changes(
    orders: tuple[Order, ...],
    key: bytes,
    old: Item | None,
    old_size: int,
    new: Item | None,
    new_size: int,
    usage: Usage | None = None,
) -> list[Row]:
    """The entries that a write of one item adds and removes; counts them.

    usage: is told the write units of global indexes.
    """
    found: list[Row] = []
    for order in orders:
        before = order.entry(old, key) if old is not None else None
        after = order.entry(new, key) if new is not None else None
        if before is None and after is None:
            continue
        if before != after:
            if before is not None:
                found.append((order.prefix + before, None))
            if after is not None:
                found.append((order.prefix + after, key))
        if usage is not None and order.index is not None and order.index.is_global:
            units = index_write_units(order, before, after, old, old_size, new, new_size)
            if units:
                usage.wrote_index(order.name, units)
        if order.index is not None and (order.counted is COUNTED or key <= order.counted):
            if before is not None and old is not None:
                order.count(old, old_size, -1)
            if after is not None and new is not None:
                order.count(new, new_size, 1)
    return found


def index_write_units(
    order: Order,
    before: bytes | None,
    after: bytes | None,
    old: Item | None,
    old_size: int,
    new: Item | None,
    new_size: int,
) -> float:
    """What a write of one item costs an index, of whose two entries at least one is there: nothing if what the index
    holds stays the same, twice if its entry moves."""
    held = order.size(old, old_size) if before is not None and old is not None else 0
    will = order.size(new, new_size) if after is not None and new is not None else 0
    if before == after and old is not None and new is not None:
        same = old == new if not order.names else all(old.get(name) == new.get(name) for name in order.names)
        return 0.0 if same else write_units(held, will)
    removed = write_units(held, 0) if before is not None else 0.0
    return removed + (write_units(0, will) if after is not None else 0.0)


def expiry_entry(attribute: str, item: Item, key: bytes) -> bytes | None:
    """The item's place in the order of expiry. Only a number is a time; a fraction of a second does not count."""
    text = item.get(attribute, {}).get("N")
    if text is None:
        return None
    whole = text.partition(".")[0]
    if whole[0] == "-" or len(whole) > _MAX_DIGITS:
        return None
    return expiry_bound(int(whole)) + key


def expiry_bound(second: int) -> bytes:
    """What entries that expire at `second` or later do not sort before."""
    return max(0, second).to_bytes(8, "big")


def expiry_of(entry: bytes) -> int:
    """The second at which the entry's item expires."""
    return int.from_bytes(entry[:8], "big")
