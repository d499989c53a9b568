"""The simulated world: the whole planet in one process, in virtual time, repeatable from its seed.

`Simulation` owns time, the network, the disks and the lives of sites; `SimulatedWorld` is the World of one site in it.

- `boot(site, program)` begins a life (an incarnation): `program()` runs as a task of it, and everything that it spawns,
  serves and dials belongs to it. `crash(site)` ends it between two callbacks: see simulated_loop.py.
- Sites that were never booted (a city's users, tools at HERE) live as long as the run.
- A task or a protocol that fails unheard ends the run with `TaskFailed`, unless the simulation is not `strict`; then
  `failures` has them.
- Draws: one generator each for the order of callbacks, for the network and for each site, so that one more draw in one
  place does not shift all others.

User handlers, which read clocks and draw numbers by themselves, are made repeatable by world/sim_sandbox.py.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from antipodes.world import geography
from antipodes.world.disk import MemoryDisk
from antipodes.world.folders import stamp_of
from antipodes.world.network import Links
from antipodes.world.simulated_loop import INCARNATION, Incarnation, VirtualLoop
from antipodes.world.simulated_network import Dialler, SimulatedNetwork, SimulatedServer
from antipodes.world.simulated_streams import SimulatedStream
from antipodes.world.trace import Sink, Trace
from antipodes.world.world import (
    Certificates,
    DatagramHandler,
    Handshake,
    Host,
    Link,
    ProtocolFactory,
    SiteDown,
    Worker,
    WorkerSpec,
)

T = TypeVar("T")
EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z
log = logging.getLogger("antipodes.world")


class TaskFailed(Exception):
    """A task, a protocol or a datagram handler raised what nobody awaits; the cause is the exception."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One exception that nobody awaited."""

    site: str
    what: str  # the task's name, or "protocol"
    error: BaseException


@dataclass(slots=True)
class SiteClock:
    """A site's wall clock against true time: wall = epoch + t * (1 + drift) + offset_s."""

    offset_s: float = 0.0
    drift: float = 0.0


