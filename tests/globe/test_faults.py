"""Which faults a planet takes, and what it says to the others."""

from __future__ import annotations

import pytest

from antipodes.globe.faults import check_fault, detail_of
from antipodes.world.rules import Fault, Full, Partition, Paused, Skewed, Slow

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
EAST, WEST = REGIONS[:2]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Partition(EAST, "mars-1"), "no Region mars-1; it has us-east-1, us-west-2, eu-west-1"),
        (Partition(EAST, EAST), "cannot be cut off from itself"),
        (Paused(EAST, EAST), "cannot be paused towards itself"),
        (Paused("globe"), "no Region globe"),
        (Slow(EAST, EAST, 2.0), "cannot be far from itself"),
        (Slow(EAST, WEST), "Nothing would be slow"),
        (Slow(EAST, WEST, extra_ms=-1), "delay must be between 0 and 60000 ms, not -1"),
        (Slow(EAST, WEST, jitter_ms=float("nan")), "jitter must be between"),
        (Slow(EAST, WEST, loss=1.0), "at least 0 and below 1, not 1. All of it is a partition"),
        (Slow(EAST, WEST, factor=0.0), "factor must be above 0"),
        (Skewed(EAST, 0.0), "not by 0 s"),
        (Skewed(EAST, float("inf")), "not by inf s"),
        (Full("mars-1"), "no Region mars-1"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_sentence(fault: Fault, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_fault(fault, REGIONS)


def test_every_other_fault_passes_and_has_its_line_in_the_events() -> None:
    told: dict[Fault, tuple[str, str, str]] = {
        Partition(EAST, WEST): ("partition", EAST, WEST),
        Partition(EAST, WEST, one_way=True): ("partition", EAST, f"-> {WEST}"),
        Slow(EAST, WEST, 2.0, 80, 10, 0.01): ("slow link", EAST, f"{WEST} (x2, +80 ms, jitter 10 ms, 0.01 lost)"),
        Paused(EAST): ("replication paused", EAST, ""),
        Paused(EAST, WEST): ("replication paused", EAST, f"-> {WEST}"),
        Skewed(EAST, -30): ("clock skew", EAST, "-30 s"),
        Full(EAST): ("disk full", EAST, ""),
    }
    for fault, line in told.items():
        check_fault(fault, REGIONS)
        assert detail_of(fault) == line
