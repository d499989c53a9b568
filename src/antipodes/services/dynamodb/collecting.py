"""Tombstones go when nobody needs them any more (tombstones.py), at any replica that anyone knows of.

That every replica has heard of a deletion is not enough: a Region that was out of reach may not know all replicas. One
that joined meanwhile, filled from a seed that had not heard of the deletion either, would keep the item for ever. So,
before it collects, a Region asks each other one whom it takes for a replica. Who has joined was added by one of these,
which knew it from then on: if all know the same replicas, there are no others; and who joins later fills from one that
has heard of the deletion.
"""

from __future__ import annotations

from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.replication import Replication
from antipodes.services.dynamodb.schema import Shared, shared_from_json
from antipodes.services.dynamodb.tombstones import any_left, collected
from antipodes.wire.errors import AwsError, ServerFault

COLLECT_S = 5.0  # tombstones are looked for so often


class Collector:
    """Collects the tombstones of one Region."""

    def __init__(self, database: Database, replication: Replication) -> None:
        self._database = database
        self._replication = replication

    def start(self) -> None:
        self._database.spawn(self._run(), "tombstones")

    async def _run(self) -> None:
        database = self._database
        while True:
            await database.world.tick(COLLECT_S)
            for name in sorted(database.tables) if any_left(database.store) else ():
                try:
                    await self._collect(name)
                except ServerFault as fault:  # the disk refused: the next round finds them again
                    database.world.trace("dynamodb.tombstones", failed=fault.message)

    async def _collect(self, name: str) -> None:
        database = self._database
        table = database.tables.get(name)
        if table is None:
            return
        space = table.description.space
        known = _replicas(table.shared)
        alone = len(table.shared.holders) < 2
        settled = database.store.stamp().time if alone else self._replication.settled(table.topic)
        if not collected(database.store, space, table.rows_prefix, settled) or not await self._all_know(table, known):
            return
        while gone := collected(database.store, space, table.rows_prefix, settled):
            database.store.write(gone)
            await database.settle()
            await database.world.sleep(0)

    async def _all_know(self, table: Table, known: dict[str, int]) -> bool:
        """Whether each other replica can be asked, and knows the same ones."""
        database = self._database
        for region in known:
            if region == database.region:
                continue
            try:
                answer = await database.surroundings.call(
                    "dynamodb", "ReplicaDescriptors", {"for": database.region}, region=region
                )
            except AwsError:  # out of reach: the next round asks again
                return False
            groups = [shared_from_json(raw) for raw in answer["shared"]]
            if not any(one.group == table.shared.group and _replicas(one) == known for one in groups):
                return False
        return database.tables.get(table.name) is table and _replicas(table.shared) == known


def _replicas(shared: Shared) -> dict[str, int]:
    """The Regions that have a copy, or are to have one, or had one and may still send from it; and since when."""
    present = {"joining", "active", "leaving"}
    return {name: one.joined for name, one in shared.members.items() if one.state in present}
