"""RealGlobe: the planet as processes. Starts and ends Region processes, keeps the front door and the name server.

    kill       SIGKILL to the Region's process group: the Region and its Lambda workers
    restore    a new process on the same folder (or, after --destroy, on an empty one)
    impose     a rule in the table of faults, told to every Region's process

A Region process holds its stdin open: when the supervisor dies, however it dies, the pipe closes and the Region ends.
A Region that dies by itself (or by somebody's kill -9) is noticed, its group is swept, and it stays down until
`restore`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson

from antipodes.edge.client import HttpClient
from antipodes.globe.admin import PREFIX, TOKEN_HEADER
from antipodes.globe.api import ApiCaller
from antipodes.globe.faults import check_fault, check_region, detail_of
from antipodes.globe.globe import GlobeEvent, GlobeStatus, RegionStatus
from antipodes.globe.planet import LINKS_FILE, Planet
from antipodes.globe.views import faults_of, health_of, region_status
from antipodes.nameserver import NameServer
from antipodes.nameserver.explanation import Explanation
from antipodes.region.admin import RegionReport
from antipodes.wire.http import HttpRequest
from antipodes.world import geography
from antipodes.world.network import Links
from antipodes.world.real import RealWorld
from antipodes.world.rules import Fault, encode_rules
from antipodes.world.world import HERE, NetworkError, World

log = logging.getLogger("antipodes.globe")

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
TELL_AGAIN_S = 0.5
TELL_TIMEOUT_S = 2.0
EVENTS_KEPT = 500


class RegionDidNotStart(Exception):
    """A Region process ended or stayed silent while starting; the message carries its last words."""


@dataclass(slots=True)
class Running:
    """A Region's process as the supervisor holds it."""

    process: asyncio.subprocess.Process
    watch: asyncio.Task[None]


