"""One member's copy of a table as its journal's state: judged at the leader, applied at every member.

What is in flight is known at the leader: from the moment an entry is added until it holds, its items are being
modified. A write to one of them that came in another Region is refused (ReplicatedWriteConflictException); one that
came in the same Region waits, and is judged when the item is as the other left it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from antipodes.services.contract import Judged, Row
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.mrsc.judging import (
    Entry,
    Told,
    encoded,
    entry_decoder,
    fault_told,
    judged,
    question_decoder,
    written,
)
from antipodes.services.dynamodb.mrsc.rules import CONFLICT
from antipodes.services.dynamodb.rows import is_tombstone
from antipodes.store.records import Version
from antipodes.wire.errors import ClientFault

ENDED = b"dynamodb/ended/"  # + the journal's name: the Region whose copy remains
HAS_ENDED = "GlobalTableEnded"  # never leaves this room
_GONE = Told(code="ResourceNotFoundException", message="Requested resource not found", status=400)


class TableState:
    """Fulfils services.contract.Journaled. table: the copy, while there is one; on_end: the global table has ended."""

    def __init__(
        self, database: Database, journal: str, table: Callable[[], Table | None], on_end: Callable[[str], None]
    ) -> None:
        self._database = database
        self._journal = journal
        self._table = table
        self._on_end = on_end
        self._in_flight: dict[bytes, tuple[str, asyncio.Future[None]]] = {}

    def judge(self, body: bytes, origin: str) -> Judged:
        question = question_decoder.decode(body)
        table = self._table()
        keeper = (self._database.store.get(ENDED + self._journal.encode()) or b"").decode()
        if keeper or table is None:
            return Judged(None, encoded(Told(code=HAS_ENDED, status=400) if keeper == origin else _GONE))
        if question.keeper:
            return Judged(encoded(Entry(self._database.store.stamp(), keeper=question.keeper)), encoded(Told(b"{}")))
        writes, told = judged(self._database, table, question)
        for one in writes:
            by, done = self._in_flight.get(one.key, ("", None))
            if done is not None and by == origin:
                return Judged(None, b"", wait=done)
            if done is not None:
                return Judged(None, encoded(fault_told(ClientFault("ReplicatedWriteConflictException", CONFLICT))))
        if not writes:
            return Judged(None, encoded(told))
        version = Version(self._database.store.stamp().time, origin)
        done = asyncio.get_running_loop().create_future()
        keys = [one.key for one in writes]
        for key in keys:
            self._in_flight[key] = (origin, done)

        def release() -> None:
            for key in keys:
                self._in_flight.pop(key, None)
            if not done.done():
                done.set_result(None)

        return Judged(
            encoded(Entry(version, [written(one, version) for one in writes])), encoded(told), release=release
        )

    def apply(self, data: bytes, also: Sequence[Row]) -> None:
        entry = entry_decoder.decode(data)
        table = self._table()
        if entry.keeper:
            self._database.store.write([*also, (ENDED + self._journal.encode(), entry.keeper.encode())])
            self._on_end(entry.keeper)
        elif table is None:
            self._database.store.write(also)
        else:
            self._database.ordered(table, [(one.key, one.row) for one in entry.writes], also, entry.version)

    def rows(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        table = self._table()
        if table is None:
            return
        prefix = table.rows_prefix
        for key, row in self._database.store.range(prefix + after + b"\x00" if after else prefix, table.rows_end):
            if not is_tombstone(row):  # of the time when it was a table of another kind
                yield key[len(prefix) :], row

    def replace(self, after: bytes, rows: Sequence[tuple[bytes, bytes]], last: bool) -> None:
        table = self._table()
        if table is None:
            return
        held = dict(rows)
        end = None if last else rows[-1][0]
        gone: list[tuple[bytes, bytes | None]] = []
        for key, row in self.rows(after):
            if end is not None and key > end:
                break
            if key not in held:
                gone.append((key, None))
            elif held[key] == row:
                del held[key]
        self._database.ordered(table, [*gone, *held.items()], (), None)
