"""World: the protocol through which all code reaches what it does not control.

Rules. Nothing outside `world/real.py` and the listeners in `edge/` reads a clock, draws a random number, opens a
socket or a file, or starts a process: it asks its World. Two implementations pass the same conformance tests:
`real.RealWorld` (asyncio, sockets, files, processes) and `simulated.SimulatedWorld` (virtual time, a seed, memory).

A World is bound to one **site**: a Region ("us-west-2"), a city ("Tokyo"), `GLOBE` (the supervisor: front door, name
server) or `HERE` (a program on this machine that lives nowhere on the planet and pays no distance). `at` gives a
view of the same world from another site.

This module knows no AWS. It never becomes a registry: a new method must be something that only a machine can do.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from antipodes.world.disk import Disk

GLOBE = "globe"  # the supervisor's own site: near everybody, as an anycast edge is
HERE = "here"  # nowhere on the planet: no distance, no partition


class NetworkError(Exception):
    """A network operation failed. The tree:

    NetworkError
    ├── Refused       the site is there (or its machine is), but nothing listens: a killed process, a closed port
    ├── Unreachable   no answer: a partition, or nothing at that address; comes after the caller's timeout
    ├── SiteDown      the *calling* site is down, so the call never left it
    ├── ConnectionLost  an open stream broke before its end; a TLS handshake failed
    └── PortInUse     a listener could not have its address and port
    """


class Refused(NetworkError):
    """Nothing listens at the address."""


class Unreachable(NetworkError):
    """No answer within the time allowed."""


class SiteDown(NetworkError):
    """The calling site is down."""


class ConnectionLost(NetworkError):
    """An open stream broke before its end."""


class PortInUse(NetworkError):
    """The address and port of a listener belong to somebody else; the message names both."""


class WorkerFailed(Exception):
    """A worker process could not be started; the message says why."""


class ExtensionFailed(WorkerFailed):
    """An external extension could not be started."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Stream(Protocol):
    """The dialling end of a byte stream. Bytes arrive in order, after the link's delay, or the stream breaks."""

    def write(self, data: bytes) -> None:
        """Queues bytes; raises ConnectionLost when the stream is known to be broken."""
        ...

    async def drain(self) -> None:
        """Waits until the write queue is short; raises ConnectionLost."""
        ...

    async def read(self) -> bytes:
        """The next bytes, whatever has come; b"" when the other side has closed. Raises ConnectionLost."""
        ...

    def close(self) -> None:
        """Closes both directions; idempotent."""
        ...


class Server(Protocol):
    """A listener that is running."""

    @property
    def port(self) -> int:
        """The port it listens on (of use where 0 was asked for)."""
        ...

    def close(self) -> None:
        """Stops listening and closes what it accepted; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a dialler behaves in TLS. Where no cryptography runs nobody asks for an identity, or looks at authorities."""

    identity: tuple[bytes, bytes] | None = None  # certificate and key, PEM, for servers that ask for them
    any_authority: bool = False  # of the server's certificate only the name and the dates count


class Certificates(Protocol):
    """What a TLS listener asks for by SNI name."""

    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        """(certificate chain, private key), both PEM, or None: the handshake is refused."""
        ...

    def trusted_for(self, name: str | None) -> bytes | None:
        """Who may sign the certificates of clients, PEM; None: clients of this name are asked for none."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A Lambda execution environment to start. It speaks the Runtime API at
    `environment["AWS_LAMBDA_RUNTIME_API"]` (host:port)."""

    name: str  # for logs and process lists: function name and environment number
    runtime: str  # "python3.12"
    handler: str  # "module.function"
    code: bytes | Path  # a zip archive, or a folder that is used in place
    layers: tuple[bytes, ...] = ()  # zip archives, unpacked over one another into one folder
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_mb: int = 128


class Worker(Protocol):
    """A running execution environment."""

    @property
    def pid(self) -> int | None:
        """The process id; None in simulated time."""
        ...

    async def wait(self) -> int:
        """Waits for its end; the exit code (negative: the signal that killed it)."""
        ...

    def terminate(self) -> None:
        """SIGTERM to the runtime: it may end in order."""
        ...

    def kill(self) -> None:
        """SIGKILL to it and its children; idempotent."""
        ...


class Companions(Protocol):
    """The processes of a worker's external extensions: the executables in its layers' folder `extensions`."""

    names: tuple[str, ...]  # of their files, in order

    async def wait(self) -> None:
        """Waits until all have ended."""
        ...

    def kill(self, name: str | None = None) -> None:
        """SIGKILL to all, or to one, and to their children; idempotent."""
        ...

    def memory_mb(self) -> float | None:
        """What they hold now; None where that cannot be read."""
        ...


