"""Replicator: everything of one site's replication: it leads for those who dial, and follows each peer.

What it decides: when the log may be trimmed, and what must be copied again after a peer lost its disk. The rest is told
by `leader` (ships this site's own changes), `follower` (keeps up with one peer) and `backbone` (their connections).

Convergence. Every change carries its version; `Carried.merge` keeps the greatest version of a key, so the order and the
number of deliveries do not matter, and sites that have received the same changes hold the same values. Every change
reaches every holder of its topic: from its origin's log, or, for a holder that came late or was away for longer than
the log reaches back, from a snapshot. A change is lost only if its origin's disk is lost before any other site had it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from antipodes.replica.backbone import Backbone
from antipodes.replica.follower import Follower, Following, shared_topics
from antipodes.replica.leader import Leader, Waiting
from antipodes.replica.messages import HEARTBEAT_S, REPLICATE, SNAPSHOT
from antipodes.services.contract import Carried
from antipodes.store.ages import mark_age, position_at
from antipodes.store.engine import StoreError
from antipodes.store.store import Store
from antipodes.world.world import World

TICK_S = 1.0
KEEP_ENTRIES = 1_000_000  # kept for a peer that is away; beyond it the peer is backfilled when it returns
KEEP_AT_LEAST = 100_000  # kept even when all peers have them: for this site's own readers (streams)
TRIM_STEP = 10_000


def trim_position(
    begin: int, end: int, safe: int, keep_at_least: int, keep_entries: int, aged: int | None = None
) -> int:
    """Up to where the log may be forgotten: what all have, but not the newest; and what is too much anyway; of both
    only what is old enough (`aged`: entries up to it are; None: age does not matter). Pure."""
    upto = max(min(safe, end - keep_at_least), end - keep_entries)
    return max(begin, upto if aged is None else min(upto, aged))


def settled_time(holders: Sequence[str], heard: Mapping[str, Mapping[str, int]]) -> int:
    """Up to when each holder has all changes of each other one; 0: not known. Pure. heard: of each site, what it has of
    the others (`Ack.heard`). What one holder has late or not at all holds up all."""
    times = [heard.get(site, {}).get(origin, 0) for site in holders for origin in holders if site != origin]
    return min(times, default=0)


class Replicator:
    """One site's replication.

    carried: service name -> what it shares. peers: the sites to follow, this one excluded. address_of: a site's
    address; port: the backbone port of all sites. delays_s: how long changes are held back (`Leader`). keep_s: how
    long log entries stay whatever else holds, for this site's own readers (streams).
    """

    def __init__(
        self,
        world: World,
        store: Store,
        carried: Mapping[str, Carried],
        peers: Sequence[str],
        *,
        backbone: Backbone,
        address_of: Callable[[str], str],
        port: int,
        delays_s: Mapping[str, float] | None = None,
        keep_entries: int = KEEP_ENTRIES,
        keep_at_least: int = KEEP_AT_LEAST,
        keep_s: float = 0.0,
    ) -> None:
        assert world.site not in peers, "a site does not follow itself"
        self._world = world
        self._store = store
        self._carried = carried
        self._keep_entries = keep_entries
        self._keep_at_least = min(keep_at_least, keep_entries)
        self._keep_s = keep_s
        self._marked = -1  # the end of the log of which the age is marked
        self._leader = Leader(world, store, carried, delays_s)
        self._followers = {
            peer: Follower(world, store, carried, backbone, peer, address_of(peer), port, self._disk_lost, self._heard)
            for peer in peers
        }
        self._tasks: list[asyncio.Task[None]] = []
        backbone.on(REPLICATE, self._leader.serve_log)
        backbone.on(SNAPSHOT, self._leader.serve_snapshot)

    def start(self) -> None:
        """Begins to follow. The backbone may start before or after."""
        spawn = self._world.spawn
        self._tasks = [spawn(self._leader.watch(), "replica watch"), spawn(self._tick(), "replica tick")]
        self._tasks.append(spawn(self._beat(), "replica beat"))
        self._tasks += [spawn(follower.run(), f"follow {peer}") for peer, follower in self._followers.items()]

    async def stop(self) -> None:
        """Ends all tasks. The store stays open."""
        for task in self._tasks:
            task.cancel()
        self._leader.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def refresh(self) -> None:
        """Call when a topic appeared, vanished or changed its holders. Cheap; also happens each second.

        A topic that is deleted and created again must be told in between: its new copy starts from nothing.
        """
        shared = shared_topics(self._carried)
        for follower in self._followers.values():
            follower.refresh(shared)
        self._leader.refresh()

    async def repair(self, origin: str) -> None:
        """Copies again, from every other peer, the topics shared with `origin`: what origin sent before it lost its
        disk may be at some sites only. Returns when that is written down; the copying goes on by itself."""
        self._disk_lost(origin)
        await self._store.durable()

    def copy_again(self, topic: str) -> None:
        """Copies a topic once more from every peer. Durable with what is written next."""
        for follower in self._followers.values():
            follower.forget([topic])

    def missing(self, topic: str) -> tuple[str, ...]:
        """Peers from which the topic's copy here is not complete. (): this replica is backfilled."""
        return tuple(peer for peer, follower in self._followers.items() if topic in follower.missing())

    def settled(self, topic: str) -> int:
        """A time of Versions: every holder of the topic has every change up to it, and none is under way to anybody
        any more. 0: not known."""
        carried = self._carried.get(topic.partition("/")[0])
        holders = carried.holders(topic) if carried is not None else ()
        return settled_time(holders, {**self._leader.heard, self._world.site: self._heard()})

    async def waiting(self, site: str) -> dict[str, Waiting]:
        """What the log says that this site has changed and a peer is not known to have, by topic."""
        return await self._leader.waiting(site)

    def complete(self, site: str) -> bool:
        """Whether a peer is known to have all that is not `waiting`: it has none of it while it copies."""
        return self._leader.complete(site)

    def _heard(self) -> dict[str, int]:
        return {peer: follower.heard() for peer, follower in self._followers.items()}

    def safe_position(self) -> int:
        """All peers durably have this site's log up to here."""
        return min((self._leader.acked.get(peer, 0) for peer in self._followers), default=self._store.end)

    def status(self) -> tuple[Following, ...]:
        """How each peer is followed."""
        return tuple(follower.status() for follower in self._followers.values())

    def _disk_lost(self, origin: str) -> None:
        for peer, follower in self._followers.items():
            if peer != origin:
                follower.forget([topic for topic in follower.known_topics() if self._shared(topic, origin)])

    def _shared(self, topic: str, site: str) -> bool:
        carried = self._carried.get(topic.partition("/")[0])
        return carried is not None and site in carried.holders(topic)

    def _trim_position(self) -> int:
        store, now = self._store, self._world.now()
        if self._keep_s and self._marked != store.end and mark_age(store, now, self._keep_s):
            self._marked = store.end
        bounds = store.begin, store.end, self.safe_position(), self._keep_at_least, self._keep_entries
        upto = trim_position(*bounds)
        if self._keep_s and upto > store.begin:
            upto = trim_position(*bounds, position_at(store, now - self._keep_s))
        return upto

    async def _beat(self) -> None:
        """A task of its own: no disk holds it up."""
        while True:
            await self._world.tick(HEARTBEAT_S)
            self._leader.beat()
            for follower in self._followers.values():
                follower.beat()

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await self._world.tick(TICK_S)
            ticks += 1
            self.refresh()
            if ticks % 5 == 0:
                self._leader.save_acked()
            upto = self._trim_position()
            if upto - self._store.begin >= min(TRIM_STEP, self._keep_entries):
                self._store.trim(upto)
            try:
                await self._store.durable()
            except StoreError as error:
                self._marked = -1
                self._world.trace("replica.tick_failed", error=str(error))
