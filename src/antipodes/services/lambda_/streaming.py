"""A response on its way from a runtime to a caller while the function makes it, never held whole.

    runtime ──chunked POST .../response──▶ ResponseStream ──parts()──▶ the caller's connection

A runtime streams when it says so (Lambda-Runtime-Function-Response-Mode: streaming) and tells of an error in trailers.
Of a caller that reads slowly at most HIGH_BYTES wait here; then the runtime's connection is not read. A caller that
goes away changes nothing for the function: what comes after is dropped. After 6 MB a response is slowed down to 2 MB/s,
and at 200 MB it ends (Developer Guide, "Response streaming for Lambda functions"; facts 4.3).

A runtime may stream to a caller that wants the response whole: it is collected, up to the limit of whole ones. One that
does not stream answers a streaming caller in one piece.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import AsyncIterator, Callable

import orjson

from antipodes.services.lambda_.outcome import RESPONSE_LIMIT_BYTES, STREAM_LIMIT_BYTES, Outcome, too_large
from antipodes.wire.http import Headers, HttpRequest, header_of
from antipodes.world.moment import Moment
from antipodes.world.world import World

MODE = "lambda-runtime-function-response-mode"
STREAMING = "streaming"
ERROR_TYPE, ERROR_BODY = "Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"
HIGH_BYTES, LOW_BYTES = 256 * 1024, 64 * 1024
FAST_BYTES = 6 * 1024 * 1024
SLOW_BYTES_PER_S = 2 * 1024 * 1024


class ResponseStream:
    """The caller's end: `opened` when the runtime begins to answer or the invocation is over, then `parts`."""

    def __init__(self, world: World) -> None:
        self.opened: Moment[None] = Moment()
        self.content_type: str | None = None  # None: the runtime did not stream
        self._world = world
        self._parts: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._gone = False  # nobody reads
        self._wake: asyncio.Future[None] | None = None
        self._resume: Callable[[], None] | None = None

    # -- the runtime's side --

    def begin(self, content_type: str, resume: Callable[[], None]) -> None:
        self.content_type = content_type
        self._resume = resume
        self._open()

    def feed(self, data: bytes) -> bool:
        """False: enough for now."""
        if self._gone or self._ended:
            return True
        self._parts.append(data)
        self._bytes += len(data)
        self._notify()
        return self._bytes < HIGH_BYTES

    def over(self) -> None:
        """Nothing more comes. Idempotent."""
        self._ended = True
        self._open()
        self._notify()

    def _open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    # -- the caller's side --

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes, slowed down where AWS would."""
        sent = 0
        try:
            while True:
                while self._parts:
                    part = self._parts.popleft()
                    self._bytes -= len(part)
                    if self._bytes <= LOW_BYTES and self._resume is not None:
                        self._resume()
                    yield part
                    slow = min(len(part), max(sent + len(part) - FAST_BYTES, 0))
                    sent += len(part)
                    if slow:
                        await self._world.sleep(slow / SLOW_BYTES_PER_S)
                if self._ended:
                    return
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
        finally:
            self._gone = True
            self._parts.clear()
            if self._resume is not None:
                self._resume()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class StreamedAnswer:
    """The runtime's end (edge.streaming.Intake): one streamed response, for a stream or (None) to be collected.
    `outcome` when it has ended; `lost` is called when its connection breaks before."""

    def __init__(
        self, request: HttpRequest, stream: ResponseStream | None, resume: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._lost = lost
        self._kept: list[bytes] = []
        self._bytes = 0
        self._limit = RESPONSE_LIMIT_BYTES if stream is None else STREAM_LIMIT_BYTES
        self._trailers: Headers = ()
        if stream is not None:
            stream.begin(request.header("content-type") or "application/octet-stream", resume)

    def feed(self, data: bytes) -> bool:
        self._bytes += len(data)
        if self._bytes > self._limit:
            self._kept.clear()
            return True
        if self._stream is not None:
            return self._stream.feed(data)
        self._kept.append(data)
        return True

    def end(self, trailers: Headers) -> None:
        self._trailers = trailers

    def broken(self) -> None:
        self._lost()

    def outcome(self) -> Outcome:
        """What became of the invocation."""
        if self._bytes > self._limit:
            return too_large(self._bytes, self._limit)
        kind = header_of(self._trailers, ERROR_TYPE)
        if kind is not None:
            return Outcome(_error_body(self._trailers, kind), failed=True, status="error", error_type=kind)
        return Outcome(b"".join(self._kept))


def _error_body(trailers: Headers, kind: str) -> bytes:
    """JSON, whatever the runtime sent."""
    try:
        body = base64.b64decode(header_of(trailers, ERROR_BODY) or "", validate=True)
        orjson.loads(body)
    except ValueError:
        return orjson.dumps({"errorType": kind, "errorMessage": ""})
    return body


def is_streamed(request: HttpRequest) -> bool:
    return (request.header(MODE) or "").lower() == STREAMING
