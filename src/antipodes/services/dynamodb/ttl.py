"""UpdateTimeToLive and DescribeTimeToLive, and the sweeper that deletes what has expired.

The items of a table with expiry are also kept in the order of their times (orders.py), so a sweep looks at those that
are due and at no others. What is due is deleted soon, not at once: until then reads answer it, as on AWS. An attribute
that is no number, or a time more than five years past, is no expiry.

In a global table every Region sweeps. The one that wrote an item last deletes it, and that deletion says in its stream
that the service did it; the others get it as an ordinary replicated deletion (facts 1.4). If that Region does not do so
for TAKEOVER_S, because it is down, each other one does: counted from the moment when it could first have done it, for
an item may be written, or expiry enabled, long after the item's time.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Database, ItemWrite, Table
from antipodes.services.dynamodb.live_indexes import fill_slice, filled
from antipodes.services.dynamodb.mrsc.rules import NO_TTL
from antipodes.services.dynamodb.orders import EXPIRY, Order, expiry_bound, expiry_of
from antipodes.services.dynamodb.parameters import Constraints, Params, table_name
from antipodes.services.dynamodb.replicas import Replicas
from antipodes.services.dynamodb.stream_records import BY_TTL
from antipodes.services.dynamodb.tables import in_use, known
from antipodes.wire.errors import ServerFault, ValidationException
from antipodes.wire.operation import Request, Result

SWEEP_S = 5.0  # dynamodb.ttl_sweep_s
TAKEOVER_S = 60.0
FIVE_YEARS_S = 5 * 365 * 86400
SLICE = 100  # deletions in one transaction
MAX_NAME = 255


async def update_time_to_live(database: Database, replicas: Replicas, request: Request) -> Result:
    """Enables or disables expiry. One change at a time: AWS takes up to an hour for one."""
    params = request.params
    enabled, attribute = _specification(params)
    table = known(database, params)
    if table.description.status != "ACTIVE":
        raise in_use(f"Attempt to change a resource which is still in use: Table is not active: {table.name}")
    if table.strong:
        raise ValidationException(NO_TTL)
    settings = table.shared.settings
    current = settings.ttl_attribute
    if current and attribute != current:
        raise ValidationException(
            f"TimeToLive is active on a different AttributeName: current AttributeName is {current}"
        )
    if enabled is bool(current):
        raise ValidationException(f"TimeToLive is already {'enabled' if enabled else 'disabled'}")
    if _changing(database, table):
        raise ValidationException("Time to live has been modified multiple times within a fixed interval")
    changed = msgspec.structs.replace(
        settings, ttl_attribute=attribute if enabled else "", ttl_since=database.world.now()
    )
    shared = msgspec.structs.replace(table.shared, settings=changed, settings_version=database.store.stamp())
    replicas.keep(msgspec.structs.replace(table.description, shared=shared))
    _fill_at_once(database, table)
    await database.settle()
    replicas.changed()
    return {"TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute}}


async def describe_time_to_live(database: Database, replicas: Replicas, request: Request) -> Result:
    """TimeToLiveStatus: ENABLING until the items that were there are in the order of expiry."""
    table = known(database, request.params)
    if not database.store.settled:
        await database.settle()
    attribute = table.shared.settings.ttl_attribute
    changing = _changing(database, table)
    if not attribute:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLING" if changing else "DISABLED"}}
    status = "ENABLING" if changing else "ENABLED"
    return {"TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": attribute}}


def _specification(params: Params) -> tuple[bool, str]:
    constraints = Constraints()
    table_name(params, constraints)
    given: Any = params.get("TimeToLiveSpecification")
    constraints.required(given, "timeToLiveSpecification")
    if given is not None:
        attribute = given.get("AttributeName")
        member = "timeToLiveSpecification.attributeName"
        constraints.required(attribute, member)
        constraints.required(given.get("Enabled"), "timeToLiveSpecification.enabled")
        if attribute is not None and not attribute:
            constraints.note(attribute, member, "Member must have length greater than or equal to 1")
        if attribute is not None and len(attribute) > MAX_NAME:
            constraints.note(attribute, member, f"Member must have length less than or equal to {MAX_NAME}")
    constraints.settle()
    return bool(given["Enabled"]), str(given["AttributeName"])


def _changing(database: Database, table: Table) -> bool:
    """A change is under way: the order is not complete, or `dynamodb.ttl_state_s` (0) have not passed."""
    state_s = float(database.surroundings.settings.options.get("dynamodb.ttl_state_s", 0))
    since = table.shared.settings.ttl_since
    order = _order(table)
    waiting = bool(since) and 0 <= database.world.now() - since < state_s
    return waiting or (order is not None and not order.filled)


def _fill_at_once(database: Database, table: Table) -> None:
    """A small table's order of expiry is complete in the same transaction."""
    order = _order(table)
    if order is not None and not order.filled and fill_slice(database, table, order):
        filled(database, table, order)


def _order(table: Table) -> Order | None:
    return next((one for one in table.orders if one.name == EXPIRY), None)


class Sweeper:
    """Deletes expired items of one Region's tables, every `dynamodb.ttl_sweep_s` seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pause_s = float(database.surroundings.settings.options.get("dynamodb.ttl_sweep_s", SWEEP_S))

    def start(self) -> None:
        self._database.spawn(self._run(), "expiry")

    async def _run(self) -> None:
        while True:
            await self._database.world.tick(self._pause_s)
            await self.sweep()

    async def sweep(self) -> None:
        """Deletes all that is due now."""
        for name in sorted(self._database.tables):
            try:
                await self._sweep(name)
            except ServerFault as fault:  # the disk refused: the next sweep finds them again
                self._database.world.trace("dynamodb.ttl", failed=fault.message)

    async def _sweep(self, name: str) -> None:
        """Deletes what is due in one table, in slices."""
        after = b""
        while (table := self._database.tables.get(name)) is not None:
            order = _order(table)
            if order is None or not order.filled or table.description.status != "ACTIVE":
                return
            after, writes = self._due(table, order, after)
            if writes:
                self._database.write(*writes, free=True)
                await self._database.settle()
            if not after:
                return
            await self._database.world.sleep(0)

    def _due(self, table: Table, order: Order, after: bytes) -> tuple[bytes, list[ItemWrite]]:
        """(the entry behind which to look on, b"" at the end; deletions of what is due)."""
        now = self._database.world.now()
        start = max(order.prefix + expiry_bound(int(now) - FIVE_YEARS_S), after and after + b"\x00")
        end = order.prefix + expiry_bound(int(now))
        writes: list[ItemWrite] = []
        if start >= end:
            return b"", writes
        for seen, (place, key) in enumerate(self._database.store.range(start, end), 1):
            row = self._database.live(table, key)
            assert row is not None, "an entry without its item"
            written = rows.version_of(row)
            due = max(expiry_of(place[len(order.prefix) :]), written.seconds, table.shared.settings.ttl_since)
            if self._is_mine(table, written.region, now - due):
                writes.append(ItemWrite(table, key, row, None, by=BY_TTL))
            if seen == SLICE:
                return place, writes
        return b"", writes

    def _is_mine(self, table: Table, origin: str, overdue_s: float) -> bool:
        """Whether this Region deletes an item that was last written in `origin` and is due for so many seconds."""
        here = self._database.region
        # Version 2017.11.29 replicates no deletions of expired items: each Region's expiry is its own.
        return origin == here or table.legacy or origin not in table.shared.holders or overdue_s > TAKEOVER_S
