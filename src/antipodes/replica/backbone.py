"""Backbone: one listener a site for all that sites say to each other, and the way to dial another site's.

Rules. A connection begins with a hello frame: protocol, token, and what it is for ("replicate", "snapshot", "call").
A wrong token, an unknown purpose or bytes that are no frames close it, without an answer. What is said after the hello
is the business of the handler that registered for that purpose.

A `Channel` is the same at both ends: send a message, receive the next. Everything that can go wrong with it is
`ConnectionLost`.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import msgspec

from antipodes.wire.framing import MAX_FRAME_BYTES, FrameDecoder, FrameError, encode_frame
from antipodes.world.world import ConnectionLost, Server, Stream, World

PROTOCOL = 1
HELLO_TIMEOUT_S = 10.0
MAX_HELLO_BYTES = 1 << 20  # nobody who has not shown the token makes us hold more
MAX_WAITING_BYTES = 4 << 20  # received, not yet taken: beyond it the other side is made to wait

T = TypeVar("T")


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """The first frame of a connection."""

    protocol: int
    token: str
    purpose: str
    body: msgspec.Raw  # for the handler of that purpose


_hello = msgspec.msgpack.Decoder(Hello)


class Channel:
    """One end of an open connection: messages in order, or ConnectionLost. One receiver at a time."""

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._frames = FrameDecoder(max_frame_bytes)

    def send(self, message: object) -> None:
        """Queues a message. Raises ConnectionLost when the connection is known to be broken; FrameError: too long."""
        self._write(encode_frame(message))

    def send_frame(self, frame: bytes) -> None:
        """Queues a message that is encoded already. Raises ConnectionLost as `send`."""
        self._write(frame)

    async def receive(self, decoder: msgspec.msgpack.Decoder[T]) -> T:
        """The next message. Raises ConnectionLost: ended, broken, or what came is not of that kind."""
        try:
            while (payload := self._frames.take()) is None:
                self._frames.feed(await self._more())
            return decoder.decode(payload)
        except (FrameError, msgspec.MsgspecError) as error:
            self.close()
            raise ConnectionLost(f"malformed: {error}") from error

    async def drain(self) -> None:
        """Waits until little is queued for writing. Raises ConnectionLost."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends the connection; idempotent. A receiver that waits gets ConnectionLost."""
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        raise NotImplementedError

    async def _more(self) -> bytes:
        """More bytes; raises ConnectionLost at the end."""
        raise NotImplementedError


class Silence:
    """Closes a channel that has been silent for too long: who waits on it gets ConnectionLost.

    It has no timer until silence may run out before the next look at it: a timeout around each message would cost more
    than the message, and a timer for each channel would wake a process that idles.
    """

    def __init__(self, channel: Channel, most_s: float) -> None:
        """Somebody must `look` more often than each most_s."""
        self._channel = channel
        self._most_s = most_s
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def broken(self) -> None:
        """Something came."""
        self._heard_at = self._loop.time()

    def look(self, next_s: float) -> None:
        """The next look comes in so many seconds."""
        left_s = self._left_s()
        if left_s <= next_s and self._timer is None:
            self._timer = self._loop.call_later(max(0.0, left_s), self._run_out)

    def cancel(self) -> None:
        """Nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _left_s(self) -> float:
        return self._heard_at + self._most_s - self._loop.time()

    def _run_out(self) -> None:
        self._timer = None
        if self._left_s() <= 0:
            self._channel.close()


class _Dialled(Channel):
    """The dialling end, over a World's stream."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._closed = False

    def _write(self, data: bytes) -> None:
        if self._closed:
            raise ConnectionLost("closed here")
        self._stream.write(data)

    async def drain(self) -> None:
        await self._stream.drain()

    async def _more(self) -> bytes:
        data = b"" if self._closed else await self._stream.read()
        if not data:
            raise ConnectionLost("closed")
        return data

    def close(self) -> None:
        self._closed = True
        self._stream.close()


