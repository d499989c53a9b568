"""Bodies that nobody has in one piece: a request's, taken as it comes; an answer's, sent as it is made.

Neither is ever held whole. Who takes a body slower than it comes says so (`Intake.feed`), and the connection is not
read until it has caught up; a client that does not read its answer is not sent more, and the answer not made further.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from antipodes.wire.http import Headers, HttpRequest
from antipodes.world.world import World

log = logging.getLogger(__name__)


class Intake(Protocol):
    """Takes the body of one request."""

    def feed(self, data: bytes) -> bool:
        """The next piece. False: no more for now; it calls `resume` when there may be more."""
        ...

    def end(self, trailers: Headers) -> None:
        """The body is complete; the request, with an empty body, goes to the handler next."""
        ...

    def broken(self) -> None:
        """The connection is lost in the middle of it."""
        ...


# Asked with a request's head and `resume`; None: its body is collected as usual.
IntakeOf = Callable[[HttpRequest, Callable[[], None]], Intake | None]


class StreamedBody:
    """Sends `parts` as the body of one HTTP/1 answer, chunked or until the connection ends. `ended` is told whether the
    body is whole: if it is not, the connection must be broken, so that the client knows."""

    def __init__(
        self,
        world: World,
        write: Callable[[bytes], object],
        parts: AsyncIterator[bytes],
        ended: Callable[[bool], None],
        *,
        chunked: bool,
    ) -> None:
        self._write = write
        self._parts = parts
        self._chunked = chunked
        self._room = asyncio.Event()
        self._room.set()
        self._gone = False
        self._task = world.spawn(self._run(ended), "http answer in parts")

    def pause(self) -> None:
        self._room.clear()

    def resume(self) -> None:
        self._room.set()

    def lost(self) -> None:
        """The client is gone: no more parts are asked for."""
        self._gone = True
        self._room.set()
        self._task.cancel()

    async def _run(self, ended: Callable[[bool], None]) -> None:
        whole = False
        try:
            async for part in self._parts:
                if part and not self._gone:
                    self._write(b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part)
                    await self._room.wait()
            whole = True
            if self._chunked:
                self._write(b"0\r\n\r\n")
        except asyncio.CancelledError:
            if not self._gone:
                raise
        except Exception as error:
            log.debug("an answer in parts broke off: %s", error)
        finally:
            aclose = getattr(self._parts, "aclose", None)
            if aclose is not None:
                await aclose()
            if not self._gone:
                ended(whole)
