"""Globe: the assembled planet, as gameday and the command line see it.

Two implementations and one remote: `processes.RealGlobe` (a process a Region), `simulated.SimulatedGlobe` (one process,
virtual time) and `remote.RemoteGlobe` (speaks to the admin API of a running planet). A story written against this
protocol runs in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from antipodes.nameserver.explanation import Explanation
from antipodes.region.admin import FunctionReport, PeerReport
from antipodes.world.rules import Fault
from antipodes.world.world import World


class RegionStatus(msgspec.Struct, frozen=True):
    """One Region as the globe knows it."""

    name: str
    address: str
    state: str  # "up", "starting", "down"
    since: float  # epoch seconds of the last change of state
    pid: int | None = None
    peers: tuple[PeerReport, ...] = ()
    functions: tuple[FunctionReport, ...] = ()
    tables: Mapping[str, int] = {}  # table name -> items
    compiled: bool = False  # the hot paths run in C; else in Python


class HealthStatus(msgspec.Struct, frozen=True):
    """One Route 53 health check as the name server sees it."""

    id: str
    target: str  # "https://host:443/path"
    healthy: bool
    since: float  # epoch seconds of the last flip
    checkers_healthy: int
    checkers: int
    reason: str = ""  # the last failure's text
    verdict: str = ""  # how it comes about, as a sentence


class GlobeEvent(msgspec.Struct, frozen=True):
    """Something that happened to the planet: kind is "kill", "restore", "partition", "disk full", "heal", ..."""

    at: float  # epoch seconds
    kind: str
    subject: str  # the Region, the health check's id
    detail: str = ""


class GlobeStatus(msgspec.Struct, frozen=True):
    """The whole planet at one moment."""

    now: float
    regions: tuple[RegionStatus, ...]
    health: tuple[HealthStatus, ...] = ()
    faults: tuple[Fault, ...] = ()  # in force; which Regions are down their states say
    events: tuple[GlobeEvent, ...] = ()  # the newest last; bounded


class Globe(Protocol):
    """The planet. All times are seconds of the globe's own world."""

    regions: tuple[str, ...]
    port: int
    https_port: int
    dns_port: int

    def world(self, site: str) -> World:
        """The world as a program at that site sees it: a city's users, `HERE` for tools."""
        ...

    async def kill(self, region: str, *, destroy: bool = False) -> None:
        """SIGKILL to the Region; with destroy its disk is lost too. Raises ValueError: unknown or already down."""
        ...

    async def restore(self, region: str) -> None:
        """Starts it again from its disk; returns when it serves. Raises ValueError: unknown or not down."""
        ...

    async def impose(self, fault: Fault) -> None:
        """Breaks something until `heal`: a link, replication, a clock, a disk (world/rules.py lists what). Returns when
        every Region that is up obeys. Raises ValueError: it makes no sense here."""
        ...

    async def heal(self, fault: Fault | None = None) -> None:
        """All faults end, or that one. Killed Regions stay down."""
        ...

    async def status(self) -> GlobeStatus: ...

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        """A signed AWS API call, as a tool on this machine makes it. Raises AwsError, NetworkError."""
        ...

    async def explain(self, name: str, record_type: str, site: str) -> Explanation:
        """What somebody at a city or Region is answered, and why. Raises ValueError: no such name, type or place."""
        ...
