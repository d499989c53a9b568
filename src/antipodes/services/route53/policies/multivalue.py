"""Multivalue: up to eight records that may be picked; of more than eight, eight drawn ones."""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client

MAX_ANSWERS = 8


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    positions = [one.position for one in candidates]
    if len(positions) <= MAX_ANSWERS:
        return Choice(tuple(positions))
    return Choice(tuple(chance.sample(positions, MAX_ANSWERS)))


def measure(candidate: Candidate, client: Client) -> str:
    return ""


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    if len(candidates) <= MAX_ANSWERS:
        return "all that may be picked"
    return f"{MAX_ANSWERS} drawn of {len(candidates)}"
