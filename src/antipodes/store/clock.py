"""The hybrid logical clock: gives versions to writes. Pure: the wall clock's reading is an argument.

Why not the wall clock alone: two writes in one microsecond would tie, a clock that steps back would let an older write
win over a newer one, and a Region whose clock is slow would lose every conflict for ever, even against writes that it
had already seen and replaced. The hybrid clock (Kulkarni et al., "Logical Physical Clocks", 2014) reads as wall time
while wall clocks behave, and never gives a version that is not above all it has given or seen:

    next = max(wall clock, last + 1)        on a local write
    last = max(last, version that came)     on a replicated one

So a write which happened after seeing another is always the later version ("happened before" is kept), and only writes
that knew nothing of each other are decided by wall clocks: that is last writer wins. The lower
bits of a reading count writes within one microsecond; a carry into the microseconds does no harm.

A far-future version drags every clock that sees it along, as in every such scheme; nothing is lost, only the wall-clock
part reads ahead until time catches up.
"""

from __future__ import annotations

from antipodes.store.records import COUNTER_BITS, Version


class HybridClock:
    """One site's clock. `last` is the greatest reading given or seen; keep it, or one above it, across restarts."""

    __slots__ = ("last",)

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def next(self, now_us: int, region: str) -> Version:
        """A version above every one given or seen. now_us: wall clock, microseconds since 1970."""
        wall = now_us << COUNTER_BITS
        self.last = wall if wall > self.last else self.last + 1
        return Version(self.last, region)

    def seen(self, version: Version) -> None:
        """Takes note of a version that came from elsewhere."""
        self.last = max(self.last, version.time)
