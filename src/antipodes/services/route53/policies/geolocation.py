"""Geolocation: the smallest area that holds the client wins: subdivision, country, continent, default ("*").

An unhealthy area's record has been sifted out, which is the climb to the larger area; if all are unhealthy, none has
been, and the smallest area wins. No match and no default is "no answer". Which subdivision a client is in is known for
the United States and Ukraine, where Route 53 knows it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client, picked
from antipodes.services.route53.records import Place


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    for area in _areas(client):
        for one in candidates:
            if one.record.place == area:
                return Choice((one.position,), located=True)
    return Choice((), located=True)


def measure(candidate: Candidate, client: Client) -> str:
    place = candidate.record.place
    holds = place in _areas(client)
    return _area(place) if holds else f"{_area(place)}: does not hold {client.site}"


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    if not choice.chosen:
        return f"no area holds {client.site} and there is no default: no answer"
    return f"{_area(picked(candidates, choice).record.place)} is the smallest area that holds {client.site}"


def _areas(client: Client) -> tuple[Place, ...]:
    """The areas that hold the client, the smallest first."""
    found = [Place(country=client.country, subdivision=client.subdivision)] if client.subdivision else []
    return (*found, Place(country=client.country), Place(continent=client.continent), Place(country="*"))


def _area(place: Place | None) -> str:
    if place is None:
        return "no area"
    if place.continent:
        return f"continent {place.continent}"
    if place.subdivision:
        return f"subdivision {place.country}-{place.subdivision}"
    return "default" if place.country == "*" else f"country {place.country}"