class Host(Protocol):
    """Who is told of a worker's extensions."""

    def starting(self, processes: Companions) -> None:
        """They are started next: the first one may be heard of before the last one runs. Not called if there are none.
        Raises WorkerFailed: they are not wanted any more."""
        ...

    async def registered(self) -> None:
        """They run. The runtime starts when this returns, and does not if it raises."""
        ...

    def wrote(self, name: str, data: bytes) -> None:
        """What one wrote to stdout and stderr."""
        ...

    def ended(self, name: str, code: int) -> None:
        """One has ended; `code` as Worker.wait has it."""
        ...


class Link(Protocol):
    """The near end of a link with the runtime of a worker. A World that makes none, for this runtime or at all, calls
    nothing of it. The bytes are those of handler_transport.py."""

    def opened(self, send: Callable[[bytes], None]) -> None:
        """The runtime is about to start; `send` sends to it."""
        ...

    def received(self, data: bytes) -> bool:
        """Some bytes from the runtime. False: they make no sense, the link is to be ended."""
        ...


ProtocolFactory = Callable[[], asyncio.Protocol]
DatagramHandler = Callable[[bytes, tuple[str, int]], bytes | None]


class World(Protocol):
    """Time, chance, network, disk and processes, seen from one site."""

    site: str
    address: str  # the loopback address on which this site listens
    processors: int  # that workers share; 0: workers take no processor's time
    chance: random.Random  # every random draw; never for secrets that must hold outside this machine

    def now(self) -> float:
        """This site's wall clock: seconds since 1970-01-01 UTC. May be skewed and may step back."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back. The clock of timeouts and of all sites alike."""
        ...

    async def sleep(self, delay_s: float) -> None: ...

    async def tick(self, every_s: float) -> None:
        """Waits for the next tick of a clock that ticks so often; at most so long. For upkeep, which has no moment of
        its own: in real time all such clocks tick together, so that a process which has nothing else to do is woken
        once for all of it (a wake-up costs more than what is done then)."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Starts a task that belongs to this site. Its unhandled exception is reported, never lost."""
        ...

    def trace(self, kind: str, **facts: object) -> None:
        """Notes an event. In simulated time the notes of a run are hashed: same seed, same digest."""
        ...

    def at(self, site: str) -> World:
        """This world as seen from another site: its distances and its partitions."""
        ...

    def disk(self) -> Disk:
        """This site's durable storage."""
        ...

    def lets_pass(self, target: str) -> bool:
        """Whether replication from this site to `target` is allowed to flow now, or a fault holds it back."""
        ...

    async def connect(
        self,
        address: str,
        port: int,
        *,
        tls_name: str | None = None,
        handshake: Handshake | None = None,
        timeout_s: float = 4.0,
    ) -> Stream:
        """Dials. `tls_name` makes it TLS with that SNI name (the certificate is checked against the planet's CA,
        unless the World was made not to, or the handshake is another). Takes the round trips that the distance costs:
        one for TCP, one for TLS.

        Raises Refused, Unreachable, SiteDown; ConnectionLost when the TLS handshake fails.
        """
        ...

    async def serve(
        self, port: int, factory: ProtocolFactory, *, address: str | None = None, tls: Certificates | None = None
    ) -> Server:
        """Listens on this site's address (or the one given). Each connection gets a protocol from `factory`.

        Port 0: any that is free. Raises PortInUse.
        """
        ...

    async def ask(self, address: str, port: int, datagram: bytes, *, timeout_s: float = 2.0) -> bytes:
        """Sends one datagram and waits for one answer. Raises Unreachable, Refused, SiteDown."""
        ...

    async def serve_datagrams(self, port: int, handler: DatagramHandler, *, address: str | None = None) -> Server:
        """Answers datagrams: handler(datagram, (client address, port)) gives the answer, or None for silence.

        Raises PortInUse.
        """
        ...

    def warm_workers(self, runtime: str) -> None:
        """Says that workers of this runtime will be wanted soon: what can be got ready, is. Never fails."""
        ...

    def folder_stamp(self, folder: Path) -> int:
        """Of a folder that workers use in place: another number when a file in it came, went or was written."""
        ...

    async def start_worker(
        self, spec: WorkerSpec, output: Callable[[bytes], None], host: Host | None = None, link: Link | None = None
    ) -> Worker:
        """Starts an execution environment; `output` gets what it writes to stdout and stderr. Without a host its
        layers' extensions are not started; without a link its runtime asks over HTTP.

        Raises WorkerFailed when it cannot be started (no such runtime, a bad archive), ExtensionFailed when one of its
        extensions cannot.
        """
        ...
