"""SimulatedGlobe: the whole planet in one process, in virtual time, repeatable from its seed.

The same Regions, name server, stores and replicators as in the real world, on a Simulation's worlds. `kill` is
the crash of a site: its code stops between two steps, and its disk forgets what was not synced.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from antipodes.edge.dns import serve_dns
from antipodes.globe.api import ApiCaller
from antipodes.globe.faults import check_fault, check_region, detail_of
from antipodes.globe.globe import GlobeEvent, GlobeStatus, RegionStatus
from antipodes.globe.planet import Planet
from antipodes.globe.views import faults_of, health_of, region_status
from antipodes.nameserver import NameServer
from antipodes.nameserver.explanation import Explanation
from antipodes.region.region import Region
from antipodes.store.records import Logged
from antipodes.wire.errors import AwsError
from antipodes.world import geography
from antipodes.world.disk import MemoryDisk
from antipodes.world.rules import Fault
from antipodes.world.simulated import Simulation
from antipodes.world.world import GLOBE, HERE, World

T = TypeVar("T")
EVENTS_KEPT = 500
REPAIR_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """What a simulated run leaves: the digest of its trace, and how long it was."""

    digest: str
    virtual_s: float
    steps: int


class SimulatedGlobe:
    """Implements `globe.Globe` over a Simulation."""

    def __init__(self, simulation: Simulation, planet: Planet) -> None:
        self.regions = planet.regions
        self.port = planet.port
        self.https_port = planet.https_port
        self.dns_port = planet.dns_port
        self._simulation = simulation
        self._planet = planet
        self._world = simulation.world(GLOBE)
        self._up: dict[str, Region] = {}
        self._states: dict[str, tuple[str, float]] = {}
        self._events: deque[GlobeEvent] = deque(maxlen=EVENTS_KEPT)
        self._nameserver: NameServer | None = None
        self._api = ApiCaller(simulation.world(HERE), planet.port)

    async def start(self) -> None:
        """Boots every Region and the name server."""
        for name in self.regions:
            await self._boot(name)
        await self._simulation.boot(GLOBE, self._serve_names)

    async def _serve_names(self) -> None:
        world = self._world
        self._nameserver = NameServer(
            world, self._planet.settings, token=self._planet.token, probe_world=world, on_event=self._note
        )
        await serve_dns(world, self.dns_port, self._nameserver.answer)
        await self._nameserver.start()

    async def _boot(self, name: str) -> None:
        self._set_state(name, "starting")
        self._simulation.links.up(name)

        async def boot() -> None:
            region = Region(
                self._simulation.world(name),
                self._planet.settings,
                token=self._planet.token,
                authority=None,
                set_links=lambda _: None,  # one network table serves all in this process
            )
            await region.start()
            self._up[name] = region

        await self._simulation.boot(name, boot)
        self._set_state(name, "up")

    # -- faults ------------------------------------------------------------------------------------------------

    async def kill(self, region: str, *, destroy: bool = False) -> None:
        check_region(region, self.regions)
        if region not in self._up:
            raise ValueError(f"{region} is already down.")
        del self._up[region]
        self._simulation.crash(region, destroy=destroy)
        self._simulation.links.down(region)
        self._set_state(region, "down")
        self._note("kill", region, "disk destroyed" if destroy else "")
        if destroy:
            for name in self.regions:
                await self._repair(name, region)

    async def _repair(self, name: str, lost: str) -> None:
        """Returns when the Region has written down what it must copy again, or has died meanwhile: then nothing of it
        would ever answer, and it finds out by itself when it lives again."""
        there = self._up.get(name)
        if there is None:
            return
        written = asyncio.get_running_loop().create_task(there.replicator.repair(lost))
        while not written.done() and self._up.get(name) is there:
            await self._world.sleep(REPAIR_LOOK_S)
        if written.done():
            written.result()
        else:
            written.cancel()

    async def restore(self, region: str) -> None:
        check_region(region, self.regions)
        if region in self._up:
            raise ValueError(f"{region} is not down.")
        await self._boot(region)
        self._note("restore", region)

    async def impose(self, fault: Fault) -> None:
        check_fault(fault, self.regions)
        self._simulation.links.add(fault)
        self._note(*detail_of(fault))

    async def heal(self, fault: Fault | None = None) -> None:
        if fault is None:
            self._simulation.links.heal()
        else:
            self._simulation.links.remove(fault)
        self._note("heal", "" if fault is None else str(fault))

    # -- what is seen ------------------------------------------------------------------------------------------

    def disk(self, region: str) -> MemoryDisk:
        """A Region's disk, for who judges what is on it."""
        return self._simulation.disk(region)

    def settled(self) -> bool:
        """All Regions are up, and none has anything that is not on its disk."""
        return len(self._up) == len(self.regions) and all(region.store.settled for region in self._up.values())

    def changes(self, region: str, after: int, limit: int) -> list[Logged]:
        """What a Region's log has durably, from a position on; nothing while it is down."""
        return self._up[region].store.changes(after, limit) if region in self._up else []

    def world(self, site: str) -> World:
        return self._simulation.world(site)

    async def status(self) -> GlobeStatus:
        return GlobeStatus(
            now=self._world.now(),
            regions=tuple(self._region_status(name) for name in self.regions),
            health=health_of(self._nameserver),
            faults=faults_of(self._simulation.links),
            events=tuple(self._events),
        )

    def _region_status(self, name: str) -> RegionStatus:
        state, since = self._states.get(name, ("down", self._world.now()))
        status = RegionStatus(name, geography.address_of(name), state, since)
        region = self._up.get(name)
        return region_status(status, region.report()) if region is not None else status

    async def explain(self, name: str, record_type: str, site: str) -> Explanation:
        if self._nameserver is None:
            raise ValueError("The name server does not run.")
        return self._nameserver.explain(name, record_type, site)

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        return await self._api.call(service, operation, params, region)

    async def inspect(self, region: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """As `RemoteGlobe.inspect`."""
        if region not in self._up:
            return None
        try:
            return await self._up[region].inspect(operation, params)
        except AwsError as error:
            raise ValueError(error.message) from None

    def _note(self, kind: str, subject: str, detail: str = "") -> None:
        self._events.append(GlobeEvent(self._world.now(), kind, subject, detail))
        self._world.trace(kind, subject=subject, detail=detail)

    def _set_state(self, name: str, state: str) -> None:
        self._states[name] = (state, self._world.now())


def simulate_globe(
    seed: int,
    regions: tuple[str, ...],
    main: Callable[[SimulatedGlobe], Awaitable[T]],
    *,
    sink: Callable[[str], None] | None = None,
    options: Mapping[str, str] | None = None,
) -> tuple[T, Run]:
    """Runs `main` on a planet that lives in virtual time; its result and what the run left.

    The same seed gives the same digest, in any process. `sink` gets the trace line by line.
    """
    simulation = Simulation(seed, sink=sink)
    planet = Planet(regions=regions, in_memory=True, token="simulated", key=f"seed-{seed}", options=dict(options or {}))  # noqa: S106
    globe = SimulatedGlobe(simulation, planet)

    async def run() -> T:
        await globe.start()
        return await main(globe)

    result = simulation.run(run())
    return result, Run(simulation.trace_digest, simulation.elapsed_s, simulation.steps)
