"""Latency: the Region with the lowest round trip from the client's network. Equal ones: the first by name."""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client
from antipodes.world.geography import round_trip_ms


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    measured = [(round_trip_ms(client.site, one.record.region or ""), one.record.region, one) for one in candidates]
    delay_ms, region, best = min(measured, key=lambda m: (m[0], m[1]))
    measures = tuple(f"{name}: {ms:.1f} ms" for ms, name, _ in measured)
    return Choice((best.position,), f"{region} is nearest to {client.site}: {delay_ms:.1f} ms", measures, located=True)
