"""Follower: keeps this site's copies up with one peer.

What it decides: when to dial, from where to follow, which topics still need a backfill, what counts as durable. What it
refuses to know: what a change means; it hands each to its owner's `merge`.

Correctness in three sentences. (1) The cursor is written after the changes it covers, in the same commit group, so a
crash can only make us receive changes again, and merge is idempotent. (2) A topic is complete once a snapshot taken
after the stream began to carry it has been merged, because the stream has everything that came later; until then its
progress row says how far the copy is. (3) Whatever breaks that chain (another incarnation of the peer, a log trimmed
past our cursor, a topic that left the stream) removes the progress rows, and the backfill starts again.

If the peer has lost its disk, what it had sent to some sites but not to others survives only at those: then every other
peer is copied from again as well (`on_disk_lost`).

Nobody waits for a batch that was merged: its commit may wait a moment for that of others' writes (`Store.write`), and
takes along what else came meanwhile. So a Region that is busy syncs no more often for what comes from elsewhere.

A partition, a dead peer or a failing disk here only delays: the session ends, and is tried again after a backoff.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec

from antipodes.replica.arrivals import Arrivals
from antipodes.replica.backbone import Backbone, Channel, Silence
from antipodes.replica.messages import (
    HEARTBEAT_S,
    REPLICATE,
    SNAPSHOT,
    Ack,
    Batch,
    Carrying,
    Copy,
    Follow,
    Holding,
    Taken,
    Welcome,
    part_decoder,
    to_follower,
)
from antipodes.services.contract import Carried
from antipodes.store.engine import StoreError
from antipodes.store.records import Change
from antipodes.store.store import Store
from antipodes.world.world import ConnectionLost, NetworkError, World

SILENCE_S = 3.5  # the leader shows a sign of life each HEARTBEAT_S
LIFE_BEATS = 3  # without news the leader is told with each third of this site's heartbeats that it is there
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.1, 2.0
DIAL_TIMEOUT_S = 4.0
REFUSED_S = 0.5
TELL_S = 1.0  # what is known of all peers is told so often
TURN_CHANGES = 256  # merged at most before this site's other work has its turn
CURSOR_PREFIX = b"replica/cursor/"
TOPIC_PREFIX = b"replica/topic/"

_topic = attrgetter("topic")


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """How far this site has followed a peer."""

    incarnation: str = ""  # of the peer; "": never met
    position: int = 0


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far one topic's copy from one peer is: done, or records up to key `after`. since: it has all that the peer's
    log had up to there, so the stream need not bring it."""

    done: bool = False
    after: bytes = b""
    since: int = 0


class Following(msgspec.Struct, frozen=True):
    """What can be said of one peer."""

    peer: str
    connected: bool
    position: int
    behind: int  # log entries at the peer not yet taken here; -1: unknown, for want of a connection
    lag_ms: float | None  # commit there to apply here, of the newest change; None: none yet
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    applied: int  # changes since this process began, copies included
    missing: tuple[str, ...]  # topics whose copy from this peer is not complete
    problem: str  # why the last session ended; "" while all is well


def shared_topics(carried: Mapping[str, Carried]) -> dict[str, tuple[str, ...]]:
    """The topics held here that have other holders, with all their holders; in a fixed order."""
    return {
        topic: carried[service].holders(topic)
        for service in sorted(carried)
        for topic in sorted(carried[service].topics())
    }


