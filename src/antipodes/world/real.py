"""The real world: this machine's clock, chance, sockets, files and processes.

A RealWorld is one site's view. Views made by `at` share the links, the tasks and the open streams of the one they came
from. The dialling side puts in the distance and obeys the links' rules (real_streams.py); listeners are plain sockets,
so that clients from outside pay no distance.

What it decides: a dial waits half a round trip before the socket connects, and the rest after; an address that is no
site's on the planet, and this process's own listeners on 127.0.0.1, have no distance.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import socket
import ssl
import sys
import time
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from antipodes.world import geography
from antipodes.world.disk import Disk
from antipodes.world.folders import stamp_of
from antipodes.world.network import Links, Pass
from antipodes.world.real_datagrams import AnsweringProtocol, AskingProtocol
from antipodes.world.real_streams import RealStream
from antipodes.world.real_tls import (
    KEPT_CONTEXTS,
    AnyAuthorityContext,
    TlsListener,
    check_name_and_dates,
    dialling_context,
)
from antipodes.world.trace import Sink, trace_line
from antipodes.world.world import (
    HERE,
    Certificates,
    ConnectionLost,
    DatagramHandler,
    Handshake,
    Host,
    Link,
    NetworkError,
    PortInUse,
    ProtocolFactory,
    Refused,
    Server,
    Unreachable,
    Worker,
    WorkerSpec,
)

if TYPE_CHECKING:
    from antipodes.world.real_code import Codes
    from antipodes.world.real_template import Template

T = TypeVar("T")
log = logging.getLogger("antipodes.world")

OnFailure = Callable[[str, str, BaseException], None]  # (site, task's name, exception)


def _log_failure(site: str, name: str, error: BaseException) -> None:
    log.error("%s at %s failed", name, site, exc_info=error)


@dataclass(slots=True)
class _Machine:
    """What all views of one world share."""

    links: Links
    chance: random.Random
    ca_pem: str | None
    verify: bool
    on_failure: OnFailure
    sink: Sink | None
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict)
    streams: dict[RealStream, None] = field(default_factory=dict)
    servers: dict[_RealServer, None] = field(default_factory=dict)
    endpoints: list[tuple[str, int]] = field(default_factory=list)  # of these servers
    dialling: dict[Handshake | None, ssl.SSLContext] = field(default_factory=dict)
    obey: Callable[[], None] = lambda: None  # what the links call when their rules change
    codes: Codes | None = None  # of functions, unpacked
    template: Template | None = None  # from which Python environments are forked, once one was wanted
    ticks: dict[float, asyncio.Event] = field(default_factory=dict)  # to come, by time.monotonic; one timer each

    def sever_what_is_cut(self) -> None:
        for stream in list(self.streams):
            if self.links.cut(stream.site, stream.target):
                stream.doom()

    def forget(self, stream: RealStream) -> None:
        self.streams.pop(stream, None)

    def dialling_context(self, handshake: Handshake | None) -> ssl.SSLContext:
        found = self.dialling.get(handshake)
        if found is None:
            if len(self.dialling) >= KEPT_CONTEXTS:
                self.dialling.clear()
            found = self.dialling[handshake] = dialling_context(self.ca_pem, handshake, verify=self.verify)
        return found

    async def ticked(self, every_s: float) -> None:
        """The monotonic clock is the machine's: all processes of all planets tick together."""
        now_s = time.monotonic()
        due_s = every_s * (now_s // every_s + 1)
        tick = self.ticks.get(due_s)
        if tick is None:
            tick = self.ticks[due_s] = asyncio.Event()
            whole_s = int(now_s * 1000) / 1000  # uvloop counts whole milliseconds from there: never too early
            asyncio.get_running_loop().call_later(due_s - whole_s, self._tick, due_s)
        await tick.wait()

    def _tick(self, due_s: float) -> None:
        self.ticks.pop(due_s).set()

    def listens(self, address: str, port: int) -> bool:
        return (address, port) in self.endpoints


class _RealServer:
    """Fulfils `world.Server`: a listening socket, or a datagram endpoint."""

    def __init__(self, machine: _Machine, endpoint: tuple[str, int], close: Callable[[], None]) -> None:
        self.endpoint = endpoint
        self._machine = machine
        self._close = close
        machine.servers[self] = None
        machine.endpoints.append(endpoint)

    @property
    def port(self) -> int:
        return self.endpoint[1]

    def close(self) -> None:
        if self in self._machine.servers:
            del self._machine.servers[self]
            self._machine.endpoints.remove(self.endpoint)
            self._close()


class RealWorld:
    """The World of one site on this machine."""

    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1

    def __init__(
        self,
        site: str,
        *,
        links: Links,
        disk: Disk | None,
        address: str | None = None,
        ca_pem: str | None = None,
        verify: bool = True,
        seed: int | None = None,
        on_failure: OnFailure = _log_failure,
        sink: Sink | None = None,
    ) -> None:
        """`address`: where it listens, the site's own by default. `verify=False` dials TLS without checking
        certificates (a health checker does not). `sink` gets the trace's lines; without it notes are dropped."""
        geography.place_of(site)
        chance = random.Random(seed)
        self._machine = _Machine(links, chance, ca_pem, verify, on_failure, sink)
        self._take_place(site, disk, address)
        self._machine.obey = self._obey
        links.watch(self._machine.obey)
        self._obey()

    def _obey(self) -> None:
        """The rules have changed."""
        self._machine.sever_what_is_cut()
        if self._disk is not None:
            self._disk.space.full = self._machine.links.disk_full(self.site)

    def _take_place(self, site: str, disk: Disk | None, address: str | None) -> None:
        self.site = site
        self.address = address or geography.address_of(site)
        self.chance = self._machine.chance
        self._disk = disk

    def now(self) -> float:
        return time.time() + self._machine.links.skew_s(self.site)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def tick(self, every_s: float) -> None:
        await self._machine.ticked(every_s)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{self.site}: {name}")
        self._machine.tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._machine.tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._machine.on_failure(self.site, task.get_name(), error)

    def trace(self, kind: str, **facts: object) -> None:
        if self._machine.sink is not None:
            self._machine.sink(trace_line(self.now(), self.site, kind, facts))

    def at(self, site: str) -> RealWorld:
        if site == self.site:
            return self
        geography.place_of(site)
        view = object.__new__(RealWorld)
        view._machine = self._machine
        view._take_place(site, None, None)
        return view

    def disk(self) -> Disk:
        """Raises LookupError: no disk was given to this site here."""
        if self._disk is None:
            raise LookupError(f"{self.site} has no disk in this process")
        return self._disk

    def lets_pass(self, target: str) -> bool:
        return not self._machine.links.paused(self.site, target)

    # Streams

    async def connect(
        self,
        address: str,
        port: int,
        *,
        tls_name: str | None = None,
        handshake: Handshake | None = None,
        timeout_s: float = 4.0,
    ) -> RealStream:
        links, loop = self._machine.links, asyncio.get_running_loop()
        links.check_up(self.site)
        target = self._target(address, port)
        tls = None if tls_name is None else self._machine.dialling_context(handshake)
        stream = RealStream(links, self.chance.random, self.site, target, loop)
        stream.on_over(self._machine.forget)
        self._machine.streams[stream] = None
        try:
            async with asyncio.timeout(timeout_s):
                await self._half_way(self.site, target)
                if links.is_down(target):
                    await self._half_way(target, self.site)
                    raise Refused(f"{address} port {port}: connection refused")
                await self._open(stream, address, port, tls, tls_name)
        except BaseException as error:
            self._machine.forget(stream)
            stream.sever()
            if isinstance(error, TimeoutError):
                raise Unreachable(f"{address} port {port}: no answer within {timeout_s:g} s") from None
            raise
        return stream

    async def _open(
        self, stream: RealStream, address: str, port: int, tls: ssl.SSLContext | None, tls_name: str | None
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(
                lambda: stream, address, port, ssl=tls, server_hostname=tls_name
            )
            if isinstance(tls, AnyAuthorityContext):
                der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
                check_name_and_dates(der, tls_name or "", self.now())
        except ConnectionRefusedError as error:
            await self._half_way(stream.target, self.site)
            raise Refused(f"{address} port {port}: connection refused") from error
        except (ssl.SSLError, ConnectionError) as error:
            raise ConnectionLost(f"{address} port {port}: TLS handshake failed: {error}") from error
        except OSError as error:
            raise Unreachable(f"{address} port {port}: {error.strerror or error}") from error
        await self._half_way(stream.target, self.site)
        if tls is not None:
            await self._half_way(self.site, stream.target)
            await self._half_way(stream.target, self.site)

    async def _half_way(self, source: str, target: str, *, datagram: bool = False) -> None:
        """Waits one way; for ever where the parcel is lost (the caller has a timeout)."""
        links = self._machine.links
        verdict = links.judge(source, target, self.chance.random, datagram=datagram)
        if isinstance(verdict, Pass):
            delay_s: float | None = verdict.delay_s
        else:
            # A machine on which nothing runs still refuses: only distance and cuts count for it.
            delay_s = links.median_s(source, target) if links.is_down(source) or links.is_down(target) else None
        if delay_s is None:
            await asyncio.get_running_loop().create_future()
        elif delay_s > 0:
            await asyncio.sleep(delay_s)

    def _target(self, address: str, port: int) -> str:
        """The site at an address. Without distance: this process's own listeners, and what is not on the planet."""
        if address == geography.GLOBE_ADDRESS and self._machine.listens(address, port):
            return HERE
        return geography.site_of(address) or HERE

    async def serve(
        self, port: int, factory: ProtocolFactory, *, address: str | None = None, tls: Certificates | None = None
    ) -> Server:
        where = address or self.address
        accepted = _Accepted()
        try:
            listener, stop = await self._listening(where, port, lambda: _Greeter(factory(), accepted), tls)
        except OSError as error:
            raise _not_listening(error, where, port) from error
        found: int = listener.getsockname()[1]

        def close() -> None:
            stop()
            accepted.close()

        return _RealServer(self._machine, (where, found), close)

    async def _listening(
        self, where: str, port: int, greeter: Callable[[], asyncio.Protocol], tls: Certificates | None
    ) -> tuple[socket.socket, Callable[[], None]]:
        """The listening socket, and what ends it."""
        if tls is None:
            server = await asyncio.get_running_loop().create_server(greeter, where, port)
            return server.sockets[0], server.close
        listener = socket.create_server((where, port), backlog=100)  # as asyncio has it
        listener.setblocking(False)
        return listener, TlsListener(listener, greeter, tls).close

    # Datagrams

    async def ask(self, address: str, port: int, datagram: bytes, *, timeout_s: float = 2.0) -> bytes:
        links, loop = self._machine.links, asyncio.get_running_loop()
        links.check_up(self.site)
        target = self._target(address, port)
        try:
            async with asyncio.timeout(timeout_s):
                await self._half_way(self.site, target, datagram=True)
                transport, protocol = await loop.create_datagram_endpoint(
                    lambda: AskingProtocol(loop), remote_addr=(address, port)
                )
                try:
                    transport.sendto(datagram)
                    answer = await protocol.answer
                except ConnectionRefusedError as error:
                    await self._half_way(target, self.site, datagram=True)
                    raise Refused(f"{address} port {port}: nothing takes datagrams") from error
                finally:
                    transport.close()
                await self._half_way(target, self.site, datagram=True)
                return answer
        except TimeoutError:
            raise Unreachable(f"{address} port {port}: no answer within {timeout_s:g} s") from None
        except OSError as error:
            raise Unreachable(f"{address} port {port}: {error.strerror or error}") from error

    async def serve_datagrams(self, port: int, handler: DatagramHandler, *, address: str | None = None) -> Server:
        where = address or self.address
        loop = asyncio.get_running_loop()
        # Bound here and not by the loop: uvloop's error would not say what is wrong.
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setblocking(False)
        try:
            listener.bind((where, port))
        except OSError as error:
            listener.close()
            raise _not_listening(error, where, port) from error
        transport, _ = await loop.create_datagram_endpoint(lambda: AnsweringProtocol(handler), sock=listener)
        return _RealServer(self._machine, (where, listener.getsockname()[1]), transport.close)

    def folder_stamp(self, folder: Path) -> int:
        return stamp_of(folder)

    async def start_worker(
        self, spec: WorkerSpec, output: Callable[[bytes], None], host: Host | None = None, link: Link | None = None
    ) -> Worker:
        from antipodes.world import real_code, real_workers  # noqa: PLC0415 - only Regions with functions need them

        self.warm_workers(spec.runtime)
        machine = self._machine
        if machine.codes is None:
            machine.codes = real_code.Codes()
        return await real_workers.start(self, machine.codes, machine.template, spec, output, host, link)

    def warm_workers(self, runtime: str) -> None:
        from antipodes.world import real_runtimes, real_template  # noqa: PLC0415

        if real_runtimes.is_python(runtime) and real_runtimes.has_official_client():
            if self._machine.template is None:
                self._machine.template = real_template.Template()
            try:
                self._machine.template.warm()
            except OSError as error:  # too many processes, say: whoever starts a worker is told
                log.warning("no template process for Python functions: %s", error)

    async def close(self) -> None:
        """The end of this world and all its views: servers and streams closed, tasks cancelled and awaited."""
        machine = self._machine
        machine.links.unwatch(machine.obey)
        for server in list(machine.servers):
            server.close()
        tasks = list(machine.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in list(machine.streams):
            stream.sever()
        if machine.template is not None:
            machine.template.close()
        await asyncio.sleep(0)  # lets the transports say good-bye


class _Accepted:
    """The transports that a listener accepted and that may still be open."""

    def __init__(self) -> None:
        self._transports: list[asyncio.Transport] = []
        self._prune_at = 64

    def add(self, transport: asyncio.Transport) -> None:
        self._transports.append(transport)
        if len(self._transports) >= self._prune_at:
            self._transports = [one for one in self._transports if not one.is_closing()]
            self._prune_at = max(64, 2 * len(self._transports))

    def close(self) -> None:
        for transport in self._transports:
            transport.close()


class _Greeter(asyncio.Protocol):
    """Stands at the door: notes the transport, then leaves it to the protocol proper and is gone."""

    def __init__(self, protocol: asyncio.Protocol, accepted: _Accepted) -> None:
        self._protocol = protocol
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._accepted.add(cast("asyncio.Transport", transport))
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)


def check_free(address: str, port: int, *, udp: bool = False) -> None:
    """Whether TCP (and UDP) of that port can be listened on now. Raises PortInUse, OSError."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM) if udp else (socket.SOCK_STREAM,)
    for kind in kinds:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:  # as listeners do: connections that ended a moment ago do not count
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                raise _not_listening(error, address, port) from None


def _not_listening(error: OSError, address: str, port: int) -> NetworkError | OSError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"{address} port {port} is in use by another program")
    if error.errno == errno.EADDRNOTAVAIL:
        return OSError(
            error.errno, f"{address} is not an address of this machine (on macOS: sudo ifconfig lo0 alias {address} up)"
        )
    return OSError(error.errno, f"cannot listen on {address} port {port}: {error.strerror or error}")


def run_real(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs `main()` on uvloop where it is installed, else on asyncio's own loop; its result. Always returns once `main`
    has ended: what it left open is closed, and named by a ResourceWarning each."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            result = runner.run(main())
        except BaseException:
            _close(runner)  # what failed is the news, not what it left open
            raise
        for one in _close(runner):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return result


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - an optional extra
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


def _close(runner: asyncio.Runner) -> list[warnings.WarningMessage]:
    """Closes the loop; the warnings of what was still open.

    uvloop warns of an open handle right before it closes it, in a callback of libuv's that no exception leaves: where
    warnings are errors (as in our tests) it would not close the handle, and then wait for its end for ever.
    """
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        runner.close()
    return left_open
