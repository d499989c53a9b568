"""The open connections of a Region's WebSocket APIs, and what happens on each: messages to functions, and back.

They live in this process alone: a Region that is killed drops them, and their ids are gone for ever (410). Messages of
one connection are handled side by side, as on AWS, where their order is not kept either; beyond AT_ONCE reading waits.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from antipodes.services.apigateway.v2.sockets.events import ABNORMAL, Facts
from antipodes.world.world import World

if TYPE_CHECKING:
    from antipodes.edge.websocket import WebSocketConnection

log = logging.getLogger("antipodes.apigateway")

AT_ONCE = 64  # messages of one connection that are being handled
# What $disconnect is told (1000 and 1005 as seen on AWS, the others are guesses).
REASONS = {1000: "Connection Closed Normally", 1001: "Going away", 1005: "Client-side close frame status not set",
           1006: ABNORMAL}  # fmt: skip
GOING_AWAY = 1001

OnMessage = Callable[["Socket", str], Awaitable[None]]
OnEnd = Callable[["Socket", int, str], Awaitable[None]]


class Socket:
    """One connection (edge.websocket.Receiver)."""

    def __init__(self, sockets: Sockets, facts: Facts) -> None:
        self.facts = facts
        self.last_active = facts.connected_at
        self._sockets = sockets
        self._connection: WebSocketConnection | None = None
        self._running = 0

    def send(self, message: bytes, *, text: bool = True) -> bool:
        """False: the connection is closing."""
        self.last_active = self._sockets.world.now()
        return self._connection is not None and self._connection.send(message, text=text)

    def close(self, code: int, reason: str) -> None:
        if self._connection is not None:
            self._connection.close(code, reason)

    def opened(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._sockets.open[self.facts.connection_id] = self

    def received(self, message: str) -> None:
        self.last_active = self._sockets.world.now()
        self._running += 1
        if self._running == AT_ONCE and self._connection is not None:
            self._connection.pause(True)
        self._sockets.world.spawn(self._handle(message), "apigateway: a message of a WebSocket")

    def closed(self, code: int, reason: str) -> None:
        self._connection = None
        self._sockets.open.pop(self.facts.connection_id, None)
        told = reason or REASONS.get(code, "")
        self._sockets.world.spawn(self._sockets.on_end(self, code, told), "apigateway: the end of a WebSocket")

    async def _handle(self, message: str) -> None:
        try:
            await self._sockets.on_message(self, message)
        finally:
            if self._running == AT_ONCE and self._connection is not None:
                self._connection.pause(False)
            self._running -= 1


class Sockets:
    """All of a Region."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open: dict[str, Socket] = {}
        self._on_message: OnMessage | None = None
        self._on_end: OnEnd | None = None

    def tell(self, on_message: OnMessage, on_end: OnEnd) -> None:
        """Who handles messages and ends."""
        self._on_message, self._on_end = on_message, on_end

    async def on_message(self, socket: Socket, message: str) -> None:
        assert self._on_message is not None
        await self._on_message(socket, message)

    async def on_end(self, socket: Socket, code: int, reason: str) -> None:
        assert self._on_end is not None
        await self._on_end(socket, code, reason)

    def new_id(self) -> str:
        """As AWS's look: "L0SM9cOFvHcCIhw="."""
        return base64.b64encode(self.world.chance.getrandbits(88).to_bytes(11, "big")).decode()

    def close(self) -> None:
        """The Region is going down in order."""
        for socket in list(self.open.values()):
            socket.close(GOING_AWAY, "Going away")