class Session:
    """One connection to the peer."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.silence = Silence(channel, SILENCE_S)  # of the leader
        self.acknowledged = -1  # the position; -1: none, or it is to be said again
        self.beats = 0  # since then
        self.changes = 0  # merged since it last let others have their turn
        self.waits = False  # what is merged is acknowledged when it is durable
        self.failed: Exception | None = None  # why it is over, from here: nothing may be taken any more


class Follower:
    """Follows one peer. `run` is its task."""

    def __init__(
        self,
        world: World,
        store: Store,
        carried: Mapping[str, Carried],
        backbone: Backbone,
        peer: str,
        address: str,
        port: int,
        on_disk_lost: Callable[[str], None],
        heard: Callable[[], dict[str, int]],
    ) -> None:
        """heard: what this site has of all its peers (`Ack.heard`)."""
        self.peer = peer
        self._world = world
        self._store = store
        self._carried = carried
        self._backbone = backbone
        self._address = address
        self._port = port
        self._on_disk_lost = on_disk_lost
        self._heard_of_all = heard
        self._tell_at = 0.0  # when `heard` is told next
        self._held: tuple[str, ...] = ()
        self._carrying: tuple[str, ...] = ()
        self._channel: Channel | None = None
        self._session: Session | None = None  # once the peer has welcomed this site
        self._welcomed = False
        self._work = asyncio.Event()  # set: topics may need copying
        self._peer_end = 0
        self._applied = 0
        self._arrivals = Arrivals()
        self._problem = ""
        self._cursor_key = CURSOR_PREFIX + peer.encode()
        self._cursor = Cursor()
        self._progress: dict[str, Progress] = {}
        self._load()

    # What is on disk

    def _topic_key(self, topic: str) -> bytes:
        return TOPIC_PREFIX + self.peer.encode() + b"\x00" + topic.encode()

    def _load(self) -> None:
        found = self._store.get(self._cursor_key)
        self._cursor = Cursor() if found is None else msgspec.msgpack.decode(found, type=Cursor)
        start = self._topic_key("")
        self._progress = {
            key[len(start) :].decode(): msgspec.msgpack.decode(value, type=Progress)
            for key, value in self._store.range(start, start[:-1] + b"\x01")
        }

    def _save_cursor(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._store.write([(self._cursor_key, msgspec.msgpack.encode(cursor))], patient=True)

    def _save_progress(self, topic: str, progress: Progress) -> None:
        self._progress[topic] = progress
        self._store.write([(self._topic_key(topic), msgspec.msgpack.encode(progress))])

    def forget(self, topics: Sequence[str]) -> None:
        """These topics must be copied again from this peer."""
        rows: list[tuple[bytes, bytes | None]] = []
        for topic in topics:
            if self._progress.pop(topic, None) is not None:
                rows.append((self._topic_key(topic), None))
        if rows:
            self._store.write(rows)
        self._work.set()

    def beat(self) -> None:
        """Each HEARTBEAT_S: the peer must have been heard of, and hears of this site if there was no news for long."""
        session = self._session
        if session is None:
            return
        session.silence.look(HEARTBEAT_S)
        session.beats += 1
        if session.beats >= LIFE_BEATS and not session.waits:
            session.acknowledged = -1
            self._acknowledge(session, None)

    # What is shared

    def refresh(self, shared: Mapping[str, Sequence[str]] | None = None) -> None:
        """Topics held here, or their holders, may have changed. shared: `shared_topics`, if at hand."""
        if shared is None:
            shared = shared_topics(self._carried)
        held = tuple(topic for topic, holders in shared.items() if self.peer in holders)
        gone = [topic for topic in self._progress if topic not in held]
        if gone:
            self.forget(gone)
        if held == self._held:
            return
        self._held = held
        self._work.set()
        if self._channel is not None and self._welcomed:
            try:
                self._channel.send(Holding(held))
            except ConnectionLost:
                pass  # the session is about to notice

    def known_topics(self) -> tuple[str, ...]:
        """Topics of which a copy from this peer was begun."""
        return tuple(sorted(self._progress))

    def missing(self) -> tuple[str, ...]:
        """Topics shared with the peer of which not everything is copied."""
        return tuple(topic for topic in self._held if not self._progress.get(topic, Progress()).done)

    def heard(self) -> int:
        """All changes of the peer's own up to this time are durable here; 0 while something is still to be copied."""
        return 0 if self.missing() else self._arrivals.clock

    def status(self) -> Following:
        newest_ms, p50_ms, p99_ms = self._arrivals.lags_ms()
        connected = self._channel is not None and self._welcomed
        return Following(
            peer=self.peer,
            connected=connected,
            position=self._cursor.position,
            behind=max(0, self._peer_end - self._cursor.position) if connected else -1,
            lag_ms=newest_ms,
            lag_p50_ms=p50_ms,
            lag_p99_ms=p99_ms,
            applied=self._applied,
            missing=self.missing(),
            problem=self._problem,
        )

    # The session

    async def run(self) -> None:
        """Dials, follows, and dials again. Runs until cancelled."""
        backoff_s = BACKOFF_FIRST_S
        while True:
            self._welcomed = False
            try:
                await self._follow()
            except Exception as error:
                self._note(error)
            finally:
                self._hang_up()
            if self._welcomed:
                backoff_s = BACKOFF_FIRST_S
            self._welcomed = False
            with contextlib.suppress(StoreError):
                await self._store.durable()
            self._load()  # a failed commit took back what memory thinks was done
            await self._world.sleep(backoff_s * self._world.chance.uniform(0.5, 1.0))
            backoff_s = min(backoff_s * 2, BACKOFF_MOST_S)

    def _note(self, error: Exception) -> None:
        """Remembers why a session ended. A defect in a merge must not end replication for ever, nor go unseen."""
        self._problem = f"{type(error).__name__}: {error}"
        if not isinstance(error, NetworkError | TimeoutError | StoreError):
            self._world.trace("replica.defect", peer=self.peer, error=self._problem)

    def _hang_up(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    async def _follow(self) -> None:
        self.refresh()
        since = {topic: progress.since for topic, progress in self._progress.items()}
        follow = Follow(self._world.site, self._cursor.incarnation, self._cursor.position, self._held, since)
        dialled = self._backbone.dial(self._address, self._port, REPLICATE, follow, timeout_s=DIAL_TIMEOUT_S)
        channel = self._channel = await dialled
        async with asyncio.timeout(SILENCE_S):
            welcome = await channel.receive(to_follower)
        if not isinstance(welcome, Welcome):
            raise ConnectionLost("no welcome")
        self._begin(welcome)
        await self._store.durable()
        if self._held != follow.topics:
            channel.send(Holding(self._held))
        session = self._session = Session(channel)
        copier = self._world.spawn(self._copy_topics(session, welcome.incarnation), f"copies from {self.peer}")
        try:
            while True:
                message = await channel.receive(to_follower)
                session.silence.broken()
                if isinstance(message, Batch):
                    await self._take(session, message)
                elif isinstance(message, Carrying):
                    self._peer_end = max(message.end, self._peer_end)
                    self._carry(message.topics)
        except ConnectionLost:
            if session.failed is not None:  # then it was closed here, and this is why
                raise session.failed from None
            raise
        finally:
            self._session = None
            session.silence.cancel()
            copier.cancel()

    def _begin(self, welcome: Welcome) -> None:
        known = self._cursor.incarnation
        self._arrivals.begin()
        if not welcome.resumed:
            self.forget(sorted(self._progress))
            self._save_cursor(Cursor(welcome.incarnation, welcome.position))
        self._peer_end = welcome.end
        self._welcomed = True
        self._problem = ""
        self._carry(welcome.carrying)
        if known not in ("", welcome.incarnation):
            self._world.trace("replica.disk_lost", peer=self.peer)
            self._on_disk_lost(self.peer)

    def _carry(self, topics: tuple[str, ...]) -> None:
        """The stream carries these from here on. What left it is no longer complete."""
        self._carrying = topics
        self.forget([topic for topic in self._progress if topic not in topics])

    async def _take(self, session: Session, batch: Batch) -> None:
        """Merges a batch and moves the cursor, in one turn; both are acknowledged when they are durable."""
        if session.failed is not None:
            raise session.failed
        self._peer_end = max(batch.end, batch.upto)
        self._merge(batch.changes)
        self._arrivals.merged(batch.changes, batch.clock)
        if batch.upto != self._cursor.position:
            self._save_cursor(Cursor(self._cursor.incarnation, batch.upto))
        if not session.waits:
            session.waits = True
            self._store.when_durable(lambda error: self._acknowledge(session, error), patient=True)
        session.changes += len(batch.changes)
        if session.changes >= TURN_CHANGES:
            session.changes = 0
            await self._store.durable()

    def _acknowledge(self, session: Session, error: StoreError | None) -> None:
        """All batches that were merged are durable; or with an error: those since the last call did not happen."""
        session.waits = False
        if error is not None:
            session.failed = error
            session.channel.close()
        if error is not None or session.channel is not self._channel:
            return
        self._arrivals.durable(self._world.now())
        if session.acknowledged == self._cursor.position:
            return
        session.acknowledged, session.beats = self._cursor.position, 0
        now = self._world.monotonic()
        heard = self._heard_of_all() if now >= self._tell_at else None
        if heard is not None:
            self._tell_at = now + TELL_S
        with contextlib.suppress(ConnectionLost):  # the session is about to notice
            session.channel.send(Ack(session.acknowledged, self._world.now(), heard))

    def _merge(self, changes: list[Change]) -> None:
        """Hands changes to their owners, where a copy of the topic was begun. (Else: the copy will have them.)"""
        for topic, found in groupby(changes, _topic):
            if topic in self._progress:
                together = list(found)
                self._carried[topic.partition("/")[0]].merge(topic, together)
                self._applied += len(together)

    # Backfill

    def _next_topic(self) -> str | None:
        missing = self.missing()
        return next((topic for topic in self._carrying if topic in missing), None)

    async def _copy_topics(self, session: Session, incarnation: str) -> None:
        """Copies what is missing, topic by topic, whenever something is. Belongs to one session."""
        while True:
            self._work.clear()
            if self._next_topic() is None:
                await self._work.wait()
                continue
            try:
                await self._copy_missing(incarnation)
            except Exception as error:
                session.failed = error
                self._hang_up()  # ends the session; the next one goes on
                return

    async def _copy_missing(self, incarnation: str) -> None:
        channel = await self._backbone.dial(
            self._address, self._port, SNAPSHOT, self._world.site, timeout_s=DIAL_TIMEOUT_S
        )
        try:
            while (topic := self._next_topic()) is not None:
                if not await self._copy_topic(channel, topic, incarnation):
                    return
        finally:
            channel.close()

    async def _copy_topic(self, channel: Channel, topic: str, incarnation: str) -> bool:
        """Copies a topic from where its progress stands. False: it could not be finished on this connection."""
        if topic not in self._progress:
            self._save_progress(topic, Progress(since=self._peer_end))
        channel.send(Copy(topic, self._progress[topic].after))
        while True:
            progress = self._progress.get(topic)
            async with asyncio.timeout(3 * SILENCE_S):
                part = await channel.receive(part_decoder)
            if part.incarnation != incarnation:
                raise ConnectionLost("the peer is another one now")
            if progress is None or self._progress.get(topic) is not progress:
                return False  # to be begun anew
            if part.refused:
                await self._world.sleep(REFUSED_S)  # the stream is about to say so too, or the peer changes its mind
                return False
            self._merge(part.changes)
            after = part.changes[-1].key if part.changes else progress.after
            self._save_progress(topic, Progress(part.last, after, progress.since))
            await self._store.durable()
            channel.send(Taken())
            if part.last:
                return True
