"""Record data (RDATA): presentation format to wire and back.

Rules. Pure. The common types are written out here; the rest go through dnspython, which knows them all. Text is
Route 53's: what stands in a ResourceRecord's Value. Names come out uncompressed, as RFC 3597 wants of new types and
RFC 1035 allows of old ones.
"""

from __future__ import annotations

import ipaddress
import struct

import dns.exception
import dns.name
import dns.rdata
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from antipodes.wire.dns import AAAA, CNAME, NS, SOA, TXT, TYPES, A, BadName, decode_name, encode_name

_PTR, _MX, _SRV, _SPF = 12, 15, 33, 99


class BadValue(ValueError):
    """A Value that is not of its record type; the text says why."""


def encode(record_type: int, text: str) -> bytes:
    """RDATA of one Value. Raises BadValue."""
    try:
        if record_type == A:
            return ipaddress.IPv4Address(text.strip()).packed
        if record_type == AAAA:
            return ipaddress.IPv6Address(text.strip()).packed
        if record_type in (CNAME, NS, _PTR):
            return encode_name(_one(text))
        if record_type in (TXT, _SPF):
            return _strings(text)
        if record_type == _MX:
            preference, host = text.split()
            return struct.pack("!H", int(preference)) + encode_name(host)
        if record_type == _SRV:
            priority, weight, port, host = text.split()
            return struct.pack("!HHH", int(priority), int(weight), int(port)) + encode_name(host)
        if record_type == SOA:
            host, mail, *numbers = text.split()
            if len(numbers) != 5:
                raise BadValue("SOA needs two names and five numbers")
            return encode_name(host) + encode_name(mail) + struct.pack("!5I", *map(int, numbers))
        return _rare(record_type, text)
    except (BadName, ValueError, struct.error) as error:
        raise BadValue(str(error)) from None


def _one(text: str) -> str:
    name = text.strip()
    if not name or " " in name:
        raise BadValue("one domain name is wanted")
    return name


def _strings(text: str) -> bytes:
    """Quoted strings, or one word without quotes; `\\ooo` octal and `\\"` escapes (Route 53's TXT format)."""
    out, at = bytearray(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        quoted = text[at] == '"'
        at += quoted
        piece = bytearray()
        while at < len(text) and (text[at] != '"' if quoted else not text[at].isspace()):
            if text[at] == '"':
                raise BadValue("a quotation mark inside an unquoted string")
            if text[at] == "\\":
                octal = text[at + 1 : at + 4]
                if len(octal) == 3 and all(c in "01234567" for c in octal) and int(octal, 8) < 256:
                    piece.append(int(octal, 8))
                    at += 4
                    continue
                at += 1
            piece += text[at : at + 1].encode()
            at += 1
        if quoted and at >= len(text):
            raise BadValue("a string is not closed")
        at += quoted
        if len(piece) > 255:
            raise BadValue("a string is longer than 255 characters")
        out += bytes((len(piece),)) + piece
    if not out:
        raise BadValue("empty")
    return bytes(out)


def _rare(record_type: int, text: str) -> bytes:
    try:
        return (
            dns.rdata.from_text(
                RdataClass.IN, RdataType.make(record_type), text, origin=dns.name.root, relativize=False
            ).to_wire()
            or b""
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise BadValue(str(error) or type(error).__name__) from None


def decode(record_type: int, rdata: bytes) -> str:
    """Presentation format of uncompressed RDATA. Raises BadValue."""
    try:
        if record_type == A and len(rdata) == 4:
            return ".".join(map(str, rdata))
        if record_type == AAAA:
            return str(ipaddress.IPv6Address(rdata))
        if record_type in (CNAME, NS, _PTR):
            return decode_name(rdata)
        if record_type in (TXT, _SPF):
            return " ".join(f'"{piece}"' for piece in _pieces(rdata))
        if record_type == _MX:
            return f"{struct.unpack_from('!H', rdata)[0]} {decode_name(rdata[2:])}"
        if record_type == _SRV:
            return "{} {} {} ".format(*struct.unpack_from("!HHH", rdata)) + decode_name(rdata[6:])
        if record_type == SOA:
            host = rdata[: _name_end(rdata, 0)]
            mail = rdata[len(host) : _name_end(rdata, len(host))]
            numbers = struct.unpack_from("!5I", rdata, len(host) + len(mail))
            return f"{decode_name(host)} {decode_name(mail)} " + " ".join(map(str, numbers))
        return _rare_text(record_type, rdata)
    except (ValueError, IndexError, struct.error) as error:
        raise BadValue(str(error)) from None


def _pieces(rdata: bytes) -> list[str]:
    found, at = [], 0
    while at < len(rdata):
        piece = rdata[at + 1 : at + 1 + rdata[at]]
        found.append(
            "".join(f"\\{chr(c)}" if c in b'"\\' else chr(c) if 32 <= c < 127 else f"\\{c:03o}" for c in piece)
        )
        at += 1 + rdata[at]
    return found


def _name_end(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _rare_text(record_type: int, rdata: bytes) -> str:
    try:
        return dns.rdata.from_wire(RdataClass.IN, RdataType.make(record_type), rdata, 0, len(rdata)).to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise BadValue(str(error) or type(error).__name__) from None


def type_number(name: str) -> int:
    """ "AAAA" or "TYPE28" to 28. Raises KeyError."""
    if name.startswith("TYPE") and name[4:].isdigit():
        return int(name[4:])
    return TYPES[name.upper()]
