"""Leader: streams this site's own changes to whoever follows it, and hands out snapshots.

What it decides: which log entries go to a follower (those that were written here, of topics which both sides say they
share), where a follower's stream begins, and how much may be under way unacknowledged. What it refuses to know: what
topics and keys mean, and what a follower does with a change.

Only changes of this site's own are shipped. A change that came from elsewhere reached, or will reach, every holder
from its origin; shipping it on would multiply traffic by the number of sites. What an origin lost before it reached
everybody travels by snapshot, which holds changes of all origins.

A change may be held back for a while before it is shipped (`delays_s`, by service): AWS replicates "typically within a
second or less", of which distance is the smaller part, and what a Region loses with its disk is what it had not yet
sent. With no delay a change leaves as soon as it is durable; what follows it within GATHER_S leaves together, because
a batch has its price at both ends. Followers that stand at the same place are sent the same bytes.

A fault may pause replication to a site (`World.lets_pass`): then nothing but signs of life goes there, which still say
where the log ends, so that the follower knows how far it is behind. Afterwards the stream goes on within a second.

A topic joins a follower's stream when both sides name it; the follower is told at that place in the stream
(`Carrying`), and backfills what lies before. So it does not matter which side learns first that a topic is shared. The
stream may be behind then (it was paused): what the log has of the topic already is left out, for the copy has it, and
perhaps what came after it; a tombstone that was collected meanwhile could not stop it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from antipodes.replica.backbone import Channel, Silence
from antipodes.replica.messages import (
    HEARTBEAT_S,
    Ack,
    Batch,
    Carrying,
    Copy,
    Follow,
    Part,
    Welcome,
    bare,
    follow_decoder,
    site_decoder,
    size_bytes,
    to_copier,
    to_leader,
)
from antipodes.services.contract import Carried, Lags
from antipodes.store.engine import StoreError
from antipodes.store.records import COUNTER_BITS, Change, Logged
from antipodes.store.store import Store
from antipodes.wire.framing import encode_frame
from antipodes.world.world import ConnectionLost, World

BATCH_CHANGES = 256  # a follower applies a batch in one turn of its loop
BATCH_BYTES = 256 << 10
COPY_CHANGES = 16  # records asked of a snapshot at a time: they may be large
PARTS_AHEAD = 32  # of a copy, sent and not yet taken: 8 MiB
WINDOW_BYTES = 16 << 20  # sent and not acknowledged: 2 s at 8 MB/s, more than any link's round trip
GATHER_S = 0.002  # between two batches to a follower that keeps up
SILENCE_S = 10.0  # a follower shows a sign of life each three seconds at least
SKIPPED_BEFORE_PROGRESS = 1000  # a long stretch of others' changes is reported before the heartbeat
LOOKED_THROUGH = 1000  # entries, to find out whom the log's growth concerns
WAITING_SLICE = 500  # log entries looked at between two turns of the event loop
TIMES_A_SECOND = 1e6 * (1 << COUNTER_BITS)  # a Version's time counts so
ACKED_PREFIX = b"replica/acked/"


class Waiting(NamedTuple):
    """Changes of one topic that have not reached a follower."""

    changes: int
    since_s: float  # when the oldest was committed, epoch seconds


class _Session:
    """One follower's connection."""

    def __init__(self, site: str, held: tuple[str, ...], scanned: int, silence: Silence) -> None:
        self.site = site
        self.held = held
        self.carrying: tuple[str, ...] = ()
        self.since: dict[str, int] = {}  # of a topic, what the log has up to there is the copy's, not the stream's
        self.announced: tuple[str, ...] = ()
        self.silence = silence  # of the follower
        self.scanned = scanned  # the log has been read up to here
        self.told = scanned  # ...and the follower knows it up to here
        self.clock = 0  # as in Batch
        # (upto, bytes, when what was changed) sent and not acknowledged
        self.under_way: deque[tuple[int, int, dict[str, Lags]]] = deque()
        self.under_way_bytes = 0
        self.wake = asyncio.Event()
        self.open = True
        self.beat_due = False  # nothing was sent for a while: the follower must hear of us
        self._later: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        self.silence.look(HEARTBEAT_S)
        self.beat_due = True
        self.wake.set()

    def wake_in(self, delay_s: float) -> None:
        """More may be shipped after a while."""
        if self._later is not None:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(delay_s, self.wake.set)

    def acknowledged(self, position: int) -> list[dict[str, Lags]]:
        """What was under way up to the position, by topic: commit times in place of lags."""
        arrived, full = [], self.is_full
        while self.under_way and self.under_way[0][0] <= position:
            _, total_bytes, times = self.under_way.popleft()
            self.under_way_bytes -= total_bytes
            arrived.append(times)
        if full:
            self.wake.set()
        return arrived

    @property
    def is_full(self) -> bool:
        """As much is under way as may be."""
        return self.under_way_bytes >= WINDOW_BYTES

    def end(self) -> None:
        self.open = False
        self.silence.cancel()
        if self._later is not None:
            self._later.cancel()
        self.wake.set()


