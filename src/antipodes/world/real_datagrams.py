"""UDP of the real world: a plain answering listener, and one question with one answer.

Hot DNS service brings its own reader (edge/dns.py); this one is for everything that is not hot.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from antipodes.world.world import DatagramHandler

log = logging.getLogger("antipodes.world")


class AnsweringProtocol(asyncio.DatagramProtocol):
    """Answers each datagram with what the handler gives."""

    def __init__(self, handler: DatagramHandler) -> None:
        self._handler = handler
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        try:
            answer = self._handler(data, (addr[0], addr[1]))
        except Exception:
            log.exception("datagram handler failed")
            return
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


class AskingProtocol(asyncio.DatagramProtocol):
    """`answer` is done with the first datagram that comes, or with the error of the socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: asyncio.Future[bytes] = loop.create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)
