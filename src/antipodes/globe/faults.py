"""Whether a fault makes sense on a planet. Pure; all ways to break one (command line, admin API, stories) ask here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from antipodes.world.rules import Fault, Paused, Skewed, Slow

MOST_SKEW_S = 86_400.0
MOST_DELAY_MS = 60_000.0


def check_region(region: str, regions: Sequence[str]) -> None:
    """Raises ValueError: the planet has no such Region."""
    if region not in regions:
        raise ValueError(f"This planet has no Region {region}; it has {', '.join(regions)}.")


def check_fault(fault: Fault, regions: Sequence[str]) -> None:
    """Raises ValueError with one sentence for the user."""
    concerned = fault.concerns()
    for region in concerned:
        check_region(region, regions)
    if len(concerned) == 2 and concerned[0] == concerned[1]:
        named = "paused towards" if isinstance(fault, Paused) else "far from" if isinstance(fault, Slow) else ""
        raise ValueError(f"A Region cannot be {named or 'cut off from'} itself; name two.")
    if isinstance(fault, Slow):
        _check_slow(fault)
    if isinstance(fault, Skewed) and not 0 < abs(fault.offset_s) <= MOST_SKEW_S:
        raise ValueError(f"A clock can be off by up to {MOST_SKEW_S:g} s either way, and not by {fault.offset_s:g} s.")


def _check_slow(slow: Slow) -> None:
    for name, value in (("delay", slow.extra_ms), ("jitter", slow.jitter_ms)):
        if not 0 <= value <= MOST_DELAY_MS:
            raise ValueError(f"The {name} must be between 0 and {MOST_DELAY_MS:g} ms, not {value:g}.")
    if not 0 <= slow.loss < 1:
        raise ValueError(f"The loss is a share: at least 0 and below 1, not {slow.loss:g}. All of it is a partition.")
    if not (math.isfinite(slow.factor) and 0 < slow.factor <= 1000):
        raise ValueError(f"The factor must be above 0 and at most 1000, not {slow.factor:g}.")
    if slow == Slow(slow.one, slow.other):
        raise ValueError("Nothing would be slow: give a delay, a jitter, a loss or a factor.")


def detail_of(fault: Fault) -> tuple[str, str, str]:
    """(kind, subject, detail) for the list of events: ("slow link", "us-east-1", "eu-west-1 (+80 ms)")."""
    kind, _, what = str(fault).partition(": ")
    subject = fault.concerns()[0]
    return kind, subject, what.removeprefix(subject).strip(" |")
