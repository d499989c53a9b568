"""Copies of the state, for a member that is too far behind: part by part from the leader, over what is here.

What the leader applies meanwhile comes again as entries: each sets rows to what they are to be, so a state that is half
of then and half of later ends as the later one. Until it does no read as of now is answered: it waits for those
entries. A member that stops in the middle knows it (`Hard.whole`) and begins anew.
"""

from __future__ import annotations

import asyncio

from antipodes.replica.journal.core import Copying
from antipodes.replica.journal.member import Member, resolve
from antipodes.replica.journal.messages import Copy, CopyPart
from antipodes.store.engine import StoreError

PART_ROWS = 500
PART_BYTES = 256 << 10
PART_PATIENCE_S = 3.0


class Copier:
    """The copying of one member, from others and for others."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._task: asyncio.Task[None] | None = None
        self._asked = 0
        self._part: asyncio.Future[CopyPart] | None = None
        member.before_turn.append(self._look)
        member.on_end.append(self._end)

    def serve(self, sender: str, copy: Copy) -> None:
        """The next part for another member."""
        member = self._member
        if member.core.lead is None:
            return  # it asks whoever leads
        rows: list[tuple[bytes, bytes]] = []
        size_bytes, last = 0, True
        for key, row in member.owner.rows(copy.after):
            if len(rows) == PART_ROWS or size_bytes > PART_BYTES:
                last = False
                break
            rows.append((key, row))
            size_bytes += len(key) + len(row)
        member.send(sender, CopyPart(copy.number, rows, last))

    def answered(self, part: CopyPart) -> None:
        """A part of what is copied here."""
        if self._part is not None and part.number == self._asked:
            resolve(self._part, part)

    def _look(self) -> None:
        copying = self._member.core.copying
        if copying is not None and (self._task is None or self._task.done()):
            self._task = self._member.world.spawn(self._copy(copying), f"journal {self._member.name}: copies")

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _copy(self, copying: Copying) -> None:
        member = self._member
        core = member.core
        after, last = b"", False
        try:
            await member.store.durable()  # that the state is not whole must be written before it is not
            while not last:
                part = await self._ask(copying.source, after)
                if core.copying != copying:
                    return
                member.owner.replace(after, part.rows, part.last)
                last = part.last
                after = part.rows[-1][0] if part.rows else after
                await member.store.durable()
        except (TimeoutError, StoreError):
            member.work(core.copy_failed)
            return
        member.work(lambda: self._copied(copying))

    def _copied(self, copying: Copying) -> None:
        core = self._member.core
        core.copied(copying)
        base = core.memory.hard.base
        self._member.done = {op: index for op, index in self._member.done.items() if index > base}

    async def _ask(self, source: str, after: bytes) -> CopyPart:
        """Raises TimeoutError."""
        self._asked += 1
        self._part = asyncio.get_running_loop().create_future()
        self._member.send(source, Copy(self._asked, after))
        async with asyncio.timeout(PART_PATIENCE_S):
            return await self._part