class _Parcel(NamedTuple):
    """What a stretch of the log comes to for all followers that stand before it and are carried the same topics."""

    changes: list[Change]
    upto: int
    total_bytes: int
    times: dict[str, Lags]
    frame: bytes  # a Batch


def cut(
    entries: Sequence[Logged],
    site: str,
    topics: frozenset[str],
    combine: bool = False,
    since: Mapping[str, int] = MappingProxyType({}),
) -> tuple[list[Change], int, int]:
    """The next batch: (changes for a follower, position read up to, bytes). Pure. entries: not empty.

    since: of these topics only what lies after the position.
    combine: of several changes of one key only the last is sent. AWS does so too: it "may combine multiple changes made
    in a short period of time into a single replicated write" (facts 1.3).
    """
    changes: dict[object, Change] = {}
    total_bytes = 0
    for entry in entries:
        change = entry.change
        if change.version.region == site and change.topic in topics:
            if since and entry.position <= since.get(change.topic, 0):
                continue
            place = (change.topic, change.key) if combine else entry.position
            earlier = changes.pop(place, None) if combine else None
            if earlier is not None:
                total_bytes -= size_bytes(earlier)
            changes[place] = bare(change)
            total_bytes += size_bytes(change)
            if total_bytes >= BATCH_BYTES or len(changes) >= BATCH_CHANGES:
                return list(changes.values()), entry.position, total_bytes
    return list(changes.values()), entries[-1].position, total_bytes


def times_of(changes: Sequence[Change]) -> dict[str, Lags]:
    """When the changes of each topic were committed: number, sum, earliest and latest (epoch seconds). Pure."""
    times: dict[str, list[int]] = {}
    for change in changes:
        times.setdefault(change.topic, []).append(change.version.time)
    return {
        topic: Lags(len(found), sum(found) / TIMES_A_SECOND, min(found) / TIMES_A_SECOND, max(found) / TIMES_A_SECOND)
        for topic, found in times.items()
    }


def lags_of(times: Lags, at: float) -> Lags:
    """From commit times to lags, for changes that were there at `at`. Pure. Clocks differ: none is below zero."""
    least, most = max(0.0, at - times.most_s), max(0.0, at - times.least_s)
    return Lags(times.changes, max(0.0, at * times.changes - times.total_s), least, most)


def beginning(follow: Follow, incarnation: str, begin: int, end: int) -> tuple[int, bool]:
    """(position after which the stream begins, whether it goes on where the follower stood). Pure."""
    resumed = follow.incarnation == incarnation and begin <= follow.position <= end
    return (follow.position, True) if resumed else (end, False)


