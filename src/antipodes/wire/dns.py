"""DNS messages (RFC 1035, EDNS(0) RFC 6891, client subnet RFC 7871): bytes to values and back.

Rules. Pure. Names on the inside are wire names: length-prefixed labels ending in a zero byte, lower case, so that a
zone is a dict look-up and no text is parsed per question. `bytes.lower()` is safe on them, since a length (at most 63)
is never an ASCII letter. The question is echoed with the case it came in.

A datagram that is no question at all (too short, a response) is not answered; one that is a broken question gets
FORMERR, another opcode NOTIMP. Nothing a stranger sends raises anything but `Ignored` or `Refused`.

The hot path is `parse_query` and `build_answer` over ready-made records (`ready` bytes whose owner is a pointer to
the question). Other owners are compressed against the question's suffixes. Rare record types are left to dnspython.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from typing import NamedTuple

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS"}

TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "NAPTR": 35,
    "DS": 43,
    "SSHFP": 44,
    "TLSA": 52,
    "SVCB": 64,
    "HTTPS": 65,
    "SPF": 99,
    "ANY": 255,
    "CAA": 257,
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
A, NS, CNAME, SOA, TXT, AAAA, OPT, ANY, CLASS_IN = 1, 2, 5, 6, 16, 28, 41, 255, 1

MAX_NAME_BYTES = 255
PLAIN_UDP_BYTES = 512  # RFC 1035: what a client without EDNS can take
MAX_UDP_BYTES = 1232  # DNS flag day 2020: what passes every path unfragmented
MAX_TCP_BYTES = 65535

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_QR, _AA, _TC, _RD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
_SUBNET_OPTION = 8
_DO = 0x8000


class Ignored(Exception):
    """No answer is due: too short for a header, or itself an answer."""


class Refused(Exception):
    """The question cannot be taken; `answer` is what to send back."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("refused")
        self.answer = answer


class BadName(ValueError):
    """Text that is no domain name: an empty or long label, a bad escape."""


class Subnet(NamedTuple):
    """Client subnet option. `address` is as many bytes as the prefix needs, as on the wire."""

    family: int  # 1 IPv4, 2 IPv6
    prefix_bits: int
    address: bytes

    @property
    def ip(self) -> str:
        """The prefix's first address as text."""
        if self.family == 1:
            return ".".join(map(str, self.address.ljust(4, b"\0")))
        return str(ipaddress.IPv6Address(self.address.ljust(16, b"\0")))


class Query(NamedTuple):
    """One question."""

    id: int
    flags: int
    name: bytes  # wire name, lower case
    type: int
    qclass: int
    question: bytes  # the question section as it came: name, type, class
    edns: bool
    udp_bytes: int  # what the asker takes in one datagram
    subnet: Subnet | None
    dnssec_ok: bool


class Record(NamedTuple):
    """One resource record. `name` and names inside `rdata` are uncompressed wire names."""

    name: bytes
    type: int
    ttl_s: int
    rdata: bytes


# ---------------------------------------------------------------- names


def encode_name(text: str) -> bytes:
    """Wire name of a presentation-format name (`\\ooo` and `\\c` escapes); lower case. Raises BadName."""
    text = text.removesuffix(".") if not text.endswith("\\.") else text
    if not text:
        return b"\0"
    if "\\" not in text:
        if not text.isascii():
            raise BadName(f"not ASCII: {text}")
        labels = text.lower().encode().split(b".")
    else:
        labels = _escaped_labels(text)
    if not all(0 < len(label) < 64 for label in labels):
        raise BadName(f"an empty label or one over 63 octets: {text}")
    wire = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(wire) > MAX_NAME_BYTES:
        raise BadName(f"over {MAX_NAME_BYTES} octets: {text}")
    return wire


def _escaped_labels(text: str) -> list[bytes]:
    labels, label, at = [], bytearray(), 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            octal = text[at + 1 : at + 4]
            if len(octal) == 3 and all(c in "01234567" for c in octal) and int(octal, 8) < 256:
                label.append(int(octal, 8))  # Route 53 writes escapes in octal, unlike master files
                at += 4
                continue
            at += 1
            if at >= len(text):
                raise BadName(f"ends in a backslash: {text}")
            char = text[at]
        elif char == ".":
            labels.append(bytes(label).lower())
            label = bytearray()
            at += 1
            continue
        if ord(char) > 127:
            raise BadName(f"not ASCII: {text}")
        label.append(ord(char))
        at += 1
    return [*labels, bytes(label).lower()]


