"""A request with Upgrade, carried to another listener; after its 101 bytes pass both ways, unread.

Rules. The request goes out as it came, on a connection of its own. An answer other than 101 is an ordinary answer. What
one side ends is ended on the other; a client that does not read holds the other side up.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from antipodes.edge.client import HOP_HEADERS
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import ConnectionLost, Stream, Unreachable, World

HEAD_LIMIT_BYTES = 64 * 1024
# Of the hop, but the ones that make the upgrade.
NOT_CARRIED = HOP_HEADERS - {"upgrade"}


def wants_upgrade(request: HttpRequest) -> bool:
    """Whether the answer may be a 101."""
    return (request.header("upgrade") or "").lower() == "websocket"


async def carry(world: World, address: str, port: int, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
    """The other listener's answer: a 101 has a `takeover` that passes bytes on. Raises NetworkError."""
    stream = await world.connect(address, port, timeout_s=timeout_s)
    answer = _Answer()
    try:
        lines = [f"{name}: {value}\r\n" for name, value in request.headers if name.lower() not in NOT_CARRIED]
        head = f"{request.method} {request.target} HTTP/1.1\r\n{''.join(lines)}Connection: Upgrade\r\n"
        stream.write(f"{head}Content-Length: {len(request.body)}\r\n\r\n".encode("latin-1") + request.body)
        async with asyncio.timeout(timeout_s):
            while not answer.complete:
                data = await stream.read()
                if not data:
                    raise ConnectionLost("closed before an answer")
                answer.feed(data)
    except TimeoutError:
        stream.close()
        raise Unreachable(f"{address}:{port} did not answer within {timeout_s:g} s") from None
    except BaseException:
        stream.close()
        raise
    if answer.status != 101:
        stream.close()
        return HttpResponse(answer.status, tuple(answer.headers), b"".join(answer.body))
    rest = answer.rest
    return HttpResponse(101, tuple(answer.headers), takeover=lambda: _Tunnel(world, stream, rest))


class _Answer:
    """Callbacks of the parser for one answer."""

    def __init__(self) -> None:
        self.complete = False
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []
        self.rest = b""  # behind a 101
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Raises ConnectionLost."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            raise ConnectionLost(f"the answer is not HTTP: {error}") from None

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.complete = True


class _Tunnel(asyncio.Protocol):
    """The client's end; a task reads the other."""

    def __init__(self, world: World, stream: Stream, rest: bytes) -> None:
        self._world = world
        self._stream = stream
        self._rest = rest
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._rest:
            self._transport.write(self._rest)
        self._world.spawn(self._back(), "tunnel")

    def data_received(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except ConnectionLost:
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        self._stream.close()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def _back(self) -> None:
        try:
            while data := await self._stream.read():
                if self._transport is None:
                    return
                self._transport.write(data)
                await self._writable.wait()
        except ConnectionLost:
            pass
        if self._transport is not None:
            self._transport.close()
