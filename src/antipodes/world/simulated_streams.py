"""Byte streams of simulated time: what a socket is in the real world.

A connection has two pipes. A pipe is a queue with due times: what is written at t is due at t plus the link's delay,
never before what was written earlier, so order is kept whatever the loop chooses. A pipe delivers in the receiver's
context: when the receiver's incarnation is dead, its deliveries are dropped with the rest of it.

How a stream ends:
- `close` at one end: the other gets everything written before, then the end (b"", or eof_received and connection_lost).
- an end's process dies, or aborts: the other end breaks after half a round trip.
- a link is cut, or drops a parcel: bytes under way are lost, and both ends break SEVER_AFTER_S later, healed or not:
  a stream with a hole in it is not a stream. (TCP would go on trying for minutes; clients with timeouts give up in
  about this time, and a run should not wait for the rest.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any

from antipodes.world.network import Draw, Links, Pass
from antipodes.world.simulated_loop import Incarnation, VirtualLoop
from antipodes.world.world import ConnectionLost

SEVER_AFTER_S = 1.0
WINDOW_BYTES = 4 * 1024 * 1024  # written and not yet read, in one direction: beyond it the writer is told to wait
SPLIT_SHARE = 1 / 64  # of parcels arrive in two pieces, as TCP may do

END = b""  # in a pipe: the writer closed


class Pipe:
    """One direction of a connection."""

    __slots__ = (
        "_armed",
        "_last_due_s",
        "_queue",
        "connection",
        "context",
        "outstanding",
        "receive",
        "source",
        "target",
    )

    def __init__(self, connection: Connection, source: str, target: str, context: Context) -> None:
        self.connection = connection
        self.source = source
        self.target = target
        self.context = context  # the receiver's
        self.receive: Callable[[bytes | None], bool] = lambda data: True  # None: broken; False: not now, ask again
        self.outstanding = 0
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._last_due_s = 0.0
        self._armed = False

    def send(self, data: bytes | None) -> None:
        """Puts bytes on their way, END, or None: the writer is gone."""
        connection = self.connection
        if connection.doomed:
            return
        verdict = connection.links.judge(self.source, self.target, connection.draw)
        if not isinstance(verdict, Pass):
            connection.doom()
            return
        if data and len(data) > 1 and connection.draw() < SPLIT_SHARE:
            cut = 1 + int(connection.draw() * (len(data) - 1))
            self._enqueue(verdict.delay_s, data[:cut])
            data = data[cut:]
        self._enqueue(verdict.delay_s, data)

    def _enqueue(self, delay_s: float, data: bytes | None) -> None:
        loop = self.connection.loop
        due_s = max(loop.time() + delay_s, self._last_due_s)
        self._last_due_s = due_s
        self.outstanding += len(data) if data else 0
        self._queue.append((due_s, data))
        if not self._armed:
            self._armed = True
            loop.call_at(due_s, self._deliver, context=self.context)

    def _deliver(self) -> None:
        self._armed = False
        queue, loop = self._queue, self.connection.loop
        now_s = loop.time()
        while queue and queue[0][0] <= now_s:
            if not self.receive(queue[0][1]):
                return  # the receiver paused; `kick` goes on
            if queue:  # receiving may have doomed the connection
                queue.popleft()
        if queue and not self._armed:
            self._armed = True
            loop.call_at(queue[0][0], self._deliver, context=self.context)

    def kick(self) -> None:
        """The receiver wants bytes again."""
        if self._queue and not self._armed:
            self._armed = True
            self.connection.loop.call_at(self._queue[0][0], self._deliver, context=self.context)

    def clear(self) -> None:
        self._queue.clear()


class Connection:
    """A stream and a transport, joined by two pipes."""

    def __init__(
        self,
        loop: VirtualLoop,
        links: Links,
        draw: Draw,
        *,
        dialler: tuple[str, Context, Incarnation | None],
        listener: tuple[str, Context, Incarnation | None],
        report: Callable[[str, str, BaseException], None],
        forget: Callable[[Connection], None],
    ) -> None:
        self.loop, self.links, self.draw = loop, links, draw
        self.dialler_site, dialler_context, self.dialler_owner = dialler
        self.listener_site, listener_context, self.listener_owner = listener
        self.there = Pipe(self, self.dialler_site, self.listener_site, listener_context)
        self.back = Pipe(self, self.listener_site, self.dialler_site, dialler_context)
        self.stream = SimulatedStream(self)
        self.transport = SimulatedTransport(self)
        self.report = report
        self.doomed = False
        self._forget = forget

    def doom(self) -> None:
        """The link is cut: nothing arrives any more, and both ends will notice."""
        if self.doomed:
            return
        self.doomed = True
        self.there.clear()
        self.back.clear()
        self.loop.call_later(SEVER_AFTER_S, self.stream.take, None, context=self.back.context)
        self.loop.call_later(SEVER_AFTER_S, self.transport.take, None, context=self.there.context)
        self._forget(self)

    def bury(self, dead: Incarnation) -> None:
        """One end's process died: the other end breaks when the news arrives."""
        if self.dialler_owner is dead and self.listener_owner is not dead:
            self.there.send(None)
        elif self.listener_owner is dead and self.dialler_owner is not dead:
            self.back.send(None)
        self._forget(self)

    def forget_when_over(self) -> None:
        if self.stream.finished and self.transport.finished:
            self._forget(self)


