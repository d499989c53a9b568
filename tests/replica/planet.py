"""Toy sites on a simulated planet, and everything that can be done to them."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from antipodes.store.records import Version
from antipodes.world.simulated import Simulation
from tests.replica.toy import Cell, ToySite

SITES = ("us-east-1", "eu-west-1", "ap-northeast-1")


@dataclass(frozen=True)
class Acknowledged:
    """A write that somebody was told is safe."""

    site: str
    topic: str
    key: bytes
    version: Version


class ToyPlanet:
    """Sites that are up, what they should hold, and what was acknowledged."""

    def __init__(self, simulation: Simulation, sites: tuple[str, ...] = SITES, keep_entries: int = 1000) -> None:
        self.simulation = simulation
        self.sites = sites
        self.keep_entries = keep_entries
        self.up: dict[str, ToySite] = {}
        self.holders: dict[str, tuple[str, ...]] = {}  # as decided; each site learns it when it is up
        self.acknowledged: list[Acknowledged] = []
        self._contexts: dict[str, contextvars.Context] = {}

    async def boot(self, site: str) -> None:
        async def program() -> None:
            self._contexts[site] = contextvars.copy_context()
            life = ToySite(self.simulation.world(site), self.sites, keep_entries=self.keep_entries)
            for topic in sorted(self.holders):
                if site in self.holders[topic]:
                    life.toy.share(topic, self.holders[topic])
            await life.store.durable()
            await life.start()
            self.up[site] = life

        await self.simulation.boot(site, program)

    async def boot_all(self) -> None:
        for site in self.sites:
            if site not in self.up:
                await self.boot(site)

    def crash(self, site: str, *, destroy: bool = False) -> None:
        del self.up[site]
        self.simulation.crash(site, destroy=destroy)

    async def unshare(self, topic: str, site: str) -> None:
        """One site gives up its copy; the others learn of it."""
        holders = tuple(one for one in self.holders[topic] if one != site)
        await self.at(site, self._drop(self.up[site], topic))
        await self.share(topic, *holders)

    @staticmethod
    async def _drop(site: ToySite, topic: str) -> None:
        site.toy.drop(topic)
        site.replicator.refresh()
        await site.store.durable()

    def at(self, site: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs something as part of a site's life: it stops where a crash finds it."""
        return asyncio.get_running_loop().create_task(work, context=self._contexts[site])

    async def share(self, topic: str, *holders: str) -> None:
        """Decides who holds a topic and tells those that are up, one after the other."""
        self.holders[topic] = holders
        for site in holders:
            if site in self.up:
                await self.at(site, self._learn(self.up[site], topic, holders))

    @staticmethod
    async def _learn(site: ToySite, topic: str, holders: tuple[str, ...]) -> None:
        site.share(topic, holders)
        await site.store.durable()

    def put(self, site: str, topic: str, key: bytes, value: bytes | None) -> None:
        """A client's write; acknowledged if the site lives long enough."""
        self.at(site, self._put(site, topic, key, value))

    async def _put(self, site: str, topic: str, key: bytes, value: bytes | None) -> None:
        version = await self.up[site].toy.put(topic, key, value)
        self.acknowledged.append(Acknowledged(site, topic, key, version))

    def cells(self, site: str, topic: str) -> dict[bytes, Cell]:
        return dict(self.up[site].toy.cells(topic))

    def equal(self) -> bool:
        return all(
            self.cells(one, topic) == self.cells(holders[0], topic)
            for topic, holders in sorted(self.holders.items())
            for one in holders[1:]
        )

    async def settle(self, within_s: float = 60.0) -> None:
        """Waits until every holder of every topic has the same, complete copies."""
        world = self.simulation.world(self.sites[0])
        deadline = world.monotonic() + within_s
        while not (self.equal() and not any(s.replicator.missing(t) for s in self.up.values() for t in s.toy.topics())):
            if world.monotonic() > deadline:
                raise AssertionError("no convergence:\n" + "\n".join(self.describe()))
            await world.sleep(0.1)

    def describe(self) -> list[str]:
        lines = []
        for site, life in sorted(self.up.items()):
            for status in life.replicator.status():
                lines.append(f"{site} follows {status}")
            lines += [f"{site} {topic}: {len(life.toy.cells(topic))} cells" for topic in life.toy.topics()]
        return lines

    def lost(self) -> list[Acknowledged]:
        """Acknowledged writes that neither a holder has nor a later write replaced."""
        return [
            write
            for write in self.acknowledged
            for site in self.holders[write.topic][:1]
            if (found := self.cells(site, write.topic).get(write.key)) is None or found.version < write.version
        ]


def story(
    seed: int, tell: Callable[[ToyPlanet, random.Random], Awaitable[None]], *, keep_entries: int = 1000
) -> Simulation:
    """Runs a story on a planet of three sites."""
    simulation = Simulation(seed)
    planet = ToyPlanet(simulation, keep_entries=keep_entries)

    async def main() -> None:
        await planet.boot_all()
        await tell(planet, random.Random(f"story {seed}"))

    simulation.run(main())
    return simulation
