"""The memory of one environment: held to its limit while it works, told in its reports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from antipodes.world.world import Companions, World

READ_INTERVAL_S = 1.0  # the peak costs a file in /proc: read at most so often
CHECK_S = 0.1  # how often a function at work is held to its limit


@runtime_checkable
class MeasuresMemory(Protocol):
    """A worker whose memory can be read."""

    def peak_memory_mb(self) -> int | None: ...

    def memory_mb(self) -> float | None: ...


class MemoryWatch:
    """`attach` a worker; `begin` when an invocation begins: `exceeded` is called if the worker holds more than its
    limit before `end`."""

    def __init__(self, world: World, limit_mb: int, exceeded: Callable[[], None]) -> None:
        self._world = world
        self._limit_mb = limit_mb
        self._exceeded = exceeded
        self._worker: MeasuresMemory | None = None
        self._beside: Companions | None = None
        self._working = False
        self._timer: asyncio.TimerHandle | None = None
        self._peak_mb: int | None = None
        self._read_s = -READ_INTERVAL_S

    def attach(self, worker: object, beside: Companions | None = None) -> None:
        """beside: extensions, whose memory is the environment's too."""
        self._worker = worker if isinstance(worker, MeasuresMemory) else None
        self._beside = beside
        if self._working:
            self.begin()

    def begin(self) -> None:
        self._working = True
        if self._worker is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CHECK_S, self._check)

    def end(self) -> None:
        """The timer runs out by itself: invocations come and go faster than it."""
        self._working = False

    def peak_mb(self) -> int | None:
        """The most it ever held; never more than its limit: between two checks it may have had more."""
        now_s = self._world.monotonic()
        if now_s - self._read_s >= READ_INTERVAL_S and self._worker is not None:
            self._read_s = now_s
            peak_mb = self._worker.peak_memory_mb()
            if peak_mb is not None:
                self._peak_mb = min(peak_mb, self._limit_mb)
        return self._peak_mb

    def _check(self) -> None:
        self._timer = None
        worker = self._worker
        if worker is None or not self._working:
            return
        held_mb = worker.memory_mb()
        if held_mb is not None and self._beside is not None:
            held_mb += self._beside.memory_mb() or 0.0
        if held_mb is not None and held_mb > self._limit_mb:
            self._peak_mb, self._read_s = self._limit_mb, self._world.monotonic()
            self._exceeded()
        else:
            self._timer = asyncio.get_running_loop().call_later(CHECK_S, self._check)
