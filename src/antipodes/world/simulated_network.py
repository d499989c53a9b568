"""The network of simulated time: listeners, dials, datagrams.

Listeners are found by (address, port). The dialling side asks the links about both directions, as in the real world.
A dial travels: half a round trip there (then the listener is looked up, and meets the connection), half back. TLS
costs one more round trip and asks the listener's `Certificates` for the name; no cryptography runs.

Who answers at an address: the listener that is there, at its own site. Without one, a machine of the planet refuses
after a round trip, and an address that is nobody's never answers.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

from antipodes.world import geography
from antipodes.world.network import Draw, Links, Pass
from antipodes.world.simulated_loop import INCARNATION, Incarnation, VirtualLoop
from antipodes.world.simulated_streams import Connection, SimulatedStream
from antipodes.world.world import (
    Certificates,
    ConnectionLost,
    DatagramHandler,
    PortInUse,
    ProtocolFactory,
    Refused,
    Unreachable,
)

FIRST_FREE_PORT = 49_152  # IANA's dynamic range, as kernels use it

Report = Callable[[str, str, BaseException], None]  # (site, what failed, exception)
Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """Who listens at an endpoint: for streams (`factory`) or for datagrams (`handler`)."""

    site: str
    context: Context  # its callbacks run in it: the incarnation that called serve
    owner: Incarnation | None
    factory: ProtocolFactory | None = None
    tls: Certificates | None = None
    handler: DatagramHandler | None = None


@dataclass(frozen=True, slots=True)
class Dialler:
    """The calling end."""

    site: str
    address: str  # what the listener sees as its peer


class SimulatedServer:
    """Fulfils `world.Server`."""

    def __init__(self, table: dict[Endpoint, Listener], endpoint: Endpoint, close_accepted: Callable[[], None]) -> None:
        self._table = table
        self._endpoint = endpoint
        self._listener = table[endpoint]
        self._close_accepted = close_accepted

    @property
    def port(self) -> int:
        return self._endpoint[1]

    def close(self) -> None:
        if self._table.get(self._endpoint) is self._listener:
            del self._table[self._endpoint]
            self._close_accepted()


class SimulatedNetwork:
    """All listeners and connections of one simulation."""

    def __init__(self, loop: VirtualLoop, links: Links, draw: Draw, report: Report) -> None:
        self._loop = loop
        self._links = links
        self._draw = draw
        self._report = report
        self._streams: dict[Endpoint, Listener] = {}
        self._datagrams: dict[Endpoint, Listener] = {}
        self._connections: dict[Connection, Listener] = {}  # in the order in which they were made
        self._next_port = FIRST_FREE_PORT
        links.watch(self._sever_what_is_cut)

    # Listening

    def serve(
        self, site: str, address: str, port: int, factory: ProtocolFactory, tls: Certificates | None
    ) -> SimulatedServer:
        """Raises PortInUse."""
        context = contextvars.copy_context()
        listener = Listener(site, context, context.get(INCARNATION), factory=factory, tls=tls)
        endpoint = self._take(self._streams, address, port, listener)
        return SimulatedServer(self._streams, endpoint, lambda: self._close_accepted(listener))

    def serve_datagrams(self, site: str, address: str, port: int, handler: DatagramHandler) -> SimulatedServer:
        """Raises PortInUse."""
        context = contextvars.copy_context()
        listener = Listener(site, context, context.get(INCARNATION), handler=handler)
        return SimulatedServer(self._datagrams, self._take(self._datagrams, address, port, listener), lambda: None)

    def _take(self, table: dict[Endpoint, Listener], address: str, port: int, listener: Listener) -> Endpoint:
        if port == 0:
            port = self._free_port()
        elif (address, port) in table:
            raise PortInUse(f"{address} port {port} is in use")
        table[address, port] = listener
        return address, port

    def _free_port(self) -> int:
        port = self._next_port
        self._next_port = port + 1 if port < 65_535 else FIRST_FREE_PORT
        return port

    def _close_accepted(self, listener: Listener) -> None:
        for connection in [one for one, accepted_by in self._connections.items() if accepted_by is listener]:
            connection.transport.close()

    # Dialling

    async def connect(
        self, dialler: Dialler, address: str, port: int, tls_name: str | None, timeout_s: float
    ) -> SimulatedStream:
        """Raises Refused, Unreachable, SiteDown, ConnectionLost."""
        started_s = self._loop.time()
        endpoint = (address, port)
        self._links.check_up(dialler.site)
        await self._travel(dialler.site, self._site_at(self._streams, endpoint), started_s, timeout_s, endpoint)
        listener = self._streams.get(endpoint)
        site = self._site_at(self._streams, endpoint)
        if listener is None or self._links.is_down(site or ""):
            await self._travel(site, dialler.site, started_s, timeout_s, endpoint)
            raise Refused(f"{address} port {port}: connection refused")
        if tls_name is not None or listener.tls is not None:
            await self._travel(site, dialler.site, started_s, timeout_s, endpoint)
            await self._travel(dialler.site, site, started_s, timeout_s, endpoint)
            listener = self._shake_hands(endpoint, tls_name)
        connection = self._join(dialler, listener, endpoint, tls_name)
        try:
            await self._travel(listener.site, dialler.site, started_s, timeout_s, endpoint)
        except BaseException:
            connection.transport.abort()
            connection.stream.close()
            raise
        return connection.stream

    def _shake_hands(self, endpoint: Endpoint, tls_name: str | None) -> Listener:
        listener = self._streams.get(endpoint)
        place = f"{endpoint[0]} port {endpoint[1]}"
        if listener is None:
            raise ConnectionLost(f"{place}: gone during the TLS handshake")
        if listener.tls is None:
            raise ConnectionLost(f"{place} does not speak TLS")
        if tls_name is None:
            raise ConnectionLost(f"{place} speaks TLS only")
        if listener.context.copy().run(listener.tls.certificate_for, tls_name) is None:
            raise ConnectionLost(f"{place} has no certificate for {tls_name}")
        if listener.context.copy().run(listener.tls.trusted_for, tls_name) is not None:
            raise ConnectionLost(f"{tls_name} wants certificates of its clients: none has one in simulated time")
        return listener

    def _join(self, dialler: Dialler, listener: Listener, endpoint: Endpoint, tls_name: str | None) -> Connection:
        context = contextvars.copy_context()
        connection = Connection(
            self._loop,
            self._links,
            self._draw,
            dialler=(dialler.site, context, context.get(INCARNATION)),
            listener=(listener.site, listener.context, listener.owner),
            report=self._report,
            forget=self._forget,
        )
        facts: dict[str, object] = {"peername": (dialler.address, self._free_port()), "sockname": endpoint}
        if listener.tls is not None:
            facts |= {"sni": tls_name, "ssl_object": connection}
        self._connections[connection] = listener
        self._loop.call_soon(connection.transport.accept, listener.factory, facts, context=listener.context)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    async def ask(self, dialler: Dialler, address: str, port: int, datagram: bytes, timeout_s: float) -> bytes:
        """Raises Unreachable, Refused, SiteDown."""
        started_s = self._loop.time()
        endpoint = (address, port)
        self._links.check_up(dialler.site)
        await self._travel(
            dialler.site, self._site_at(self._datagrams, endpoint), started_s, timeout_s, endpoint, datagram=True
        )
        listener = self._datagrams.get(endpoint)
        site = self._site_at(self._datagrams, endpoint)
        if listener is None or listener.handler is None:
            await self._travel(site, dialler.site, started_s, timeout_s, endpoint, datagram=True)
            raise Refused(f"{address} port {port}: nothing takes datagrams")
        try:
            answer = listener.context.copy().run(listener.handler, datagram, (dialler.address, self._free_port()))
        except Exception as error:
            self._report(listener.site, "datagram handler", error)
            answer = None
        await self._travel(
            site if answer is not None else None, dialler.site, started_s, timeout_s, endpoint, datagram=True
        )
        assert answer is not None
        return answer

    def _site_at(self, table: dict[Endpoint, Listener], endpoint: Endpoint) -> str | None:
        listener = table.get(endpoint)
        return listener.site if listener else geography.site_of(endpoint[0])

    async def _travel(
        self,
        source: str | None,
        target: str | None,
        started_s: float,
        timeout_s: float,
        endpoint: Endpoint,
        *,
        datagram: bool = False,
    ) -> None:
        """One way. Raises Unreachable at the end of the caller's time when the parcel is lost or late."""
        left_s = max(0.0, started_s + timeout_s - self._loop.time())
        if source is not None and target is not None:
            down = self._links.is_down(source) or self._links.is_down(target)
            # A machine on which nothing runs still refuses: only distance and cuts count for it.
            median_s = self._links.median_s(source, target)
            verdict = self._links.judge(source, target, self._draw, datagram=datagram)
            delay_s = verdict.delay_s if isinstance(verdict, Pass) else median_s if down else None
            if delay_s is not None and delay_s <= left_s:
                await self._wait(delay_s)
                return
        await self._wait(left_s)
        raise Unreachable(f"{endpoint[0]} port {endpoint[1]}: no answer within {timeout_s:g} s")

    async def _wait(self, delay_s: float) -> None:
        if delay_s > 0:
            future = self._loop.create_future()
            self._loop.call_later(delay_s, _wake, future)
            await future

    # Faults

    def bury(self, dead: Incarnation) -> None:
        """An incarnation died: its listeners vanish, and its streams break at their other ends."""
        for table in (self._streams, self._datagrams):
            for endpoint in [endpoint for endpoint, listener in table.items() if listener.owner is dead]:
                del table[endpoint]
        for connection in list(self._connections):
            if dead in (connection.dialler_owner, connection.listener_owner):
                connection.bury(dead)

    def _sever_what_is_cut(self) -> None:
        for connection in list(self._connections):
            if self._links.cut(connection.dialler_site, connection.listener_site):
                connection.doom()


def _wake(future: object) -> None:
    if not future.done():  # type: ignore[attr-defined]
        future.set_result(None)  # type: ignore[attr-defined]
