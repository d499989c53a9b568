"""Master files (RFC 1035 5): a zone as text that any name server reads, from Route 53's record sets and back.

Rules. Pure; dnspython parses and prints. Values change their escapes on the way: master files have decimal ones,
Route 53 octal ones. What a master file has no word for (routing policies, aliases, health checks) is written as a
comment that holds the record set's API shape as JSON, which other servers pass over and `read` takes back:

    ; route53 {"Name": "api.example.com.", "Type": "A", "Weight": 10, ...}

`$INCLUDE` is refused; `$GENERATE` is not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.zone
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from antipodes.wire import rdata
from antipodes.wire.dns import TYPES, decode_name, encode_name

MARK = "; route53 "
ZONE_MARK = "; hosted zone "
_ORDER = ("SOA", "NS")  # first of their name
_PLAIN_MEMBERS = ("Name", "Type", "TTL", "ResourceRecords")


class BadFile(Exception):
    """A text that is no master file of that zone; the message says why."""


class Reading(NamedTuple):
    """What a master file holds."""

    record_sets: tuple[Mapping[str, Any], ...]  # API shapes
    zone_id: str  # of the hosted zone that was exported; "" for other people's files
    passed_over: tuple[str, ...]  # "name TYPE: why"


def write(zone_id: str, zone_name: str, record_sets: Iterable[Mapping[str, Any]]) -> str:
    """The master file of a zone."""
    lines = [f"$ORIGIN {_text(zone_name)}", f"{ZONE_MARK}{zone_id} {zone_name}"]
    shapes = sorted(record_sets, key=lambda shape: _place(zone_name, shape))
    for shape in shapes:
        if any(member not in _PLAIN_MEMBERS for member in shape):
            lines.append(MARK + json.dumps(dict(shape)))
            continue
        number = TYPES[shape["Type"]]
        for one in shape["ResourceRecords"]:
            data = rdata.encode(number, one["Value"])
            read = dns.rdata.from_wire(RdataClass.IN, RdataType.make(number), data, 0, len(data))
            lines.append(f"{_text(shape['Name'])} {shape['TTL']} IN {shape['Type']} {read.to_text()}")
    return "\n".join(lines) + "\n"


def _place(zone_name: str, shape: Mapping[str, Any]) -> tuple[Any, ...]:
    kind = shape["Type"]
    rank = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    labels = tuple(reversed(shape["Name"].removesuffix(".").split(".")))
    return (shape["Name"] != zone_name, labels, rank, kind, shape.get("SetIdentifier", ""))


def _text(name: str) -> str:
    return dns.name.from_wire(encode_name(name), 0)[0].to_text()


def read(text: str, zone_name: str) -> Reading:
    """The record sets of a master file, but for SOA and NS of the zone itself, which are Route 53's own.

    Raises BadFile.
    """
    found: list[Mapping[str, Any]] = []
    passed: list[str] = []
    zone_id = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(MARK):
            try:
                shape = json.loads(line.removeprefix(MARK))
                found.append({**shape, "Name": decode_name(encode_name(shape["Name"]))})
            except (ValueError, KeyError, TypeError) as error:
                raise BadFile(f"line {number}: not a record set: {error}") from None
        elif line.startswith(ZONE_MARK):
            zone_id = line.removeprefix(ZONE_MARK).split(" ")[0]
    try:
        origin = dns.name.from_wire(encode_name(zone_name), 0)[0]
        zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
        for name, rdataset in zone.iterate_rdatasets():
            owner = decode_name((name.to_wire() or b"\0").lower())
            kind = RdataType.to_text(rdataset.rdtype)
            if owner == zone_name and kind in _ORDER:
                passed.append(f"{owner} {kind}: Route 53 has its own")
            elif kind not in TYPES or kind == "ANY":
                passed.append(f"{owner} {kind}: Route 53 has no such records")
            else:
                values = [rdata.decode(int(rdataset.rdtype), one.to_wire() or b"") for one in rdataset]
                records = [{"Value": value} for value in values]
                found.append({"Name": owner, "Type": kind, "TTL": rdataset.ttl, "ResourceRecords": records})
    except (dns.exception.DNSException, ValueError) as error:
        raise BadFile(str(error) or type(error).__name__) from None
    return Reading(tuple(found), zone_id, tuple(passed))