def labels_of(wire: bytes) -> list[bytes]:
    """The labels of a valid wire name, without the root's."""
    labels, at = [], 0
    while wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]])
        at += 1 + wire[at]
    return labels


_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/")


def decode_name(wire: bytes) -> str:
    """Presentation format with the trailing dot; other characters as `\\ooo`, `*` too, as Route 53 writes them."""
    return (
        "".join("".join(chr(c) if c in _PLAIN else f"\\{c:03o}" for c in label) + "." for label in labels_of(wire))
        or "."
    )


def parents(wire: bytes) -> list[bytes]:
    """The name itself, then each parent, down to the root."""
    found, at = [wire], 0
    while wire[at]:
        at += 1 + wire[at]
        found.append(wire[at:])
    return found


# ---------------------------------------------------------------- questions


def parse_query(data: bytes) -> Query:
    """Reads a question. Raises Ignored (no answer is due) or Refused (with the FORMERR, NOTIMP or BADVERS to send)."""
    if len(data) < 12:
        raise Ignored
    ident, flags, questions, answers, authorities, additions = _HEADER.unpack_from(data)
    if flags & _QR:
        raise Ignored
    if flags & 0x7800:
        raise Refused(_bare(ident, flags, NOTIMP))
    if questions != 1 or answers or authorities or additions > 2:
        raise Refused(_bare(ident, flags, FORMERR))
    size, at = len(data), 12
    try:
        while length := data[at]:
            if length > 63:  # a pointer: nothing stands before the question that it could point to
                raise Refused(_bare(ident, flags, FORMERR))
            at += 1 + length
    except IndexError:
        raise Refused(_bare(ident, flags, FORMERR)) from None
    at += 1
    end = at + 4
    if end > size or at - 12 > MAX_NAME_BYTES:
        raise Refused(_bare(ident, flags, FORMERR))
    qtype, qclass = _QUESTION.unpack_from(data, at)
    question = data[12:end]
    name = data[12:at].lower()
    if not additions:
        return Query(ident, flags, name, qtype, qclass, question, False, PLAIN_UDP_BYTES, None, False)
    edns, udp_bytes, version, dnssec_ok, subnet = False, PLAIN_UDP_BYTES, 0, False, None
    try:
        for _ in range(additions):
            start = _skip_name(data, end)
            rtype, rclass, ttl, length = _RECORD.unpack_from(data, start)
            end = start + 10 + length
            if end > size:
                raise ValueError
            if rtype == OPT:
                if edns:
                    raise ValueError  # RFC 6891 6.1.1: more than one OPT is FORMERR
                edns, udp_bytes, version = True, rclass, (ttl >> 16) & 0xFF
                dnssec_ok = bool(ttl & _DO)
                subnet = _subnet_in(data[start + 10 : end])
    except (ValueError, IndexError, struct.error):
        raise Refused(_bare(ident, flags, FORMERR)) from None
    udp_bytes = min(max(udp_bytes, PLAIN_UDP_BYTES), MAX_UDP_BYTES)
    query = Query(ident, flags, name, qtype, qclass, question, edns, udp_bytes, subnet, dnssec_ok)
    if version:
        raise Refused(build_answer(query, BADVERS, ()))
    return query


def _skip_name(data: bytes, at: int) -> int:
    while length := data[at]:
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise ValueError("bad label")
        at += 1 + length
    return at + 1


