"""Weighted: p = weight / sum of weights. All zero: equal probability.

A zero-weight record is considered only if all records with a weight are unhealthy: these have been sifted out then, so
that the zeros are all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    weights = [one.record.weight or 0 for one in candidates]
    total = sum(weights)
    if not total:
        weights = [1] * len(candidates)
        total = len(candidates)
    measures = tuple(f"weight {one.record.weight}: {w}/{total}" for one, w in zip(candidates, weights, strict=True))
    drawn = candidates[chance.pick(weights)]
    return Choice((drawn.position,), "drawn by weight", measures)
