"""DNS messages (RFC 1035, EDNS(0) RFC 6891): bytes to values and back.

Rules. Pure. Names on the inside are wire names: length-prefixed labels ending in a zero byte, lower case, so that a
zone is a dict look-up and no text is parsed per question. `bytes.lower()` is safe on them, since a length (at most 63)
is never an ASCII letter. The question is echoed with the case it came in.

A datagram that is no question at all (too short, a response) is not answered; one that is a broken question gets
FORMERR, another opcode NOTIMP. Nothing a stranger sends raises anything but `Ignored` or `Refused`.

Owners are compressed against the question's suffixes and against each other; a record's own data is not.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from antipodes.wire import edns
from antipodes.wire.edns import NO_OPTIONS, Options, Subnet

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 2, 3, 4, 5, 9, 16
RCODES = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    9: "NOTAUTH",
    16: "BADVERS",
}

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
A, NS, CNAME, SOA, TXT, AAAA, OPT, TSIG, ANY, CLASS_IN = 1, 2, 5, 6, 16, 28, 41, 250, 255, 1

MAX_NAME_BYTES = 255
PLAIN_UDP_BYTES = 512  # RFC 1035: what a client without EDNS can take
MAX_UDP_BYTES = 1232  # DNS flag day 2020: what passes every path unfragmented
MAX_TCP_BYTES = 65535

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
_QR, _AA, _TC, _RD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010
_DO, _COMPACT_OK = 0x8000, 0x4000  # RFC 4035; RFC 9824 5.1


class Ignored(Exception):
    """No answer is due: too short for a header, or itself an answer."""


class Refused(Exception):
    """The question cannot be taken; `answer` is what to send back."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("refused")
        self.answer = answer


class BadName(ValueError):
    """Text that is no domain name: an empty or long label, a bad escape."""


class Query(NamedTuple):
    """One question."""

    id: int
    flags: int
    name: bytes  # wire name, lower case
    type: int
    qclass: int
    question: bytes  # the question section as it came: name, type, class; b"": a question for a cookie alone
    edns: bool = False
    udp_bytes: int = PLAIN_UDP_BYTES  # what the asker takes in one datagram
    dnssec_ok: bool = False
    compact_ok: bool = False  # NXDOMAIN may stand beside a compact denial
    options: Options = NO_OPTIONS
    signed: bool = False  # with a TSIG: there is no key that it could be checked with

    @property
    def subnet(self) -> Subnet | None:
        return self.options.subnet


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
        raise Refused(bare_answer(data, NOTIMP))
    try:
        if questions > 1 or answers or authorities or additions > 2:
            raise ValueError
        end = _question_end(data) if questions else 12
        name, qtype, qclass = b"\0", 0, 0
        if questions:
            qtype, qclass = _QUESTION.unpack_from(data, end - 4)
            name = data[12 : end - 4].lower()
        more, version, at = _additions(data, end, additions) if additions else (_NOTHING_MORE, 0, end)
        if at != len(data):
            raise ValueError("bytes behind the message")
        query = Query(ident, flags, name, qtype, qclass, data[12:end], *more)
        if version:
            raise Refused(build_answer(query, BADVERS, (), authoritative=False))
        if not questions and not query.options.cookie:  # RFC 7873 5.4: a cookie may be asked for alone
            raise ValueError
        return query
    except (ValueError, IndexError, struct.error):
        raise Refused(bare_answer(data, FORMERR)) from None


def _question_end(data: bytes) -> int:
    at = 12
    while length := data[at]:
        if length > 63:  # a pointer: nothing stands before the question that it could point to
            raise ValueError("bad label")
        at += 1 + length
    if at + 5 > len(data) or at - 11 > MAX_NAME_BYTES:
        raise ValueError("the question runs over the end")
    return at + 5


_More = tuple[bool, int, bool, bool, Options, bool]  # the fields of Query from `edns` on
_NOTHING_MORE: _More = (False, PLAIN_UDP_BYTES, False, False, NO_OPTIONS, False)


