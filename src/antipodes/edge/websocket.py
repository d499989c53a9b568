"""One WebSocket connection (RFC 6455) at its server's end: frames by the `websockets` library, the rest is here.

Rules. The opening handshake is HTTP's business: `accepted` gives the headers of the 101, or None; then this protocol
has the connection. Whole messages go to a Receiver, in order; it is told of the end once, with the code and reason of
the close frame that the client sent, or that was sent to it; 1006 where there was none. Limits act here: a message or a
frame that is too large is 1009, binary where only text is taken is 1003, silence for `idle_s` or a life of `life_s` is
1001. A client that does not read what is sent to it is cut off when SEND_LIMIT_BYTES wait for it.

It knows no AWS, and time only through the loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol, cast

from websockets.frames import Close, CloseCode, Opcode
from websockets.protocol import OPEN, SERVER
from websockets.protocol import Protocol as Frames
from websockets.utils import accept_key

from antipodes.wire.http import Headers, HttpRequest

CLOSING_S = 10.0  # a client has so long to answer a close frame
SEND_LIMIT_BYTES = 4 * 1024 * 1024
NO_FRAME = 1006  # RFC 6455 7.1.5: the connection ended without a close frame


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may take."""

    message_bytes: int
    frame_bytes: int
    idle_s: float
    life_s: float


class Receiver(Protocol):
    """Whoever owns the connection."""

    def opened(self, connection: WebSocketConnection) -> None: ...

    def received(self, message: str) -> None: ...

    def closed(self, code: int, reason: str) -> None: ...


def accepted(request: HttpRequest) -> Headers | None:
    """The headers of the answer to an opening handshake; None: it is none."""
    key = request.header("sec-websocket-key")
    wants = [one.strip().lower() for one in (request.header("upgrade") or "").split(",")]
    if request.method != "GET" or key is None or "websocket" not in wants:
        return None
    if request.header("sec-websocket-version") != "13":
        return None
    return (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept_key(key)))


class WebSocketConnection(asyncio.Protocol):
    """`receiver` is told of messages and of the end."""

    def __init__(self, receiver: Receiver, limits: Limits) -> None:
        self._receiver = receiver
        self._limits = limits
        self._frames = Frames(SERVER, state=OPEN, max_size=(limits.message_bytes, limits.frame_bytes))
        self._parts: list[bytes] = []  # of the message that is coming in
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    # --- the owner calls ---

    def send(self, message: bytes, *, text: bool = True) -> bool:
        """Sends a message, in frames of the limit's size; False: the connection is closing, nothing was sent."""
        frames, size = self._frames, self._limits.frame_bytes
        if self._transport is None or frames.state is not OPEN:
            return False
        first = frames.send_text if text else frames.send_binary
        first(message[:size], fin=len(message) <= size)
        for at in range(size, len(message), size):
            frames.send_continuation(message[at : at + size], fin=at + size >= len(message))
        self._touch()
        self._flush()
        if self._transport is not None and self._transport.get_write_buffer_size() > SEND_LIMIT_BYTES:
            self._transport.abort()
        return True

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake; the receiver hears of its end."""
        if self._transport is not None and self._frames.state is OPEN:
            self._frames.send_close(code, reason)
            self._flush()
            self._arm(CLOSING_S)

    def pause(self, paused: bool) -> None:
        """Whether reading waits."""
        if self._transport is not None and not self._transport.is_closing():
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # --- the transport calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._active_at = self._loop.time()
        self._dies_at = self._active_at + self._limits.life_s
        self._arm(min(self._limits.idle_s, self._limits.life_s))
        self._receiver.opened(self)

    def data_received(self, data: bytes) -> None:
        self._touch()
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            self._frame(event.opcode, bytes(event.data), event.fin)  # type: ignore[union-attr]  # frames alone, when open
        self._flush()

    def eof_received(self) -> bool:
        self._frames.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self._over:
            self._over = True
            close = self._frames.close_rcvd or self._frames.close_sent or Close(NO_FRAME, "")
            self._receiver.closed(int(close.code), close.reason)

    # --- inside ---

    def _frame(self, opcode: Opcode, data: bytes, fin: bool) -> None:
        if opcode is Opcode.BINARY:
            self._frames.fail(CloseCode.UNSUPPORTED_DATA, "")
        elif opcode in {Opcode.TEXT, Opcode.CONT}:
            self._parts.append(data)
            if fin:
                message, self._parts = b"".join(self._parts), []
                try:
                    text = message.decode()
                except UnicodeDecodeError:
                    self._frames.fail(CloseCode.INVALID_DATA, "")
                else:
                    self._receiver.received(text)

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if self._transport is None or self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:  # the library's sign for the end
                self._transport.close()
        if self._frames.state is not OPEN and self._frames.close_rcvd is not None and self._transport is not None:
            self._transport.close()

    def _touch(self) -> None:
        self._active_at = self._loop.time()

    def _arm(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._due)

    def _due(self) -> None:
        now = self._loop.time()
        if self._transport is None:
            return
        if self._frames.state is not OPEN:  # it had its time to answer
            self._transport.abort()
            return
        due = min(self._active_at + self._limits.idle_s, self._dies_at)
        if now >= due:
            self.close(CloseCode.GOING_AWAY, "Going away")
        else:
            self._arm(max(due - now, 0.001))