class SimulatedStream:
    """The dialling end: fulfils `world.Stream`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox: list[bytes] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._closed = False
        self._ended = False
        self._broken = False
        connection.back.receive = self.take

    @property
    def finished(self) -> bool:
        return self._closed or self._ended or self._broken

    def write(self, data: bytes) -> None:
        if self.finished:
            raise ConnectionLost(f"the stream to {self._connection.listener_site} is over")
        if data:
            self._connection.there.send(bytes(data))

    async def drain(self) -> None:
        while self._connection.there.outstanding > WINDOW_BYTES and not self.finished:
            await self._changed()
        if self._broken:
            raise self._lost()

    async def read(self) -> bytes:
        while not self._inbox:
            if self._ended or self._closed:
                return b""
            if self._broken:
                raise self._lost()
            await self._changed()
        data = self._inbox[0] if len(self._inbox) == 1 else b"".join(self._inbox)
        self._inbox.clear()
        self._connection.back.outstanding -= len(data)
        self._connection.transport.maybe_resume()
        return data

    def close(self) -> None:
        if self._closed:
            return
        over = self.finished
        self._closed = True
        if not over:
            self._connection.there.send(END)
        self._wake()
        self._connection.forget_when_over()

    def take(self, data: bytes | None) -> bool:
        """From the pipe: bytes, END, or None for broken."""
        if self._closed:
            if data:
                # Bytes for a closed socket are answered by a reset.
                self._connection.there.send(None)
            return True
        if data is None:
            self._broken = True
        elif data == END:
            self._ended = True
        else:
            self._inbox.append(data)
        self._wake()
        if self.finished:
            self._connection.forget_when_over()
        return True

    def wake_writer(self) -> None:
        if self._waiters and self._connection.there.outstanding <= WINDOW_BYTES:
            self._wake()

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"the stream to {self._connection.listener_site} broke")

    async def _changed(self) -> None:
        waiter: asyncio.Future[None] = self._connection.loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class SimulatedTransport(asyncio.Transport):
    """The listening end: a transport as asyncio's own, for protocols written for real sockets."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self._protocol: asyncio.Protocol | None = None
        self._facts: dict[str, Any] = {}
        self._closing = False
        self._lost = False
        self._reading = True
        self._writing_paused = False
        connection.there.receive = self.take

    @property
    def finished(self) -> bool:
        return self._closing or self._lost

    def accept(self, factory: Callable[[], asyncio.Protocol], facts: dict[str, Any]) -> None:
        """Runs in the listener's context, before any byte arrives."""
        self._facts = facts
        self._guarded(lambda: self._meet(factory()))

    def _meet(self, protocol: asyncio.Protocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def take(self, data: bytes | None) -> bool:
        """From the pipe: bytes, END, or None for broken."""
        if self._lost or self._protocol is None:
            return True
        if data is None:
            self._lose(ConnectionResetError("the other end is gone"))
            return True
        if self._closing:
            return True
        if not self._reading:
            return False
        protocol = self._protocol
        if data == END:
            self._guarded(lambda: None if protocol.eof_received() else self.close())
            return True
        there = self._connection.there
        there.outstanding -= len(data)
        self._connection.stream.wake_writer()
        self._guarded(lambda: protocol.data_received(data))
        return True

    def _guarded(self, step: Callable[[], None]) -> None:
        """A protocol that fails loses its connection, as with asyncio's transports; the failure is reported."""
        try:
            step()
        except Exception as error:
            self._connection.report(self._connection.listener_site, "protocol", error)
            self.abort()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self.finished or not data:
            return
        back = self._connection.back
        back.send(bytes(data))
        if back.outstanding > WINDOW_BYTES and not self._writing_paused and self._protocol:
            self._writing_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.write(b"".join(list_of_data))

    def maybe_resume(self) -> None:
        if self._writing_paused and self._connection.back.outstanding <= WINDOW_BYTES // 2 and self._protocol:
            self._writing_paused = False
            self._connection.loop.call_soon(self._protocol.resume_writing, context=self._connection.there.context)

    def close(self) -> None:
        if self.finished:
            return
        self._closing = True
        self._connection.back.send(END)
        self._connection.loop.call_soon(self._lose, None, context=self._connection.there.context)

    def abort(self) -> None:
        if self._lost:
            return
        if not self._closing:
            self._connection.back.send(None)
        self._closing = True
        self._connection.loop.call_soon(self._lose, None, context=self._connection.there.context)

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        protocol, self._protocol = self._protocol, None
        self._connection.forget_when_over()
        if protocol:
            self._guarded(lambda: protocol.connection_lost(error))

    def is_closing(self) -> bool:
        return self.finished

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """peername, sockname, and for TLS sni and ssl_object (of no use but to be true)."""
        return self._facts.get(name, default)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._connection.there.kick()

    def is_reading(self) -> bool:
        return self._reading and not self.finished

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Accepted and not used: bytes under way to the other side of the planet are no full buffer (WINDOW_BYTES)."""

    def get_write_buffer_size(self) -> int:
        return self._connection.back.outstanding

    def can_write_eof(self) -> bool:
        return False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol
