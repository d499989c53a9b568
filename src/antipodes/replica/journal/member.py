"""One member of a journal at work: the core, given time, disk and network.

A task turns: it hands the core what came, does what the core wants done in its order (send; write, and wait for the
disk; send), applies to the state what holds by now, and wakes who waits. All that comes while the disk is at work is
one turn: that is the journal's group commit.

Who has business with the member (desk.py, reads.py, copier.py) does it within a turn, by `work`, or waits for what
turns bring. When the disk fails, nothing was told to anybody that is not on it: memory is read anew, as after a crash.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from antipodes.replica.journal.core import Core
from antipodes.replica.journal.messages import Hard, Message, Said, entry_decoder, hard_decoder
from antipodes.services.contract import Isolated, Journaled, Row
from antipodes.store.engine import StoreError
from antipodes.store.store import Store
from antipodes.world.world import World

PREFIX = b"journal/"
KEEP_ENTRIES = 4096  # though all members have them: the requests that they carried out may be asked again
KEEP_MOST = 50_000  # kept for a member that is away; beyond it, or beyond so many bytes, it copies the state
KEEP_BYTES = 64 << 20
COMPACT_STEP = 512
ALONE_S = 2.0  # without a word from any other member: who asks is refused at once
DISK_RETRY_S = 0.2
_encode = msgspec.msgpack.Encoder().encode

T = TypeVar("T")


def resolve(future: asyncio.Future[T], value: T) -> None:
    """Gives a result to who still waits for it."""
    if not future.done():
        future.set_result(value)


class Member:
    """One journal's member at this site. send(to, what is said) -> False: there is no connection."""

    def __init__(
        self,
        world: World,
        store: Store,
        name: str,
        members: Sequence[str],
        seat: str,
        founding: bool,
        owner: Journaled,
        send: Callable[[str, Said], bool],
        keep_entries: int = KEEP_ENTRIES,
        keep_most: int = KEEP_MOST,
    ) -> None:
        self.name = name
        self.site = world.site
        self.world = world
        self.store = store
        self.owner = owner
        self.members = tuple(members)
        self.send = send
        self.done: dict[str, int] = {}  # request -> its entry, of the entries that are kept
        self.before_turn: list[Callable[[], None]] = []  # called in each turn, when the core knows what came
        self.after_turn: list[Callable[[], None]] = []  # ...and when the state is up to date
        self.on_end: list[Callable[[], None]] = []  # this life is over: who waits waits in vain
        self._seat = seat
        self._founding = founding
        self._keep = min(keep_entries, keep_most)
        self._most = keep_most
        self._step = min(COMPACT_STEP, self._keep)
        self._prefix = PREFIX + name.encode() + b"/"
        self._inbox: deque[tuple[str, Message]] = deque()
        self._work: deque[Callable[[], None]] = deque()
        self._woken = asyncio.Event()
        self._leader_known = asyncio.Event()
        self._heard_at = world.monotonic()  # any other member
        self._holding: dict[int, asyncio.Future[bytes | None]] = {}  # by entry; None: it may never hold
        self._at_least: list[tuple[int, asyncio.Future[None]]] = []  # until so much is applied
        self._lead_of = -1  # the term of the lead that `_holding` belongs to
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.core = self._load()

    # Its life

    def start(self) -> None:
        self._task = self.world.spawn(self._run(), f"journal {self.name}")

    def stop(self) -> None:
        """Ends it; the entries stay on disk. Who waits gets Isolated."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
        self._end()

    def erase(self) -> None:
        """Forgets it, entries and all (the caller awaits `durable`)."""
        self.store.write(self._deleted(self._prefix, self._prefix + b"\xff"))

    def _load(self) -> Core:
        raw = self.store.get(self._prefix + b"hard")
        # A memory that the journal did not begin with, and that is empty, was lost: it has no voice yet.
        hard = Hard(voter=self._founding) if raw is None else hard_decoder.decode(raw)
        kept = self.store.range(self._prefix + b"entry/", self._prefix + b"entry0")
        entries = [one for one in (entry_decoder.decode(value) for _, value in kept) if one.index > hard.base]
        applied = max(hard.base, int(self.store.get(self._prefix + b"applied") or 0))
        self.done = {entry.op: entry.index for entry in entries if entry.op and entry.index <= applied}
        now, draw = self.world.monotonic(), self.world.chance.random
        return Core(self.site, self.members, self._seat, hard, entries, applied, now, draw)

    def _end(self) -> None:
        self._let_go()
        for end in self.on_end:
            end()

    def _let_go(self) -> None:
        for future in self._holding.values():
            resolve(future, None)
        self._holding.clear()

    # Turns

    def work(self, what: Callable[[], None]) -> None:
        """Has something done in the next turn, which comes at once."""
        self._work.append(what)
        self._woken.set()

    def receive(self, sender: str, message: Message) -> None:
        """A message for the core."""
        self._inbox.append((sender, message))
        self._woken.set()

    def heard(self) -> None:
        """Another member has said something."""
        self._heard_at = self.world.monotonic()

    async def _run(self) -> None:
        while True:
            try:
                await self._turns()
            except StoreError as error:
                self.world.trace("journal.disk", journal=self.name, error=str(error))
                self._end()
                await self.world.sleep(DISK_RETRY_S)
                self.core = self._load()

    async def _turns(self) -> None:
        while True:
            delay_s = self.core.wakes_at - self.world.monotonic()
            if delay_s > 0 and not self._woken.is_set():
                try:
                    async with asyncio.timeout(delay_s):
                        await self._woken.wait()
                except TimeoutError:
                    pass
            self._woken.clear()
            await self._turn()

    async def _turn(self) -> None:
        core, now = self.core, self.world.monotonic()
        while self._inbox:
            core.receive(*self._inbox.popleft(), now)
        core.tick(now)
        self._mind_the_lead()
        for call in self.before_turn:
            call()
        while self._work:
            self._work.popleft()()
        kept = core.memory.last - core.memory.hard.base
        if kept > self._keep + self._step or core.memory.kept_bytes > KEEP_BYTES:
            self._compact(now)
        await self._do(core, now)
        self._apply()
        for call in self.after_turn:
            call()
        for site, message in core.take_messages(self.world.monotonic()):
            self.send(site, message)

    async def _do(self, core: Core, now: float) -> None:
        """What the core wants done."""
        out = core.take(now)
        for site, message in out.at_once:
            self.send(site, message)
        if out.writes:
            rows: list[Row] = []
            if out.drop_upto is not None:
                rows += self._deleted(self._prefix + b"entry/", self._entry_key(out.drop_upto + 1))
            if out.cut_from is not None:
                rows += self._deleted(self._entry_key(out.cut_from), self._prefix + b"entry0")
            rows += [(self._entry_key(entry.index), _encode(entry)) for entry in out.entries]
            if out.hard is not None:
                rows.append((self._prefix + b"hard", _encode(out.hard)))
                rows.append(self._applied_row(core.memory.applied))
            written = core.memory.last
            self.store.write(rows)
            await self.store.durable()
            core.persisted(written)
        for site, message in out.after:
            self.send(site, message)

    def _deleted(self, start: bytes, end: bytes) -> list[Row]:
        return [(key, None) for key, _ in list(self.store.range(start, end))]

    def _entry_key(self, index: int) -> bytes:
        return self._prefix + b"entry/" + index.to_bytes(8, "big")

    def _applied_row(self, index: int) -> Row:
        return self._prefix + b"applied", str(index).encode()

    def _compact(self, now: float) -> None:
        memory = self.core.memory
        before = memory.hard.base
        ops = [entry.op for entry in memory.kept()[: memory.last - before]]
        most = self._most if memory.kept_bytes <= KEEP_BYTES else min(self._most, len(memory.kept()) // 2)
        self.core.compact(min(self._keep, most), most, now)
        for op in ops[: memory.hard.base - before]:
            self.done.pop(op, None)

    def _apply(self) -> None:
        """Brings the state up to what holds; each entry and its number are one transaction."""
        memory = self.core.memory
        while memory.applied < memory.commit and memory.hard.whole:
            entry = memory.entry(memory.applied + 1)
            if entry.data:
                self.owner.apply(entry.data, [self._applied_row(entry.index)])
            else:
                self.store.write([self._applied_row(entry.index)])
            memory.applied = entry.index
            if entry.op:
                self.done[entry.op] = entry.index
            future = self._holding.pop(entry.index, None)
            if future is not None:
                resolve(future, entry.answer)
        still = []
        for index, reached in self._at_least:
            if index <= memory.applied:
                resolve(reached, None)
            else:
                still.append((index, reached))
        self._at_least = still

    def _mind_the_lead(self) -> None:
        core = self.core
        if core.lead is None or core.term != self._lead_of:
            self._let_go()
            self._lead_of = core.term if core.lead is not None else -1
        if core.leader:
            self._leader_known.set()
        else:
            self._leader_known.clear()

    # For those who have business with it

    async def find_leader(self, deadline: float, happened: bool | None) -> str:
        """The leader, when there is one. Raises Isolated, with `happened`: none by then, or nobody is there."""
        while not self.core.leader or self._stopped:
            now = self.world.monotonic()
            if self._stopped or now >= deadline or now - self._heard_at > ALONE_S:
                raise Isolated("no other member of the global table can be reached", happened)
            self._leader_known.clear()
            try:
                async with asyncio.timeout(min(deadline - now, ALONE_S / 4)):
                    await self._leader_known.wait()
            except TimeoutError:
                pass
        return self.core.leader

    def hold(self, op: str, data: bytes, answer: bytes) -> asyncio.Future[bytes | None]:
        """At the leader: adds an entry now. The future is done when it holds and is applied (its answer), or when the
        lead is over (None: it may hold yet)."""
        assert self.core.lead is not None
        index = self.core.lead.propose(op, data, answer)
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._holding[index] = future
        self._woken.set()
        return future

    async def applied(self, index: int) -> None:
        """Returns when the state has all entries up to `index`."""
        if self.core.memory.applied < index:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._at_least.append((index, future))
            await future
