"""Names, wildcards, chains, delegations, negative answers."""

from __future__ import annotations

import pytest

from antipodes.services.route53.planet import Planet
from antipodes.wire.dns import encode_name
from tests.route53.planes import SETTINGS, SOA, Plane, plain

IP = "192.0.2.9"
RECORDS = (
    plain("www.example.com", "app.example.com.", kind="CNAME", ttl=30),
    plain("app.example.com", IP),
    plain("far.example.com", "www.elsewhere.test.", kind="CNAME"),
    plain("east.example.com", "x1.execute-api.us-east-1.amazonaws.com.", kind="CNAME"),
    plain("*.wild.example.com", IP),
    plain("fixed.wild.example.com", "text", kind="TXT"),
    plain("deep.empty.example.com", IP),
    plain("sub.example.com", "ns1.sub.example.com.", kind="NS"),
    plain("loop1.example.com", "loop2.example.com.", kind="CNAME"),
    plain("loop2.example.com", "loop1.example.com.", kind="CNAME"),
    plain("broken.example.com", "nowhere.example.com.", kind="CNAME"),
)

CASES = [
    ("app.example.com", "A", "NOERROR", [IP]),
    ("APP.Example.COM", "A", "NOERROR", [IP]),
    ("app.example.com", "AAAA", "NOERROR", []),
    ("none.example.com", "A", "NXDOMAIN", []),
    ("www.example.com", "A", "NOERROR", ["app.example.com.", IP]),
    ("www.example.com", "CNAME", "NOERROR", ["app.example.com."]),
    ("far.example.com", "A", "NOERROR", ["www.elsewhere.test."]),
    ("east.example.com", "A", "NOERROR", ["x1.execute-api.us-east-1.amazonaws.com.", "127.44.1.1"]),
    ("x.wild.example.com", "A", "NOERROR", [IP]),
    ("a.b.wild.example.com", "A", "NOERROR", [IP]),
    ("x.wild.example.com", "TXT", "NOERROR", []),
    ("fixed.wild.example.com", "A", "NOERROR", []),
    ("x.fixed.wild.example.com", "A", "NXDOMAIN", []),  # the closest encloser is fixed.wild, which has no wildcard
    ("empty.example.com", "A", "NOERROR", []),
    ("broken.example.com", "A", "NXDOMAIN", ["nowhere.example.com."]),
    ("example.com", "SOA", "NOERROR", [SOA]),
    ("example.org", "A", "REFUSED", []),
    ("d-1.execute-api.eu-west-1.amazonaws.com", "A", "NOERROR", ["127.44.9.1"]),
    ("dynamodb.us-west-2.amazonaws.com", "A", "NOERROR", ["127.44.4.1"]),
    ("dynamodb.us-west-2.amazonaws.com", "AAAA", "NOERROR", []),
    ("dynamodb.ap-south-1.amazonaws.com", "A", "REFUSED", []),  # no Region of this planet
    ("route53.amazonaws.com", "A", "NOERROR", ["127.44.1.1"]),
    ("app.example.com", "ANY", "NOERROR", None),
]


