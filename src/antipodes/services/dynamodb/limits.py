"""Throughput enforced on one table: requests are let in while their buckets have something left (throughput.py).

Switched on for a planet by the option `dynamodb.throttling` = on; on-demand tables are limited by the maximum
throughput that they have set, if any. A write takes its units when it is let in, because
what it will be is known then; a read takes them when it is done. A write also needs the global indexes in which the
item is or will be: AWS refuses the write when an index cannot take it up.
"""

from __future__ import annotations

from collections.abc import Callable

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.metering import Usage
from antipodes.services.dynamodb.orders import index_write_units, orders_of
from antipodes.services.dynamodb.parameters import write_units
from antipodes.services.dynamodb.schema import Description, Index
from antipodes.services.dynamodb.throughput import Buckets, Place, above_maximum, exceeded
from antipodes.services.dynamodb.values import Item

OPTION = "dynamodb.throttling"


class Limited(Usage):
    """A table's usage, limited. describe: the table's description as it is now; arn: the table's."""

    def __init__(
        self, buckets: Buckets, now: Callable[[], float], describe: Callable[[], Description], arn: str
    ) -> None:
        self._buckets = buckets
        self._now = now
        self._describe = describe
        self._arn = arn
        super().__init__()

    def begin(self) -> None:
        super().begin()
        self.read = self._read

    def admit_read(self, index: str = "") -> None:
        self._admit("Read", index, self._now())

    def admit_write(self, old: bytes | None, size: int, item: Item | None) -> None:
        description = self._describe()
        now = self._now()
        old_size = rows.size_of(old) if old is not None else 0
        costs = {"": write_units(old_size, size)}
        if any(index.is_global for index in description.shared.indexes):
            before = rows.item_of(old) if old is not None else None
            costs |= _index_costs(description, before, old_size, item, size)
        for index in costs:
            self._admit("Write", index, now)
        for index, units in costs.items():
            self._take("Write", index, units, now)

    def _read(self, units: float) -> None:
        self.reads.append(units)
        self._take("Read", "", units, self._now())

    def read_index(self, index: str, units: float) -> None:
        super().read_index(index, units)
        self._take("Read", index, units, self._now())

    def wrote_again(self, units: float) -> None:
        self._take("Write", "", units, self._now())

    def _admit(self, side: str, index: str, now: float) -> None:
        description = self._describe()
        rate = _rate(description, side, index)
        place = Place(description.space, index, side)
        if rate and not self._buckets.admits(place, rate, now):
            self.throttled[side, index] = self.throttled.get((side, index), 0) + 1
            on_demand = description.shared.settings.billing == "PAY_PER_REQUEST"
            raise above_maximum(place, self._arn) if on_demand else exceeded(place, self._arn)

    def _take(self, side: str, index: str, units: float, now: float) -> None:
        description = self._describe()
        rate = _rate(description, side, index)
        if rate:
            self._buckets.take(Place(description.space, index, side), rate, units, now)


def _rate(description: Description, side: str, index: str) -> float:
    """Units a second: those provisioned, or an on-demand maximum; 0: no limit."""
    shared = description.shared
    holder: Index | None = next((one for one in shared.indexes if one.name == index), None)
    units = holder if holder is not None else shared.settings
    if shared.settings.billing == "PAY_PER_REQUEST":
        return float(units.most_reads if side == "Read" else units.most_writes)
    return float(units.read_units if side == "Read" else units.write_units)


def _index_costs(
    description: Description, before: Item | None, old_size: int, after: Item | None, size: int
) -> dict[str, float]:
    """Write units of the global indexes that a write touches."""
    found: dict[str, float] = {}
    for order in orders_of(description, (), b""):
        if order.index is None or not order.index.is_global:
            continue
        was = order.entry(before, b"") if before is not None else None
        will = order.entry(after, b"") if after is not None else None
        if was is not None or will is not None:
            units = index_write_units(order, was, will, before, old_size, after, size)
            if units:
                found[order.name] = units
    return found
