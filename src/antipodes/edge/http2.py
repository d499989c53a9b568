"""HTTP/2 listener: what a TLS client that asks for `h2` gets in the place of http.py. Framing and HPACK by `h2`.

Rules. Streams are requests of their own: handlers run side by side, answers go out as windows allow, in turns of one
frame a stream. A handler that began always ends, even if its stream was reset. Bounds: STREAMS requests at once, those
whose stream was reset while their handler runs included (so resetting gains nothing), RESETS in a row without an answer
in between, BUFFERED_BYTES of unfinished bodies on a connection, the limits of http.py on heads, bodies and slowness.
Beyond them: RST_STREAM or an error answer for one stream, GOAWAY for a connection that does not keep the protocol.

It knows no AWS. No push, no priorities, no WebSockets over HTTP/2 (RFC 8441): those clients ask for HTTP/1.1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from antipodes.edge.listener import Listener
from antipodes.wire.http import ClientCertificate, Headers, HttpRequest, HttpResponse, IndexedHeaders

log = logging.getLogger(__name__)

STREAMS = 128
RESETS = 256
WINDOW_BYTES = 1024 * 1024  # of one stream; of the connection four times that
BUFFERED_BYTES = 64 * 1024 * 1024
LINGER_S = 1.0
UNREAD_BYTES = 128 * 1024  # that make no frame, or head, yet
FLOOD_BYTES = 8 * 1024 * 1024  # unread output: more than answers alone would leave waiting
# Of HTTP/1.1's connections; RFC 9113 8.2.2 forbids them.
FORBIDDEN = frozenset(
    {"connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection"}
)


class _Stream:
    """One request that is coming in, or one answer that is going out."""

    __slots__ = ("active_at", "body", "body_bytes", "head", "head_only", "open", "out", "room")

    def __init__(self, head: list[tuple[str, str]], at: float) -> None:
        self.head = head
        self.head_only = False
        self.body: list[bytes] = []
        self.body_bytes = 0
        self.out = memoryview(b"")  # of the answer's body: not sent yet
        self.open = False  # more of it comes
        self.room: asyncio.Event | None = None  # set when `out` is sent
        self.active_at = at


class Http2Connection(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, listener: Listener, certificate: ClientCertificate | None = None) -> None:
        """certificate: the client's, if it showed one that may be trusted."""
        self._world = listener.world
        self._handler = listener.handler
        self._limits = listener.limits
        self._clock = listener.clock
        self._local = listener.local
        self._certificate = certificate
        self._client = ""
        self._frames = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
        )
        self._transport: asyncio.Transport | None = None
        self._incoming: dict[int, _Stream] = {}
        self._outgoing: dict[int, _Stream] = {}
        self._running = 0  # handlers
        self._waiting: dict[int, None] = {}  # streams whose handler runs, and that wait for its answer
        self._resets = 0  # since the last answer
        self._buffered_bytes = 0
        self._unread_bytes = 0
        self._paused_at: float | None = None
        self._ending = False
        self._timer: asyncio.TimerHandle | None = None

    # --- the transport calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        peer = transport.get_extra_info("peername")
        self._client = str(peer[0]) if isinstance(peer, tuple) and peer else "127.0.0.1"
        codes, frames = h2.settings.SettingCodes, self._frames
        frames.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                codes.MAX_CONCURRENT_STREAMS: STREAMS,
                codes.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
                codes.MAX_HEADER_LIST_SIZE: self._limits.head_bytes,
            },
        )
        frames.initiate_connection()
        frames.increment_flow_control_window(4 * WINDOW_BYTES - 65_535)
        self._active_at = self._loop.time()
        self._look_s = min(self._limits.body_s, self._limits.idle_s)
        self._timer = self._loop.call_later(self._look_s, self._check_slowness)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._incoming.clear()
        for stream_id in list(self._outgoing):
            self._forget(stream_id)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        self._active_at = self._loop.time()
        self._unread_bytes += len(data)
        try:
            for event in self._frames.receive_data(data):
                self._unread_bytes = 0
                if not self._ending:
                    self._event(event)
            if self._unread_bytes > UNREAD_BYTES:  # the library judges a frame's length when all of it is there
                raise h2.exceptions.FrameTooLargeError("a frame that does not end")
        except h2.exceptions.ProtocolError as error:
            log.debug("HTTP/2 from %s: %s", self._client, error)
            self._flush()  # the GOAWAY that the library has written
            self._end()
            return
        self._send_bodies()

    def pause_writing(self) -> None:
        self._paused_at = self._loop.time()

    def resume_writing(self) -> None:
        self._paused_at = None
        self._send_bodies()

    # --- frames in ---

    def _event(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._begin(_id(event), cast("list[tuple[str, str]]", event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self._take(_id(event), event.data or b"", event.flow_controlled_length or 0)
        elif isinstance(event, h2.events.StreamEnded):
            self._whole(_id(event))
        elif isinstance(event, h2.events.StreamReset):
            self._forget(_id(event))
            self._count_reset()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._end()

    def _begin(self, stream_id: int, head: list[tuple[str, str]]) -> None:
        if self._running + len(self._incoming) >= STREAMS:
            # Whoever keeps to STREAMS gets here only by resetting.
            self._reset(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            self._count_reset()
            return
        stream = self._incoming[stream_id] = _Stream(head, self._active_at)
        length = next((value for name, value in head if name == "content-length"), "0")
        if sum(len(name) + len(value) + 32 for name, value in head) > self._limits.head_bytes:
            self._refuse(stream_id, 431)
        elif length.isdecimal() and int(length) > self._limits.body_bytes:
            self._refuse(stream_id, 413)
        elif any(name == "expect" and value.lower() == "100-continue" for name, value in head):
            self._continue(stream_id)
        stream.head_only = any(name == ":method" and value == "HEAD" for name, value in head)

    def _count_reset(self) -> None:
        self._resets += 1
        if self._resets > RESETS and not self._ending:
            self._goaway(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)

    def _take(self, stream_id: int, data: bytes, window_bytes: int) -> None:
        stream = self._incoming.get(stream_id)
        if stream is not None:
            stream.body.append(data)
            stream.body_bytes += len(data)
            stream.active_at = self._active_at
            self._buffered_bytes += len(data)
            if stream.body_bytes > self._limits.body_bytes:
                self._refuse(stream_id, 413)
            elif self._buffered_bytes > BUFFERED_BYTES:
                self._reset(stream_id, h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
                self._forget(stream_id)
        if window_bytes:
            try:
                self._frames.acknowledge_received_data(window_bytes, stream_id)
            except h2.exceptions.NoSuchStreamError:
                pass  # the connection's window was opened again

    def _whole(self, stream_id: int) -> None:
        stream = self._incoming.pop(stream_id, None)
        if stream is None:
            return
        self._buffered_bytes -= stream.body_bytes
        self._running += 1
        self._waiting[stream_id] = None
        self._world.spawn(self._handle(stream_id, stream), "http/2 request")

    async def _handle(self, stream_id: int, stream: _Stream) -> None:
        try:
            response = await self._handler(self._request(stream))
        except Exception:
            log.exception("a handler raised")
            response = HttpResponse(500, (("Content-Type", "text/plain"),), b"Internal Server Error\n")
        finally:
            self._running -= 1
        self._active_at = self._loop.time()
        if stream_id in self._waiting:
            del self._waiting[stream_id]
            self._resets = 0
            self._answer(stream_id, stream, response)

    def _request(self, stream: _Stream) -> HttpRequest:
        pseudo = {name: value for name, value in stream.head if name.startswith(":")}
        pairs = [(name, value) for name, value in stream.head if not name.startswith(":")]
        cookies = [value for name, value in pairs if name == "cookie"]
        if len(cookies) > 1:  # RFC 9113 8.2.3: one header again
            pairs = [pair for pair in pairs if pair[0] != "cookie"] + [("cookie", "; ".join(cookies))]
        if not any(name == "host" for name, _ in pairs):
            pairs.insert(0, ("host", pseudo.get(":authority", "")))
        headers = IndexedHeaders(pairs)
        headers.by_name = {}
        for name, value in pairs:
            headers.by_name.setdefault(name, value)
        headers.repeats = len(headers.by_name) != len(pairs)
        target = pseudo.get(":path") or "/"
        about = (self._client, True, self._local, self._certificate)
        return HttpRequest(pseudo[":method"], target, headers, b"".join(stream.body), *about)

    # --- frames out ---

    def _refuse(self, stream_id: int, status: int) -> None:
        stream = self._incoming[stream_id]
        self._forget(stream_id)
        self._answer(stream_id, stream, HttpResponse(status, (("content-type", "text/plain"),), b"%d\n" % status))

    def _forget(self, stream_id: int) -> None:
        stream = self._incoming.pop(stream_id, None)
        if stream is not None:
            self._buffered_bytes -= stream.body_bytes
        going = self._outgoing.pop(stream_id, None)
        if going is not None and going.room is not None:
            going.room.set()
        self._waiting.pop(stream_id, None)

    def _answer(self, stream_id: int, stream: _Stream, response: HttpResponse) -> None:
        if self._transport is None or self._ending:
            return
        try:
            head = [(":status", str(response.status)), *_lines(response, self._clock.line(self._loop.time()))]
            parts = response.parts
            bodiless = stream.head_only or response.status in {204, 304} or not (response.body or parts)
            if response.status not in {204, 304} and parts is None:
                head.append(("content-length", str(len(response.body))))
            self._frames.send_headers(stream_id, head, end_stream=bodiless)
        except (h2.exceptions.NoSuchStreamError, h2.exceptions.StreamIDTooLowError):  # it was reset meanwhile
            return
        except (h2.exceptions.ProtocolError, ValueError) as bad:
            log.error("a handler's answer cannot be sent: %s", bad)
            self._reset(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            self._flush()
            return
        if not bodiless:
            stream.out = memoryview(response.body)
            stream.active_at = self._loop.time()
            self._outgoing[stream_id] = stream
            if parts is not None:
                stream.open = True
                self._world.spawn(self._fill(stream_id, stream, parts), "http/2 answer in parts")
        self._send_bodies()

    async def _fill(self, stream_id: int, stream: _Stream, parts: AsyncIterator[bytes]) -> None:
        """The answer's body, part by part, each when the one before it is sent."""
        stream.room = asyncio.Event()
        try:
            async for part in parts:
                stream.room.clear()
                stream.out, stream.active_at = memoryview(part), self._loop.time()
                self._send_bodies()
                while len(stream.out) and self._outgoing.get(stream_id) is stream:
                    await stream.room.wait()
                    stream.room.clear()
                if self._outgoing.get(stream_id) is not stream:
                    break  # reset, or the client is gone
            stream.open = False
        except Exception as error:
            log.debug("an answer in parts broke off: %s", error)
            self._reset(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            self._forget(stream_id)
        finally:
            aclose = getattr(parts, "aclose", None)
            if aclose is not None:
                await aclose()
        self._send_bodies()

    def _send_bodies(self) -> None:
        """As much as windows and the socket take, a frame of each stream in turn."""
        moved = True
        while moved and self._paused_at is None and self._transport is not None and not self._ending:
            moved = False
            for stream_id in list(self._outgoing):
                moved = self._send_frame(stream_id, self._outgoing[stream_id]) or moved
            self._flush()
        self._flush()

    def _send_frame(self, stream_id: int, stream: _Stream) -> bool:
        frames = self._frames
        try:
            room = min(frames.local_flow_control_window(stream_id), frames.max_outbound_frame_size)
            if room <= 0:
                return False
            if stream.open and not len(stream.out):
                return False
            last = len(stream.out) <= room and not stream.open
            frames.send_data(stream_id, bytes(stream.out[:room]), end_stream=last)
        except (h2.exceptions.NoSuchStreamError, KeyError):
            last = True
        stream.out = stream.out[room:] if not last else stream.out[:0]
        if stream.room is not None and (last or not len(stream.out)):
            stream.room.set()
        stream.active_at = self._loop.time()
        if last:
            del self._outgoing[stream_id]
        return True

    def _continue(self, stream_id: int) -> None:
        try:
            self._frames.send_headers(stream_id, [(":status", "100")])
        except h2.exceptions.ProtocolError:
            pass  # reset in the same breath, or the body is here already

    def _reset(self, stream_id: int, code: h2.errors.ErrorCodes) -> None:
        try:
            self._frames.reset_stream(stream_id, code)
        except (h2.exceptions.NoSuchStreamError, h2.exceptions.StreamIDTooLowError):
            pass  # its end came in the same breath

    def _flush(self) -> None:
        data = self._frames.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > FLOOD_BYTES:  # answers to pings that nobody reads
                self._transport.abort()

    def _goaway(self, code: h2.errors.ErrorCodes) -> None:
        self._frames.close_connection(code)
        self._flush()
        self._end()

    def _end(self) -> None:
        """Input is thrown away for a while, so that what was said last is not lost to a reset."""
        transport = self._transport
        if transport is None or self._ending:
            return
        self._ending = True
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, transport.close)

    def _check_slowness(self) -> None:
        now = self._loop.time()
        if self._transport is None:
            return
        limit = now - self._limits.body_s
        if self._paused_at is not None and self._paused_at <= limit:
            self._transport.abort()
            return
        for stream_id in [one for one, stream in self._incoming.items() if stream.active_at <= limit]:
            self._refuse(stream_id, 408)
        for stream_id in [one for one, stream in self._outgoing.items() if stream.out and stream.active_at <= limit]:
            self._reset(stream_id, h2.errors.ErrorCodes.CANCEL)
            self._forget(stream_id)
        self._flush()
        busy = self._running or self._incoming or self._outgoing
        if not busy and now >= self._active_at + self._limits.idle_s:
            self._goaway(h2.errors.ErrorCodes.NO_ERROR)
            return
        self._timer = self._loop.call_later(self._look_s, self._check_slowness)


def _id(event: Any) -> int:
    return int(event.stream_id)


def _lines(response: HttpResponse, date_line: str) -> Headers:
    """Header names in lower case, without those that HTTP/2 has no use for; with a Date."""
    given: Headers = response.headers
    if response.lines:
        texts = response.lines.decode("latin-1").split("\r\n")
        given = tuple((name, value) for name, _, value in (text.partition(": ") for text in texts if text))
    kept = [(name.lower(), value) for name, value in given if name.lower() not in FORBIDDEN]
    if any("\n" in value or "\r" in value or "\0" in value for _, value in kept):
        raise ValueError("a line break in a header")
    if not any(name == "date" for name, _ in kept):
        kept.append(("date", date_line.partition(": ")[2].strip()))
    return tuple(kept)
