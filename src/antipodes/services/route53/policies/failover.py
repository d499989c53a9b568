"""Failover: PRIMARY if it may be picked, else SECONDARY.

Both unhealthy: all may be picked (fail open), hence PRIMARY. A secondary without health check counts as healthy.
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    measures = tuple(one.record.failover or "" for one in candidates)
    for one in candidates:
        if one.record.failover == "PRIMARY":
            return Choice((one.position,), "the primary", measures)
    return Choice((candidates[0].position,), "the secondary: no primary is healthy", measures)
