"""Latency: the Region with the lowest round trip from the client's network. Equal ones: the first by name."""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client, picked
from antipodes.world.geography import round_trip_ms


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    measured = [(_delay_ms(one, client), one.record.region or "", one.position) for one in candidates]
    return Choice((min(measured)[2],), located=True)


def measure(candidate: Candidate, client: Client) -> str:
    return f"{candidate.record.region}: {_delay_ms(candidate, client):.1f} ms"


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    best = picked(candidates, choice)
    return f"{best.record.region} is nearest to {client.site}: {_delay_ms(best, client):.1f} ms"


def _delay_ms(candidate: Candidate, client: Client) -> float:
    return round_trip_ms(client.site, candidate.record.region or "")