class Leader:
    """Serves followers; `replicator.Replicator` registers it with the backbone."""

    def __init__(
        self, world: World, store: Store, carried: Mapping[str, Carried], delays_s: Mapping[str, float] | None = None
    ) -> None:
        """delays_s: service name -> how long its changes are held back after they are durable."""
        self._world = world
        self._delays_s = {service: delay for service, delay in (delays_s or {}).items() if delay > 0}
        self._grown: deque[tuple[float, int]] = deque()  # (when, end of the log then): the recent past, oldest first
        self._began = store.end
        self._store = store
        self._carried = carried
        self._sessions: dict[str, _Session] = {}
        self._parcel: tuple[tuple[object, ...], _Parcel] | None = None  # the last one, and what it was made of
        self._woken_at = 0.0  # when the sessions were told of growth
        self.acked: dict[str, int] = {
            key.removeprefix(ACKED_PREFIX).decode(): int(value)
            for key, value in store.range(ACKED_PREFIX, ACKED_PREFIX + b"\xff")
        }
        self._saved = dict(self.acked)
        self.heard: dict[str, dict[str, int]] = {}  # of each follower: its last Ack.heard

    async def watch(self) -> None:
        """Wakes the sessions that the log's growth concerns. Runs until cancelled.

        What came from elsewhere concerns none: a write costs each site that has it one wake-up, not one for each peer.
        """
        store, seen = self._store, self._store.end
        while True:
            await store.grown(seen)
            early_s = self._woken_at + GATHER_S - self._world.monotonic()
            if early_s > 0:
                await self._world.sleep(early_s)
            self._woken_at = self._world.monotonic()
            before, seen = seen, store.end
            if self._delays_s:
                self._remember()
            topics = self._own_topics(before, seen)
            for session in self._sessions.values():
                passed = topics is not None and topics.isdisjoint(session.carrying) and session.scanned == before
                if passed:
                    session.scanned = seen
                if not passed or session.scanned - session.told >= SKIPPED_BEFORE_PROGRESS:
                    session.wake.set()

    def _own_topics(self, after: int, upto: int) -> frozenset[str] | None:
        """Topics of this site's own changes in a stretch of the log; None: too long to look through."""
        if upto - after > LOOKED_THROUGH:
            return None
        site = self._world.site
        entries = self._store.changes(after, upto - after)
        return frozenset(entry.change.topic for entry in entries if entry.change.version.region == site)

    def _remember(self) -> None:
        """Notes when the log had which end, as far back as a delay reaches."""
        now, longest_s = self._world.monotonic(), max(self._delays_s.values())
        self._grown.append((now, self._store.end))
        while self._grown and self._grown[0][0] < now - longest_s:
            self._began = self._grown.popleft()[1]

    def _released(self, session: _Session) -> tuple[int, float]:
        """(position up to which the log may be shipped now, seconds until more may)."""
        delay_s = max((self._delays_s.get(topic.partition("/")[0], 0.0) for topic in session.carrying), default=0.0)
        if not delay_s:
            return self._store.end, HEARTBEAT_S
        due, upto = self._world.monotonic() - delay_s, self._began
        for when, end in self._grown:
            if when > due:
                return upto, min(when - due, HEARTBEAT_S)
            upto = end
        return upto, HEARTBEAT_S

    def beat(self) -> None:
        """Each HEARTBEAT_S: followers hear of this site, and must have been heard of."""
        for session in self._sessions.values():
            session.beat()

    def refresh(self) -> None:
        """Topics or their holders may have changed."""
        for session in self._sessions.values():
            self._choose(session)

    def stop(self) -> None:
        """Ends all sessions: the store is about to close."""
        for session in self._sessions.values():
            session.end()

    def save_acked(self) -> None:
        """Writes down how far followers are (late is harmless: it only keeps log entries longer)."""
        rows = [
            (ACKED_PREFIX + site.encode(), str(position).encode())
            for site, position in self.acked.items()
            if self._saved.get(site) != position
        ]
        if rows:
            self._saved = dict(self.acked)
            self._store.write(rows)

    async def serve_log(self, channel: Channel, hello: msgspec.Raw) -> None:
        """One follower's connection, until it breaks."""
        follow = follow_decoder.decode(hello)
        store = self._store
        position, resumed = beginning(follow, store.incarnation, store.begin, store.end)
        session = _Session(follow.site, follow.topics, position, Silence(channel, SILENCE_S))
        older = self._sessions.get(follow.site)
        if older is not None:
            older.end()
        self._sessions[follow.site] = session
        if resumed:
            self.acked[follow.site] = position
        else:  # it begins with a copy: what it had before counts no more
            self.heard.pop(follow.site, None)
        self._choose(session, follow.since if resumed else {})
        session.announced = session.carrying
        reader = self._world.spawn(self._listen(channel, session), f"acks of {follow.site}")
        try:
            channel.send(Welcome(store.incarnation, position, resumed, store.end, session.carrying))
            await self._stream(channel, session)
        finally:
            session.end()
            reader.cancel()
            if self._sessions.get(follow.site) is session:
                del self._sessions[follow.site]

    async def _stream(self, channel: Channel, session: _Session) -> None:
        store = self._store
        while session.open:
            session.wake.clear()
            if session.announced != session.carrying:
                session.announced = session.carrying
                channel.send(Carrying(session.carrying, store.end))
            if session.scanned < store.begin:
                return  # trimmed below a follower that was too slow: it comes back and is told to backfill
            if not self._world.lets_pass(session.site):
                released, patience_s = session.scanned, HEARTBEAT_S
            else:
                released, patience_s = self._released(session) if self._delays_s else (store.end, HEARTBEAT_S)
            count = min(BATCH_CHANGES, released - session.scanned) if not session.is_full else 0
            if count > 0:
                parcel = self._next(session, count)
                session.scanned = parcel.upto
                if parcel.changes or session.scanned - session.told >= SKIPPED_BEFORE_PROGRESS:
                    self._send(channel, session, parcel)
                    await channel.drain()
                continue
            if session.beat_due:
                if session.scanned == store.end and not store.settled:
                    with contextlib.suppress(StoreError):  # whose write it was is told
                        await store.durable()  # else a busy site might never say how late it is
                    if session.scanned < store.end:
                        continue
                self._show_life(channel, session)
            if patience_s < HEARTBEAT_S:
                session.wake_in(patience_s)
            await session.wake.wait()

    def _next(self, session: _Session, count: int) -> _Parcel:
        """So many entries of the log, as they go to a follower: to several, mostly."""
        if session.since and session.scanned >= max(session.since.values()):
            session.since = {}
        place = (session.scanned, count, session.carrying, self._store.end, tuple(session.since.items()))
        if self._parcel is not None and self._parcel[0] == place:
            return self._parcel[1]
        entries = self._store.changes(session.scanned, count)
        combine = count == BATCH_CHANGES
        carrying = frozenset(session.carrying)
        changes, upto, total_bytes = cut(entries, self._world.site, carrying, combine, session.since)
        frame = encode_frame(Batch(changes, upto, self._store.end, changes[-1].version.time)) if changes else b""
        parcel = _Parcel(changes, upto, total_bytes, times_of(changes), frame)
        self._parcel = place, parcel
        return parcel

    def _send(self, channel: Channel, session: _Session, parcel: _Parcel) -> None:
        if not parcel.changes:
            self._show_life(channel, session)
            return
        channel.send_frame(parcel.frame)
        session.clock = parcel.changes[-1].version.time
        session.told = session.scanned
        session.beat_due = False
        session.under_way.append((parcel.upto, parcel.total_bytes, parcel.times))
        session.under_way_bytes += parcel.total_bytes

    def _show_life(self, channel: Channel, session: _Session) -> None:
        """Progress, or a sign of life."""
        if session.scanned == self._store.end and self._store.settled:
            session.clock = self._store.stamp().time
        channel.send(Batch([], session.scanned, self._store.end, session.clock))
        session.told = session.scanned
        session.beat_due = False

    async def _listen(self, channel: Channel, session: _Session) -> None:
        """Takes what the follower says; silence or a break ends the session."""
        try:
            while True:
                message = await channel.receive(to_leader)
                session.silence.broken()
                if isinstance(message, Ack):
                    self.acked[session.site] = max(self.acked.get(session.site, 0), message.position)
                    self._delivered(session.site, message, session.acknowledged(message.position))
                else:
                    session.held = message.topics
                    self._choose(session)
        except ConnectionLost:
            session.end()

    def _delivered(self, site: str, ack: Ack, arrived: list[dict[str, Lags]]) -> None:
        if ack.heard is not None:
            self.heard[site] = ack.heard
        for times in arrived:
            for topic in times:
                carried = self._carried.get(topic.partition("/")[0])
                if carried is not None:
                    carried.delivered(topic, site, lags_of(times[topic], ack.at))

    def complete(self, site: str) -> bool:
        """Whether the other is known to have all that is not `waiting`: it has none of it while it copies."""
        return self.heard.get(site, {}).get(self._world.site, 0) > 0

    async def waiting(self, site: str) -> dict[str, Waiting]:
        """What the log says that this site has changed and the other is not known to have, by topic."""
        found: dict[str, Waiting] = {}
        position = self.acked.get(site, 0)
        while entries := self._store.changes(position, WAITING_SLICE):
            for entry in entries:
                change = entry.change
                if change.version.region == self._world.site and self._shared(change.topic, site):
                    known = found.get(change.topic) or Waiting(0, change.version.seconds)
                    found[change.topic] = Waiting(known.changes + 1, known.since_s)
            position = entries[-1].position
            await self._world.sleep(0)
        return found

    def _choose(self, session: _Session, begun: Mapping[str, int] = MappingProxyType({})) -> None:
        """Carries what the follower holds and this site shares with it. begun: `Follow.since`."""
        carrying = tuple(topic for topic in session.held if self._shared(topic, session.site))
        if carrying != session.carrying:
            for topic in carrying:
                if topic not in session.carrying:
                    session.since[topic] = begun.get(topic, self._store.end)
            session.carrying = carrying
            session.wake.set()

    def _shared(self, topic: str, site: str) -> bool:
        carried = self._carried.get(topic.partition("/")[0])
        return carried is not None and site in carried.holders(topic)

    async def serve_snapshot(self, channel: Channel, hello: msgspec.Raw) -> None:
        """Copies topics for one follower, one after the other, until it has enough."""
        site = site_decoder.decode(hello)
        while True:
            message = await channel.receive(to_copier)
            if not isinstance(message, Copy):
                return
            try:
                await self._copy(channel, site, message)
            except StoreError:
                return  # what was just read may not have happened: the follower asks again

    async def _copy(self, channel: Channel, site: str, copy: Copy) -> None:
        """Sends a topic part by part, a bounded number of parts ahead of what the follower has taken."""
        after, ahead, last = copy.after, 0, False
        while not last:
            if not self._shared(copy.topic, site):
                channel.send(Part(self._store.incarnation, [], last=True, refused=True))
                return
            paused = not self._world.lets_pass(site)  # then an empty part is a sign of life
            part = Part(self._store.incarnation, [], last=False) if paused else self._part(copy.topic, after)
            await self._store.durable()  # a copy must not know what a crash here could still undo
            channel.send(part)
            await channel.drain()
            after, last, ahead = (part.changes[-1].key if part.changes else after), part.last, ahead + 1
            while ahead > (0 if last else PARTS_AHEAD):
                await channel.receive(to_copier)
                ahead -= 1
            if paused:
                await self._world.sleep(HEARTBEAT_S)

    def _part(self, topic: str, after: bytes) -> Part:
        carried = self._carried[topic.partition("/")[0]]
        changes: list[Change] = []
        total_bytes, limit = 0, min(COPY_CHANGES, BATCH_CHANGES)
        while total_bytes < BATCH_BYTES and len(changes) < BATCH_CHANGES:
            found = carried.snapshot(topic, after, limit)
            changes += map(bare, found)
            if len(found) < limit:
                return Part(self._store.incarnation, changes, last=True)
            after = found[-1].key
            total_bytes += sum(map(size_bytes, found))
        return Part(self._store.incarnation, changes, last=False)
