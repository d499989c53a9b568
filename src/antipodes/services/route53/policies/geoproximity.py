"""Geoproximity: the least biased distance wins. biased = actual x (1 - bias / 100), bias from -99 to 99.

The formula is that of routing-policy-geoproximity.html as it stands today (an older page divided by 1 + bias / 100 for
negative ones). A resource lies in a Region, in a Local Zone group (at its city), or at coordinates. Equal distances:
the first record.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from antipodes.services.route53.policies.choice import Candidate, Chance, Choice, Client, picked
from antipodes.services.route53.records import Proximity, RecordSet
from antipodes.world import geography

# The Local Zone groups and the cities they are named after (aws.amazon.com/about-aws/global-infrastructure/localzones,
# from memory).
LOCAL_ZONE_GROUPS = MappingProxyType(
    {
        "us-east-1-atl-2": "Atlanta",
        "us-east-1-bos-1": "Boston",
        "us-east-1-bue-1": "Buenos Aires",
        "us-east-1-chi-2": "Chicago",
        "us-east-1-dfw-2": "Dallas",
        "us-east-1-iah-2": "Houston",
        "us-east-1-lim-1": "Lima",
        "us-east-1-mci-1": "Kansas City",
        "us-east-1-mia-2": "Miami",
        "us-east-1-msp-1": "Minneapolis",
        "us-east-1-nyc-2": "New York",
        "us-east-1-phl-1": "Philadelphia",
        "us-east-1-scl-1": "Santiago",
        "us-west-2-den-1": "Denver",
        "us-west-2-hnl-1": "Honolulu",
        "us-west-2-las-1": "Las Vegas",
        "us-west-2-lax-1": "Los Angeles",
        "us-west-2-pdx-1": "Portland",
        "us-west-2-phx-2": "Phoenix",
        "us-west-2-sea-1": "Seattle",
        "af-south-1-los-1": "Lagos",
        "ap-northeast-1-tpe-1": "Taipei",
        "ap-south-1-ccu-1": "Kolkata",
        "ap-south-1-del-1": "Delhi",
        "ap-southeast-1-bkk-1": "Bangkok",
        "ap-southeast-1-mnl-1": "Manila",
        "ap-southeast-2-akl-1": "Auckland",
        "ap-southeast-2-per-1": "Perth",
        "eu-central-1-ham-1": "Hamburg",
        "eu-central-1-waw-1": "Warsaw",
        "eu-north-1-cph-1": "Copenhagen",
        "eu-north-1-hel-1": "Helsinki",
        "me-south-1-mct-1": "Muscat",
    }
)


def choose(candidates: Sequence[Candidate], client: Client, chance: Chance) -> Choice:
    distances = [(_biased_km(_proximity(one.record), client), one.position) for one in candidates]
    return Choice((min(distances)[1],), located=True)


def measure(candidate: Candidate, client: Client) -> str:
    place = _proximity(candidate.record)
    return (
        f"{_named(place)}: {_distance_km(place, client):.0f} km, bias {place.bias}: {_biased_km(place, client):.0f} km"
    )


def why(candidates: Sequence[Candidate], client: Client, choice: Choice) -> str:
    nearest = _proximity(picked(candidates, choice).record)
    return f"{_named(nearest)} has the least biased distance to {client.site}: {_biased_km(nearest, client):.0f} km"


def _proximity(record: RecordSet) -> Proximity:
    assert record.proximity is not None
    return record.proximity


def _biased_km(place: Proximity, client: Client) -> float:
    return _distance_km(place, client) * (1 - place.bias / 100)


def _distance_km(place: Proximity, client: Client) -> float:
    at = geography.place_of(client.site)
    assert at is not None
    return geography.distance_km(at.lat, at.lon, *_position(place))


def _position(place: Proximity) -> tuple[float, float]:
    if place.coordinates is not None:
        return float(place.coordinates[0]), float(place.coordinates[1])
    found = geography.place_of(place.region or LOCAL_ZONE_GROUPS[place.zone_group or ""])
    assert found is not None
    return found.lat, found.lon


def _named(place: Proximity) -> str:
    return place.region or place.zone_group or "({}, {})".format(*(place.coordinates or ("", "")))
