"""A new replica fills: it is CREATING until it holds all that its seed held when it began, then it is a replica.

How far it is is told in percent of the seed's items (ReplicaStatusPercentProgress). Copying is the replicator's; this
only looks, a few times a second and while a replica is being made, whether the seed is still among those from which
something is missing. If the seed has left meanwhile, any other replica will do.
"""

from __future__ import annotations

from collections.abc import Callable

from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.replication import Replication
from antipodes.wire.errors import AwsError, ServerFault

LOOK_S = 0.1
LOOKS_BEFORE_COUNT = 10  # the seed is asked for its count once in so many looks


class Joining:
    """The copies that are being made in one Region.

    progressed: is told of each change, in percent; None: it is complete.
    """

    def __init__(
        self,
        database: Database,
        replication: Replication,
        progressed: Callable[[Table, int | None], None],
    ) -> None:
        self._database = database
        self._replication = replication
        self._progressed = progressed

    def begin(self, name: str, space: str) -> None:
        """Watches a copy that is CREATING until it is complete."""
        self._database.spawn(self._watch(name, space), f"{name} is filled")

    async def _watch(self, name: str, space: str) -> None:
        database, looks, total = self._database, 0, 0
        await database.world.sleep(database.state_s)
        while True:
            table = database.tables.get(name)
            if table is None or table.description.space != space or table.description.status != "CREATING":
                return
            if looks % LOOKS_BEFORE_COUNT == 1:
                total = await self._count(table)
            looks += 1
            try:
                if looks > 1 and self._complete(table):
                    self._progressed(table, None)
                    await database.settle()
                    return
                self._progressed(table, min(99, table.items * 100 // total) if total else 0)
                await database.settle()
            except ServerFault:  # the disk refused
                looks = 0
            await database.world.sleep(LOOK_S)

    def _complete(self, table: Table) -> bool:
        missing = self._replication.missing(table.topic)
        others = [region for region in table.shared.holders if region != table.region]
        seed = table.shared.members[table.region].seed
        if seed in others:
            return seed not in missing
        return not others or any(region not in missing for region in others)

    async def _count(self, table: Table) -> int:
        """The items that the seed holds; 0: not known."""
        seed = table.shared.members[table.region].seed
        try:
            found = await self._database.surroundings.call(
                "dynamodb", "DescribeTable", {"TableName": table.name}, region=seed
            )
        except AwsError:
            return 0
        return int(found["Table"]["ItemCount"])
