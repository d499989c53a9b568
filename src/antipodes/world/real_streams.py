"""The dialling end of a real TCP or TLS stream, with the distance put in.

Both directions wait in queues with due times: what is written at t goes to the kernel when the link's delay has passed,
what the kernel brings at t is read when the delay back has passed; never before what came earlier. One timer for each
direction, armed for the head of its queue. Without distance (HERE) the queues are passed by.

When a link is cut, or drops a parcel, bytes under way are lost and the socket is reset SEVER_AFTER_S later, healed or
not: a stream with a hole in it is not a stream. A killed process resets its sockets by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from antipodes.world.network import Draw, Links, Pass
from antipodes.world.world import ConnectionLost

SEVER_AFTER_S = 1.0
WINDOW_BYTES = 4 * 1024 * 1024  # waiting in one direction: beyond it the writer is told to wait
TIMER_STEP_S = 0.001  # uvloop's timers know whole milliseconds; what is due within half of one is due

END = b""  # in a queue: the writer closed


class DelayLine:
    """One direction: bytes, END or None (broken) come out in order, each after its own delay."""

    __slots__ = ("_deliver", "_last_due_s", "_loop", "_queue", "_timer", "waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[bytes | None], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self._queue: deque[tuple[float, bytes | None]] = deque()
        self._last_due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.waiting = 0  # bytes

    def put(self, delay_s: float, data: bytes | None) -> None:
        if delay_s == 0.0 and not self._queue:
            self._deliver(data)
            return
        now_s = time.monotonic()  # not the loop's time, which uvloop keeps in whole, stale milliseconds
        due_s = self._last_due_s = max(now_s + delay_s, self._last_due_s)
        self._queue.append((due_s, data))
        self.waiting += len(data) if data else 0
        if self._timer is None:
            self._timer = self._loop.call_later(due_s - now_s, self._due)

    def _due(self) -> None:
        self._timer = None
        queue, now_s = self._queue, time.monotonic()
        while queue and queue[0][0] <= now_s + TIMER_STEP_S / 2:
            data = queue.popleft()[1]
            self.waiting -= len(data) if data else 0
            self._deliver(data)
        if queue and self._timer is None:
            self._timer = self._loop.call_later(queue[0][0] - now_s, self._due)

    def clear(self) -> None:
        self._queue.clear()
        self.waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class RealStream(asyncio.Protocol):
    """Fulfils `world.Stream`; asyncio sees it as the protocol of its socket."""

    def __init__(self, links: Links, draw: Draw, site: str, target: str, loop: asyncio.AbstractEventLoop) -> None:
        self.site = site
        self.target = target
        self._links = links
        self._draw = draw
        self._loop = loop
        self._there = DelayLine(loop, self._send)
        self._back = DelayLine(loop, self._arrive)
        self._transport: asyncio.Transport | None = None
        self._inbox: list[bytes] = []
        self._inbox_bytes = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._closed = False  # by us
        self._ended = False  # by the other side, and seen
        self._broken = False
        self._doomed = False
        self._reading_paused = False
        self._kernel_full = False
        self._on_over: Callable[[RealStream], None] = lambda stream: None

    # world.Stream

    def write(self, data: bytes) -> None:
        if self._closed or self._ended or self._broken:
            raise self._lost()
        if data:
            self._travel(self._there, self.site, self.target, bytes(data))

    async def drain(self) -> None:
        while (self._kernel_full or self._there.waiting > WINDOW_BYTES) and not (self._closed or self._broken):
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
        self._inbox_bytes = 0
        self._mind_the_window()
        return data

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake()
        self._travel(self._there, self.site, self.target, END)

    # The way through the links

    def _travel(self, line: DelayLine, source: str, target: str, data: bytes | None) -> None:
        if self._doomed:
            return
        verdict = self._links.judge(source, target, self._draw)
        if isinstance(verdict, Pass):
            line.put(verdict.delay_s, data)
        else:
            self.doom()

    def doom(self) -> None:
        """The link is cut: nothing arrives any more, and both ends will notice."""
        if not self._doomed:
            self._doomed = True
            self._there.clear()
            self._back.clear()
            self._loop.call_later(SEVER_AFTER_S, self.sever)

    def sever(self) -> None:
        """Resets the socket now; reading and writing raise ConnectionLost."""
        self._doomed = True
        self._there.clear()
        self._back.clear()
        if self._transport is not None:
            self._transport.abort()
        if not self._ended:
            self._broken = True
        self._wake()

    def _send(self, data: bytes | None) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if data:
            transport.write(data)
        else:
            transport.close()
        if self._waiters and self._there.waiting <= WINDOW_BYTES:
            self._wake()

    def _arrive(self, data: bytes | None) -> None:
        if data is None:
            self._broken = True
        elif data == END:
            self._ended = True
        elif not self._closed:
            self._inbox.append(data)
            self._inbox_bytes += len(data)
        self._wake()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are asyncio's by duck

    def on_over(self, call: Callable[[RealStream], None]) -> None:
        """`call(stream)` when the socket is gone."""
        self._on_over = call

    def data_received(self, data: bytes) -> None:
        self._travel(self._back, self.target, self.site, data)
        self._mind_the_window()

    def eof_received(self) -> bool:
        self._travel(self._back, self.target, self.site, END)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._there.clear()
        self._on_over(self)
        self._travel(self._back, self.target, self.site, END if exc is None else None)

    def pause_writing(self) -> None:
        self._kernel_full = True

    def resume_writing(self) -> None:
        self._kernel_full = False
        self._wake()

    def _mind_the_window(self) -> None:
        full = self._inbox_bytes + self._back.waiting > WINDOW_BYTES
        transport = self._transport
        if transport is None or full == self._reading_paused or transport.is_closing():
            return
        self._reading_paused = full
        if full:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"the stream to {self.target} {'broke' if self._broken else 'is over'}")

    async def _changed(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
