"""Which record answers: facts of Route 53's selection algorithm, one case each, asked through DNS packets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from antipodes.services.route53.selection import Step
from tests.route53.planes import COLLECTION, Plane, alias, plain

A1, A2, A3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
API = "api.example.com"


def weighted(value: str, weight: int, check: str = "") -> dict[str, Any]:
    return plain(API, value, SetIdentifier=value, Weight=weight, HealthCheckId=check)


def latency(value: str, region: str, check: str = "") -> dict[str, Any]:
    return plain(API, value, SetIdentifier=region, Region=region, HealthCheckId=check)


def failover(value: str, role: str, check: str = "") -> dict[str, Any]:
    return plain(API, value, SetIdentifier=role, Failover=role, HealthCheckId=check)


def located(value: str, check: str = "", **place: str) -> dict[str, Any]:
    return plain(API, value, SetIdentifier=value, GeoLocation=place, HealthCheckId=check)


def near(value: str, check: str = "", **place: Any) -> dict[str, Any]:
    return plain(API, value, SetIdentifier=value, GeoProximityLocation=place, HealthCheckId=check)


def cidr(value: str, location: str, check: str = "") -> dict[str, Any]:
    config = {"CollectionId": COLLECTION.id, "LocationName": location}
    return plain(API, value, SetIdentifier=value, CidrRoutingConfig=config, HealthCheckId=check)


STATES = (located(A1, "s", CountryCode="US", SubdivisionCode="NY"), located(A2, "u", CountryCode="US"))
# Tokyo to us-west-2 is 7,800 km, to eu-west-1 9,600 km; Paris lies at 48.86, 2.35.
PAIR = (near(A1, "a", AWSRegion="us-west-2"), near(A2, "b", AWSRegion="eu-west-1"))
CIDRS = (cidr(A1, "wide", "a"), cidr(A2, "narrow", "b"), cidr(A3, "*", "c"))  # wide: 198.18.0.0/16, narrow: Tokyo
GEO = (located(A1, "c", CountryCode="JP"), located(A2, "d", ContinentCode="AS"), located(A3, "e", CountryCode="*"))

CASES: list[tuple[str, tuple[dict[str, Any], ...], str, str, set[str]]] = [
    # name, records, sick checks, city, the answers that may come (over many questions)
    ("a weight of zero is never chosen beside others", (weighted(A1, 0), weighted(A2, 5)), "", "Tokyo", {A2}),
    ("all weights zero: all are chosen", (weighted(A1, 0), weighted(A2, 0)), "", "Tokyo", {A1, A2}),
    ("zero weights come in when the others are sick", (weighted(A1, 0), weighted(A2, 5, "b")), "b", "Tokyo", {A1}),
    ("a sick weight is left out", (weighted(A1, 9, "a"), weighted(A2, 5), weighted(A3, 1)), "a", "Tokyo", {A2, A3}),
    ("all weights sick: open", (weighted(A1, 1, "a"), weighted(A2, 1, "b")), "a b", "Tokyo", {A1, A2}),
    ("all sick with a zero: the zero stays out", (weighted(A1, 0, "a"), weighted(A2, 1, "b")), "a b", "Tokyo", {A2}),
    ("latency: the nearest", (latency(A1, "us-east-1"), latency(A2, "eu-west-1")), "", "Frankfurt", {A2}),
    ("latency: another city", (latency(A1, "us-east-1"), latency(A2, "eu-west-1")), "", "New York", {A1}),
    ("latency: the next one", (latency(A1, "us-east-1"), latency(A2, "eu-west-1", "b")), "b", "Frankfurt", {A1}),
    ("latency: all sick", (latency(A1, "us-east-1", "a"), latency(A2, "eu-west-1", "b")), "a b", "Frankfurt", {A2}),
    ("failover: primary", (failover(A1, "PRIMARY", "a"), failover(A2, "SECONDARY", "b")), "", "Tokyo", {A1}),
    ("failover: secondary", (failover(A1, "PRIMARY", "a"), failover(A2, "SECONDARY", "b")), "a", "Tokyo", {A2}),
    ("failover: both bad", (failover(A1, "PRIMARY", "a"), failover(A2, "SECONDARY", "b")), "a b", "Tokyo", {A1}),
    ("failover: unchecked secondary", (failover(A1, "PRIMARY", "a"), failover(A2, "SECONDARY")), "a", "Tokyo", {A2}),
    ("failover: primary alone and sick", (failover(A1, "PRIMARY", "a"),), "a", "Tokyo", {A1}),
    ("geolocation: the country", GEO, "", "Tokyo", {A1}),
    ("geolocation: the continent", GEO, "", "Mumbai", {A2}),
    ("geolocation: the default", GEO, "", "London", {A3}),
    ("geolocation: a sick country climbs", GEO, "c", "Tokyo", {A2}),
    ("geolocation: all sick: the smallest", GEO, "c d e", "Tokyo", {A1}),
    ("geolocation: no match, no default", GEO[:2], "", "London", set()),
    ("geolocation: the subdivision", STATES, "", "New York", {A1}),
    ("geolocation: another subdivision", STATES, "", "Chicago", {A2}),
    ("geolocation: a sick subdivision climbs", STATES, "s", "New York", {A2}),
    ("geolocation: all sick: the subdivision", STATES, "s u", "New York", {A1}),
    ("geoproximity: the nearest", PAIR, "", "Tokyo", {A1}),
    ("geoproximity: another city", PAIR, "", "Paris", {A2}),
    ("geoproximity: the next one", PAIR, "b", "Paris", {A1}),
    ("geoproximity: all sick", PAIR, "a b", "Paris", {A2}),
    ("geoproximity: a bias expands", (PAIR[0], near(A2, AWSRegion="eu-west-1", Bias=30)), "", "Tokyo", {A2}),
    ("geoproximity: too little bias", (PAIR[0], near(A2, AWSRegion="eu-west-1", Bias=15)), "", "Tokyo", {A1}),
    ("geoproximity: a bias shrinks", (near(A1, AWSRegion="us-west-2", Bias=-30), PAIR[1]), "", "Tokyo", {A2}),
    ("geoproximity: coordinates", (near(A1, Coordinates={"Latitude": "48.86", "Longitude": "2.35"}), PAIR[1]), "",
     "London", {A1}),
    ("geoproximity: a local zone", (near(A1, LocalZoneGroup="us-west-2-lax-1"), near(A2, AWSRegion="us-west-2")), "",
     "San Diego", {A1}),
    ("ip-based: the longest block", CIDRS, "", "Tokyo", {A2}),
    ("ip-based: a wider block", CIDRS, "", "New York", {A1}),
    ("ip-based: the default", CIDRS, "", "San Francisco", {A3}),
    ("ip-based: a sick block climbs", CIDRS, "b", "Tokyo", {A1}),
    ("ip-based: sick blocks give way to the default", CIDRS, "a b", "Tokyo", {A3}),
    ("ip-based: all sick", CIDRS, "a b c", "Tokyo", {A2}),
    ("ip-based: no match, no default", CIDRS[:2], "", "San Francisco", set()),
    ("a missing check is healthy", (weighted(A1, 1, "gone"), weighted(A2, 0)), "", "Tokyo", {A1}),
]  # fmt: skip


@pytest.mark.parametrize(("records", "sick", "city", "wanted"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_the_record_that_answers(records: tuple[dict[str, Any], ...], sick: str, city: str, wanted: set[str]) -> None:
    plane = Plane(*records)
    plane.values(API, city=city)  # what was kept must not outlive a flip of health
    plane.get_sick(*sick.split())
    seen = [plane.ask(API, city=city) for _ in range(200)]
    assert {one.value for answer in seen for one in answer.answers} == wanted
    assert {answer.rcode for answer in seen} == {"NOERROR"}
    assert {len(answer.answers) for answer in seen} == {1 if wanted else 0}


def chi_squared(seen: Counter[str], shares: dict[str, float]) -> float:
    rounds = seen.total()
    return sum((seen[value] - rounds * share) ** 2 / (rounds * share) for value, share in shares.items())


@pytest.mark.parametrize("weights", [(1, 2, 5), (0, 0, 0), (255, 128, 1), (10, 0, 10)])
def test_weights_are_kept_in_the_long_run(weights: tuple[int, int, int]) -> None:
    plane = Plane(*(weighted(value, weight) for value, weight in zip((A1, A2, A3), weights, strict=True)))
    seen = Counter(plane.values(API)[0] for _ in range(4000))
    even = not any(weights)
    total = 3 if even else sum(weights)
    shares = {
        value: (1 if even else weight) / total
        for value, weight in zip((A1, A2, A3), weights, strict=True)
        if weight or even
    }
    assert set(seen) <= set(shares)
    assert chi_squared(seen, shares) < 13.8  # 2 degrees of freedom, p = 0.001; the seed is fixed


def test_weights_of_a_tree_multiply() -> None:
    leaves = [
        plain(f"{branch}.example.com", value, SetIdentifier=value, Weight=weight)
        for branch, value, weight in (("x", A1, 1), ("x", A2, 3), ("y", A3, 7))
    ]
    roots = [
        alias(API, f"{branch}.example.com", SetIdentifier=branch, Weight=weight)
        for branch, weight in (("x", 2), ("y", 1))
    ]
    plane = Plane(*leaves, *roots)
    seen = Counter(plane.values(API)[0] for _ in range(4000))
    assert chi_squared(seen, {A1: 1 / 6, A2: 1 / 2, A3: 1 / 3}) < 13.8


def test_eight_of_ten_values_are_drawn_evenly() -> None:
    records = [plain(API, f"192.0.2.{n}", SetIdentifier=str(n), MultiValueAnswer=True) for n in range(10)]
    plane = Plane(*records)
    seen = Counter(value for _ in range(1000) for value in plane.values(API))
    assert chi_squared(seen, {f"192.0.2.{n}": 0.1 for n in range(10)}) < 27.9  # 9 degrees of freedom, p = 0.001


def test_multivalue_answers_with_eight_healthy_ones() -> None:
    records = [
        plain(API, f"192.0.2.{n}", SetIdentifier=str(n), MultiValueAnswer=True, HealthCheckId=f"c{n}")
        for n in range(10)
    ]
    plane = Plane(*records)
    assert len(plane.values(API)) == 8
    assert len({value for _ in range(50) for value in plane.values(API)}) == 10
    plane.get_sick("c0", "c1", "c2", "c3")
    assert sorted(plane.values(API)) == [f"192.0.2.{n}" for n in range(4, 10)]
    plane.get_sick(*(f"c{n}" for n in range(10)))
    assert len(plane.values(API)) == 8


def test_simple_values_all_answer_in_changing_order() -> None:
    plane = Plane(plain(API, A1, A2, A3))
    orders = {tuple(plane.values(API)) for _ in range(50)}
    assert len(orders) > 1 and {frozenset(order) for order in orders} == {frozenset((A1, A2, A3))}


def tree(evaluate: bool) -> Plane:
    """latency(us, eu), each an alias of weighted(a, b): the tree of dns-failover-complex-configs.html."""
    leaves = [
        plain(f"{area}.example.com", ip, SetIdentifier=ip, Weight=1, HealthCheckId=f"{area}{n}")
        for area, base in (("us", 10), ("eu", 20))
        for n, ip in enumerate((f"192.0.2.{base}", f"192.0.2.{base + 1}"))
    ]
    roots = [
        alias(API, f"{area}.example.com", evaluate=evaluate, SetIdentifier=area, Region=region)
        for area, region in (("us", "us-east-1"), ("eu", "eu-west-1"))
    ]
    return Plane(*leaves, *roots)


def seen_from_new_york(plane: Plane) -> set[str]:
    return {plane.values(API)[0] for _ in range(100)}


def test_a_tree_leaves_a_branch_that_is_sick_all_through() -> None:
    plane = tree(evaluate=True)
    assert seen_from_new_york(plane) == {"192.0.2.10", "192.0.2.11"}
    plane.get_sick("us0")
    assert seen_from_new_york(plane) == {"192.0.2.11"}
    plane.get_sick("us0", "us1")
    assert seen_from_new_york(plane) == {"192.0.2.20", "192.0.2.21"}
    plane.get_sick("us0", "us1", "eu0", "eu1")
    assert seen_from_new_york(plane) == {"192.0.2.10", "192.0.2.11"}


def test_without_evaluate_target_health_the_branch_is_kept() -> None:
    plane = tree(evaluate=False)
    plane.get_sick("us0", "us1")
    assert seen_from_new_york(plane) == {"192.0.2.10", "192.0.2.11"}


def test_an_alias_with_check_and_target_needs_both() -> None:
    records = [
        plain("us.example.com", A1, HealthCheckId="leaf"),
        alias(API, "us.example.com", SetIdentifier="p", Failover="PRIMARY", HealthCheckId="own"),
        plain(API, A2, SetIdentifier="s", Failover="SECONDARY"),
    ]
    plane = Plane(*records)
    assert plane.values(API) == [A1]
    for sick in ("leaf", "own"):
        plane.get_sick(sick)
        assert plane.values(API) == [A2]


def test_an_alias_of_an_api_gateway_domain_is_always_healthy_and_answers_with_the_regions_address() -> None:
    domain = "d-abc123.execute-api.us-west-2.amazonaws.com"
    plane = Plane(alias(API, domain, zone="Z2OJLYMUO9EFXC"), alias("example.com", domain, zone="Z2OJLYMUO9EFXC"))
    answer = plane.ask(API)
    assert [(one.name, one.type, one.ttl_s, one.value) for one in answer.answers] == [
        ("api.example.com.", "A", 60, "127.44.4.1")
    ]
    assert plane.values("example.com") == ["127.44.4.1"]
    assert plane.values("api.example.com", "AAAA") == []


def test_aliases_that_run_in_a_circle_end() -> None:
    plane = Plane(alias("a.example.com", "b.example.com"), alias("b.example.com", "a.example.com"))
    assert plane.ask("a.example.com").rcode == "NOERROR"


def test_a_wide_web_of_aliases_is_judged_in_time() -> None:
    """Forty names, each with aliases to all that follow, nothing healthy at the end: many paths, few groups."""
    names = [f"n{number}.example.com" for number in range(40)]
    web = [
        alias(name, other, SetIdentifier=other, Weight=1) for at, name in enumerate(names) for other in names[at + 1 :]
    ]
    plane = Plane(
        *web,
        plain(names[-1], A2, SetIdentifier="end", Weight=1, HealthCheckId="sick"),
        alias(API, names[30], SetIdentifier="p", Failover="PRIMARY"),
        plain(API, A1, SetIdentifier="s", Failover="SECONDARY"),
    )
    plane.get_sick("sick")
    assert plane.values(API) == [A1]
    trail: list[Step] = []
    plane.resolve(API, trail=trail)
    assert len(trail) == 1 and not trail[0].candidates[0].healthy


def test_the_walk_can_be_shown() -> None:
    plane = tree(evaluate=True)
    plane.get_sick("us0", "us1")
    trail: list[Step] = []
    plane.resolve(API, trail=trail)
    assert [step.policy for step in trail] == ["latency", "weighted"]
    first = {shown.set_id: shown for shown in trail[0].candidates}
    assert not first["us"].healthy and not first["us"].chosen and "ms" in first["us"].measure
    assert first["eu"].chosen and "ms" in first["eu"].measure
    plane.get_sick("us0", "us1", "eu0", "eu1")
    trail.clear()
    plane.resolve(API, trail=trail)
    assert "none is healthy" in trail[0].why
