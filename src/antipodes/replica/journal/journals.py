"""Journals: all journals of one site, and one connection to each site that shares one.

Each site dials the others and speaks on the connection that it dialled; it listens on those that were dialled to it.
Of a site's connections only the newest is listened to: what a former life of it had said, or what was said before a
break, never comes after what was said later. What cannot be sent is lost: the core says it again. While replication of
a site is paused (`World.lets_pass`) nothing is said to it, nor by it: it is as isolated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from antipodes.replica.backbone import Backbone, Channel
from antipodes.replica.journal.journal import Journal
from antipodes.replica.journal.member import KEEP_MOST, Member
from antipodes.replica.journal.messages import PURPOSE, Parcel, Said, parcel_decoder
from antipodes.services.contract import Isolated, Journaled
from antipodes.store.store import Store
from antipodes.world.world import ConnectionLost, NetworkError, World

DIAL_TIMEOUT_S = 2.0
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.05, 0.5
_site = msgspec.msgpack.Decoder(str)


class _Line:
    """The connection that this site dialled to another."""

    def __init__(self) -> None:
        self.channel: Channel | None = None
        self.task: asyncio.Task[None] | None = None


class Journals:
    """Fulfils services.contract.Journals. address_of: a site's address; port: the backbone port of all sites."""

    def __init__(
        self,
        world: World,
        store: Store,
        backbone: Backbone,
        address_of: Callable[[str], str],
        port: int,
        keep_most: int = KEEP_MOST,
    ) -> None:
        self._world = world
        self._store = store
        self._backbone = backbone
        self._address_of = address_of
        self._port = port
        self._keep_most = keep_most
        self._journals: dict[str, Journal] = {}
        self._lines: dict[str, _Line] = {}
        self._listening: dict[str, Channel] = {}  # the newest connection from each site
        backbone.on(PURPOSE, self._serve)

    def stop(self) -> None:
        """Ends all tasks. The store stays open."""
        for name in sorted(self._journals):
            self._journals[name].member.stop()
        for line in self._lines.values():
            if line.task is not None:
                line.task.cancel()
            if line.channel is not None:
                line.channel.close()

    # services.contract.Journals

    def open(self, name: str, members: Sequence[str], seat: str, owner: Journaled, *, founding: bool) -> None:
        if name in self._journals:
            return

        def send(site: str, said: Said) -> bool:
            return self._send(site, Parcel(name, said))

        member = Member(self._world, self._store, name, members, seat, founding, owner, send, keep_most=self._keep_most)
        journal = self._journals[name] = Journal(member)
        member.start()
        for site in journal.others:
            self._keep_dialled(site)

    def close(self, name: str, *, erase: bool = False) -> None:
        journal = self._journals.pop(name, None)
        if journal is not None:
            journal.member.stop()
            if erase:
                journal.member.erase()

    async def ask(self, name: str, body: bytes) -> bytes:
        return await (await self._journal(name)).desk.ask(body)

    async def fresh(self, name: str) -> None:
        await (await self._journal(name)).reads.fresh()

    def journal(self, name: str) -> Journal | None:
        """One that is open (for reports and tests)."""
        return self._journals.get(name)

    async def _journal(self, name: str, within_s: float = 5.0) -> Journal:
        """A journal that is open, or soon will be. Raises Isolated."""
        deadline = self._world.monotonic() + within_s
        while (journal := self._journals.get(name)) is None:
            if self._world.monotonic() >= deadline:
                raise Isolated("the global table is not ready yet", happened=False)
            await self._world.sleep(0.1)
        return journal

    # Connections

    def _keep_dialled(self, site: str) -> None:
        if site not in self._lines:
            line = self._lines[site] = _Line()
            line.task = self._world.spawn(self._dial(site, line), f"journals: speaks to {site}")

    async def _dial(self, site: str, line: _Line) -> None:
        backoff_s = BACKOFF_FIRST_S
        while True:
            try:
                line.channel = await self._backbone.dial(
                    self._address_of(site), self._port, PURPOSE, self._world.site, timeout_s=DIAL_TIMEOUT_S
                )
                backoff_s = BACKOFF_FIRST_S
                self._tell(site, connected=True)
                await line.channel.receive(parcel_decoder)  # nobody speaks there: this returns when it breaks
            except NetworkError:
                pass
            channel, line.channel = line.channel, None
            if channel is not None:
                channel.close()
                self._tell(site, connected=False)
            await self._world.sleep(backoff_s * self._world.chance.uniform(0.5, 1.0))
            backoff_s = min(backoff_s * 2, BACKOFF_MOST_S)

    def _tell(self, site: str, *, connected: bool) -> None:
        for name in sorted(self._journals):
            journal = self._journals[name]
            if site in journal.others:
                if connected:
                    journal.connected(site)
                else:
                    journal.lost(site)

    def _send(self, site: str, parcel: Parcel) -> bool:
        line = self._lines.get(site)
        if line is None or line.channel is None or not self._world.lets_pass(site):
            return False
        try:
            line.channel.send(parcel)
        except ConnectionLost:
            return False
        return True

    async def _serve(self, channel: Channel, hello: msgspec.Raw) -> None:
        site = _site.decode(hello)
        before = self._listening.get(site)
        self._listening[site] = channel
        if before is not None:
            before.close()
        try:
            while True:
                parcel = await channel.receive(parcel_decoder)
                if self._listening.get(site) is not channel:
                    return
                journal = self._journals.get(parcel.journal)
                if journal is not None:
                    journal.receive(site, parcel.said)
        finally:
            if self._listening.get(site) is channel:
                del self._listening[site]
                self._lost_from(site)

    def _lost_from(self, site: str) -> None:
        """Answers from there will not come any more."""
        for name in sorted(self._journals):
            self._journals[name].lost(site)
