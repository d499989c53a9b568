"""Short invocations take turns: no more of them are begun at once than the machine's processors carry.

Why: of eight handlers that run on two processors at once each has lost its place in the processors' caches whenever it
goes on, and a call of boto3 costs half as much again; one after the other, in the environments that ran last, they are
all over sooner. AWS has a processor for each environment: what waits here would wait there for nothing, so it waits
only while others are sure to be done in a moment.

    a function is short    as long as its quick invocations are (`quicker`)
    a place is taken       by a short invocation, until it ends, or has run for YOUNG_S: then it waits for something
                           itself
    nobody waits           longer than PATIENCE_S, nor for an invocation of a function that is not short

Time in turn counts for the caller, and not as the invocation's duration. In simulated time nobody waits: handlers take
no processor there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from antipodes.world.world import World

SHORT_S = 0.010
YOUNG_S = 0.005
PATIENCE_S = 0.020
FORGETTING = 1.002  # each invocation makes what was the quickest so much slower: under load few are quick


@dataclass(slots=True)
class Turn:
    """One invocation's place."""

    began_s: float
    young: bool = True  # it is taken


Start = Callable[[Turn], None]


def quicker(quick_s: float, duration_s: float) -> float:
    """How long a function's quick invocations take, after one more."""
    return min(duration_s, quick_s * FORGETTING)


class Turns:
    """Of one Region's pool. `enter` calls `start`, at once or soon; `ended` when that invocation is over."""

    def __init__(self, world: World) -> None:
        self._clock = world.monotonic
        self._places = world.processors + 1 if world.processors else 0  # one more: a handler also waits for the Region
        self._taken = 0
        self._running: deque[Turn] = deque()  # in the order in which they began; over or not
        self._waiting: deque[tuple[float, Start]] = deque()  # until when at the latest
        self._timer: asyncio.TimerHandle | None = None

    def wanted(self, quick_s: float) -> bool:
        """Whether invocations of a function with such a quickness take turns at all."""
        return quick_s < SHORT_S and self._places > 0

    def enter(self, start: Start) -> None:
        now_s = self._clock()
        if self._waiting or self._taken >= self._places:
            self._waiting.append((now_s + PATIENCE_S, start))
            self._let(now_s)
        else:
            self._begin(start, now_s)

    def ended(self, turn: Turn) -> None:
        self._give_up(turn)
        while self._running and not self._running[0].young:
            self._running.popleft()
        if self._waiting:
            self._let(self._clock())

    def hurry(self) -> None:
        """Whoever waits is started now."""
        now_s = self._clock()
        while self._waiting:
            self._begin(self._waiting.popleft()[1], now_s)
        self._let(now_s)

    def _let(self, now_s: float) -> None:
        """Starts who may."""
        running, waiting = self._running, self._waiting
        while running and (not running[0].young or running[0].began_s + YOUNG_S <= now_s):
            self._give_up(running.popleft())
        while waiting and (self._taken < self._places or waiting[0][0] <= now_s):
            self._begin(waiting.popleft()[1], now_s)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waiting:
            next_s = min(waiting[0][0], running[0].began_s + YOUNG_S)
            self._timer = asyncio.get_running_loop().call_later(next_s - now_s, self._look)

    def _give_up(self, turn: Turn) -> None:
        """Frees its place, if it has it still."""
        if turn.young:
            turn.young = False
            self._taken -= 1

    def _begin(self, start: Start, now_s: float) -> None:
        turn = Turn(now_s)
        self._taken += 1
        self._running.append(turn)
        start(turn)

    def _look(self) -> None:
        self._timer = None
        self._let(self._clock())
