"""Failover: PRIMARY if it may be picked, else SECONDARY.

Both unhealthy: all may be picked (fail open), hence PRIMARY. A secondary without health check counts as healthy.
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client, picked


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    for one in candidates:
        if one.record.failover == "PRIMARY":
            return Choice((one.position,))
    return Choice((candidates[0].position,))


def measure(candidate: Candidate, client: Client) -> str:
    return candidate.record.failover or ""


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    if picked(candidates, choice).record.failover == "PRIMARY":
        return "the primary"
    return "the secondary: no primary is healthy"
