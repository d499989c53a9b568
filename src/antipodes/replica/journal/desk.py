"""Requests: from whoever asks, to the leader, and its answer back.

A request has a name of its own. The leader judges it against the state as it is and adds an entry, which holds the
answer too. Whoever asked waits out elections: it asks the next leader again, under the same name, and the names in the
entries say whether it was carried out already. Three rules make that exact:

    a leader takes requests that are meant for its present term only: one that comes late finds no leader;
    it remembers what it answered in this term: one that comes twice is judged once;
    a name that the entries which are kept cannot tell of is answered "unknown", never judged again.

A request that changes nothing (a condition that does not hold) is true only while the leader leads: it is confirmed as
a read is.
"""

from __future__ import annotations

import asyncio

import msgspec

from antipodes.replica.journal.member import Member, resolve
from antipodes.replica.journal.messages import Answer, Ask
from antipodes.replica.journal.reads import AGAIN_S, PATIENCE_S, TOO_LATE, Reads
from antipodes.services.contract import Isolated
from antipodes.world.world import World

REMEMBERED_S = 30.0  # longer than any request lives
HANDING_S = 0.05
REFUSED = Answer("", "refused")
LOST = Answer("", "lost")
UNKNOWN = Answer("", "unknown")


class Desk:
    """The requests of one member: those that are asked here, and, while it leads, those that it judges."""

    def __init__(self, member: Member, reads: Reads) -> None:
        self._member = member
        self._reads = reads
        self._world: World = member.world
        self._life = f"{member.site}/{member.world.chance.getrandbits(64):016x}"
        self._asked = 0
        self._elsewhere: dict[str, asyncio.Future[Answer]] = {}
        self._judged: dict[str, tuple[float, asyncio.Future[Answer]]] = {}  # in the term of this lead
        self._term = -1
        self._asks = ("", 0)  # the leader that is asked, and its term
        member.before_turn.append(self._look)
        member.on_end += [self._end, self.cut]

    # Whoever asks

    async def ask(self, body: bytes) -> bytes:
        """Has a request carried out; its answer. Raises Isolated: no two members agreed; it may have happened."""
        self._asked += 1
        member, op = self._member, f"{self._life}/{self._asked}"
        since, perhaps = member.core.memory.commit, False
        deadline = self._world.monotonic() + PATIENCE_S
        while True:
            leader = await member.find_leader(deadline, None if perhaps else False)
            left_s = deadline - self._world.monotonic()
            if left_s <= 0:
                raise Isolated(TOO_LATE, None if perhaps else False)
            ask = Ask(op, member.core.term, since, perhaps, body)
            try:
                async with asyncio.timeout(left_s):
                    answer = await (self._judge(leader, ask) if leader == member.site else self._send(leader, ask))
            except TimeoutError:
                raise Isolated(TOO_LATE, None) from None
            if answer.outcome == "done":
                return answer.body
            if answer.outcome == "unknown":
                raise Isolated("it cannot be told whether the request took effect", None)
            perhaps = perhaps or answer.outcome == "lost"
            await self._world.sleep(AGAIN_S)

    async def _send(self, leader: str, ask: Ask) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._elsewhere[ask.op] = future
        try:
            return await future if self._member.send(leader, ask) else REFUSED
        finally:
            self._elsewhere.pop(ask.op, None)

    def answered(self, answer: Answer) -> None:
        """The leader's answer."""
        future = self._elsewhere.get(answer.op)
        if future is not None:
            resolve(future, answer)

    def cut(self) -> None:
        """The connection to the leader broke: no answer will come for what was asked there."""
        for future in self._elsewhere.values():
            resolve(future, LOST)

    # The leader

    def serve(self, sender: str, ask: Ask) -> None:
        """Another member's request."""
        self._world.spawn(self._serve(sender, ask), f"journal {self._member.name}: request")

    async def _serve(self, sender: str, ask: Ask) -> None:
        answer = await self._judge(sender, ask)
        self._member.send(sender, msgspec.structs.replace(answer, op=ask.op))

    async def _judge(self, sender: str, ask: Ask) -> Answer:
        """The same request in the same term has one answer, however often it comes."""
        known = self._judged.get(ask.op)
        if known is None:
            core, now = self._member.core, self._world.monotonic()
            if core.lead is None or ask.term != core.term or self._term != core.term:
                return REFUSED
            future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            self._forget(now)
            known = self._judged[ask.op] = (now, future)
            self._world.spawn(self._carry_out(sender, ask, future), f"journal {self._member.name}: judges")
        return await asyncio.shield(known[1])

    def _forget(self, now: float) -> None:
        """What was answered long ago nobody asks again. Oldest first: a dict keeps the order of coming."""
        for op in list(self._judged):
            came, future = self._judged[op]
            if now - came < REMEMBERED_S or not future.done():
                return
            del self._judged[op]

    async def _carry_out(self, sender: str, ask: Ask, future: asyncio.Future[Answer]) -> None:
        resolve(future, await self._carried_out(sender, ask))

    async def _carried_out(self, sender: str, ask: Ask) -> Answer:
        member = self._member
        if not await self._ready(ask.term):
            return REFUSED
        if ask.again:
            memory = member.core.memory
            index = member.done.get(ask.op, 0)
            if index > memory.hard.base:
                return Answer(ask.op, "done", memory.entry(index).answer)
            if ask.since < memory.hard.base:
                return UNKNOWN
        while True:
            judged = member.owner.judge(ask.body, sender)
            if judged.wait is None:
                break
            await judged.wait
            if not await self._ready(ask.term):
                return REFUSED
        if judged.data is None:
            # Another voting member's request says itself that this leads; see reads.py.
            if (sender == member.site or not self._has_voice(sender)) and await self._reads.confirmed() < 0:
                return REFUSED
            return Answer(ask.op, "done", judged.answer)
        try:
            held = await member.hold(ask.op, judged.data, judged.answer)
        finally:
            judged.release()
        return LOST if held is None else Answer(ask.op, "done", held)

    def _has_voice(self, sender: str) -> bool:
        lead = self._member.core.lead
        return lead is not None and lead.peers[sender].voter

    async def _ready(self, term: int) -> bool:
        """Waits until this leader may judge. False: it does not lead, in that term, any more."""
        while True:
            core = self._member.core
            if core.lead is None or core.term != term:
                return False
            if not core.leads:
                await self._member.applied(core.lead.first)
            elif core.lead.handing(self._world.monotonic()):
                await self._world.sleep(HANDING_S)
            else:
                return True

    def _look(self) -> None:
        """Before a turn: the lead may be over, or a new one begun, here or elsewhere."""
        core = self._member.core
        if (core.leader, core.term) != self._asks:
            self._asks = core.leader, core.term
            self.cut()
        term = core.term if core.lead is not None else -1
        if term != self._term:
            self._end()
            self._term = term

    def _end(self) -> None:
        for _, future in self._judged.values():
            resolve(future, LOST)
        self._judged.clear()
        self._term = -1
