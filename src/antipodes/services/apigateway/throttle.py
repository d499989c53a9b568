"""Token buckets: how many requests a second are let in, and how many at once. Pure: the time is an argument.

(Developer Guide, "Throttle requests to your APIs": "a token bucket algorithm, where a token counts for a request".) A
bucket begins full; a request that finds no whole token is refused and takes nothing.
"""

from __future__ import annotations

ACCOUNT_RATE = 10_000.0  # requests a second in one Region, of all APIs together
ACCOUNT_BURST = 5_000


class Bucket:
    """`rate` tokens a second, at most `burst` of them."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float | None, burst: int | None, now: float) -> None:
        """None: the account's. now: monotonic seconds, as for `take`."""
        self._rate = ACCOUNT_RATE if rate is None else rate
        self._burst = float(ACCOUNT_BURST if burst is None else burst)
        self._tokens = self._burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether a request is let in."""
        tokens = self._tokens + (now - self._at) * self._rate
        self._at = now
        self._tokens = tokens = min(tokens, self._burst)
        if tokens < 1.0:
            return False
        self._tokens = tokens - 1.0
        return True
