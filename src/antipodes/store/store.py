"""Store: one site's ordered key-value map, its change log, and group commit.

What it decides: log positions, versions (through its hybrid clock), which writes share one sync, and who may go on
after it. What it refuses to know: what keys and values mean, and where they lie (`engine.Engine`).

Group commit. A write is visible at once and joins the open group; the first write of a group schedules the sync behind
everything that is ready in this turn of the event loop, so all requests of the turn share one fsync. The sync runs on
the loop: with one core a Region, a thread would only add hand-overs, and reads could not use the disk meanwhile anyway.

What nobody waits for need not be synced at once: a patient write leaves its group open for a while, so that others'
writes take it along. Who cannot wait (`durable`, an impatient write) ends the group in this turn as ever.

A sync that fails takes the whole group back: rows, log, positions. Its waiters get StoreError. Hence the rule for
callers: `write` and `await durable()` without another await between them, or a failure in between goes unnoticed.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from antipodes.store.clock import HybridClock
from antipodes.store.engine import Engine, StoreError
from antipodes.store.records import COUNTER_BITS, Change, Logged, Version
from antipodes.world.disk import FileDisk
from antipodes.world.moment import Moment
from antipodes.world.simulated_loop import VirtualLoop
from antipodes.world.world import World

CLOCK_RESERVE = 50_000 << COUNTER_BITS  # the persisted clock runs at most 50 ms ahead: saves a page a commit
TAIL_ENTRIES = 4096  # the newest log entries are kept in memory for those who follow closely...
TAIL_BYTES = 8 << 20  # ...at most so much of them
SIMULATED_SYNC_S = 0.002
PATIENCE_S = 0.002
TRIM_ENTRIES_PER_SYNC = 2000  # a long log is deleted in slices: no long stop

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Change).decode


class Store:
    """One site's data. Reads and writes are plain calls: between two awaits a caller is alone, which is what makes
    a condition check and its write atomic. Only `durable` and `grown` wait."""

    def __init__(self, world: World, engine: Engine, sync_delay_s: float = 0.0) -> None:
        """Use `Store.open`. sync_delay_s: a sync comes up to so much later (drawn); of use in simulated time."""
        self._world = world
        self._engine = engine
        self._region = world.site
        # Syncs belong to the site that opened the store, whoever writes: after its crash none may run any more.
        self._context = contextvars.copy_context()
        self._sync_delay_s = sync_delay_s
        self._clock_ceiling = int(engine.meta("clock") or 0)
        self._clock = HybridClock(self._clock_ceiling)
        self._begin = int(engine.meta("begin") or 0)
        oldest = engine.records(0, self._begin, 1)
        self._dropped = oldest[0][0] - 1 if oldest else self._begin  # records up to here are gone physically
        self._end = self._last = max(engine.last_position(), self._begin)
        self._tail = _Tail(self._end)
        self._fresh: list[Logged] = []  # logged, not yet durable
        self._dirty = False
        self._patient = False  # the open group's sync waits for company
        self._scheduled: asyncio.Handle | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._callers: list[Callable[[StoreError | None], None]] = []
        self._growth: list[tuple[int, asyncio.Future[None]]] = []
        self._closed = False
        self._on_taken_back: list[Callable[[], None]] = []
        found = engine.meta("incarnation")
        self.incarnation: str = found or f"{world.chance.getrandbits(64):016x}"
        if found is None:
            engine.put((), (), {"incarnation": self.incarnation})
            engine.sync()

    @classmethod
    def open(cls, world: World, name: str, *, sync_delay_s: float | None = None) -> Store:
        """Opens (or creates) the store on the world's disk. Raises StoreError: unreadable, in use, a newer format.

        sync_delay_s: how long a sync of a memory disk takes at most (drawn). By default a moment in simulated time, so
        that crashes fall between a write and its sync, and nothing in real time.
        """
        disk = world.disk()
        if isinstance(disk, FileDisk):
            from antipodes.store.sqlite import SqliteEngine  # noqa: PLC0415  (simulated runs never load SQLite)

            return cls(world, SqliteEngine(disk.folder / f"{name}.sqlite", disk.space))
        from antipodes.store.memory import MemoryEngine  # noqa: PLC0415

        if sync_delay_s is None:
            sync_delay_s = SIMULATED_SYNC_S if _in_simulated_time() else 0.0
        return cls(world, MemoryEngine(disk.shelf(name), f"shelf {name}", disk.space), sync_delay_s)

    def get(self, key: bytes) -> bytes | None:
        """The value, including writes that are not yet durable."""
        return self._engine.get(key)

    def range(self, start: bytes, end: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < end, in key order (or reversed). Lazy; not valid across a write: collect first."""
        return self._engine.range(start, end, reverse)

    def write(
        self, rows: Iterable[tuple[bytes, bytes | None]], changes: Sequence[Change] = (), *, patient: bool = False
    ) -> int:
        """Puts rows (None deletes) and appends changes to the log, atomically, in the open commit group.

        Returns the log position of the last change (or the current end of the log). Visible to reads at once;
        durable after `durable()`. patient: nobody waits for it, so its sync may wait PATIENCE_S for others' writes.
        """
        assert not self._closed, "write to a closed store"
        rows = list(rows)  # a caller's generator that raises leaves nothing behind
        records = []
        for change in changes:
            self._last += 1
            records.append((self._last, _encode(change)))
            self._fresh.append(Logged(self._last, change))
        meta = {}
        if self._clock.last > self._clock_ceiling:
            self._clock_ceiling = self._clock.last + CLOCK_RESERVE
            meta["clock"] = str(self._clock_ceiling)
        self._engine.put(rows, records, meta)
        self._schedule(patient=patient)
        return self._last

    @property
    def settled(self) -> bool:
        """Nothing waits for a sync: what reads see is on disk."""
        return not self._dirty

    async def durable(self) -> None:
        """Returns when everything written before the call is on disk. Never acknowledge a write, nor a read that may
        have seen one (`not settled`), before this returns. Raises StoreError: the write did not happen."""
        if self._dirty:
            self._hurry()
            loop = asyncio.get_running_loop()
            waiter = loop.create_future() if self._sync_delay_s else Moment(loop=loop)
            self._waiters.append(waiter)
            await waiter

    def when_taken_back(self, call: Callable[[], None]) -> None:
        """`call()` after a group failed, before its waiters hear of it: what was read out of it into memory is void."""
        self._on_taken_back.append(call)

    def when_durable(self, done: Callable[[StoreError | None], None], *, patient: bool = False) -> None:
        """As `durable`, for who has no task: `done` is called, when everything written before the call is on disk, or
        with the error. It must not raise. patient: patient writes may wait as long as they would."""
        if self._dirty:
            if not patient:
                self._hurry()
            self._callers.append(done)
        else:
            done(None)

    def stamp(self) -> Version:
        """A version later than every one this store has given or seen."""
        return self._clock.next(int(self._world.now() * 1e6), self._region)

    def seen(self, version: Version) -> None:
        """Tells the clock of a version that came from elsewhere."""
        self._clock.seen(version)

    @property
    def end(self) -> int:
        """Position of the last durable log entry (0: none)."""
        return self._end

    @property
    def begin(self) -> int:
        """Position before the oldest entry still kept (0: all are)."""
        return self._begin

    def changes(self, after: int, limit: int) -> list[Logged]:
        """Durable log entries with position > after, oldest first, at most `limit`. Entries at or before `begin` are
        gone: who asks from before it has missed something and must be told so by comparing."""
        after = max(after, self._begin)
        if after >= self._end:
            return []
        kept = self._tail.after(after, limit)
        if kept is not None:
            return kept
        return [Logged(place, _decode(record)) for place, record in self._engine.records(after, self._end, limit)]

    async def grown(self, after: int) -> None:
        """Waits until `end` > after."""
        if self._end <= after:
            waiting = after, asyncio.get_running_loop().create_future()
            self._growth.append(waiting)
            try:
                await waiting[1]
            finally:
                if waiting in self._growth:  # it was given up
                    self._growth.remove(waiting)

    def trim(self, upto: int) -> None:
        """Forgets log entries with position <= upto (as far as they are durable). Durable with the next sync."""
        upto = min(upto, self._end)
        if upto <= self._begin:
            return
        self._begin = upto
        self._engine.put((), (), {"begin": str(upto)})
        self._schedule()

    def close(self) -> None:
        """Syncs and closes. Who waits for growth is cancelled."""
        if self._closed:
            return
        if self._scheduled is not None:
            self._scheduled.cancel()
        if self._dirty:
            self._sync()
        if self._scheduled is not None:  # the sync left old log entries to drop: the next opening does it
            self._scheduled.cancel()
        self._closed = True
        self._engine.close()
        for _, waiter in self._growth:
            waiter.cancel()
        self._growth.clear()

    def _schedule(self, *, patient: bool = False) -> None:
        """Opens a group, if none is open: its sync runs after all that is ready now, or when patience ends."""
        if self._dirty:
            if not patient:
                self._hurry()
            return
        self._dirty, self._patient = True, patient
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a tool without a loop: nobody to share the sync with
            self._sync()
            return
        delay_s = PATIENCE_S if patient else 0.0
        if self._sync_delay_s:
            delay_s += self._world.chance.uniform(0, self._sync_delay_s)
        if delay_s:
            self._scheduled = loop.call_later(delay_s, self._sync, context=self._context)
        else:
            self._scheduled = loop.call_soon(self._sync, context=self._context)

    def _hurry(self) -> None:
        """The open group waits for company no longer."""
        if self._patient and self._scheduled is not None:
            self._scheduled.cancel()
            self._dirty = False
            self._schedule()

    def _sync(self) -> None:
        self._scheduled = None
        self._patient = False
        drop_upto = min(self._begin, self._dropped + TRIM_ENTRIES_PER_SYNC)
        if drop_upto > self._dropped:
            self._engine.drop_records(drop_upto)
        try:
            self._engine.sync()
        except StoreError as error:
            self._take_back(error)
            return
        self._dropped = drop_upto
        self._dirty = False
        self._tail.extend(self._fresh)
        self._fresh.clear()
        self._end = self._last
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._wake_growth()
        callers, self._callers = self._callers, []
        for done in callers:
            done(None)
        if self._dropped < self._begin:
            self._schedule()

    def _wake_growth(self) -> None:
        if not self._growth:
            return
        waiting, self._growth = self._growth, []
        for after, waiter in waiting:
            if waiter.done():
                continue
            if self._end > after:
                waiter.set_result(None)
            else:
                self._growth.append((after, waiter))

    def _take_back(self, error: StoreError) -> None:
        """The group did not happen: memory returns to what the disk holds."""
        self._engine.abandon()
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._dirty = False
        self._fresh.clear()
        self._last = self._end
        self._clock_ceiling = int(self._engine.meta("clock") or 0)  # the next write persists it again
        self._begin = int(self._engine.meta("begin") or 0)
        for call in self._on_taken_back:
            call()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(StoreError(str(error)))
        callers, self._callers = self._callers, []
        for done in callers:
            done(StoreError(str(error)))