class _Accepted(Channel, asyncio.Protocol):
    """The listening end, over an asyncio transport."""

    def __init__(self, start: Callable[[_Accepted], None]) -> None:
        super().__init__(MAX_HELLO_BYTES)
        self._start = start
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None  # set while the write queue is long
        self._ended = False
        self._reading = True

    def trust(self) -> None:
        """The token was right: frames may be long from now on."""
        self._frames.max_bytes = MAX_FRAME_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no asyncio class
        self._start(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MAX_WAITING_BYTES and self._reading and self._transport:
            self._reading = False
            self._transport.pause_reading()
        self._notify()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._notify()
        self.resume_writing()

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _notify(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)

    async def _more(self) -> bytes:
        while not self._received:
            if self._ended:
                raise ConnectionLost("closed")
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        data = bytes(self._received)
        self._received.clear()
        if not self._reading and self._transport and not self._ended:
            self._reading = True
            self._transport.resume_reading()
        return data

    def _write(self, data: bytes) -> None:
        if self._ended or self._transport is None:
            raise ConnectionLost("closed")
        self._transport.write(data)

    async def drain(self) -> None:
        room = self._room
        if room is not None:
            await asyncio.shield(room)
        if self._ended:
            raise ConnectionLost("closed")

    def close(self) -> None:
        self._ended = True
        if self._transport is not None:
            self._transport.close()
        self._notify()


Handler = Callable[[Channel, msgspec.Raw], Awaitable[None]]


class Backbone:
    """One site's listener and dialler. `token` is the planet's secret: who shows it is one of us."""

    def __init__(self, world: World, port: int, token: str) -> None:
        self._world = world
        self._port = port
        self._token = token
        self._handlers: dict[str, Handler] = {}
        self._channels: dict[int, Channel] = {}  # accepted and open, by a running number
        self._accepted = 0
        self._server: Server | None = None

    def on(self, purpose: str, handler: Handler) -> None:
        """Connections for this purpose go to handler(channel, hello body); when it returns, the channel is closed."""
        self._handlers[purpose] = handler

    async def start(self) -> None:
        """Listens. Raises OSError: the port is in use."""
        self._server = await self._world.serve(self._port, lambda: _Accepted(self._accept))

    @property
    def port(self) -> int:
        """The port listened on."""
        assert self._server is not None, "not started"
        return self._server.port

    def close(self) -> None:
        """Stops listening and ends what it accepted."""
        if self._server is not None:
            self._server.close()
        for number in sorted(self._channels):
            self._channels[number].close()

    async def dial(
        self, address: str, port: int, purpose: str, hello: object = None, *, timeout_s: float = 4.0
    ) -> Channel:
        """Connects to another site's backbone and says hello. Raises NetworkError."""
        stream = await self._world.connect(address, port, timeout_s=timeout_s)
        channel = _Dialled(stream)
        body = msgspec.Raw(msgspec.msgpack.encode(hello))
        channel.send(Hello(PROTOCOL, self._token, purpose, body))
        return channel

    def _accept(self, channel: _Accepted) -> None:
        self._accepted += 1
        self._world.spawn(self._serve(channel, self._accepted), f"backbone connection {self._accepted}")

    async def _serve(self, channel: _Accepted, number: int) -> None:
        self._channels[number] = channel
        try:
            async with asyncio.timeout(HELLO_TIMEOUT_S):
                hello = await channel.receive(_hello)
            handler = self._handlers.get(hello.purpose)
            known = hmac.compare_digest(hello.token.encode(), self._token.encode())
            if known and handler is not None and hello.protocol == PROTOCOL:
                channel.trust()
                await handler(channel, hello.body)
        except (ConnectionLost, TimeoutError, msgspec.MsgspecError):
            pass  # the other side went away, was too slow or talks nonsense: its end of the matter
        finally:
            del self._channels[number]
            channel.close()
