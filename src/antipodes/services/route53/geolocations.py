"""Geolocations: what records can be routed by: GetGeoLocation, ListGeoLocations.

Rules. Pure tables: the countries of ISO 3166-1 (`world.geography`), the states of the United States and the regions of
Ukraine, the seven continents. "Countries are listed first, and continents are listed last; the subdivisions of a
country immediately after it" (API_ListGeoLocations.html); the default "*" sorts before all countries. AWS leaves out a
few territories that ISO has: not done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from antipodes.services.route53.desk import invalid, page_size
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request
from antipodes.world import geography

MAX_PAGE = 100
CONTINENTS = MappingProxyType(
    {
        "AF": "Africa",
        "AN": "Antarctica",
        "AS": "Asia",
        "EU": "Europe",
        "NA": "North America",
        "OC": "Oceania",
        "SA": "South America",
    }
)
_STATES = (
    "AK Alaska, AL Alabama, AR Arkansas, AZ Arizona, CA California, CO Colorado, CT Connecticut, "
    "DC District of Columbia, DE Delaware, FL Florida, GA Georgia, HI Hawaii, IA Iowa, ID Idaho, IL Illinois, "
    "IN Indiana, KS Kansas, KY Kentucky, LA Louisiana, MA Massachusetts, MD Maryland, ME Maine, MI Michigan, "
    "MN Minnesota, MO Missouri, MS Mississippi, MT Montana, NC North Carolina, ND North Dakota, NE Nebraska, "
    "NH New Hampshire, NJ New Jersey, NM New Mexico, NV Nevada, NY New York, OH Ohio, OK Oklahoma, OR Oregon, "
    "PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, "
    "VA Virginia, VT Vermont, WA Washington, WI Wisconsin, WV West Virginia, WY Wyoming"
)
# ISO 3166-2:UA's numbers; that Route 53 uses these is from memory.
_OBLASTS = (
    "05 Vinnytsia, 07 Volyn, 09 Luhansk, 12 Dnipropetrovsk, 14 Donetsk, 18 Zhytomyr, 21 Zakarpattia, 23 Zaporizhzhia, "
    "26 Ivano-Frankivsk, 30 Kyiv City, 32 Kyiv, 35 Kirovohrad, 40 Sevastopol, 43 Crimea, 46 Lviv, 48 Mykolaiv, "
    "51 Odesa, 53 Poltava, 56 Rivne, 59 Sumy, 61 Ternopil, 63 Kharkiv, 65 Kherson, 68 Khmelnytskyi, 71 Cherkasy, "
    "74 Chernihiv, 77 Chernivtsi"
)

Spot = tuple[str, str, str]  # continent, country, subdivision; "" for what is not meant


@cache
def _names() -> Mapping[Spot, str]:
    """The name of each geolocation, in ListGeoLocations' order."""
    found: dict[Spot, str] = {("", "*", ""): "Default"}
    parts = {"US": _STATES, "UA": _OBLASTS}
    for code, name in sorted(geography.countries().items()):
        found["", code, ""] = name
        for part in sorted(parts[code].split(", ")) if code in parts else ():
            sign, _, called = part.partition(" ")
            found["", code, sign] = called
    return MappingProxyType(found | {(code, "", ""): name for code, name in CONTINENTS.items()})


def is_known(continent: str | None, country: str | None, subdivision: str | None) -> bool:
    """Whether there is such a geolocation."""
    return (continent or "", country or "", subdivision or "") in _names()


def _details(spot: Spot) -> dict[str, str]:
    continent, country, subdivision = spot
    names = _names()
    if continent:
        return {"ContinentCode": continent, "ContinentName": names[spot]}
    found = {"CountryCode": country, "CountryName": names["", country, ""]}
    return found | ({"SubdivisionCode": subdivision, "SubdivisionName": names[spot]} if subdivision else {})


def _spot(params: Mapping[str, Any], prefix: str = "") -> Spot:
    continent, country, subdivision = (
        params.get(f"{prefix}{word}Code") or "" for word in ("Continent", "Country", "Subdivision")
    )
    if continent and (country or subdivision):
        raise invalid("ContinentCode cannot be combined with CountryCode or SubdivisionCode.")
    if subdivision and not country:
        raise invalid("SubdivisionCode needs a CountryCode.")
    return continent, country, subdivision


async def get_geo_location(request: Request) -> Mapping[str, Any]:
    spot = _spot(request.params)
    if spot == ("", "", ""):
        spot = ("", "*", "")  # a guess: without a code, the default
    if spot not in _names():
        raise ClientFault(
            "NoSuchGeoLocation", f"The geolocation {'-'.join(one for one in spot if one)} does not exist.", status=404
        )
    return {"GeoLocationDetails": _details(spot)}


async def list_geo_locations(request: Request) -> Mapping[str, Any]:
    size, start = page_size(request.params, MAX_PAGE), _spot(request.params, "Start")
    # Continents come last: their country sorts after all letters.
    found = [spot for spot in _names() if _order(spot) >= _order(start)]
    result: dict[str, Any] = {
        "GeoLocationDetailsList": [_details(spot) for spot in found[:size]],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        codes = zip(("NextContinentCode", "NextCountryCode", "NextSubdivisionCode"), found[size], strict=True)
        result |= {member: code for member, code in codes if code}
    return result


def _order(spot: Spot) -> tuple[str, str, str]:
    continent, country, subdivision = spot
    return ("~" if continent else country, subdivision, continent)
