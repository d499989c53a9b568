"""What the store and the change log are made of. Pure values.

A `Version` orders all writes to one key, everywhere on the planet: last writer wins means the greatest version wins.
`time` is a hybrid logical clock reading (`store/clock.py`): microseconds since 1970 in the upper bits, a counter in the
lower 12 (together they fit 64 bits until the year 2112), so a skewed wall clock cannot make a Region lose for ever.
Equal times are decided by Region name: a fixed tie-break (AWS documents none).
"""

from __future__ import annotations

import msgspec

COUNTER_BITS = 12


class Version(msgspec.Struct, frozen=True, order=True, array_like=True):
    """When and where a write happened. Compares by (time, region)."""

    time: int  # hybrid logical clock: microseconds << COUNTER_BITS | counter
    region: str

    @property
    def seconds(self) -> float:
        """The wall-clock part, in epoch seconds."""
        return (self.time >> COUNTER_BITS) / 1e6


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One change to one key of one topic, as logged, streamed and replicated."""

    topic: str  # who owns it: "dynamodb/Orders", "route53/zones"
    key: bytes  # within the topic; the owner's encoding
    version: Version
    value: bytes | None  # None: deleted
    before: bytes | None = None  # the value it replaced, where the owner's streams want it
    by: str = ""  # who did it of its own accord ("ttl"); "": a caller, or another site
    note: bytes = b""  # what its owner wants known elsewhere of a deletion, which has no value to say it in


class Logged(msgspec.Struct, frozen=True, array_like=True):
    """A change with its place in this store's log. Positions rise by one and are never reused."""

    position: int
    change: Change
