"""Reads as of now: how far a member's state must be so that it has all that was acknowledged before the question.

The leader says how far all holds, once a quorum was heard from after the question; the member waits until it has
applied so much. A question from another voting member is itself such a word: it knew no later leader when it asked,
so together with the leader it is a quorum, and a read away from the leader costs one round trip.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from antipodes.replica.journal.member import Member, resolve
from antipodes.replica.journal.messages import Read, ReadAt
from antipodes.services.contract import Isolated
from antipodes.world.world import World

PATIENCE_S = 5.0
AGAIN_S = 0.02
TOO_LATE = "two members of the global table could not agree in time"


@dataclass(slots=True)
class _Waiting:
    """At the leader: until the round is answered. term: of the lead."""

    round: int
    term: int
    done: asyncio.Future[int]


class Reads:
    """The reads of one member."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._world: World = member.world
        self._asked = 0
        self._elsewhere: dict[int, asyncio.Future[int]] = {}
        self._here: list[_Waiting] = []
        self._asks = ("", 0)  # the leader that is asked, and its term
        member.before_turn.append(self._mind_the_leader)
        member.after_turn.append(self._look)
        member.on_end += [self._give_up, self.cut]

    async def fresh(self) -> None:
        """Returns when the state here has all that was acknowledged before the call. Raises Isolated."""
        member = self._member
        deadline = self._world.monotonic() + PATIENCE_S
        while True:
            leader = await member.find_leader(deadline, happened=False)
            left_s = deadline - self._world.monotonic()
            if left_s <= 0:
                raise Isolated(TOO_LATE, happened=False)
            try:
                async with asyncio.timeout(left_s):
                    index = await (self.confirmed() if leader == member.site else self._ask(leader))
                    if index >= 0:
                        await member.applied(index)
                        return
            except TimeoutError:
                pass
            await self._world.sleep(AGAIN_S)

    async def confirmed(self) -> int:
        """At the leader: how far all holds, confirmed by a quorum after the call; -1: it leads no longer."""
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._member.work(lambda: self._wait(done))
        return await done

    def _wait(self, done: asyncio.Future[int]) -> None:
        core = self._member.core
        if core.lead is None:
            resolve(done, -1)
        else:
            self._here.append(_Waiting(core.lead.confirm(), core.term, done))

    async def _ask(self, leader: str) -> int:
        core = self._member.core
        self._asked += 1
        number = self._asked
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._elsewhere[number] = future
        try:
            if not self._member.send(leader, Read(number, core.term, core.memory.hard.voter)):
                return -1
            return await future
        finally:
            self._elsewhere.pop(number, None)

    def answered(self, said: ReadAt) -> None:
        """An answer from the leader."""
        future = self._elsewhere.get(said.number)
        if future is not None:
            resolve(future, said.index)

    def serve(self, sender: str, read: Read) -> None:
        """A question from another member, at the leader. Within a turn."""
        member, core = self._member, self._member.core
        if core.lead is None or core.term != read.term:
            member.send(sender, ReadAt(read.number, -1))
        elif core.leads and read.voter:
            member.send(sender, ReadAt(read.number, core.memory.commit))
        else:
            done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            done.add_done_callback(lambda found: member.send(sender, ReadAt(read.number, found.result())))
            self._here.append(_Waiting(core.lead.confirm(), core.term, done))

    def cut(self) -> None:
        """The connection to the leader broke: no answer will come for what was asked there."""
        for future in self._elsewhere.values():
            resolve(future, -1)

    def _give_up(self) -> None:
        here, self._here = self._here, []
        for waiting in here:
            resolve(waiting.done, -1)

    def _mind_the_leader(self) -> None:
        asks = self._member.core.leader, self._member.core.term
        if asks != self._asks:
            self._asks = asks
            self.cut()

    def _look(self) -> None:
        """After a turn: which rounds are answered by now."""
        if not self._here:
            return
        core = self._member.core
        if core.lead is None or core.term != self._here[0].term:
            self._give_up()
        elif core.leads:
            confirmed, still = core.lead.confirmed, []
            for waiting in self._here:
                if waiting.round <= confirmed:
                    resolve(waiting.done, core.memory.commit)
                else:
                    still.append(waiting)
            self._here = still