class Simulation:
    """One run of a planet in virtual time."""

    def __init__(
        self, seed: int, *, epoch: float = EPOCH, sink: Sink | None = None, scale: float = 1.0, strict: bool = True
    ) -> None:
        """`epoch`: wall time at the start, in seconds. `sink` gets the trace's lines. `scale` multiplies distances."""
        self.seed = seed
        self.epoch = epoch
        self.links = Links(scale=scale)
        self.failures: list[Failure] = []
        self._strict = strict
        self._loop = VirtualLoop(self._chance_of("order").random)  # type: ignore[abstract]  # it has no sockets
        self._loop.report_to(self._unheard)
        self._network = SimulatedNetwork(self._loop, self.links, self._chance_of("network").random, self.report)
        self._trace = Trace(sink)
        self._digest = ""
        self._chances: dict[str, random.Random] = {}
        self._disks: dict[str, MemoryDisk] = {}
        self._clocks: dict[str, SiteClock] = {}
        self.links.watch(self._obey)
        self._booting: dict[str, asyncio.Future[None]] = {}
        self._lives: dict[str, Incarnation] = {}  # the newest of each site

    # Running

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Runs the planet until `main` is done; its result. A Simulation runs once.

        Raises what `main` raises; Deadlock, Livelock, TaskFailed.
        """
        try:
            result: T = self._loop.run_until_complete(main)
        finally:
            self._digest = self._fingerprint()
            main.close()
            self._loop.close()
        return result

    @property
    def trace_digest(self) -> str:
        """SHA-256 over all notes and the loop's whole course so far, moment by moment: what a seed must repeat."""
        return self._digest if self._loop.is_closed() else self._fingerprint()

    def _fingerprint(self) -> str:
        return self._trace.digest(self._loop.course, self.steps, self.elapsed_s)

    @property
    def steps(self) -> int:
        """Callbacks run so far."""
        return self._loop.steps

    @property
    def elapsed_s(self) -> float:
        """Virtual seconds since the start."""
        return self._loop.time()

    # Sites

    def world(self, site: str) -> SimulatedWorld:
        """The World of a site. Raises UnknownPlace."""
        geography.place_of(site)
        return SimulatedWorld(self, site)

    def boot(self, site: str, program: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Future[None]:
        """Begins a site's life with `await program()`; the future is done when that returned or raised.

        Should the site crash before, the future raises SiteDown. Raises ValueError: the site is up.
        """
        if self.is_up(site):
            raise ValueError(f"{site} is up")
        before = self._lives.get(site)
        life = self._lives[site] = Incarnation(site, before.number + 1 if before else 1)
        context = contextvars.copy_context()
        context.run(INCARNATION.set, life)
        context.run(self.note, site, "boot", {"incarnation": life.number})
        booted = self._booting[site] = self._loop.create_future()
        task = self._loop.create_task(program(), name=f"{site}: boot", context=context)
        # The answer is given in the caller's context: it is the caller that waits for it.
        task.add_done_callback(lambda _: _pass_on(task, booted), context=contextvars.copy_context())
        return booted

    def crash(self, site: str, *, destroy: bool = False) -> None:
        """Ends a site's life as SIGKILL does; the disk forgets what was not synced, or with `destroy` everything.

        Raises ValueError: the site is not up.
        """
        life = self._lives.get(site)
        if life is None or life.dead:
            raise ValueError(f"{site} is not up")
        self.note(site, "crash", {"incarnation": life.number, "destroy": destroy})
        life.dead = True
        booting = self._booting.pop(site)
        if not booting.done():
            booting.set_exception(SiteDown(f"{site} crashed while it started"))
        self._network.bury(life)
        disk = self.disk(site)
        if destroy:
            disk.destroy()
        else:
            disk.crash(self.chance(site))

    def is_up(self, site: str) -> bool:
        """Whether a booted site lives."""
        life = self._lives.get(site)
        return life is not None and not life.dead

    def set_clock(self, site: str, *, offset_s: float = 0.0, drift: float = 0.0) -> None:
        """Sets a site's wall clock off by `offset_s`, gaining `drift` seconds a second from the run's start on."""
        self._clocks[site] = SiteClock(offset_s, drift)

    def _obey(self) -> None:
        """The rules have changed: disks are full, or not any more."""
        for site in sorted(self._disks):
            self._disks[site].space.full = self.links.disk_full(site)

    # What the worlds use

    @property
    def network(self) -> SimulatedNetwork:
        return self._network

    @property
    def loop(self) -> VirtualLoop:
        return self._loop

    def now(self, site: str) -> float:
        elapsed_s = self._loop.time()
        clock = self._clocks.get(site)
        wall_s = self.epoch + (elapsed_s * (1.0 + clock.drift) + clock.offset_s if clock else elapsed_s)
        return wall_s + self.links.skew_s(site)

    def chance(self, site: str) -> random.Random:
        found = self._chances.get(site)
        if found is None:
            found = self._chances[site] = self._chance_of(f"site {site}")
        return found

    def disk(self, site: str) -> MemoryDisk:
        found = self._disks.get(site)
        if found is None:
            found = self._disks[site] = MemoryDisk()
            self._obey()
        return found

    def note(self, site: str, kind: str, facts: dict[str, object]) -> None:
        self._trace.note(self._loop.time(), site, kind, facts)

    def report(self, site: str, what: str, error: BaseException) -> None:
        """An exception that nobody awaits."""
        self.failures.append(Failure(site, what, error))
        self.note(site, "failure", {"what": what, "error": type(error).__name__})
        if self._strict:
            failed = TaskFailed(f"{what} at {site}: {type(error).__name__}: {error}")
            failed.__cause__ = error
            self._loop.abort(failed)
        else:
            log.error("%s at %s failed", what, site, exc_info=error)

    def _unheard(self, message: str, error: BaseException | None) -> None:
        """From the loop. A future whose exception nobody retrieved is only logged: the collector decides when."""
        if message.startswith("exception in callback") and error is not None:
            life = INCARNATION.get()
            self.report(life.site if life else "?", message, error)
        else:
            log.error("%s", message, exc_info=error)

    def _chance_of(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")


def _pass_on(task: asyncio.Task[None], booted: asyncio.Future[None]) -> None:
    if booted.done():
        return
    if task.cancelled():
        booted.cancel()
        return
    error = task.exception()
    if error is not None:
        booted.set_exception(error)
    else:
        booted.set_result(None)


class SimulatedWorld:
    """The World of one site in a Simulation. Whose life its work belongs to is decided by the caller's context."""

    def __init__(self, simulation: Simulation, site: str) -> None:
        self.site = site
        self.address = geography.address_of(site)
        self.processors = 0
        self.chance = simulation.chance(site)
        self._simulation = simulation
        place = geography.place_of(site)
        self._dialler = Dialler(site, place.client_ip if isinstance(place, geography.City) else self.address)

    def now(self) -> float:
        return self._simulation.now(self.site)

    def monotonic(self) -> float:
        return self._simulation.loop.time()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def tick(self, every_s: float) -> None:
        await asyncio.sleep(every_s)  # nothing is saved by waking together, and orders of events would be lost

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        life = INCARNATION.get()
        if self._simulation.loop.is_closed() or (life is not None and life.dead):
            work.close()
            raise SiteDown(f"{self.site} is down")
        task = self._simulation.loop.create_task(work, name=f"{self.site}: {name}")
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._simulation.report(self.site, task.get_name(), error)

    def trace(self, kind: str, **facts: object) -> None:
        self._simulation.note(self.site, kind, facts)

    def at(self, site: str) -> SimulatedWorld:
        return self._simulation.world(site)

    def disk(self) -> MemoryDisk:
        return self._simulation.disk(self.site)

    def lets_pass(self, target: str) -> bool:
        return not self._simulation.links.paused(self.site, target)

    async def connect(
        self,
        address: str,
        port: int,
        *,
        tls_name: str | None = None,
        handshake: Handshake | None = None,
        timeout_s: float = 4.0,
    ) -> SimulatedStream:
        return await self._simulation.network.connect(self._dialler, address, port, tls_name, timeout_s)

    async def serve(
        self, port: int, factory: ProtocolFactory, *, address: str | None = None, tls: Certificates | None = None
    ) -> SimulatedServer:
        return self._simulation.network.serve(self.site, address or self.address, port, factory, tls)

    async def ask(self, address: str, port: int, datagram: bytes, *, timeout_s: float = 2.0) -> bytes:
        return await self._simulation.network.ask(self._dialler, address, port, datagram, timeout_s)

    async def serve_datagrams(
        self, port: int, handler: DatagramHandler, *, address: str | None = None
    ) -> SimulatedServer:
        return self._simulation.network.serve_datagrams(self.site, address or self.address, port, handler)

    def warm_workers(self, runtime: str) -> None:
        """Cold starts take what they take in simulated time: nothing is to be got ready."""

    def folder_stamp(self, folder: Path) -> int:
        return stamp_of(folder)

    async def start_worker(
        self, spec: WorkerSpec, output: Callable[[bytes], None], host: Host | None = None, link: Link | None = None
    ) -> Worker:
        from antipodes.world import sim_workers  # noqa: PLC0415 - brings boto3 along, which few simulations need

        return await sim_workers.start(self, spec, output)
