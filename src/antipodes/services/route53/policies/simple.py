"""Simple: one record set, all its values, whatever its health."""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    return Choice((candidates[0].position,))


def measure(candidate: Candidate, client: Client) -> str:
    return ""


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    return "the only record"
