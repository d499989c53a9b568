"""Signer: makes a signed zone's answer of what the data plane found.

Rules. It adds, and takes nothing away: RRSIG records behind each record set, the DS records or their absence to a
referral, proofs to negative answers. Each record set is signed by the zone it lies in: a chain may lead through
several, signed and not. The names that AWS itself answers are not signed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from antipodes.services.route53.keys import Signing
from antipodes.services.route53.names import DS, ZoneNames
from antipodes.services.route53.signing import DNSKEY, NSEC, RRSIG, ZoneSigner, cut_types, denial
from antipodes.services.route53.zone import DataPlane, Denial, Resolution
from antipodes.wire import dns
from antipodes.wire.dns import Query, Record

SYNTHETIC = (RRSIG, NSEC, DNSKEY)  # types that no zone holds and a signed one answers with, DO or not


class Signer:
    """Fulfils responder.Signer."""

    def __init__(self, plane: DataPlane, now: Callable[[], float]) -> None:
        self._plane = plane
        self._now = now
        self._zones: dict[str, ZoneSigner] = {}

    def put(self, zone_id: str, signing: Signing | None) -> None:
        """A zone's signing changed. None: it has none."""
        if signing is not None and signing.serving:
            self._zones[zone_id] = ZoneSigner(signing)
        else:
            self._zones.pop(zone_id, None)
        self._plane.zone_changed(zone_id)

    def renew(self) -> None:
        """A new window has begun: answers with older signatures are prepared anew."""
        for zone_id in self._zones:
            self._plane.zone_changed(zone_id)

    def sign(self, query: Query, found: Resolution) -> Resolution:
        """The answer, signed if it is asked for with DO and the zone is signed."""
        gap = found.denial
        signer = self._zones.get(gap.zone.zone.id) if gap else None
        if gap is not None and signer is not None:
            found = _with_synthetic(query, found, gap, signer, self._now())
            if query.dnssec_ok and found.denial is not None:
                found = _with_proof(query, found, gap)
        if not query.dnssec_ok:
            return found
        answers = self._signed(found.answers, None)
        authority = self._signed(found.authority, gap.zone if gap else None)
        return found._replace(answers=answers, authority=authority)

    def _signed(self, records: Sequence[Record], home: ZoneNames | None) -> tuple[Record, ...]:
        """home: whose records they are; None: of whichever zone holds the owner."""
        out: list[Record] = []
        for (name, number), grouped in groupby(records, key=lambda record: (record.name, record.type)):
            rrset = list(grouped)
            zone = home or self._plane.zone_for(name, number)
            signer = self._zones.get(zone.zone.id) if zone else None
            if signer is None or zone is None or number == RRSIG or _is_childs(zone, name, number):
                out += rrset
                continue
            # The records of a multivalue group may differ in their TTLs; those of a signed record set do not.
            ttl_s = min(record.ttl_s for record in rrset)
            rrset = [record._replace(ttl_s=ttl_s) for record in rrset]
            out += rrset
            out += signer.signatures(rrset, self._now())
        return tuple(out)


def _is_childs(zone: ZoneNames, name: bytes, number: int) -> bool:
    """NS records at a cut and all below it are not the parent's to sign (RFC 4035 2.2)."""
    cut = zone.cut_above(name, number)
    return cut is not None and not (cut == name and number == NSEC)


def _with_synthetic(query: Query, found: Resolution, gap: Denial, signer: ZoneSigner, now_s: float) -> Resolution:
    """Answers of types that no zone holds."""
    if query.type not in SYNTHETIC or gap.types is None or gap.referred:
        return found
    if query.type == DNSKEY:
        if gap.name != gap.zone.apex:
            return found
        answers: tuple[Record, ...] = signer.dnskeys()
    else:
        nsec = denial(gap.name, gap.types, _negative_ttl_s(gap), gap.zone.apex)
        # Of RRSIG records one set is enough (RFC 8482 4.1 says the same of ANY).
        answers = (nsec,) if query.type == NSEC else signer.signatures([nsec], now_s)
    return found._replace(answers=(*found.answers, *answers), authority=(), denial=None)


def _with_proof(query: Query, found: Resolution, gap: Denial) -> Resolution:
    """A negative answer or a referral with its proof, not yet signed."""
    zone = gap.zone
    if gap.referred and DS in zone.groups[gap.name]:
        proof = tuple(Record(gap.name, *one) for one in zone.groups[gap.name][DS].bare[0])
        return found._replace(authority=(*found.authority, *proof))
    types = gap.types if gap.types is None or gap.name not in zone.cuts else cut_types(gap.types)
    nsec = denial(gap.name, types, _negative_ttl_s(gap), zone.apex)
    rcode = dns.NOERROR if found.rcode == dns.NXDOMAIN and not query.compact_ok else found.rcode
    return found._replace(rcode=rcode, authority=(*found.authority, nsec))


def _negative_ttl_s(gap: Denial) -> int:
    """RFC 9077: as long as the SOA's negative TTL."""
    soa = gap.zone.soa()
    return soa[0].ttl_s if soa else 0
