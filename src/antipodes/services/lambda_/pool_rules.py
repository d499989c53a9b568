"""What the pool decides: which environment takes an invocation, and which idle ones go. Pure.

One environment runs one invocation at a time. The one that became idle last is taken first, so that the others grow
old and can be reaped. A function's reserved concurrency is both its share and its bound; the others share what is
left of the account's (facts 4.3, 4.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ACCOUNT_CONCURRENCY = 1000
ZONES = "abc"  # of a Region, by the last letter of their names; no fault here takes a single one
UNRESERVED_MINIMUM = 100  # reserved concurrency must leave that much to the account

RESERVED_EXCEEDED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT_EXCEEDED = "ConcurrentInvocationLimitExceeded"


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a Region's Lambda is, seen for one function."""

    busy: int  # invocations of this function, all versions
    reserved: int | None  # its reserved concurrency
    unreserved_busy: int  # invocations of all functions without reserved concurrency
    reserved_total: int  # reserved concurrency of all functions together
    account: int = ACCOUNT_CONCURRENCY


def refusal(load: Load) -> str | None:
    """The throttling reason of one more invocation, or None if it may run."""
    if load.reserved is not None:
        return RESERVED_EXCEEDED if load.busy >= load.reserved else None
    return ACCOUNT_EXCEEDED if load.unreserved_busy >= load.account - load.reserved_total else None


def reservable(account: int, reserved_by_others: int) -> int:
    """How much a function may reserve at most."""
    return account - UNRESERVED_MINIMUM - reserved_by_others


def zone(zones: Sequence[str], living: Sequence[str]) -> str:
    """Where a function's next environment is started: in the first of the zones that has the fewest of its own."""
    return min(zones, key=living.count)


def expired(idle_since: Sequence[float], now: float, idle_s: float) -> int:
    """How many of the idle environments (oldest first) have been idle for `idle_s` or longer."""
    count = 0
    while count < len(idle_since) and now - idle_since[count] >= idle_s:
        count += 1
    return count


def billed_ms(duration_ms: float, init_ms: float | None = None) -> int:
    """Rounded up to the millisecond, at least one. The init phase is billed with the invocation that waited for it, as
    on AWS since August 2025."""
    return max(1, -int(-(duration_ms + (init_ms or 0.0)) // 1))