def _additions(data: bytes, at: int, count: int) -> tuple[_More, int, int]:
    """What the additional section says, the EDNS version, and where the section ends."""
    has_opt, udp_bytes, flags, version, options, signed = False, PLAIN_UDP_BYTES, 0, 0, NO_OPTIONS, False
    for number in range(count):
        start = _skip_name(data, at)
        rtype, rclass, ttl, length = _RECORD.unpack_from(data, start)
        body = data[start + 10 : start + 10 + length]
        if len(body) < length:
            raise ValueError("a record runs over the end")
        if rtype == OPT:
            if has_opt or data[at]:
                raise ValueError  # RFC 6891 6.1.1: more than one OPT, or one with a name, is FORMERR
            has_opt, flags, version = True, ttl & 0xFFFF, (ttl >> 16) & 0xFF
            udp_bytes = min(max(rclass, PLAIN_UDP_BYTES), MAX_UDP_BYTES)
            options = edns.read(body) if not version else NO_OPTIONS
        elif rtype == TSIG:
            if number != count - 1:
                raise ValueError  # RFC 8945 5.1: it is the last record
            signed = True
        at = start + 10 + length
    return (has_opt, udp_bytes, bool(flags & _DO), bool(flags & _COMPACT_OK), options, signed), version, at


def _skip_name(data: bytes, at: int) -> int:
    while length := data[at]:
        if length >= 0xC0:
            return at + 2
        if length > 63:
            raise ValueError("bad label")
        at += 1 + length
    return at + 1


def bare_answer(data: bytes, rcode: int) -> bytes:
    """A header, and an OPT record if one came: its lack would say that EDNS is not spoken here (RFC 6891 7). Of flags
    whose meaning is not known (another opcode) none comes back."""
    ident, flags, questions, answers, authorities, additions = _HEADER.unpack_from(data)
    opt = b""
    if questions < 2 and not answers and not authorities and _has_opt(data, questions, additions):
        opt = b"\0" + _RECORD.pack(OPT, MAX_UDP_BYTES, 0, 0)
    kept = flags & 0x7800 or flags & _RD
    return _HEADER.pack(ident, _QR | kept | rcode, 0, 0, 0, 1 if opt else 0) + opt


def _has_opt(data: bytes, questions: int, additions: int) -> bool:
    try:
        at = _question_end(data) if questions else 12
        for _ in range(min(additions, 2)):
            at = _skip_name(data, at)
            rtype, _, _, length = _RECORD.unpack_from(data, at)
            if rtype == OPT:
                return True
            at += 10 + length
    except (ValueError, IndexError, struct.error):
        pass
    return False


# ---------------------------------------------------------------- answers


def build_answer(
    query: Query,
    rcode: int,
    answers: Sequence[Record],
    authority: Sequence[Record] = (),
    additional: Sequence[Record] = (),
    *,
    authoritative: bool = True,
    scope_bits: int = 0,
    limit_bytes: int | None = None,
    more_options: bytes = b"",
) -> bytes:
    """An answer. `scope_bits` is the client subnet's scope (RFC 7871), sent only if the question had a subnet;
    `more_options` stand behind it. What does not fit in `limit_bytes` (None: what the asker said it takes over UDP)
    becomes an empty truncated answer, so that the asker turns to TCP."""
    body = sections(query.name, answers, authority, additional)
    opt = opt_record(query, rcode, scope_bits, more_options)
    flags = answer_flags(query.flags, rcode, authoritative)
    counts = len(answers), len(authority), len(additional) + bool(opt)
    if 12 + len(query.question) + len(body) + len(opt) > (query.udp_bytes if limit_bytes is None else limit_bytes):
        flags, body, counts = flags | _TC, b"", (0, 0, int(bool(opt)))
    return _HEADER.pack(query.id, flags, 1 if query.question else 0, *counts) + query.question + body + opt


def answer_flags(asked_flags: int, rcode: int, authoritative: bool) -> int:
    """The second field of an answer's header: what was asked with RD and CD is answered with them."""
    return _QR | (asked_flags & (_RD | _CD)) | (rcode & 0xF) | (_AA if authoritative else 0)


def sections(name: bytes, *records: Sequence[Record]) -> bytes:
    """Answer, authority and additional section behind the question for a name; owners compressed."""
    if not any(records):
        return b""
    offset = 16 + len(name)
    offsets = {suffix: 12 + len(name) - len(suffix) for suffix in parents(name)[:-1]}
    parts = []
    for section in records:
        for record in section:
            part = _compressed(record, offset, offsets)
            parts.append(part)
            offset += len(part)
    return b"".join(parts)


def opt_record(query: Query, rcode: int = NOERROR, scope_bits: int = 0, more_options: bytes = b"") -> bytes:
    """The OPT record that goes back; b"" if the question had none."""
    if not query.edns:
        return b""
    options = more_options
    if query.options.subnet is not None:
        options = edns.subnet_option(query.options.subnet, scope_bits) + more_options
    flags = (rcode >> 4) << 24 | (_DO if query.dnssec_ok else 0) | (_COMPACT_OK if query.compact_ok else 0)
    return b"\0" + _RECORD.pack(OPT, MAX_UDP_BYTES, flags, len(options)) + options


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
