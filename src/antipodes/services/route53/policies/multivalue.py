"""Multivalue: up to eight records that may be picked; of more than eight, eight drawn ones."""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client

MAX_ANSWERS = 8


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    indices = [one.position for one in candidates]
    if len(indices) <= MAX_ANSWERS:
        return Choice(tuple(indices), "all that may be picked")
    return Choice(tuple(chance.sample(indices, MAX_ANSWERS)), f"{MAX_ANSWERS} drawn of {len(indices)}")
