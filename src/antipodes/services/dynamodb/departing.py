"""A replica that goes sends what it has first: no acknowledged write goes with it.

It is DELETING: clients are refused, and what they wrote before is carried to the others as before. When they have it
all, or after DRAIN_S (one of them is out of reach), it is gone. In the second case it says so (`Member.short`), and the
others copy from each other once more: what one of them lacks, those have who were not out of reach.
"""

from __future__ import annotations

from collections.abc import Callable

from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.replication import Replication
from antipodes.wire.errors import ServerFault

DRAIN_S = 10.0
LOOK_S = 0.1


class Departing:
    """The copies of one Region that are going. departed: is told that a copy may go, and whether the others have all
    of it."""

    def __init__(self, database: Database, replication: Replication, departed: Callable[[Table, bool], None]) -> None:
        self._database = database
        self._replication = replication
        self._departed = departed

    def begin(self, name: str, space: str) -> None:
        """Lets a copy that is DELETING go when it may."""
        self._database.spawn(self._drain(name, space), f"{name} goes")

    async def _drain(self, name: str, space: str) -> None:
        database = self._database
        deadline = database.world.monotonic() + DRAIN_S
        while self._going(name, space) is not None:
            try:
                # A write that was made just before may not be durable yet: until then the log does not tell of it.
                await database.settle()
                table = self._going(name, space)
                if table is None:
                    return
                lacking = await self._lacking(table)
                if not lacking or database.world.monotonic() >= deadline:
                    if (table := self._going(name, space)) is not None:  # others ran meanwhile
                        self._departed(table, not lacking)
                        await database.settle()
                    return
            except ServerFault:  # the disk refused: the table was read from it anew
                pass
            await database.world.sleep(LOOK_S)

    def _going(self, name: str, space: str) -> Table | None:
        """The copy while it is DELETING; None: it is no more, or the disk took back what had told it to go."""
        table = self._database.tables.get(name)
        if table is None or table.description.space != space or table.description.status != "DELETING":
            return None
        return table

    async def _lacking(self, table: Table) -> bool:
        """Whether another replica has not got all that was written here."""
        for region in table.shared.holders:
            if region == table.region:
                continue  # it is to have another copy
            if not self._replication.complete(region):
                return True  # it copies: what it has acknowledged of the log says nothing
            waiting = (await self._replication.waiting(region)).get(table.topic)
            if waiting is not None and waiting.changes:
                return True
        return False
