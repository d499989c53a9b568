"""Geolocation: the smallest area that holds the client wins: country, continent, default ("*").

An unhealthy area's record has been sifted out, which is the climb to the larger area; if all are unhealthy, none has
been, and the smallest area wins. No match and no default is "no answer". Subdivisions: the world's cities know
their country only, so the control plane refuses such records by name.
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client
from antipodes.services.route53.records import Place


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    measures = tuple(_area(one.record.place) for one in candidates)
    wanted = (
        Place(country=client.country),
        Place(continent=client.continent),
        Place(country="*"),
    )
    for area in wanted:
        for one in candidates:
            if one.record.place == area:
                why = f"{_area(area)} is the smallest area that holds {client.site}"
                return Choice((one.position,), why, measures, located=True)
    return Choice((), f"no area holds {client.site} and there is no default", measures, located=True)


def _area(place: Place | None) -> str:
    if place is None:
        return "no area"
    if place.continent:
        return f"continent {place.continent}"
    return "default" if place.country == "*" else f"country {place.country}"
