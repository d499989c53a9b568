"""DNS listener: datagrams and TCP streams in, an answer function asked, answers out.

Rules. Knows no DNS beyond TCP's two-byte length. What the answer function does not answer gets silence (UDP) or the
end of the connection (TCP). Two ways to take datagrams: through the World (simulated time, and anywhere it is fast
enough), or on a raw non-blocking socket of its own, drained up to DRAINED datagrams a wake-up (in batches while it is
busy, where the system can), which answers several times as many as an asyncio transport does. UDP and TCP share one
port number.

TCP (RFC 7766): questions may be pipelined, and are answered in order. A connection ends TCP_IDLE_S after the last whole
question, however many bytes dribble in; of more than MAX_CONNECTIONS the one that has been idle longest ends.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Protocol, cast

from antipodes.edge.mmsg import Batch
from antipodes.world.world import PortInUse, Server, World

log = logging.getLogger(__name__)

DRAINED = 64
BUSY = 8  # datagrams of one wake-up from which on the next ones are taken in batches
BUFFER_BYTES = 4 << 20
MAX_DATAGRAM_BYTES = 4096  # a longer question is cut off, and so has a bad form
LENGTH_BYTES = 2
TCP_IDLE_S = 10.0  # RFC 7766 wants a few seconds
MAX_CONNECTIONS = 200


class Answerer(Protocol):
    """answer(message, client address, over_tcp) gives the answer, or None for silence. Must not block."""

    def __call__(self, message: bytes, client_ip: str, over_tcp: bool = False) -> bytes | None: ...


async def serve_dns(
    world: World, port: int, answer: Answerer, *, address: str | None = None, raw_socket: bool = False
) -> Server:
    """Listens on UDP and TCP. port 0: one that is free for both. Raises PortInUse."""
    connections: dict[_Connection, None] = {}
    tcp = await world.serve(port, lambda: _Connection(answer, connections), address=address)
    try:
        udp: Server
        if raw_socket:
            udp = _RawUdp(address or world.address, tcp.port, answer)
        else:
            udp = await world.serve_datagrams(tcp.port, _datagrams(answer), address=address)
    except PortInUse:
        tcp.close()
        raise
    return _Both(udp, tcp)


class _Datagrams(Protocol):
    def __call__(self, datagram: bytes, client: tuple[str, int], /) -> bytes | None: ...


def _datagrams(answer: Answerer) -> _Datagrams:
    def handle(datagram: bytes, client: tuple[str, int], /) -> bytes | None:
        return answer(datagram, client[0])

    return handle


class _Both:
    def __init__(self, udp: Server, tcp: Server) -> None:
        self._udp = udp
        self._tcp = tcp

    @property
    def port(self) -> int:
        return self._udp.port

    def close(self) -> None:
        self._udp.close()
        self._tcp.close()


class _RawUdp:
    """A socket that the loop only wakes us for."""

    def __init__(self, address: str, port: int, answer: Answerer) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            self._socket.bind((address, port))
        except OSError as error:
            self._socket.close()
            raise PortInUse(f"{address} port {port} (UDP) cannot be listened on: {error.strerror}") from error
        self._batch = Batch(self._socket) if Batch.possible() else None
        self._busy = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _drain(self) -> None:
        if self._busy and self._batch is not None:
            self._busy = self._batch.exchange(self._answered) >= BUSY
            return
        receive, send, answer = self._socket.recvfrom, self._socket.sendto, self._answered
        for taken in range(DRAINED):
            try:
                message, client = receive(MAX_DATAGRAM_BYTES)
            except OSError:  # nothing waits, or an ICMP error of an earlier answer
                self._busy = taken >= BUSY
                return
            answered = answer(message, client[0])
            if answered is not None:
                try:
                    send(answered, client)
                except OSError:
                    continue  # the client has gone, or the buffer is full: DNS is asked again
        self._busy = True

    def _answered(self, message: bytes, client_ip: str) -> bytes | None:
        try:
            return self._answer(message, client_ip)
        except Exception:
            log.exception("a DNS question from %s could not be answered", client_ip)
            return None


class _Connection(asyncio.Protocol):
    """One TCP connection. `open_ones`: all of a listener, the one that has been idle longest first."""

    def __init__(self, answer: Answerer, open_ones: dict[_Connection, None]) -> None:
        self._answer = answer
        self._open_ones = open_ones
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._client_ip = ""
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no asyncio class
        peer = transport.get_extra_info("peername")
        self._client_ip = peer[0] if peer else ""
        self._wait()
        if len(self._open_ones) > MAX_CONNECTIONS:
            next(iter(self._open_ones)).close()

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        buffer, taken = self._buffer, 0
        buffer += data
        while len(buffer) >= taken + LENGTH_BYTES:
            start = taken + LENGTH_BYTES
            end = start + int.from_bytes(buffer[taken:start], "big")
            if len(buffer) < end:
                break
            try:
                answered = self._answer(bytes(buffer[start:end]), self._client_ip, True)
            except Exception:
                log.exception("a DNS question from %s could not be answered", self._client_ip)
                answered = None
            if answered is None:
                self.close()
                return
            self._transport.write(len(answered).to_bytes(LENGTH_BYTES, "big") + answered)
            taken = end
        if taken:
            del buffer[:taken]
            self._wait()

    def pause_writing(self) -> None:
        """The client does not read its answers: take no more questions."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ones.pop(self, None)
        if self._idle is not None:
            self._idle.cancel()

    def close(self) -> None:
        self._open_ones.pop(self, None)
        if self._transport is not None:
            self._transport.close()

    def _wait(self) -> None:
        """A whole question came, or the connection was made: the time of idleness begins."""
        if self._idle is not None:
            self._idle.cancel()
        assert self._transport is not None
        self._idle = asyncio.get_running_loop().call_later(TCP_IDLE_S, self._give_up)
        self._open_ones.pop(self, None)
        self._open_ones[self] = None

    def _give_up(self) -> None:
        """`abort`, not `close`: a client that does not read would hold the connection for ever."""
        self._open_ones.pop(self, None)
        if self._transport is not None:
            self._transport.abort()
