"""Master files: what is written other servers read, and what others wrote is read; nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import dns.name
import dns.rdatatype
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.wire import masterfile, rdata
from antipodes.wire.dns import TYPES

SOA = "ns-1.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"


WORDS = (
    "@",
    "a",
    "\n",
    "\n",
    "IN",
    "A",
    "NS",
    "TXT",
    "MX",
    "10",
    "192.0.2.1",
    "$TTL",
    "$ORIGIN",
    "$GENERATE",
    "1-3",
    "(",
    ")",
    '"',
    ";",
    "\\",
    "\\300",
    "example.com.",
    "; route53 {}",
    "TYPE65280",
    "\\# 2 abcd",
    "SOA",
    "$INCLUDE",
    "/",
)


def plain(name: str, kind: str, *values: str, ttl: int = 60) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}


ZONE: list[dict[str, Any]] = [
    plain("example.com.", "NS", "ns-1.awsdns-00.com.", ttl=172800),
    plain("example.com.", "SOA", SOA, ttl=900),
    plain("example.com.", "MX", "10 mail.example.com."),
    plain("\\052.example.com.", "A", "192.0.2.1", "192.0.2.2"),
    plain("www.example.com.", "CNAME", "app.example.com."),
    plain("text.example.com.", "TXT", '"semi;colon and \\"quotes\\" and \\303\\244"', '"a" "b"'),
    plain("_sip._tcp.example.com.", "SRV", "0 5 5060 app.example.com."),
    plain("caa.example.com.", "CAA", '0 issue "ca.example.net"'),
    plain("at\\100sign.example.com.", "AAAA", "2001:db8::1"),
    plain("sub.example.com.", "NS", "ns1.sub.example.com."),
    plain("ns1.sub.example.com.", "A", "192.0.2.3"),
    {**plain("w.example.com.", "A", "192.0.2.1"), "SetIdentifier": "one", "Weight": 10, "HealthCheckId": "c"},
    {**plain("w.example.com.", "A", "192.0.2.2"), "SetIdentifier": "two", "Weight": 20},
    {"Name": "al.example.com.", "Type": "A",
     "AliasTarget": {"HostedZoneId": "Z1", "DNSName": "w.example.com.", "EvaluateTargetHealth": True}},
]  # fmt: skip


def comparable(shapes: Any) -> list[str]:
    return sorted(
        str({**shape, "ResourceRecords": sorted(one["Value"] for one in shape.get("ResourceRecords", ()))})
        for shape in shapes
    )


def test_a_zone_is_read_back_as_it_was() -> None:
    text = masterfile.write("Z1", "example.com.", ZONE)
    read = masterfile.read(text, "example.com.")
    own = [shape for shape in ZONE if shape["Name"] != "example.com." or shape["Type"] == "MX"]
    assert comparable(read.record_sets) == comparable(own)
    assert read.zone_id == "Z1"
    assert read.passed_over == ("example.com. SOA: Route 53 has its own", "example.com. NS: Route 53 has its own")


def test_other_servers_read_what_is_written() -> None:
    zone = dns.zone.from_text(masterfile.write("Z1", "example.com.", ZONE), "example.com.")
    assert {one.address for one in zone.find_rdataset("*", "A")} == {"192.0.2.1", "192.0.2.2"}
    assert zone.find_rdataset("at@sign", "AAAA")
    assert zone.find_rdataset("text", "TXT")[0].strings[0] == 'semi;colon and "quotes" and ä'.encode()
    assert zone.get_rdataset("w", "A") is None  # a policy has no word in a master file


def test_what_others_wrote_is_read() -> None:
    text = """
$TTL 1h
@ IN SOA ns.example.com. admin.example.com. ( 2024010101 ; serial
      3600 900 604800 300 )
    IN NS ns
Ns  IN A 192.0.2.53
$ORIGIN sub.example.com.
host 5m IN A 192.0.2.7
        IN TXT "\\228" plain
$GENERATE 1-3 h$ A 192.0.2.$
old IN RP admin.example.com. .
"""
    read = masterfile.read(text, "example.com.")
    assert comparable(read.record_sets) == comparable(
        [
            plain("ns.example.com.", "A", "192.0.2.53", ttl=3600),
            plain("host.sub.example.com.", "A", "192.0.2.7", ttl=300),
            plain("host.sub.example.com.", "TXT", '"\\344" "plain"', ttl=3600),
            *(plain(f"h{n}.sub.example.com.", "A", f"192.0.2.{n}", ttl=3600) for n in (1, 2, 3)),
        ]
    )
    assert any("RP" in line for line in read.passed_over)


@pytest.mark.parametrize(
    "text",
    [
        "a IN A not.an.address",
        "a IN",
        "$INCLUDE /etc/passwd",
        "a.example.org. 60 IN A 192.0.2.1",
        "; route53 {broken",
        '; route53 {"Type": "A"}',
        '; route53 ["a"]',
    ],
)
def test_what_is_no_master_file_of_the_zone_is_refused(text: str) -> None:
    try:
        read = masterfile.read(text, "example.com.")
    except masterfile.BadFile:
        return
    assert not read.record_sets  # dnspython leaves out names of other zones


@given(st.binary(min_size=1, max_size=255))
def test_any_text_survives(data: bytes) -> None:
    value = rdata.decode(TYPES["TXT"], bytes((len(data),)) + data)
    text = masterfile.write("Z1", "example.com.", [plain("t.example.com.", "TXT", value)])
    (shape,) = masterfile.read(text, "example.com.").record_sets
    assert rdata.encode(TYPES["TXT"], shape["ResourceRecords"][0]["Value"]) == bytes((len(data),)) + data


@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        masterfile.read(text, "example.com.")
    except masterfile.BadFile as error:
        assert str(error)
