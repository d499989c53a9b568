"""The DNS codec, checked against dnspython and thrown garbage at."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.wire import dns as codec
from antipodes.wire import dns_client, rdata

VALUES = [
    ("A", "192.0.2.44"),
    ("AAAA", "2001:db8::1"),
    ("CNAME", "www.example.com."),
    ("NS", "ns-1.awsdns-01.com."),
    ("PTR", "host.example.com."),
    ("MX", "10 mail.example.com."),
    ("SRV", "1 10 5269 xmpp.example.com."),
    ("TXT", '"v=spf1 -all" "second \\"quoted\\""'),
    ("SOA", "ns-1.awsdns-01.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"),
    ("CAA", '0 issue "amazon.com"'),
    ("DS", "12345 13 2 " + "AB" * 32),
    ("NAPTR", '100 50 "S" "SIP+D2U" "" _sip._udp.example.com.'),
    ("HTTPS", '1 . alpn="h2"'),
]


@pytest.mark.parametrize(("kind", "text"), VALUES, ids=[kind for kind, _ in VALUES])
def test_a_value_encodes_as_dnspython_does_and_reads_back(kind: str, text: str) -> None:
    number = rdata.type_number(kind)
    wire = rdata.encode(number, text)
    assert wire == dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(number), text).to_wire()
    assert rdata.encode(number, rdata.decode(number, wire)) == wire


@pytest.mark.parametrize(
    ("kind", "text"),
    [("A", "192.0.2.256"), ("A", "2001:db8::1"), ("AAAA", "x"), ("CNAME", "a..b"), ("CNAME", ""), ("MX", "mail"),
     ("TXT", '"open'), ("TXT", '"' + "a" * 256 + '"'), ("SRV", "1 2 70000 a."), ("CAA", "issue")],
)  # fmt: skip
def test_a_bad_value_is_refused(kind: str, text: str) -> None:
    with pytest.raises(rdata.BadValue):
        rdata.encode(rdata.type_number(kind), text)


def test_names_keep_route_53s_escapes() -> None:
    assert codec.decode_name(codec.encode_name("*.Example.COM")) == "\\052.example.com."
    assert codec.encode_name("\\052.example.com.") == codec.encode_name("*.example.com")
    assert codec.encode_name("a\\.b.example") == b"\x03a.b\x07example\0"
    for bad in ("a..b", "x" * 64, ".".join(["abcdefgh"] * 30), "ü.example"):
        with pytest.raises(codec.BadName):
            codec.encode_name(bad)


def test_a_question_of_dnspython_is_read_with_subnet_and_case() -> None:
    message = dns.message.make_query("ApI.Example.com", "A", use_edns=0, payload=4096)
    message.use_edns(0, payload=4096, options=[dns.edns.ECSOption("198.18.4.0", 24)])
    query = codec.parse_query(message.to_wire())
    assert query.name == codec.encode_name("api.example.com")
    assert query.subnet is not None and (query.subnet.ip, query.subnet.prefix_bits) == ("198.18.4.0", 24)
    assert query.udp_bytes == codec.MAX_UDP_BYTES

    address = rdata.encode(codec.A, "127.44.1.1")
    wire = codec.build_answer(query, codec.NOERROR, [codec.Record(query.name, codec.A, 60, address)], scope_bits=24)
    answer = dns.message.from_wire(wire)
    assert answer.id == message.id and answer.flags & dns.flags.AA
    assert "ApI.Example.com. 60 IN A 127.44.1.1" in answer.answer[0].to_text()
    option = answer.options[0]
    assert isinstance(option, dns.edns.ECSOption) and option.scopelen == 24


def test_a_chain_and_an_soa_are_compressed_and_read_by_dnspython() -> None:
    query = codec.parse_query(dns_client.build_query("www.example.com", "A", 7))
    target = codec.encode_name("api.example.com")
    soa = rdata.encode(codec.SOA, VALUES[8][1])
    wire = codec.build_answer(
        query,
        codec.NOERROR,
        [codec.Record(query.name, codec.CNAME, 30, target), codec.Record(target, codec.A, 60, bytes((192, 0, 2, 1)))],
        [codec.Record(codec.encode_name("example.com"), codec.SOA, 900, soa)],
    )
    text = dns.message.from_wire(wire).to_text()
    assert "www.example.com. 30 IN CNAME api.example.com." in text
    assert "api.example.com. 60 IN A 192.0.2.1" in text
    assert "example.com. 900 IN SOA" in text
    answer = dns_client.parse_answer(wire)
    assert [(one.name, one.type, one.value) for one in answer.answers] == [
        ("www.example.com.", "CNAME", "api.example.com."),
        ("api.example.com.", "A", "192.0.2.1"),
    ]
    assert answer.ttl_s == 30


def test_what_does_not_fit_is_truncated_to_nothing() -> None:
    query = codec.parse_query(dns.message.make_query("t.example", "TXT").to_wire())
    big = [codec.Record(query.name, codec.TXT, 60, rdata.encode(codec.TXT, '"' + "x" * 255 + '"'))] * 3
    small = codec.build_answer(query, codec.NOERROR, big)
    assert len(small) <= 512
    assert dns_client.parse_answer(small).truncated
    assert len(dns.message.from_wire(codec.build_answer(query, 0, big, limit_bytes=65535)).answer[0]) == 1


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (dns.message.make_query("a.example", "A", id=0x1234).to_wire()[:-1], "FORMERR"),
        (b"\x12\x34\x28\x00" + b"\0" * 8, "NOTIMP"),  # opcode UPDATE
        (b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", "FORMERR"),  # a name that points to itself
        (b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\x40aaa\0\0\1\0\1", "FORMERR"),
    ],
)
def test_a_broken_question_gets_its_rcode(data: bytes, rcode: str) -> None:
    with pytest.raises(codec.Refused) as refused:
        codec.parse_query(data)
    assert dns_client.parse_answer(refused.value.answer).rcode == rcode
    assert refused.value.answer[:2] == data[:2]


def test_another_edns_version_gets_badvers() -> None:
    message = dns.message.make_query("a.example", "A", use_edns=0)
    wire = bytearray(message.to_wire())
    wire[-5] = 1  # the version byte of the OPT's TTL
    with pytest.raises(codec.Refused) as refused:
        codec.parse_query(bytes(wire))
    assert dns.message.from_wire(refused.value.answer).rcode() == dns.rcode.BADVERS


def test_a_compression_loop_in_an_answer_is_refused() -> None:
    head = b"\0\1\x84\0\0\1\0\1\0\0\0\0" + b"\1a\0\0\1\0\1"
    for loop in (b"\xc0\x13", b"\xc0\x1f", b"\1a\xc0\x13"):
        with pytest.raises(dns_client.BadAnswer):
            dns_client.parse_answer(head + loop + b"\0\1\0\1\0\0\0\1\0\4\1\2\3\4")


@given(st.binary(max_size=200))
def test_garbage_never_crashes_either_side(data: bytes) -> None:
    take(data)


@given(st.data())
def test_a_mangled_question_never_crashes(data: st.DataObject) -> None:
    wire = bytearray(dns_client.build_query("api.example.com", "A", 1, "198.18.4.0/24"))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    take(bytes(wire[: data.draw(st.integers(0, len(wire)))]))


def take(data: bytes) -> None:
    try:
        query = codec.parse_query(data)
        codec.parents(query.name)
        codec.decode_name(query.name)
        assert len(codec.build_answer(query, codec.REFUSED, ())) <= query.udp_bytes
    except codec.Refused as refused:
        assert len(refused.answer) <= len(data) + 11  # no amplification beyond the OPT
    except codec.Ignored:
        pass
    try:
        dns_client.parse_answer(data)
    except dns_client.BadAnswer:
        pass
