"""What a Region gives a service, and what it asks of one.

A service never imports another: it reaches it by `call`, the same typed operation that the wire would deliver, in this
Region or in another one (then it crosses the network, and may fail as a network does).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from antipodes.store.records import Change
from antipodes.store.store import Store
from antipodes.wire.operation import Operation
from antipodes.world.world import World


class Call(Protocol):
    """`await call("lambda", "Invoke", {...})`, or with region= another Region's.

    Raises the callee's AwsError; ServerFault("RegionUnavailable", ...) if the other Region cannot be reached (then
    `happened` is None: it may have taken effect).
    """

    async def __call__(
        self, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What the planet decided for all Regions."""

    regions: tuple[str, ...]  # of this planet, in a fixed order
    account: str = "000000000000"
    port: int = 4566  # HTTP, on each Region's own address
    https_port: int = 8443
    dns_address: str = "127.0.0.1"
    dns_port: int = 5300
    options: Mapping[str, str] = field(default_factory=dict)  # switches of one service, "lambda.idle_s"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a service may touch."""

    region: str
    world: World
    store: Store
    call: Call
    settings: Settings


class Lags(NamedTuple):
    """How long changes took from their commit to being durable in another Region, by both Regions' clocks; seconds."""

    changes: int
    total_s: float
    least_s: float
    most_s: float


class Carried(Protocol):
    """What a service tells the replicator about the topics it owns (one mechanism, told what to carry)."""

    prefix: str  # the topics it owns begin with this: "dynamodb/"

    def holders(self, topic: str) -> tuple[str, ...]:
        """The sites that must hold a copy of the topic, this one included; () if unknown here."""
        ...

    def merge(self, topic: str, changes: Sequence[Change]) -> None:
        """Takes changes that came from another site: writes (patiently) those that win. Idempotent, in any order."""
        ...

    def topics(self) -> Iterable[str]:
        """Topics held here that have other holders."""
        ...

    def snapshot(self, topic: str, after: bytes, limit: int) -> list[Change]:
        """Up to `limit` current records (tombstones too) with key > after, in key order: the backfill of a copy."""
        ...

    def delivered(self, topic: str, site: str, lags: Lags) -> None:
        """Changes of this site's own are durable at another holder."""
        ...


Row = tuple[bytes, bytes | None]


class Isolated(Exception):
    """No two members of a journal could agree in time. happened: False, or None: the request may take effect yet."""

    def __init__(self, message: str, happened: bool | None) -> None:
        super().__init__(message)
        self.happened = happened


@dataclass(frozen=True, slots=True)
class Judged:
    """What a request comes to at a journal's leader.

    data: the entry that carries it out; None: nothing changes. answer: for whoever asked. wait: it must be judged
    again when that is done (then nothing else counts). release: to be called when the entry holds, or never will.
    """

    data: bytes | None
    answer: bytes
    wait: asyncio.Future[None] | None = None
    release: Callable[[], None] = lambda: None


class Journaled(Protocol):
    """State that a journal keeps equal at its members. All calls are plain: one turn of the loop, no waiting."""

    def judge(self, body: bytes, origin: str) -> Judged:
        """At the leader: what a request comes to, given all that holds so far. origin: the site that was asked."""
        ...

    def apply(self, data: bytes, also: Sequence[Row]) -> None:
        """Writes what an entry says, and `also`, as one transaction. Entries come in order, each once; after a copy
        some come that the copy had: what they set, they set again."""
        ...

    def rows(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The state, in key order, behind a key (b"": all of it)."""
        ...

    def replace(self, after: bytes, rows: Sequence[tuple[bytes, bytes]], last: bool) -> None:
        """The state from `after` (not included) to the last of `rows`, or to its end, is what `rows` says."""
        ...


class Journals(Protocol):
    """One site's journals: each keeps one order of changes at three sites, of which two are enough."""

    def open(self, name: str, members: Sequence[str], seat: str, owner: Journaled, *, founding: bool) -> None:
        """Takes part in a journal from now on. seat: the name of this site's memory of it; founding: a memory that the
        journal began with, so that an empty one is whole. No effect if it is open."""
        ...

    def close(self, name: str, *, erase: bool = False) -> None:
        """Takes part no longer; erase: forgets its entries (the caller awaits `durable`)."""
        ...

    async def ask(self, name: str, body: bytes) -> bytes:
        """Has a request judged by the leader and carried out; its answer. Raises Isolated."""
        ...

    async def fresh(self, name: str) -> None:
        """Returns when the state here has all that was acknowledged anywhere before the call. Raises Isolated."""
        ...


class Service(Protocol):
    """A service of one Region. `operations` maps AWS's names to functions; what is not there is refused by name."""

    name: str  # botocore's service name

    @property
    def operations(self) -> Mapping[str, Operation]: ...

    @property
    def carried(self) -> Carried | None:
        """None: this service replicates nothing."""
        ...

    async def start(self) -> None:
        """Resumes what the store says was under way; spawns what the service keeps running."""
        ...

    async def stop(self) -> None:
        """An orderly end: workers killed, tasks cancelled. A crash does not call it."""
        ...