def _subnet_in(options: bytes) -> Subnet | None:
    at = 0
    while at + 4 <= len(options):
        code, length = _QUESTION.unpack_from(options, at)
        body = options[at + 4 : at + 4 + length]
        if len(body) < length:
            raise ValueError("option runs over the end")
        if code == _SUBNET_OPTION:
            if length < 4:
                raise ValueError("short subnet")
            family, prefix, scope = struct.unpack_from("!HBB", body)
            # RFC 7871 7.1.2: a scope that is not 0, a wrong length or bits behind the prefix are FORMERR.
            if scope or family not in (1, 2) or prefix > (32 if family == 1 else 128):
                raise ValueError("bad subnet")
            address = body[4:]
            if len(address) != (prefix + 7) // 8 or (prefix % 8 and address[-1] & (0xFF >> prefix % 8)):
                raise ValueError("bad subnet address")
            return Subnet(family, prefix, address)
        at += 4 + length
    if at != len(options):
        raise ValueError("garbage in OPT")
    return None


def _bare(ident: int, flags: int, rcode: int) -> bytes:
    return _HEADER.pack(ident, _QR | (flags & 0x7800) | (flags & _RD) | rcode, 0, 0, 0, 0)


# ---------------------------------------------------------------- answers


def ready(record_type: int, ttl_s: int, rdata: bytes) -> bytes:
    """A record as bytes whose owner is the question's name (a pointer to offset 12)."""
    return b"\xc0\x0c" + _RECORD.pack(record_type, CLASS_IN, ttl_s, len(rdata)) + rdata


def ready_parts(record: bytes) -> tuple[int, bytes]:
    """Type and rdata of a `ready` record."""
    return int.from_bytes(record[2:4], "big"), record[12:]


def build_answer(
    query: Query,
    rcode: int,
    answers: Sequence[Record | bytes],
    authority: Sequence[Record] = (),
    *,
    authoritative: bool = True,
    scope_bits: int = 0,
    limit_bytes: int | None = None,
) -> bytes:
    """An answer. `answers` may mix `ready` bytes and Records; `scope_bits` is the client subnet's scope (RFC 7871),
    sent only if the question had a subnet. What does not fit in `limit_bytes` (None: what the asker said it takes
    over UDP) becomes an empty truncated answer, so that the asker turns to TCP."""
    body = query.question
    if answers or authority:
        offset = 12 + len(body)
        offsets: dict[bytes, int] | None = None
        parts = [body]
        for record in (*answers, *authority):
            if isinstance(record, bytes):
                part = record
            else:
                if offsets is None:
                    offsets = _suffixes(query.name)
                part = _compressed(record, offset, offsets)
            parts.append(part)
            offset += len(part)
        body = b"".join(parts)
    opt = _opt(query, rcode, scope_bits) if query.edns else b""
    flags = _QR | (query.flags & (_RD | _CD)) | (rcode & 0xF) | (_AA if authoritative else 0)
    if 12 + len(body) + len(opt) > (query.udp_bytes if limit_bytes is None else limit_bytes):
        header = _HEADER.pack(query.id, flags | _TC, 1, 0, 0, 1 if opt else 0)
        return header + query.question + opt
    return _HEADER.pack(query.id, flags, 1, len(answers), len(authority), 1 if opt else 0) + body + opt


def _opt(query: Query, rcode: int, scope_bits: int) -> bytes:
    option = b""
    if query.subnet is not None:
        family, prefix, address = query.subnet
        option = struct.pack("!HHHBB", _SUBNET_OPTION, 4 + len(address), family, prefix, scope_bits) + address
    return (
        b"\0"
        + _RECORD.pack(OPT, MAX_UDP_BYTES, (rcode >> 4) << 24 | (_DO if query.dnssec_ok else 0), len(option))
        + option
    )


def _suffixes(name: bytes) -> dict[bytes, int]:
    return {suffix: 12 + len(name) - len(suffix) for suffix in parents(name)[:-1]}


def _compressed(record: Record, offset: int, offsets: dict[bytes, int]) -> bytes:
    owner = bytearray()
    for suffix in parents(record.name):
        at = offsets.get(suffix)
        if at is not None:
            owner += struct.pack("!H", 0xC000 | at)
            break
        if len(suffix) == 1:
            owner += b"\0"
            break
        if offset + len(owner) < 0x4000:
            offsets[suffix] = offset + len(owner)
        owner += suffix[: 1 + suffix[0]]
    return bytes(owner) + _RECORD.pack(record.type, CLASS_IN, record.ttl_s, len(record.rdata)) + record.rdata
