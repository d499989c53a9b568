"""Places, addresses and distances."""

from __future__ import annotations

import ipaddress

import pytest

from antipodes.world import geography
from antipodes.world.geography import City, Region, UnknownPlace, city, region_site, round_trip_ms
from antipodes.world.world import GLOBE, HERE


def test_regions_keep_their_numbers() -> None:
    """An address is for ever: data folders and DNS answers hold it."""
    assert region_site("us-east-1").address == "127.44.1.1"
    assert region_site("eu-west-1").address == "127.44.9.1"
    assert region_site("ap-northeast-1").address == "127.44.29.1"
    assert [region.number for region in geography.regions().values()] == list(range(1, 40))


def test_an_address_and_its_site_find_each_other() -> None:
    for code, region in geography.regions().items():
        assert geography.site_of(geography.address_of(code)) == code == region.site
    assert geography.site_of("127.0.0.1") == GLOBE
    assert geography.address_of(GLOBE) == geography.address_of("Tokyo") == "127.0.0.1"
    assert geography.site_of("192.0.2.1") is None


FRIENDLY = (
    "New York,san francisco,FRANKFURT,Tokyo,London,Sydney,São Paulo,Mumbai,Singapore,Johannesburg,Dublin, Zürich "
)


@pytest.mark.parametrize("name", FRIENDLY.split(","))
def test_cities_are_found_by_friendly_names(name: str) -> None:
    assert isinstance(city(name), City)


def test_an_unknown_city_names_its_neighbours() -> None:
    with pytest.raises(UnknownPlace, match=r"no city 'Tokio'; did you mean .*Tokyo"):
        city("Tokio")
    with pytest.raises(UnknownPlace, match="us-east-1"):
        region_site("us-east-9")


def test_every_city_owns_one_prefix_of_the_benchmark_range() -> None:
    whole = ipaddress.IPv4Network("198.18.0.0/15")
    prefixes = [place.prefix for place in geography.cities().values()]
    assert len(set(prefixes)) == len(prefixes) > 450
    assert all(ipaddress.IPv4Network(f"{prefix}.0/24").subnet_of(whole) for prefix in prefixes)
    assert all(name.isascii() for name in geography.cities())


def test_a_client_is_placed_by_its_prefix() -> None:
    tokyo = city("Tokyo")
    assert geography.place_of_client_ip(tokyo.client_ip) == tokyo
    assert geography.place_of_client_ip(f"{tokyo.prefix}.200") == tokyo
    assert geography.place_of_client_ip("127.44.9.1") == region_site("eu-west-1")
    assert geography.place_of_client_ip("8.8.8.8") is None
    assert geography.place_of_client_ip("nonsense") is None


def test_round_trips_are_measured_fitted_or_reckoned() -> None:
    assert round_trip_ms("us-east-1", "us-west-2") == 64.269
    assert round_trip_ms("us-east-1", "us-east-1") == 0.8
    # Taipei was not measured: the fitted line, so far off from Tokyo as 2,100 km make it.
    assert 50 < round_trip_ms("ap-east-2", "ap-northeast-1") < 65
    assert 8 < round_trip_ms("Tokyo", "ap-northeast-1") < 10
    # A city's way leads over its nearest measured Region, so that a user follows the cables and not the great circle.
    assert 8 < round_trip_ms("London", "ap-northeast-1") - round_trip_ms("eu-west-2", "ap-northeast-1") < 9
    assert round_trip_ms("Tokyo", "us-east-1") < round_trip_ms("Tokyo", "eu-west-1")
    assert round_trip_ms("Tokyo", GLOBE) == round_trip_ms(GLOBE, "Tokyo") == 10
    assert round_trip_ms(GLOBE, "us-east-1") == 20
    assert round_trip_ms(HERE, "us-east-1") == round_trip_ms("Tokyo", HERE) == 0
    with pytest.raises(UnknownPlace):
        round_trip_ms("Atlantis", "us-east-1")


def test_every_pair_of_regions_has_a_distance() -> None:
    codes = list(geography.regions())
    assert all(0 < round_trip_ms(a, b) < 500 for a in codes for b in codes)


def test_the_nearest_region_is_where_one_expects_it() -> None:
    def nearest(name: str) -> str:
        return min(geography.regions(), key=lambda code: round_trip_ms(name, code))

    assert nearest("Tokyo") == "ap-northeast-1"
    assert nearest("Dublin") == "eu-west-1"
    assert nearest("Frankfurt") == "eu-central-1"
    assert nearest("Johannesburg") == "af-south-1"


def test_great_circle_of_a_quarter() -> None:
    pole = Region(0, "pole", "", "", "", 90.0, 0.0)
    equator = Region(0, "equator", "", "", "", 0.0, 45.0)
    assert geography.great_circle_km(pole, equator) == pytest.approx(10_007.5, abs=1)


def test_the_backbone_has_a_port_of_its_own() -> None:
    assert geography.backbone_port(4566) == 14_566
    assert geography.backbone_port(60_000) == 50_000
