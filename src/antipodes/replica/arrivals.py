"""Arrivals: what a follower has merged and not yet on disk, and how late what is on disk came. Pure.

A batch that was merged is acknowledged when it is durable, and then counts as arrived: reads that see it wait for that
too. Lag is from a change's commit at its origin, by the clock there, to that moment, by the clock here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from antipodes.store.records import COUNTER_BITS, Change

LAGS_KEPT = 1024
TIMES_A_MS = 1e3 * (1 << COUNTER_BITS)  # a Version's time counts so


class Arrivals:
    """Of one peer's stream."""

    def __init__(self) -> None:
        self.clock = 0  # Batch.clock of the last batch that is durable here
        self._pending: list[int] = []  # times of changes that are merged
        self._pending_clock = 0
        self._lags_ms: deque[float] = deque(maxlen=LAGS_KEPT)

    def begin(self) -> None:
        """Another session."""
        self.clock = self._pending_clock = 0
        self._pending.clear()

    def merged(self, changes: Sequence[Change], clock: int) -> None:
        """A batch is merged."""
        self._pending += [change.version.time for change in changes[-LAGS_KEPT:]]
        self._pending_clock = clock

    def durable(self, now: float) -> None:
        """All that was merged is on disk; now: epoch seconds."""
        self.clock = self._pending_clock
        if self._pending:
            now_ms = now * 1e3
            self._lags_ms += [max(0.0, now_ms - time / TIMES_A_MS) for time in self._pending]
            self._pending.clear()

    def lags_ms(self) -> tuple[float | None, float | None, float | None]:
        """(the newest, the median, the 99th percentile); None: nothing has arrived yet."""
        if not self._lags_ms:
            return None, None, None
        lags = sorted(self._lags_ms)
        return self._lags_ms[-1], lags[len(lags) // 2], lags[len(lags) * 99 // 100]