class RealGlobe:
    """Implements `globe.Globe` with one process a Region. `start`, then `stop`."""

    def __init__(self, data_dir: Path, planet: Planet, world: RealWorld, links: Links) -> None:
        self.regions = planet.regions
        self.port = planet.port
        self.https_port = planet.https_port
        self.dns_port = planet.dns_port
        self._data_dir = data_dir
        self._planet = planet
        self._world = world
        self._links = links
        self._running: dict[str, Running] = {}
        self._states: dict[str, tuple[str, float]] = {}
        self._changing: dict[str, asyncio.Lock] = {name: asyncio.Lock() for name in planet.regions}
        self._events: deque[GlobeEvent] = deque(maxlen=EVENTS_KEPT)
        here = world.at(HERE)
        self._client = HttpClient(here)
        self._api = ApiCaller(here, planet.port)
        self.nameserver: NameServer | None = None  # set by the supervisor: it shares this process

    # -- life --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts every Region; returns when all serve. Raises RegionDidNotStart after ending those that did."""
        try:
            await asyncio.gather(*(self._start_region(name) for name in self.regions))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends every Region in an orderly way, then by force."""
        for name in list(self._running):
            self._set_state(name, "down")
        await asyncio.gather(*(self._stop_region(name) for name in list(self._running)))
        self._client.close()
        self._api.close()

    async def _start_region(self, name: str) -> None:
        self._set_state(name, "starting")
        folder = self._data_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.log"
        self._write_links()
        with path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "antipodes.globe.region_process", name, str(self._data_dir)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
        if line.strip() != b"ready":
            sweep(process.pid)
            await process.wait()
            self._set_state(name, "down")
            raise RegionDidNotStart(last_words(path) or f"Region {name} did not start; see {path}.")
        watch = self._world.spawn(self._watch(name, process), f"watch {name}")  # noqa: RUF100
        self._running[name] = Running(process, watch)
        self._links.up(name)
        self._set_state(name, "up")
        await self._tell_links()

    async def _watch(self, name: str, process: asyncio.subprocess.Process) -> None:
        """Notices a Region's end, wanted or not."""
        code = await process.wait()
        sweep(process.pid)
        running = self._running.get(name)
        if running is not None and running.process is process:
            del self._running[name]
            self._links.down(name)
            if self._states[name][0] != "down":
                self._set_state(name, "down")
                self._note("died", name, f"exit code {code}")

    async def _stop_region(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            running.process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await running.process.wait()
        except TimeoutError:
            log.warning("%s did not end in %s s: SIGKILL", name, STOP_TIMEOUT_S)
        sweep(running.process.pid)
        await running.process.wait()

    # -- faults ------------------------------------------------------------------------------------------------

    async def kill(self, region: str, *, destroy: bool = False) -> None:
        check_region(region, self.regions)
        async with self._changing[region]:
            running = self._running.get(region)
            if running is None:
                raise ValueError(f"{region} is already down.")
            self._set_state(region, "down")
            self._links.down(region)
            sweep(running.process.pid)
            await running.process.wait()
            self._running.pop(region, None)
            self._note("kill", region, "disk destroyed" if destroy else "")
            if destroy:
                shutil.rmtree(self._data_dir / "regions" / region, ignore_errors=True)
                # What the lost disk had sent to some Regions but not to all, they now tell each other.
                lost = orjson.dumps({"region": region})
                await asyncio.gather(*(self._admin(name, "POST", "repair", lost) for name in list(self._running)))

    async def restore(self, region: str) -> None:
        check_region(region, self.regions)
        async with self._changing[region]:
            if region in self._running:
                raise ValueError(f"{region} is not down.")
            try:
                await self._start_region(region)
            except RegionDidNotStart as error:
                raise ValueError(str(error)) from error
            self._note("restore", region)

    async def impose(self, fault: Fault) -> None:
        check_fault(fault, self.regions)
        self._links.add(fault)
        self._note(*detail_of(fault))
        await self._tell_links()

    async def heal(self, fault: Fault | None = None) -> None:
        if fault is None:
            self._links.heal()
        else:
            self._links.remove(fault)
        self._note("heal", "" if fault is None else str(fault))
        await self._tell_links()

    async def _tell_links(self) -> None:
        """Every Region process gets the network's rules; one that starts later reads them from the file."""
        rules = self._write_links()
        names = list(self._running)
        told = await asyncio.gather(*(self._admin(name, "POST", "links", rules) for name in names))
        for name, answer in zip(names, told, strict=True):
            if answer is None:
                self._world.spawn(self._tell_late(name, self._running.get(name)), f"rules for {name}")

    async def _tell_late(self, name: str, running: Running | None) -> None:
        """A Region that did not answer, and lives, must not keep rules that hold no longer."""
        while running is not None and self._running.get(name) is running:
            await self._world.sleep(TELL_AGAIN_S)
            if await self._admin(name, "POST", "links", encode_rules(self._links.rules())) is not None:
                return

    def _write_links(self) -> bytes:
        """The rules, as bytes and in the file. A Region that starts meanwhile reads the old file or the new one."""
        rules = encode_rules(self._links.rules())
        path = self._data_dir / LINKS_FILE
        fresh = path.with_suffix(".new")
        fresh.write_bytes(rules)
        fresh.replace(path)
        return rules

    # -- what is seen ------------------------------------------------------------------------------------------

    def world(self, site: str) -> World:
        return self._world.at(site)

    async def status(self) -> GlobeStatus:
        regions = await asyncio.gather(*(self._region_status(name) for name in self.regions))
        return GlobeStatus(
            now=self._world.now(),
            regions=tuple(regions),
            health=health_of(self.nameserver),
            faults=faults_of(self._links),
            events=tuple(self._events),
        )

    async def _region_status(self, name: str) -> RegionStatus:
        state, since = self._states.get(name, ("down", self._world.now()))
        running = self._running.get(name)
        status = RegionStatus(
            name, geography.address_of(name), state, since, pid=running.process.pid if running else None
        )
        body = await self._admin(name, "GET", "status", b"") if running else None
        if body is None:
            return status
        report = msgspec.json.decode(body, type=RegionReport)
        return region_status(status, report)

    async def explain(self, name: str, record_type: str, site: str) -> Explanation:
        if self.nameserver is None:
            raise ValueError("The name server does not run.")
        return self.nameserver.explain(name, record_type, site)

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        return await self._api.call(service, operation, params, region)

    def note(self, kind: str, subject: str, detail: str) -> None:
        """An event from the name server (a health check flipped, a change arrived)."""
        self._note(kind, subject, detail)

    def _note(self, kind: str, subject: str, detail: str = "") -> None:
        self._events.append(GlobeEvent(self._world.now(), kind, subject, detail))
        log.info("%s %s %s", kind, subject, detail)

    def _set_state(self, name: str, state: str) -> None:
        self._states[name] = (state, self._world.now())

    async def _admin(self, name: str, method: str, what: str, body: bytes) -> bytes | None:
        """One call to a Region's admin door; None if it does not answer."""
        headers = (("Host", "127.0.0.1"), (TOKEN_HEADER, self._planet.token))
        request = HttpRequest(method, PREFIX + what, headers, body)
        try:
            response = await self._client.send(
                geography.address_of(name), self._planet.port, request, timeout_s=TELL_TIMEOUT_S, repeatable=True
            )
        except NetworkError as error:
            log.warning("%s does not answer %s: %s", name, what, error)
            return None
        return response.body if response.status == 200 else None


def sweep(pid: int) -> None:
    """SIGKILL to a Region's whole process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def last_words(path: Path) -> str:
    """The last line that a process logged."""
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return ""