@pytest.mark.parametrize(("name", "kind", "rcode", "values"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_answers(name: str, kind: str, rcode: str, values: list[str] | None) -> None:
    answer = Plane(*RECORDS).ask(name, kind)
    assert answer.rcode == rcode
    if values is not None:
        assert [one.value for one in answer.answers] == values
    if rcode == "NXDOMAIN" or (values == [] and rcode == "NOERROR" and name.lower().endswith("example.com")):
        assert [(one.type, one.ttl_s) for one in answer.authority] == [("SOA", 900)]


def test_a_delegation_is_referred() -> None:
    for name in ("sub.example.com", "x.y.sub.example.com"):
        answer = Plane(*RECORDS).ask(name)
        assert not answer.authoritative and not answer.answers
        assert [(one.name, one.type, one.value) for one in answer.authority] == [
            ("sub.example.com.", "NS", "ns1.sub.example.com.")
        ]


def test_a_chain_in_a_circle_ends() -> None:
    assert len(Plane(*RECORDS).ask("loop1.example.com").answers) == 2


def test_a_name_that_goes_takes_its_empty_parents_along() -> None:
    plane = Plane(*RECORDS)
    assert plane.ask("empty.example.com").rcode == "NOERROR"
    plane.plane.set_group("ZTEST", "deep.empty.example.com.", "A", [])
    assert plane.ask("deep.empty.example.com").rcode == "NXDOMAIN"
    assert plane.ask("empty.example.com").rcode == "NXDOMAIN"


def test_planet_names_are_only_those_of_the_planet() -> None:
    planet = Planet(SETTINGS)
    assert planet.address_of(encode_name("ns-12.awsdns-01.co.uk")) == "127.0.0.1"
    assert planet.address_of(encode_name("abc.lambda-url.us-west-2.on.aws")) == "127.44.4.1"
    for stranger in ("amazonaws.com", "com", ".", "us-west-2.example.com"):
        assert planet.address_of(encode_name(stranger)) is None


# RFC 4592 2.2.1: the example zone, and what it says must be answered.
RFC_4592 = (
    plain("*.example.com", '"this is a wildcard"', kind="TXT"),
    plain("*.example.com", "10 host1.example.com.", kind="MX"),
    plain("sub.*.example.com", '"this is not a wildcard"', kind="TXT"),
    plain("host1.example.com", "192.0.2.1"),
    plain("_ssh._tcp.host1.example.com", "0 0 22 host1.example.com.", kind="SRV"),
    plain("_ssh._tcp.host2.example.com", "0 0 22 host1.example.com.", kind="SRV"),
    plain("subdel.example.com", "ns.example.net.", kind="NS"),
)


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "count"),
    [
        ("host3.example.com", "MX", "NOERROR", 1),
        ("host3.example.com", "A", "NOERROR", 0),
        ("foo.bar.example.com", "TXT", "NOERROR", 1),
        ("host1.example.com", "MX", "NOERROR", 0),  # the name exists
        ("sub.*.example.com", "MX", "NOERROR", 0),
        ("sub.*.example.com", "TXT", "NOERROR", 1),
        ("*.example.com", "TXT", "NOERROR", 1),
        ("_telnet._tcp.host1.example.com", "SRV", "NXDOMAIN", 0),  # _tcp.host1 exists and has no wildcard
        ("_tcp.host1.example.com", "TXT", "NOERROR", 0),  # an empty non-terminal
        ("host2.example.com", "MX", "NOERROR", 0),  # another one: the wildcard does not reach it
        ("ghost.*.example.com", "MX", "NXDOMAIN", 0),  # below a wildcard's own name
        ("host.subdel.example.com", "A", "NOERROR", 0),
    ],
)
def test_wildcards_as_rfc_4592_has_them(name: str, kind: str, rcode: str, count: int) -> None:
    answer = Plane(*RFC_4592).ask(name, kind)
    assert (answer.rcode, len(answer.answers)) == (rcode, count)
    if "subdel" in name:
        assert not answer.authoritative and answer.authority[0].type == "NS"
    elif not count:
        assert answer.authority[0].type == "SOA"


def test_a_wildcard_that_is_an_empty_non_terminal_stands_for_names_without_data() -> None:
    """RFC 4592 4.2.1 asks no data of a source of synthesis: it must exist, and does, by the name below it."""
    plane = Plane(plain("sub.*.deep.example.com", "192.0.2.1"))
    assert plane.ask("x.deep.example.com").rcode == "NOERROR"
    assert plane.ask("x.y.deep.example.com").rcode == "NOERROR"
    assert plane.ask("x.sub.*.deep.example.com").rcode == "NXDOMAIN"
    plane.plane.set_group("ZTEST", "sub.\\052.deep.example.com.", "A", [])
    assert plane.ask("x.deep.example.com").rcode == "NXDOMAIN"
