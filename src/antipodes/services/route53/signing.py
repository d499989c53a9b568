"""DNSSEC: signatures over record sets and proofs of what is not there, made on the fly (RFC 4034, 4035, 6605, 9824).

Rules. Pure; the time is an argument. Signatures are deterministic (RFC 6979), valid for a week and kept until their
window of a day ends; which record sets a policy answers with does not matter to them.

What is not there is denied compactly (RFC 9824, which names Route 53 among its users): one NSEC record at the very
name that was asked for, with the types that are there. A name that does not exist is denied as one that holds nothing
but NXNAME, and answered NOERROR, or NXDOMAIN to an asker who sets the CO flag. A wildcard's records are signed as the
name's own, and no proof is due that the name itself is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import dns.rdata
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from dns.rdataclass import RdataClass
from dns.rdatatype import RdataType

from antipodes.services.route53.keys import ALGORITHM, KSK_FLAGS, ZSK_FLAGS, Signing, dnskey, key_tag, private_key
from antipodes.wire.dns import CLASS_IN, MAX_NAME_BYTES, NS, Record, encode_name, labels_of

RRSIG, NSEC, DNSKEY, NXNAME, NAPTR = 46, 47, 48, 128, 35
DNSKEY_TTL_S = 3600
WINDOW_S = 86_400
VALID_S, BACKDATED_S = 7 * 86_400, 3600  # beyond the window; before it, for clocks that lag
MAX_SIGNATURES = 65_536

_ECDSA = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class ZoneSigner:
    """Signs one zone's record sets."""

    def __init__(self, signing: Signing) -> None:
        self._apex = encode_name(signing.zone_name)
        self._zone_key = dnskey(signing.zone_secret, ZSK_FLAGS)
        self._zone_secret = signing.zone_secret
        self._key_secrets = tuple(key.secret for key in signing.active)
        self._window = -1
        self._made: dict[tuple[bytes, int, int, tuple[bytes, ...]], tuple[Record, ...]] = {}

    def dnskeys(self) -> tuple[Record, ...]:
        """The DNSKEY record set."""
        published = (*(dnskey(secret, KSK_FLAGS) for secret in self._key_secrets), self._zone_key)
        return tuple(Record(self._apex, DNSKEY, DNSKEY_TTL_S, rdata) for rdata in published)

    def signatures(self, rrset: Sequence[Record], now_s: float) -> tuple[Record, ...]:
        """The RRSIG records of a record set; its records have one owner, type and TTL."""
        window = int(now_s // WINDOW_S)
        if window != self._window or len(self._made) >= MAX_SIGNATURES:
            self._window = window
            self._made.clear()
        first = rrset[0]
        data = tuple(sorted({_canonical(first.type, record.rdata): None for record in rrset}))
        key = (first.name, first.type, first.ttl_s, data)
        found = self._made.get(key)
        if found is None:
            secrets = self._key_secrets if first.type == DNSKEY else (self._zone_secret,)
            found = self._made[key] = tuple(self._sign(first, data, secret) for secret in secrets)
        return found

    def _sign(self, first: Record, data: tuple[bytes, ...], secret: bytes) -> Record:
        labels = labels_of(first.name)
        flags = KSK_FLAGS if first.type == DNSKEY else ZSK_FLAGS
        start_s = self._window * WINDOW_S
        head = (
            struct.pack(
                "!HBBIIIH",
                first.type,
                ALGORITHM,
                len(labels) - (labels[:1] == [b"*"]),
                first.ttl_s,
                start_s + WINDOW_S + VALID_S,
                start_s - BACKDATED_S,
                key_tag(dnskey(secret, flags)),
            )
            + self._apex
        )
        owner = first.name + struct.pack("!HHI", first.type, CLASS_IN, first.ttl_s)
        signed = head + b"".join(owner + len(rdata).to_bytes(2, "big") + rdata for rdata in data)
        r, s = decode_dss_signature(private_key(secret).sign(signed, _ECDSA))
        return Record(first.name, RRSIG, first.ttl_s, head + r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _canonical(number: int, rdata: bytes) -> bytes:
    """RFC 4034 6.2: names of the old types in lower case. Ours are, but for those that dnspython has encoded."""
    if number != NAPTR:
        return rdata
    read = dns.rdata.from_wire(RdataClass.IN, RdataType.make(number), rdata, 0, len(rdata))
    return read.to_digestable()


def denial(name: bytes, types: tuple[int, ...] | None, ttl_s: int, apex: bytes) -> Record:
    """The NSEC record that says: of this name there are these types only; None: not even the name."""
    there = (RRSIG, NSEC, NXNAME) if types is None else (*types, RRSIG, NSEC)
    if name == apex:
        there = (*there, DNSKEY)
    return Record(name, NSEC, ttl_s, _next_name(name, apex) + _bitmap(there))


def cut_types(types: Iterable[int]) -> tuple[int, ...]:
    """At a delegation, only these are the parent's (RFC 4035 2.3): the glue's types are not."""
    return tuple(number for number in types if number in (NS, 43))


def _next_name(name: bytes, apex: bytes) -> bytes:
    """The name's immediate successor (RFC 4470 3.1.2); of a name that is too long for one, the apex."""
    if len(name) + 2 <= MAX_NAME_BYTES:
        return b"\x01\0" + name
    return apex


def _bitmap(types: Iterable[int]) -> bytes:
    """RFC 4034 4.1.2."""
    windows: dict[int, bytearray] = {}
    for number in types:
        bits = windows.setdefault(number >> 8, bytearray(32))
        bits[(number & 0xFF) >> 3] |= 0x80 >> (number & 7)
    out = b""
    for window in sorted(windows):
        bits = windows[window].rstrip(b"\0")
        out += bytes((window, len(bits))) + bits
    return out