def _in_simulated_time() -> bool:
    try:
        return isinstance(asyncio.get_running_loop(), VirtualLoop)
    except RuntimeError:
        return False


class _Tail:
    """The newest durable log entries in memory, positions without gaps."""

    __slots__ = ("_bytes", "_entries", "_first")

    def __init__(self, end: int) -> None:
        self._first = end + 1  # position of the first entry held
        self._entries: list[Logged] = []
        self._bytes = 0

    def extend(self, entries: list[Logged]) -> None:
        self._entries.extend(entries)
        self._bytes += sum(_size_bytes(entry.change) for entry in entries)
        if len(self._entries) > 2 * TAIL_ENTRIES or self._bytes > 2 * TAIL_BYTES:
            self._shrink()

    def _shrink(self) -> None:
        """Drops the oldest entries until both bounds hold. Rare: the bounds are met with slack."""
        cut, kept_bytes = 0, self._bytes
        while len(self._entries) - cut > TAIL_ENTRIES or kept_bytes > TAIL_BYTES:
            kept_bytes -= _size_bytes(self._entries[cut].change)
            cut += 1
        del self._entries[:cut]
        self._first += cut
        self._bytes = kept_bytes

    def after(self, position: int, limit: int) -> list[Logged] | None:
        """Entries with greater positions; None: not all of them are held."""
        start = position + 1 - self._first
        return None if start < 0 else self._entries[start : start + limit]


def _size_bytes(change: Change) -> int:
    return 200 + len(change.key) + len(change.value or b"") + len(change.before or b"")
