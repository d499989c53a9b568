"""HTTP/1.1 listener: bytes in, HttpRequest to the handler, HttpResponse to bytes. (HTTP/2, over TLS: http2.py.)

Rules. One connection, one protocol object. Requests of a connection are handled one at a time and answered in order;
those that come meanwhile wait in a queue, and reading pauses when it is long. A handler that began always ends, even
if its client has gone. A handler that raises is answered 500 and the connection lives on. Input that is not HTTP, or
too large, or too slow, gets one error (400, 408, 413, 431) and the connection is closed after a short while in which
input is thrown away, so that the answer is not lost to a reset. Answers go out together at the end of a turn of the
event loop (outbox.py).

A request with Upgrade may be answered with 101 and a protocol that takes the connection over: this one has no part in
it any more. Any other answer to it is HTTP/1.1's, and ends the connection.

It knows no AWS. It sees transports only through asyncio.Protocol, and time only through the loop and its World, so
that the same code runs on real sockets and on simulated streams.

States of a connection: reading (parser feeds `_queue`) -> busy (one handler runs) -> reading ... -> ending (error sent,
input ignored) -> closed, or handed over.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import deque
from collections.abc import Awaitable
from functools import lru_cache
from http import HTTPStatus
from types import CoroutineType
from typing import Any, cast

import httptools

from antipodes.edge.answers import CLOSE, KEEP, KEEP_OLD, STATUS_LINES, encode_response
from antipodes.edge.eager import Starter
from antipodes.edge.listener import DEFAULT_LIMITS, Limits, Listener
from antipodes.edge.streaming import Intake, IntakeOf, StreamedBody
from antipodes.wire.heads import read_request
from antipodes.wire.http import (
    ClientCertificate,
    HttpHandler,
    HttpRequest,
    HttpResponse,
    IndexedHeaders,
    UsualHandler,
)
from antipodes.world.world import Certificates, Server, World

log = logging.getLogger(__name__)

QUEUE_LIMIT = 32  # requests waiting on one connection before reading pauses
LINGER_S = 1.0  # how long input is thrown away after an error answer
# Most requests come whole and plain: those are taken apart here, in half the parser's time.
USUAL = re.compile(rb"(GET|POST|PUT|PATCH|DELETE) (/[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*) HTTP/1\.1\r\n")
# botocore and urllib3 send a request's head and its body in a piece each.
LENGTH = re.compile(rb"\r\ncontent-length: ([1-9][0-9]{0,4})\r\n", re.IGNORECASE)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def serve_http(
    world: World,
    port: int,
    handler: HttpHandler,
    *,
    usual: UsualHandler | None = None,
    address: str | None = None,
    tls: Certificates | None = None,
    limits: Limits = DEFAULT_LIMITS,
    intake: IntakeOf | None = None,
) -> Server:
    """Listens until the Server is closed; closing it also closes the connections (running handlers end).

    usual: asked before `handler`, may answer without a task of its own. intake: may take bodies of HTTP/1 as they come
    (streaming.py).

    Raises OSError if the port is taken (what the World raises).
    """
    listener = Listener(world, handler, usual, limits, local=address or world.address, secure=tls is not None)
    listener.intake = intake
    return await world.serve(port, lambda: HttpConnection(listener), address=address, tls=tls)


class HttpConnection(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._usual = listener.usual
        self._world = listener.world
        self._handler = listener.handler
        self._limits = listener.limits
        self._clock = listener.clock
        self._outbox = listener.outbox
        self._local = listener.local
        self._secure = listener.secure
        self._sink: Intake | None = None  # takes the body that is coming in
        self._sink_full = False
        self._outgoing: StreamedBody | None = None  # the answer that is being sent in parts
        self._about: tuple[str, bool, str, ClientCertificate | None] = ("", False, "", None)  # of each request
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._queue: deque[tuple[HttpRequest, str]] = deque()  # request, the Connection line of its answer
        self._busy = False
        self._pumping = False
        self._connection = KEEP
        self._head_only = False  # the request that is being answered is a HEAD
        self._ending = False
        self._failure = 0  # status to answer when what came before it has been answered
        self._no_more_input = False
        self._upgrading: list[bytes] | None = None  # what came behind a request with Upgrade
        self._write_paused_at: float | None = None
        self._read_paused = False
        # the message that is coming in
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._by_name: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_fed_bytes = 0
        self._in_message = False
        self._in_head = False
        self._expects_continue = False
        self._held = b""  # a usual head, whole, until its body comes
        # slow clients
        self._active_at = 0.0  # the last time that bytes came or an answer went
        self._message_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # --- the transport calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._secure and _wants_http2(transport):
            from antipodes.edge.http2 import Http2Connection  # noqa: PLC0415 - with the first client that asks for it

            protocol = Http2Connection(self._listener, certificate_of(transport))
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            return
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._starter: Starter[HttpResponse] = Starter(self._world, loop, "http request")
        peer = transport.get_extra_info("peername")
        client = str(peer[0]) if isinstance(peer, tuple) and peer else "127.0.0.1"
        own = transport.get_extra_info("sockname")
        if isinstance(own, tuple) and own:
            self._local = str(own[0])
        certificate = certificate_of(transport) if self._secure else None
        self._about = (client, self._secure, self._local, certificate)
        self._parser = httptools.HttpRequestParser(self)
        self._active_at = loop.time()
        limits = self._limits
        self._look_s = min(limits.head_s, limits.body_s, limits.idle_s)  # no deadline is missed by more than this
        self._timer = loop.call_later(self._look_s, self._check_slowness)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.broken()
        if self._outgoing is not None:
            self._outgoing.lost()
        self._queue.clear()  # nobody waits for them, and none has begun
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._ending or self._failure:
            return
        if self._upgrading is not None:
            self._upgrading.append(data)
            self._set_reading(False)  # enough: nobody knows yet whose it is
            return
        self._active_at = self._loop.time()
        if self._held:
            data, self._held = self._held + data, b""
        if not self._in_message and self._take_usual(data):
            self._pump()
            return
        if not self._in_message or self._in_head:
            self._head_fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The request (already queued) is the last one here, whoever has the connection then.
            self._no_more_input = True
            if self._queue:
                request, _ = self._queue.pop()
                self._queue.append((request, CLOSE))
            self._upgrading = [data[upgrade.args[0] :]]
        except httptools.HttpParserError:
            if not self._failure:
                self._failure = 400
        if self._in_head and self._head_fed_bytes > self._limits.head_bytes and not self._failure:
            self._failure = 431
        self._pump()

    def eof_received(self) -> bool:
        # A client may close its sending side and still wait for its answers.
        self._no_more_input = True
        return not self._secure and (self._busy or bool(self._queue))

    def pause_writing(self) -> None:
        self._write_paused_at = self._loop.time()
        if self._outgoing is not None:
            self._outgoing.pause()

    def resume_writing(self) -> None:
        self._write_paused_at = None
        if self._outgoing is not None:
            self._outgoing.resume()
        self._pump()

    def _take_usual(self, data: bytes) -> bool:
        """Queues the request if `data` is one whole usual request and nothing else, and holds it if only its body is
        still to come; False leaves it to the parser."""
        line = USUAL.match(data)
        if line is None or self._no_more_input:
            return False
        parts = read_request(data, line.end(), self._limits.head_bytes)
        if parts is None:
            self._held = data if _lacks_its_body(data, line.end(), self._limits) else b""
            return bool(self._held)
        pairs, by_name, body = parts
        if len(body) > self._limits.body_bytes:
            return False
        headers = IndexedHeaders(pairs)
        headers.by_name = by_name
        headers.repeats = False
        method, target = line[1].decode("ascii"), line[2].decode("ascii")
        self._queue.append((HttpRequest(method, target, headers, body, *self._about), KEEP))
        return True

    # --- the parser calls ---

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._by_name = {}
        self._body = []
        self._body_bytes = 0
        self._in_message = self._in_head = True
        self._expects_continue = False
        self._message_at = self._active_at

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        own, lowered = _name_of(name)
        text = value.decode("latin-1")
        self._headers.append((own, text))
        self._by_name.setdefault(lowered, text)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_fed_bytes > self._limits.head_bytes:
            size = len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers)
            if size > self._limits.head_bytes:
                self._fail(431)
        if self._listener.intake is not None:

            def ready() -> None:
                self._sink_full = False
                self._pump()

            self._head_count = len(self._headers)
            self._sink = self._listener.intake(self._message(b""), ready)
            if self._sink is not None:
                return
        length = self._by_name.get("content-length")
        if length is not None and int(length) > self._limits.body_bytes:
            self._fail(413)
        expectation = self._by_name.get("expect")
        if expectation is not None:
            if expectation.lower() != "100-continue":
                self._fail(417)
            self._expects_continue = True
        if self._expects_continue and not self._busy and not self._queue:
            self._continue()

    def on_body(self, body: bytes) -> None:
        if self._sink is not None:
            self._sink_full = not self._sink.feed(body) or self._sink_full
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._fail(413)
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._in_message = self._in_head = False
        self._expects_continue = False
        self._head_fed_bytes = 0
        if self._failure or self._no_more_input:
            return
        connection = CLOSE
        if self._parser.should_keep_alive():
            connection = KEEP if self._parser.get_http_version() != "1.0" else KEEP_OLD
        sink, self._sink = self._sink, None
        if sink is not None:
            self._sink_full = False
            sink.end(tuple(self._headers[self._head_count :]))
        body = self._body
        self._queue.append((self._message(body[0] if len(body) == 1 else b"".join(body)), connection))
        if connection is CLOSE:
            self._no_more_input = True

    def _message(self, body: bytes) -> HttpRequest:
        """What is coming in, with that body."""
        headers = IndexedHeaders(self._headers)
        headers.by_name = self._by_name
        headers.repeats = len(self._by_name) != len(headers)
        target = self._target.decode("latin-1")
        target = target if target == "/" else _origin_form(target)
        return HttpRequest(self._parser.get_method().decode("ascii"), target, headers, body, *self._about)

    # --- one request after the other ---

    def _fail(self, status: int) -> None:
        """Ends the parse; the status is answered when its turn comes."""
        if not self._failure:
            self._failure = status
        raise ValueError(f"refused with {status}")  # the only way to stop the parser

    def _continue(self) -> None:
        self._expects_continue = False
        if self._transport is not None:
            self._outbox.flush()
            self._transport.write(CONTINUE)

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        while self._queue and not self._busy and not self._ending and self._write_paused_at is None:
            request, self._connection = self._queue.popleft()
            self._head_only = request.method == "HEAD"
            self._busy = True
            if self._usual is not None and self._usual(request, self._answered):
                continue
            work = self._handler(request)
            self._starter.run(work if isinstance(work, CoroutineType) else _settle(work), self._answered)
        self._pumping = False
        if self._transport is None or self._ending:
            return
        if not self._busy and not self._queue:
            if self._failure:
                self._end_with(self._failure)
            elif self._expects_continue:
                self._continue()
            elif self._no_more_input:
                self._ending = True
                self._outbox.flush()
                self._transport.close()
        wanted = len(self._queue) < QUEUE_LIMIT and self._write_paused_at is None and not self._sink_full
        if wanted == self._read_paused:
            self._set_reading(wanted)

    def _set_reading(self, wanted: bool) -> None:
        if wanted == self._read_paused and self._transport is not None and not self._transport.is_closing():
            self._read_paused = not wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _answered(self, response: HttpResponse | None, error: BaseException | None) -> None:
        self._busy = False
        if isinstance(error, asyncio.CancelledError):  # the site is being stopped
            if self._transport is not None:
                self._transport.abort()
            return
        if response is None:
            log.error("a handler raised", exc_info=error)
            response = HttpResponse(500, (("Content-Type", "text/plain"),), b"Internal Server Error\n")
        transport = self._transport
        if transport is None:
            return
        self._active_at = self._loop.time()
        if response.takeover is not None and self._upgrading is not None:
            self._hand_over(transport, response, self._upgrading)
            return
        if response.parts is not None and not self._head_only and self._send_parts(transport, response):
            return
        try:
            data = self._encode(response)
        except ValueError as bad:  # a header that would forge another one, a status that is none
            log.error("a handler's answer cannot be sent: %s", bad)
            data = self._encode(HttpResponse(500))
        self._outbox.send(transport, data)
        if self._connection is CLOSE:
            self._ending = True
            self._outbox.flush()
            transport.close()
        self._pump()

    def _send_parts(self, transport: asyncio.Transport, response: HttpResponse) -> bool:
        """False: its head cannot be sent; nothing happened."""
        assert response.parts is not None
        chunked = self._connection is KEEP or self._parser.get_http_version() != "1.0"
        if not chunked:  # the end of the connection is the end of the body
            self._connection, self._no_more_input = CLOSE, True
        try:
            head = self._encode(response, "Transfer-Encoding: chunked\r\n" if chunked else "")
        except ValueError:
            return False

        def ended(whole: bool) -> None:
            self._busy, self._outgoing = False, None
            self._active_at = self._loop.time()
            if not whole:
                transport.abort()
            elif self._connection is CLOSE:
                self._ending = True
                transport.close()
            self._pump()

        self._outbox.flush()
        transport.write(head)
        self._busy = True
        self._outgoing = StreamedBody(self._world, transport.write, response.parts, ended, chunked=chunked)
        if self._write_paused_at is not None:
            self._outgoing.pause()
        return True

    def _hand_over(self, transport: asyncio.Transport, response: HttpResponse, rest: list[bytes]) -> None:
        assert response.takeover is not None
        self.connection_lost(None)  # as far as this protocol goes
        lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
        self._outbox.flush()
        transport.write(f"{STATUS_LINES[101]}{lines}\r\n".encode("latin-1"))
        protocol: asyncio.Protocol = response.takeover()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for data in rest:
            if data:
                protocol.data_received(data)
        if self._read_paused and not transport.is_closing():
            transport.resume_reading()

    def _encode(self, response: HttpResponse, framing: str | None = None) -> bytes:
        return encode_response(
            response,
            date_line=self._clock.line(self._active_at),
            head_only=self._head_only,
            connection=self._connection,
            framing=framing,
        )

    def _end_with(self, status: int) -> None:
        """One error answer, then the end."""
        self._ending = True
        transport = self._transport
        if transport is None:
            return
        self._head_only = False
        self._connection = CLOSE
        body = f"{status} {HTTPStatus(status).phrase}\n".encode()
        self._outbox.flush()
        transport.write(self._encode(HttpResponse(status, (("Content-Type", "text/plain"),), body)))
        self._set_reading(True)
        if transport.can_write_eof():
            transport.write_eof()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, transport.close)

    def _check_slowness(self) -> None:
        """Runs when the earliest deadline may have come; sets itself again if it has not."""
        if self._transport is None or self._ending:
            return
        now = self._loop.time()
        if self._write_paused_at is not None:
            deadline = self._write_paused_at + self._limits.body_s
            if now >= deadline:
                self._transport.abort()
                return
        elif self._busy or self._queue:
            deadline = now + self._look_s
        elif self._in_message or self._held:
            deadline = (
                self._message_at + self._limits.head_s if self._in_head else self._active_at + self._limits.body_s
            )
            if now >= deadline:
                self._end_with(408)
                return
        else:
            deadline = self._active_at + self._limits.idle_s
            if now >= deadline:
                self._ending = True
                self._transport.close()
                return
        # The state may change before this deadline, to one with an earlier deadline.
        self._timer = self._loop.call_later(max(min(deadline - now, self._look_s), 0.001), self._check_slowness)


def _lacks_its_body(data: bytes, start: int, limits: Limits) -> bool:
    """Whether this is the head of a usual request alone, whose body is sure to follow and to be taken."""
    if not data.endswith(b"\r\n\r\n"):
        return False
    length = LENGTH.search(data, start - 2)
    if length is None or int(length[1]) > limits.body_bytes:
        return False
    return read_request(data + bytes(int(length[1])), start, limits.head_bytes) is not None


def certificate_of(transport: asyncio.BaseTransport) -> ClientCertificate | None:
    """What the client has shown, if the name that it asked for wants one (see world.real_tls)."""
    name = getattr(transport.get_extra_info("sslcontext"), "trusted_for", "")
    der = transport.get_extra_info("ssl_object").getpeercert(binary_form=True) if name else None
    return None if der is None else ClientCertificate(name, ssl.DER_cert_to_PEM_cert(der))


def _wants_http2(transport: asyncio.BaseTransport) -> bool:
    chosen = getattr(transport.get_extra_info("ssl_object"), "selected_alpn_protocol", None)
    return chosen is not None and chosen() == "h2"


@lru_cache(maxsize=512)
def _name_of(name: bytes) -> tuple[str, str]:
    """A header's name as it came, and in lower case."""
    text = name.decode("latin-1")
    return text, text.lower()


async def _settle(work: Awaitable[HttpResponse]) -> HttpResponse:
    return await work


def _origin_form(target: str) -> str:
    """ "http://host/path" (as proxies ask) -> "/path"; everything else as it came."""
    if target.startswith("/") or "://" not in target:
        return target
    _, _, rest = target.partition("://")
    slash = rest.find("/")
    return rest[slash:] if slash >= 0 else "/"
