"""The asking side of DNS: what a stub resolver sends and how it reads the answer.

Rules. Pure. Virtual users, probers and tools ask with it. Answers come from anybody, so every read is bounded: a
pointer must point backwards, which makes loops impossible.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from antipodes.wire import rdata as rdata_text
from antipodes.wire.dns import CLASS_IN, CNAME, NS, OPT, RCODES, SOA, TYPE_NAMES, decode_name, encode_name

_PTR, _MX, _SRV = 12, 15, 33


class BadAnswer(ValueError):
    """Bytes that are no DNS answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One record of an answer, as text."""

    name: str  # with the trailing dot, case as it came
    type: str  # "A"
    ttl_s: int
    value: str  # presentation format


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    id: int
    rcode: str  # "NOERROR"
    authoritative: bool
    truncated: bool
    name: str  # of the question, case as it came back
    answers: tuple[Answered, ...]
    authority: tuple[Answered, ...]
    scope_bits: int | None  # of the client subnet; None: none came back

    def addresses(self) -> tuple[str, ...]:
        """The A and AAAA values."""
        return tuple(one.value for one in self.answers if one.type in ("A", "AAAA"))

    @property
    def ttl_s(self) -> int:
        """How long the whole answer may be kept: the smallest TTL; for an empty one the SOA's (RFC 2308)."""
        kept = [one.ttl_s for one in self.answers]
        for one in () if kept else self.authority:
            if one.type == "SOA":
                kept.append(min(one.ttl_s, int(one.value.split()[-1])))
        return min(kept, default=0)


def build_query(name: str, record_type: str, ident: int, subnet: str | None = None, *, udp_bytes: int = 1232) -> bytes:
    """A question with EDNS. `subnet`: "198.18.4.0/24" or None. Raises wire.dns.BadName, KeyError (type), ValueError."""
    question = encode_name(name) + struct.pack("!HH", rdata_text.type_number(record_type), CLASS_IN)
    option = b""
    if subnet is not None:
        network = ipaddress.ip_network(subnet, strict=False)
        address = network.network_address.packed[: (network.prefixlen + 7) // 8]
        family = 1 if network.version == 4 else 2
        option = struct.pack("!HHHBB", 8, 4 + len(address), family, network.prefixlen, 0) + address
    opt = b"\0" + struct.pack("!HHIH", OPT, udp_bytes, 0, len(option)) + option
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 1) + question + opt


def parse_answer(data: bytes) -> Answer:
    """Reads an answer. Raises BadAnswer."""
    try:
        return _parse(data)
    except (IndexError, struct.error, ValueError) as error:
        raise BadAnswer(str(error)) from None


def _parse(data: bytes) -> Answer:
    ident, flags, questions, answers, authorities, additions = struct.unpack_from("!HHHHHH", data)
    if not flags & 0x8000 or questions > 1:
        raise ValueError("not an answer")
    at, name = 12, b"\0"
    if questions:
        name, at = _name(data, at)
        at += 4
    sections: list[list[Answered]] = [[], [], []]
    scope: int | None = None
    rcode = flags & 0xF
    for section, count in zip(sections, (answers, authorities, additions), strict=True):
        for _ in range(count):
            owner, at = _name(data, at)
            kind, _, ttl, length = struct.unpack_from("!HHIH", data, at)
            at += 10
            if at + length > len(data):
                raise ValueError("a record runs over the end")
            if kind == OPT:
                rcode |= (ttl >> 24) << 4
                scope = _scope(data[at : at + length])
            else:
                value = rdata_text.decode(kind, _plain(data, kind, at, length))
                section.append(Answered(decode_name(owner), TYPE_NAMES.get(kind, f"TYPE{kind}"), ttl, value))
            at += length
    return Answer(
        ident,
        RCODES.get(rcode, str(rcode)),
        bool(flags & 0x0400),
        bool(flags & 0x0200),
        decode_name(name),
        tuple(sections[0]),
        tuple(sections[1]),
        scope,
    )


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    """The name at `at`, uncompressed, and where the next field begins."""
    wire, end, lowest = bytearray(), -1, at
    while length := data[at]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[at + 1]
            if end < 0:
                end = at + 2
            if target >= lowest:
                raise ValueError("a pointer that does not point backwards")
            at = lowest = target
        elif length > 63:
            raise ValueError("bad label")
        else:
            wire += data[at : at + 1 + length]
            at += 1 + length
            if len(wire) > 254:
                raise ValueError("name too long")
    return bytes(wire) + b"\0", end if end >= 0 else at + 1


def _plain(data: bytes, kind: int, at: int, length: int) -> bytes:
    """RDATA with its compressed names written out (only the types of RFC 1035 and SRV may compress)."""
    if kind in (CNAME, NS, _PTR):
        return _name(data, at)[0]
    if kind in (_MX, _SRV):
        fixed = 2 if kind == _MX else 6
        return data[at : at + fixed] + _name(data, at + fixed)[0]
    if kind == SOA:
        host, then = _name(data, at)
        mail, then = _name(data, then)
        return host + mail + data[then : then + 20]
    return data[at : at + length]


def _scope(options: bytes) -> int | None:
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from("!HH", options, at)
        if code == 8 and length >= 4:
            return options[at + 7]
        at += 4 + length
    return None
