"""What the connections of one listener for HTTP share, whichever version they speak."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from email.utils import formatdate

from antipodes.edge.outbox import Outbox
from antipodes.edge.streaming import IntakeOf
from antipodes.wire.http import HttpHandler, UsualHandler
from antipodes.world.world import World

DATE_LOOK_S = 0.05  # so much too old may a Date header be


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take of us."""

    head_bytes: int = 64 * 1024
    body_bytes: int = 16 * 1024 * 1024
    head_s: float = 30.0  # from a request's first byte to the end of its headers
    body_s: float = 30.0  # between two pieces of a body, and for a client that does not read its answer
    idle_s: float = 75.0  # between requests


DEFAULT_LIMITS = Limits()


class Listener:
    """What the connections of one listener share. Made where its event loop runs."""

    def __init__(
        self,
        world: World,
        handler: HttpHandler,
        usual: UsualHandler | None = None,
        limits: Limits = DEFAULT_LIMITS,
        *,
        local: str = "",
        secure: bool = False,
    ) -> None:
        self.world = world
        self.handler = handler
        self.usual = usual
        self.limits = limits
        self.local = local
        self.secure = secure
        self.intake: IntakeOf | None = None
        self.clock = DateClock(world)
        self.outbox = Outbox(asyncio.get_running_loop())


class DateClock:
    """The Date header's line, made once a second. The wall clock is asked for no more often than it matters."""

    __slots__ = ("_line", "_look_at", "_second", "_world")

    def __init__(self, world: World) -> None:
        self._world = world
        self._look_at = -math.inf
        self._second = -1
        self._line = ""

    def line(self, at: float) -> str:
        """at: the loop's time."""
        if at >= self._look_at:
            self._look_at = at + DATE_LOOK_S
            second = int(self._world.now())
            if second != self._second:
                self._second = second
                self._line = f"Date: {formatdate(second, usegmt=True)}\r\n"
        return self._line
