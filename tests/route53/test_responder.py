"""Packets in, packets out: what is prepared answers as what is walked, and a change or a flip of health reaches it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.nameserver.prepared import Answer, Prepared
from antipodes.nameserver.responder import Responder
from antipodes.services.contract import Settings
from antipodes.services.route53.planet import Planet
from antipodes.services.route53.records import RecordSet, Zone, record_key, record_of
from antipodes.services.route53.zone import DataPlane
from antipodes.wire import dns as codec
from antipodes.wire import dns_client, edns
from tests.route53.planes import SOA, Plane, alias, plain
from tests.route53.responders import ask, opt, question, responder, subnet

IP, OTHER = "192.0.2.1", "192.0.2.2"
API = codec.encode_name("api.example.com")
A = codec.A

# ---------------------------------------------------------------- the same answers, prepared or not

NAMES = ("example.com.", "a.example.com.", "b.a.example.com.", "\\052.example.com.", "w.example.com.", "c.example.com.")
ASKED = (*NAMES, "x.example.com.", "y.x.example.com.", "x.a.example.com.", "x.b.a.example.com.", "example.net.")
CHECKS = ("c1", "c2")
CLIENTS = ("198.18.0.1", "198.18.1.1")  # two cities


def _records(data: st.DataObject, name: str) -> tuple[str, list[dict[str, Any]]]:
    draw = data.draw
    kind = draw(st.sampled_from(["none", "simple", "cname", "ns", "latency", "failover", "alias"]))
    check = draw(st.sampled_from(CHECKS))
    target = draw(st.sampled_from(ASKED))
    if kind == "none":
        return draw(st.sampled_from(["A", "CNAME", "NS"])), []
    if kind == "simple":
        return "A", [plain(name, draw(st.sampled_from([IP, OTHER])))]
    if kind == "cname":
        return "CNAME", [plain(name, target, kind="CNAME")]
    if kind == "ns":
        return "NS", [plain(name, target, kind="NS")]
    if kind == "alias":
        return "A", [alias(name, target, evaluate=draw(st.booleans()))]
    if kind == "latency":
        return "A", [
            plain(name, IP, SetIdentifier="e", Region="us-east-1", HealthCheckId=check),
            alias(name, target, SetIdentifier="w", Region="ap-northeast-1"),
        ]
    return "A", [
        plain(name, IP, SetIdentifier="p", Failover="PRIMARY", HealthCheckId=check),
        alias(name, target, SetIdentifier="s", Failover="SECONDARY"),
    ]


class Model:
    """A data plane that lives, and how to make the same one anew."""

    def __init__(self) -> None:
        self.zones: dict[str, str] = {}
        self.groups: dict[tuple[str, str, str], list[RecordSet]] = {}
        self.sick: list[str] = []
        self.plane = self._new()
        self.responder = responder(self.plane)

    def _new(self) -> DataPlane:
        planet = Planet(Settings(regions=("us-east-1",)))
        return DataPlane(planet, lambda check: check not in self.sick, random.Random(1))

    def fresh(self) -> Responder:
        plane = self._new()
        for zone_id, name in self.zones.items():
            plane.put_zone(Zone(zone_id, name, "r", ("ns-1.awsdns-00.com",), 1.0))
        for (zone_id, name, kind), records in self.groups.items():
            plane.set_group(zone_id, name, kind, records)
        return responder(plane)

    def toggle(self, zone_id: str, name: str) -> None:
        if self.zones.pop(zone_id, None) is None:
            self.zones[zone_id] = name
            self.plane.put_zone(Zone(zone_id, name, "r", ("ns-1.awsdns-00.com",), 1.0))
            self.put(zone_id, name, "SOA", [plain(name, SOA, kind="SOA", ttl=900)])
        else:
            self.plane.remove_zone(zone_id)
            self.groups = {key: value for key, value in self.groups.items() if key[0] != zone_id}

    def put(self, zone_id: str, name: str, kind: str, shapes: list[dict[str, Any]]) -> None:
        records = sorted((record_of(one) for one in shapes), key=lambda one: record_key(zone_id, one))
        self.groups[zone_id, name, kind] = records
        if not records:
            del self.groups[zone_id, name, kind]
        self.plane.set_group(zone_id, name, kind, records)

    def flip(self, check: str) -> None:
        self.sick.remove(check) if check in self.sick else self.sick.append(check)
        self.plane.health_changed(check)


@given(st.data())
def test_whatever_changes_prepared_answers_are_those_of_a_new_server(data: st.DataObject) -> None:
    model = Model()
    model.toggle("Z1", "example.com.")
    for name in NAMES:
        kind, shapes = _records(data, name)
        if name != "example.com.":
            model.put("Z1", name, kind, shapes)
    for _ in range(data.draw(st.integers(1, 6))):
        what = data.draw(st.sampled_from(["put", "put", "flip", "flip", "zone"]))
        if what == "zone":
            model.toggle(*data.draw(st.sampled_from([("Z2", "a.example.com."), ("Z3", "example.net.")])))
        elif what == "flip":
            model.flip(data.draw(st.sampled_from(CHECKS)))
        else:
            name = data.draw(st.sampled_from(NAMES[1:]))
            zone = data.draw(st.sampled_from(sorted(model.zones)))
            if name.endswith(model.zones[zone]):
                model.put(zone, name, *_records(data, name))
        fresh = model.fresh()
        for asked in ASKED:
            for number in (A, codec.AAAA, codec.NS):
                for client in CLIENTS:
                    message = question(codec.encode_name(asked), number)
                    told = [server.answer(message, client) for server in (model.responder, fresh, model.responder)]
                    assert told[0] == told[1] == told[2], (asked, number, client)


@given(st.data())
def test_the_hot_path_answers_as_the_long_way(data: st.DataObject) -> None:
    """Any case, any flags, any OPT record: a server that has seen it all answers as one that sees it first."""
    plane = Plane(
        plain("api.example.com", IP, SetIdentifier="e", Region="us-east-1"),
        plain("api.example.com", OTHER, SetIdentifier="w", Region="ap-northeast-1"),
        plain("www.example.com", "api.example.com.", kind="CNAME"),
    ).plane
    warm = responder(plane)
    name = data.draw(st.sampled_from([API, codec.encode_name("www.example.com"), codec.encode_name("no.example.com")]))
    folded = bytes(ord(chr(c).upper()) if data.draw(st.booleans()) else c for c in name)
    flags = data.draw(st.sampled_from([0, 0x0100, 0x0110, 0x0120, 0x0010, 0x0020, 0x0800, 0x8000, 0x0200]))
    options = data.draw(
        st.lists(st.sampled_from([subnet("Tokyo"), subnet("Paris", 16), edns.option(10, b"12345678"), b""]), max_size=2)
    )
    record = opt(*options, udp_bytes=data.draw(st.sampled_from([0, 512, 4096])), version=data.draw(st.integers(0, 1)))
    message = question(folded, data.draw(st.sampled_from([A, codec.AAAA, 65, 255])), flags=flags,
                       opt=data.draw(st.sampled_from([record, b""])))  # fmt: skip
    client = data.draw(st.sampled_from(CLIENTS))
    first = responder(plane).answer(message, client)
    for _ in range(3):
        assert warm.answer(message, client) == first


def told(server: Responder, name: str) -> str:
    return dns.message.from_wire(server.answer(question(codec.encode_name(name), A), "127.0.0.1") or b"").to_text()


def test_a_chain_into_a_delegation_follows_its_name_servers() -> None:
    plane = Plane(
        plain("www.example.com", "host.sub.example.com.", kind="CNAME"),
        plain("host.sub.example.com", IP),
        plain("sub.example.com", "ns.one.test.", kind="NS"),
    ).plane
    server = responder(plane)
    assert "NS ns.one.test." in told(server, "www.example.com")
    record = record_of(plain("sub.example.com", "ns.two.test.", kind="NS"))
    plane.set_group("ZTEST", "sub.example.com.", "NS", [record])
    assert "NS ns.two.test." in told(server, "www.example.com")


def test_a_wildcard_that_leads_into_itself_answers_each_name_with_its_own_chain() -> None:
    server = responder(Plane(plain("*.example.com", "x.example.com.", kind="CNAME")).plane)
    for _ in range(2):
        assert told(server, "x.example.com").count(" CNAME ") == 1
        assert told(server, "y.example.com").count(" CNAME ") == 2


def test_a_wildcards_answer_is_prepared_once_for_all_names() -> None:
    plane = Plane(plain("*.example.com", IP), plain("there.example.com", "text", kind="TXT")).plane
    server = responder(plane)
    for name in ("a", "b.c", "A", "d"):
        assert ask(server, question(codec.encode_name(f"{name}.example.com"), A)).addresses() == (IP,)
    assert list(plane.kept.keys) == [codec.encode_name("*.example.com")]
    assert not ask(server, question(codec.encode_name("there.example.com"), A)).addresses()
    plane.set_group("ZTEST", "d.example.com.", "A", [record_of(plain("d.example.com", OTHER))])
    assert ask(server, question(codec.encode_name("d.example.com"), A)).addresses() == (OTHER,)
    assert not ask(server, question(codec.encode_name("x.d.example.com"), A)).addresses()


# ---------------------------------------------------------------- scope, place, draws


def policies() -> Responder:
    return responder(
        Plane(
            plain("api.example.com", IP, SetIdentifier="e", Region="us-east-1"),
            plain("api.example.com", OTHER, SetIdentifier="w", Region="ap-northeast-1"),
            plain("both.example.com", IP, SetIdentifier="a", Weight=1),
            plain("both.example.com", OTHER, SetIdentifier="b", Weight=3),
            *(
                plain("many.example.com", f"192.0.2.{n}", SetIdentifier=str(n), MultiValueAnswer=True)
                for n in range(20)
            ),
            plain("far.example.com", "api.example.com.", kind="CNAME"),
            alias("tree.example.com", "both.example.com", SetIdentifier="e", Region="us-east-1"),
            alias("tree.example.com", "api.example.com", SetIdentifier="w", Region="eu-west-1"),
        ).plane
    )


@pytest.mark.parametrize(
    ("name", "city", "bits", "scope"),
    [
        ("api", "Tokyo", 24, 24),
        ("api", "Tokyo", 16, 24),
        ("far", "Tokyo", 24, 24),
        ("tree", "New York", 24, 24),
        ("both", "Tokyo", 24, 0),
        ("many", "Tokyo", 24, 0),
        ("api", "Tokyo", 0, 0),
        ("none", "Tokyo", 24, 0),
    ],
)
def test_the_scope_says_how_far_an_answer_holds(name: str, city: str, bits: int, scope: int) -> None:
    server = policies()
    message = question(codec.encode_name(f"{name}.example.com"), A, opt=opt(subnet(city, bits)))
    for _ in range(3):
        assert ask(server, message).scope_bits == scope


def test_without_a_subnet_the_askers_own_address_tells() -> None:
    server = policies()
    tokyo, york = (codec_prefix + ".9" for codec_prefix in (prefix("Tokyo"), prefix("New York")))
    for _ in range(2):
        assert ask(server, question(API, A), tokyo).addresses() == (OTHER,)
        assert ask(server, question(API, A), york).addresses() == (IP,)
    # "No subnet, please" (RFC 7871 7.1.2): the resolver's own address counts.
    assert ask(server, question(API, A, opt=opt(subnet("New York", 0))), tokyo).addresses() == (OTHER,)


def prefix(city: str) -> str:
    from antipodes.world import geography

    return geography.city(city).prefix


def test_weights_hold_where_answers_are_prepared() -> None:
    server = policies()
    message = question(codec.encode_name("both.example.com"), A)
    told = [ask(server, message).addresses()[0] for _ in range(4000)]
    assert 0.22 < told.count(IP) / len(told) < 0.28


def plane_of(server: Responder) -> Mapping[bytes, Answer]:
    """What the server has prepared."""
    return server._kept


def test_more_than_eight_values_are_sampled_anew_for_each_question() -> None:
    server = policies()
    message = question(codec.encode_name("many.example.com"), A)
    told = {ask(server, message).addresses() for _ in range(50)}
    assert {len(one) for one in told} == {8} and len(told) > 40
    assert len({value for one in told for value in one}) == 20
    counts = Counter(value for _ in range(2000) for value in ask(server, message).addresses())
    assert all(0.4 * 2000 * 0.9 < count < 0.4 * 2000 * 1.1 for count in counts.values())  # 8 of 20: 0.4 each
    assert any(type(one) is Prepared and one.everywhere for one in plane_of(server).values())  # not walked


def test_a_flip_rebuilds_what_it_touches_and_nothing_else() -> None:
    plane = Plane(
        plain("api.example.com", IP, SetIdentifier="p", Failover="PRIMARY", HealthCheckId="c"),
        plain("api.example.com", OTHER, SetIdentifier="s", Failover="SECONDARY"),
        plain("www.example.com", "api.example.com.", kind="CNAME"),
        alias("tree.example.com", "api.example.com"),
        plain("other.example.com", IP),
    )
    server = responder(plane.plane)
    names = ("api", "www", "tree", "other")
    for name in names:
        assert ask(server, question(codec.encode_name(f"{name}.example.com"), A)).addresses() == (IP,)
    kept = plane.plane.kept.keys
    assert list(kept) == [codec.encode_name(f"{name}.example.com") for name in names]
    plane.get_sick("c")
    assert list(kept) == [codec.encode_name("other.example.com")]
    for name in names[:3]:
        assert ask(server, question(codec.encode_name(f"{name}.example.com"), A)).addresses() == (OTHER,)


# ---------------------------------------------------------------- what a good authoritative server says


@pytest.mark.parametrize(
    ("message", "rcode"),
    [
        (question(API, A, qclass=3), "REFUSED"),
        (question(API, A, qclass=255), "REFUSED"),
        (question(codec.encode_name("version.bind"), 16, qclass=3), "REFUSED"),
        (question(codec.encode_name("example.org"), A), "REFUSED"),
        (question(codec.encode_name("."), codec.NS), "REFUSED"),
        (question(API, 252), "REFUSED"),  # AXFR
        (question(API, 251), "REFUSED"),
        (question(API, 253), "NOTIMP"),
        (question(API, 41), "FORMERR"),
        (question(API, 128, opt=opt()), "FORMERR"),  # NXNAME (RFC 9824)
        (question(API, 65280), "NOERROR"),  # a type of private use: no such data
        (question(API, A, flags=0x2000), "NOTIMP"),  # NOTIFY
        (question(API, A, flags=0x2800), "NOTIMP"),  # UPDATE
        (question(API, A, opt=opt(version=1)), "BADVERS"),
        (question(API, A, opt=opt(version=255, flags=0x8000)), "BADVERS"),
        (question(API, A, opt=opt() + opt()[:0])[:-1], "FORMERR"),
        (question(API, A, opt=opt()) + b"more", "FORMERR"),
        (question(API, A) + b"\0", "FORMERR"),
        (question(API, A, opt=opt(edns.option(10, b"short"))), "FORMERR"),
        (question(API, A, opt=opt(edns.option(8, b"\0\1\x18\x18\1\2\3"))), "FORMERR"),  # a scope in a question
        (question(API, A, opt=opt(edns.option(8, b"\0\1\x21\0\1\2\3\4\5"))), "FORMERR"),  # 33 bits
        (question(API, A, opt=opt(edns.option(8, b"\0\1\x17\0\1\2\3"))), "FORMERR"),  # a bit behind the prefix
        (question(API, A, opt=opt(edns.option(65001, b"whatever"))), "NOERROR"),
        (question(API, A, opt=opt(edns.option(8, b"\0\0\0\0"))), "NOERROR"),  # dig +subnet=0
    ],
)
def test_what_cannot_be_answered_is_told(message: bytes, rcode: str) -> None:
    answer = policies().answer(message, "127.0.0.1")
    assert answer is not None
    told = dns_client.parse_answer(answer)
    assert told.rcode == rcode and (not told.answers or rcode == "NOERROR")
    assert len(answer) <= len(message) + 300


@pytest.mark.parametrize("flags", [0x2000, 0x2800, 0x7FB0])
def test_another_opcode_gets_no_flags_back_but_an_opt_record(flags: int) -> None:
    answer = dns.message.from_wire(policies().answer(question(API, A, flags=flags, opt=opt()), "127.0.0.1") or b"")
    assert (answer.rcode(), answer.edns) == (dns.rcode.NOTIMP, 0)
    assert answer.flags & 0x07F0 == 0


def test_a_bad_option_is_refused_by_one_who_speaks_edns() -> None:
    message = question(API, A, opt=opt(edns.option(8, b"\0\1")))
    answer = dns.message.from_wire(policies().answer(message, "127.0.0.1") or b"")
    assert (answer.rcode(), answer.edns) == (dns.rcode.FORMERR, 0)


def test_badvers_says_which_version_is_spoken() -> None:
    answer = dns.message.from_wire(policies().answer(question(API, A, opt=opt(version=1)), "127.0.0.1") or b"")
    assert (answer.rcode(), answer.edns) == (dns.rcode.BADVERS, 0)


def test_any_is_answered_with_little() -> None:
    answer = ask(policies(), question(API, 255))
    assert (answer.rcode, [one.type for one in answer.answers]) == ("NOERROR", ["TYPE13"])


def test_answers_are_not_answered() -> None:
    server = policies()
    assert server.answer(question(API, A, flags=0x8100), "127.0.0.1") is None
    assert server.answer(b"\0\1\1\0", "127.0.0.1") is None


def test_the_questions_case_comes_back_and_flags_are_right() -> None:
    server = policies()
    for _ in range(2):
        answer = server.answer(
            question(codec.encode_name("api.example.com").replace(b"api", b"aPi"), A, flags=0x0130), "127.0.0.1"
        )
        assert answer is not None
        message = dns.message.from_wire(answer)
        assert message.question[0].name.to_text() == "aPi.example.com."
        assert message.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD | dns.flags.CD


def test_a_referral_brings_glue() -> None:
    server = responder(
        Plane(
            plain("sub.example.com", "ns1.sub.example.com.", "ns.elsewhere.test.", "beside.example.com.", kind="NS"),
            plain("ns1.sub.example.com", IP),
            plain("beside.example.com", OTHER),
        ).plane
    )
    for name in ("sub.example.com", "x.y.sub.example.com", "ns1.sub.example.com"):
        answer = dns.message.from_wire(server.answer(question(codec.encode_name(name), A), "127.0.0.1") or b"")
        assert not answer.flags & dns.flags.AA and not answer.answer
        assert "sub.example.com. 60 IN NS ns1.sub.example.com." in answer.authority[0].to_text()
        assert [one.to_text() for one in answer.additional] == [
            "ns1.sub.example.com. 60 IN A 192.0.2.1",
            "beside.example.com. 60 IN A 192.0.2.2",
        ]


def test_a_fault_of_ours_is_a_failure_and_not_silence(caplog: pytest.LogCaptureFixture) -> None:
    plane = Plane(plain("api.example.com", IP)).plane
    server = responder(plane)
    plane.closest = lambda name: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    answer = dns.message.from_wire(server.answer(question(API, A, opt=opt()), "127.0.0.1") or b"")
    assert (answer.rcode(), answer.edns) == (dns.rcode.SERVFAIL, 0)
    assert "ZeroDivisionError" in caplog.text


# ---------------------------------------------------------------- cookies and other options


def test_cookies_are_those_of_rfc_9018() -> None:
    from antipodes.wire.cookies import server_cookie

    secret = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
    client = bytes.fromhex("2464c4abcf10c957")
    first = bytes.fromhex("2464c4abcf10c957010000005cf79f111f8130c3eee29480")  # RFC 9018 A.1
    assert server_cookie(secret, client, "198.51.100.100", 1559731985) == first
    assert server_cookie(secret, first, "198.51.100.100", 1559731985 + 60) == first
    renewed = bytes.fromhex("2464c4abcf10c957010000005cf7a871d4a564a1442aca77")  # A.2
    assert server_cookie(secret, first, "198.51.100.100", 1559734385) == renewed
    assert server_cookie(secret, first, "198.51.100.101", 1559731985) != first
    six = bytes.fromhex("22681ab97d52c298010000005cf7c57926556bd0934c72f8")  # A.4
    old = bytes.fromhex("dd3bdf9344b678b185a6f5cb60fca715")
    assert server_cookie(old, six[:8], "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741817) == six


def test_a_cookie_comes_back_with_a_servers_half() -> None:
    server = policies()
    message = question(API, A, opt=opt(edns.option(10, b"12345678")))
    answer = dns.message.from_wire(server.answer(message, "127.0.0.1") or b"")
    (cookie,) = answer.options
    assert isinstance(cookie, dns.edns.CookieOption) and cookie.client == b"12345678" and len(cookie.server) == 16
    again = question(API, A, opt=opt(edns.option(10, cookie.client + cookie.server)))
    assert dns.message.from_wire(server.answer(again, "127.0.0.1") or b"").options == answer.options
    alone = b"\0\1\0\0" + b"\0\0\0\0\0\0\0\1" + opt(edns.option(10, b"12345678"))  # RFC 7873 5.4
    answer = dns.message.from_wire(server.answer(alone, "127.0.0.1") or b"")
    assert answer.rcode() == dns.rcode.NOERROR and not answer.question and len(answer.options) == 1


def test_keepalive_is_answered_over_tcp_alone() -> None:
    server = policies()
    message = question(API, A, opt=opt(edns.option(11, b"")))
    assert dns.message.from_wire(server.answer(message, "127.0.0.1", True) or b"").options[0].otype == 11
    assert not dns.message.from_wire(server.answer(message, "127.0.0.1") or b"").options


# ---------------------------------------------------------------- strangers


@given(st.binary(max_size=300))
def test_garbage_is_answered_with_little_or_nothing(data: bytes) -> None:
    answer = policies().answer(data, "127.0.0.1")
    assert answer is None or len(answer) <= max(512, len(data))
    assert not (len(data) > 2 and data[2] & 0x80) or answer is None


@given(st.data())
def test_a_mangled_question_is_answered_within_what_it_says_it_takes(data: st.DataObject) -> None:
    wire = bytearray(question(API, 255, opt=opt(subnet("Tokyo"), edns.option(10, b"12345678"), flags=0x8000)))
    for _ in range(data.draw(st.integers(0, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    message = bytes(wire[: data.draw(st.integers(0, len(wire)))])
    answer = policies().answer(message, "127.0.0.1")
    if answer is not None:
        assert answer[:2] == message[:2] and answer[2] & 0x80
        assert len(answer) <= codec.MAX_UDP_BYTES
        dns_client.parse_answer(answer)
