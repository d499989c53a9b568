"""Weighted: p = weight / sum of weights. All zero: equal probability.

A zero-weight record is considered only if all records with a weight are unhealthy: these have been sifted out then, so
that the zeros are all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client, picked


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    return Choice((candidates[chance.pick(_weights(candidates))].position,))


def measure(candidate: Candidate, client: Client) -> str:
    return f"weight {candidate.record.weight}"


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    weights = _weights(candidates)
    weight = weights[candidates.index(picked(candidates, choice))]
    share = f"{weight} of {sum(weights)}"
    if not any(one.record.weight for one in candidates):
        return f"all weights are zero, so all are equal: drawn with {share}"
    return f"drawn with {share}"


def _weights(candidates: Sequence[Candidate]) -> list[int]:
    """At least one of them is not zero."""
    weights = [one.record.weight or 0 for one in candidates]
    return weights if any(weights) else [1] * len(candidates)
