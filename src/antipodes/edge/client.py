"""HTTP/1.1 client over a World's streams, with connections kept for the next request.

Rules. One exchange, one stream; a stream goes back to the pool only after a complete answer that allows it. The
timeout covers the whole exchange, dialling included, and ends in Unreachable. A request is sent a second time only
when nothing can have happened: it went out on a kept connection that turned out to be broken, no byte of an answer
came, and either not even the request's bytes were taken or its method is idempotent (RFC 9110, 9.2.2).

The pool is bounded for each destination and by age; age is looked at when a connection is wanted or returned, so the
client keeps no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httptools

from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import ConnectionLost, Handshake, NetworkError, Stream, Unreachable, World

IDLE_PER_DESTINATION = 64
IDLE_S = 20.0  # well below the listener's 75 s, so that a kept connection is rarely one that the server just closed
ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
# Of one connection, not of the message: a forwarded request's are dropped and written anew.
HOP_HEADERS = frozenset({"connection", "content-length", "expect", "keep-alive", "transfer-encoding", "upgrade"})

Destination = tuple[str, int, str | None, Handshake | None]  # address, port, TLS name


@dataclass(slots=True)
class _Kept:
    stream: Stream
    since: float


class _Stale(Exception):
    """A kept connection broke before anything was answered."""

    def __init__(self, sent: bool) -> None:
        super().__init__("stale")
        self.sent = sent


class HttpClient:
    """Sends requests from one site. Many exchanges may run at once; each has a stream of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[Destination, list[_Kept]] = {}
        self._closed = False

    async def send(
        self,
        address: str,
        port: int,
        request: HttpRequest,
        *,
        tls_name: str | None = None,
        handshake: Handshake | None = None,
        timeout_s: float = 10.0,
        repeatable: bool = False,
        in_parts: bool = False,
    ) -> HttpResponse:
        """The answer to `request`, whose `target` and `headers` go out as they are (Host is added if it is missing).

        A kept connection may turn out to be broken. Then a request that does no harm twice (by its method, or because
        the caller says that it is repeatable) is sent again.

        in_parts: a body without a length is not waited for, the answer has `parts`, which may raise ConnectionLost; the
        timeout is over with its head.

        Raises Refused, SiteDown; Unreachable after `timeout_s`; ConnectionLost if the stream broke after the request
        may have been received, or the answer is not HTTP.
        """
        destination = (address, port, tls_name, handshake)
        try:
            async with asyncio.timeout(timeout_s):
                repeatable = repeatable or request.method in IDEMPOTENT
                return await self._exchange(destination, request, timeout_s, repeatable, in_parts)
        except TimeoutError:
            raise Unreachable(f"{address}:{port} did not answer within {timeout_s:g} s") from None

    def close(self) -> None:
        """Closes the kept connections; running exchanges end by themselves and keep nothing."""
        self._closed = True
        for kept in self._kept.values():
            for one in kept:
                one.stream.close()
        self._kept.clear()

    async def _exchange(
        self, destination: Destination, request: HttpRequest, timeout_s: float, repeatable: bool, in_parts: bool
    ) -> HttpResponse:
        address, port, tls_name, handshake = destination
        data = encode_request(request, address, port, tls_name)
        stream = self._take(destination)
        if stream is not None:
            try:
                return await self._ask(destination, stream, request.method, data, fresh=False, in_parts=in_parts)
            except _Stale as stale:
                if stale.sent and not repeatable:
                    raise ConnectionLost("the connection broke before an answer") from None
        stream = await self._world.connect(address, port, tls_name=tls_name, handshake=handshake, timeout_s=timeout_s)
        return await self._ask(destination, stream, request.method, data, fresh=True, in_parts=in_parts)

    async def _ask(
        self, destination: Destination, stream: Stream, method: str, data: bytes, *, fresh: bool, in_parts: bool
    ) -> HttpResponse:
        reader = _AnswerReader(method)
        complete = in_hand = False
        try:
            try:
                stream.write(data)
            except ConnectionLost:
                if fresh:
                    raise
                raise _Stale(sent=False) from None
            try:
                if len(data) > 64 * 1024:
                    await stream.drain()
                while not reader.complete and not (in_parts and reader.has_open_body):
                    received = await stream.read()
                    if received:
                        reader.feed(received)
                    else:
                        reader.end()
            except ConnectionLost:
                if fresh or reader.started:
                    raise
                raise _Stale(sent=True) from None
            if not reader.complete:
                in_hand = True
                return reader.answer(self._parts(destination, stream, reader))
            complete = True
            return reader.answer()
        finally:
            if in_hand:
                pass  # whoever has the parts has the stream
            elif complete and reader.keep and not self._closed:
                self._put(destination, stream)
            else:
                stream.close()

    async def _parts(self, destination: Destination, stream: Stream, reader: _AnswerReader) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ConnectionLost."""
        try:
            while True:
                part = reader.take()
                if part:
                    yield part
                if reader.complete:
                    break
                received = await stream.read()
                if received:
                    reader.feed(received)
                else:
                    reader.end()
        finally:
            if reader.complete and reader.keep and not self._closed:
                self._put(destination, stream)
            else:
                stream.close()

    def _take(self, destination: Destination) -> Stream | None:
        kept = self._kept.get(destination)
        oldest = self._world.monotonic() - IDLE_S
        while kept:
            one = kept.pop()  # the youngest: the others may grow old
            if one.since >= oldest:
                return one.stream
            one.stream.close()
        return None

    def _put(self, destination: Destination, stream: Stream) -> None:
        now = self._world.monotonic()
        kept = self._kept.setdefault(destination, [])
        while kept and (kept[0].since < now - IDLE_S or len(kept) >= IDLE_PER_DESTINATION):
            kept.pop(0).stream.close()
        kept.append(_Kept(stream, now))


class _AnswerReader:
    """Collects one answer from bytes."""

    def __init__(self, method: str) -> None:
        self.complete = False
        self.started = False
        self.keep = False
        self._bodiless = method == "HEAD"
        self._parser: Any = httptools.HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_done = False
        self._until_close = False
        self._chunked = False
        self._status = 0

    def feed(self, data: bytes) -> None:
        self.started = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                raise ConnectionLost(f"the answer is not HTTP: {error}") from None
            self.keep = False  # bytes after the answer: not a connection to use again

    def end(self) -> None:
        """The other side closed: the end of an answer without a length, else a break."""
        if not (self._head_done and self._until_close):
            raise ConnectionLost("closed in the middle of an answer" if self.started else "closed before an answer")
        self.complete = True

    @property
    def has_open_body(self) -> bool:
        """A body comes whose length nobody has said."""
        return self._head_done and not self._bodiless and self._chunked

    def take(self) -> bytes:
        """What of the body has come since the last time."""
        body, self._body, self._body_bytes = b"".join(self._body), [], 0
        return body

    def answer(self, parts: AsyncIterator[bytes] | None = None) -> HttpResponse:
        body = b"" if parts is not None else b"".join(self._body)
        return HttpResponse(self._status, tuple(self._headers), body, parts=parts)

    # --- the parser calls ---

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("a second answer")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < 200:
            return
        self._head_done = True
        framing = [value for name, value in self._headers if name.lower() in {"content-length", "transfer-encoding"}]
        self._chunked = any(value.lower() == "chunked" for value in framing)
        self._until_close = not framing and self._status not in {204, 304}
        if self._bodiless:
            # The parser would wait for the body that Content-Length tells of: a HEAD has none.
            self.keep = not self._until_close and self._parser.should_keep_alive()
            self.complete = True

    def on_body(self, body: bytes) -> None:
        if self._bodiless:
            raise ValueError("a body where none may be")
        self._body_bytes += len(body)
        if self._body_bytes > ANSWER_LIMIT_BYTES:
            raise ValueError("the answer is too large")
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._status >= 200 and not self.complete:
            self.keep = self._parser.should_keep_alive()
            self.complete = True


def encode_request(request: HttpRequest, address: str, port: int, tls_name: str | None = None) -> bytes:
    """The bytes of a request. Raises NetworkError if a line break hides in it (it would become another request)."""
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    has_host = False
    for name, value in request.headers:
        lowered = name.lower()
        if lowered in HOP_HEADERS:
            continue
        has_host = has_host or lowered == "host"
        lines.append(f"{name}: {value}")
    if not has_host:
        lines.insert(1, f"Host: {tls_name or address}:{port}")
    if request.body or request.method not in {"GET", "HEAD", "DELETE", "OPTIONS"}:
        lines.append(f"Content-Length: {len(request.body)}")
    for line in lines:
        if "\n" in line or "\r" in line:
            raise NetworkError(f"a line break in {line!r}")
    if " " in request.target:
        raise NetworkError(f"a space in the request target {request.target!r}")
    text = "\r\n".join(lines) + "\r\n\r\n"
    try:
        head = text.encode("latin-1")
    except UnicodeEncodeError:
        head = text.encode("utf-8")
    return head + request.body
