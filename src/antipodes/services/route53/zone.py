"""The data plane's picture of the zones, and how a question is answered from it.

Rules. Pure but for the draws. Knows no packets, no network, no time: a question is a wire name, a type and a client;
what comes out is a `Resolution` to be put into a packet. Health is asked through a function.

The walk: closest zone; a delegation below it (referral); the name, or the wildcard of its closest encloser; the group
of that name and type, or a CNAME, which is followed as long as the planet knows the target; the policy picks among
the candidates and follows aliases (`selection`).

What was found is kept (`_Zone.plans`) until the zone or any health changes, unless it was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from antipodes.services.route53.networks import Blocks
from antipodes.services.route53.planet import TTL_S, Planet
from antipodes.services.route53.policies import Client
from antipodes.services.route53.policies.draws import Draws, Source
from antipodes.services.route53.records import Collection, RecordSet, Zone
from antipodes.services.route53.selection import Group, Selection, Step, group_of
from antipodes.wire import rdata
from antipodes.wire.dns import (
    ANY,
    CNAME,
    NOERROR,
    NS,
    NXDOMAIN,
    REFUSED,
    SOA,
    A,
    Record,
    encode_name,
    parents,
    ready,
)

MAX_CHAIN = 8  # CNAMEs in one answer
MAX_PLANS = 50_000  # kept answers of one zone
HINFO = 13
_MINIMAL_ANY = ready(HINFO, 3789, b"\x07RFC8482\0")  # RFC 8482 4.2; its example's TTL


class Resolution(NamedTuple):
    """The content of an answer."""

    rcode: int
    answers: tuple[Record | bytes, ...] = ()
    authority: tuple[Record, ...] = ()
    authoritative: bool = True
    located: bool = False  # depends on where the client is
    drawn: bool = False  # may differ next time
    rotates: bool = False  # several values of one record set: order is random


@dataclass(slots=True)
class _Zone:
    zone: Zone
    apex: bytes
    names: dict[bytes, dict[int, Group]] = field(default_factory=dict)
    below: dict[bytes, int] = field(default_factory=dict)  # names under this one: an empty non-terminal has data below
    cuts: dict[bytes, bool] = field(default_factory=dict)  # names with NS records, but for the apex
    plans: dict[tuple[bytes, int, str], Resolution] = field(default_factory=dict)


class DataPlane:
    """All zones, and the answers."""

    def __init__(self, planet: Planet, healthy: Callable[[str], bool], chance: Source) -> None:
        self._planet = planet
        self._collections: dict[str, dict[str, Blocks]] = {}
        self._selection = Selection(planet, healthy, Draws(chance), self._collections)
        self._chance = chance
        self._by_id: dict[str, _Zone] = {}
        self._by_name: dict[bytes, _Zone] = {}

    # ---------------------------------------------------------------- changes

    def put_zone(self, zone: Zone) -> None:
        """Adds a zone (its records come one by one), or renews its settings."""
        known = self._by_id.get(zone.id)
        if known is not None:
            known.zone = zone
        else:
            self._by_id[zone.id] = _Zone(zone, encode_name(zone.name))
        self._index(encode_name(zone.name))

    def remove_zone(self, zone_id: str) -> None:
        gone = self._by_id.pop(zone_id, None)
        if gone is not None:
            self._index(gone.apex)

    def _index(self, apex: bytes) -> None:
        """Several zones may have one name; the oldest answers."""
        same = [zone for zone in self._by_id.values() if zone.apex == apex]
        if same:
            self._by_name[apex] = min(same, key=lambda one: (one.zone.created_s, one.zone.id))
        else:
            self._by_name.pop(apex, None)
        self._forget()

    def set_group(self, zone_id: str, name: str, record_type: str, records: Sequence[RecordSet]) -> None:
        """Sets all record sets of one name and type, in ListResourceRecordSets' order; () removes them."""
        zone = self._by_id.get(zone_id)
        if zone is None:
            return
        wire, number = encode_name(name), rdata.type_number(record_type)
        groups = zone.names.get(wire)
        if records:
            if groups is None:
                groups = zone.names[wire] = {}
                _count(zone, wire, 1)
            groups[number] = group_of(number, records)
        elif groups is not None:
            groups.pop(number, None)
            if not groups:
                del zone.names[wire]
                _count(zone, wire, -1)
        if number == NS and wire != zone.apex:
            if records:
                zone.cuts[wire] = True
            else:
                zone.cuts.pop(wire, None)
        zone.plans.clear()
        self._selection.epoch += 1

    def set_collection(self, collection_id: str, collection: Collection | None) -> None:
        """Sets a CIDR collection; None removes it."""
        if collection is None:
            self._collections.pop(collection_id, None)
        else:
            self._collections[collection_id] = {name: Blocks(held) for name, held in collection.locations.items()}
        self._forget()

    def health_changed(self, check_id: str) -> None:
        """A health check flipped: what was chosen by it is chosen anew."""
        self._forget()

    def _forget(self) -> None:
        self._selection.epoch += 1
        for zone in self._by_id.values():
            zone.plans.clear()

    @property
    def zones(self) -> tuple[Zone, ...]:
        return tuple(one.zone for one in self._by_id.values())

    # ---------------------------------------------------------------- answers

    def resolve(
        self, name: bytes, qtype: int, client: Client, trail: list[Step] | None = None, zone_id: str | None = None
    ) -> Resolution:
        """What to answer. `trail` collects the decisions; `zone_id` asks that zone whatever zone would answer."""
        zone = self._by_id.get(zone_id) if zone_id else self._closest(name)
        if zone is not None and zone_id and zone.apex not in parents(name):
            return Resolution(REFUSED, authoritative=False)
        if zone is None:
            return self._planet_answer(name, qtype) or Resolution(REFUSED, authoritative=False)
        key = (name, qtype, client.site)
        plan = zone.plans.get(key) if trail is None else None
        if plan is None:
            plan = self._walk(zone, name, qtype, client, trail)
            if plan.answers and not plan.drawn and len(zone.plans) < MAX_PLANS:
                zone.plans[key] = plan
        if plan.rotates:
            at = self._chance.randrange(len(plan.answers))
            return plan._replace(answers=plan.answers[at:] + plan.answers[:at])
        return plan

    def _closest(self, name: bytes) -> _Zone | None:
        by_name, at = self._by_name, 0
        while True:
            found = by_name.get(name[at:])
            if found is not None:
                return found
            length = name[at]
            if not length:
                return None
            at += 1 + length

    def _planet_answer(self, name: bytes, qtype: int) -> Resolution | None:
        address = self._planet.address_of(name)
        if address is None:
            return None
        if qtype == A:
            return Resolution(NOERROR, (ready(A, TTL_S, rdata.encode(A, address)),))
        return Resolution(NOERROR)

    def _walk(self, zone: _Zone, name: bytes, qtype: int, client: Client, trail: list[Step] | None) -> Resolution:
        answers: list[Record | bytes] = []
        located = drawn = False
        owner, home = name, zone
        for _ in range(MAX_CHAIN):
            referral = _referral(home, owner, qtype)
            if referral is not None:
                return referral._replace(
                    answers=tuple(answers), authoritative=bool(answers), located=located, drawn=drawn
                )
            groups = _groups_at(home, owner)
            if groups is None:
                return Resolution(NXDOMAIN, tuple(answers), _soa(home), True, located, drawn)
            if qtype == ANY and groups:
                return Resolution(NOERROR, (*answers, _MINIMAL_ANY), (), True, located, drawn)
            group = groups.get(qtype) or groups.get(CNAME)
            if group is None:
                return Resolution(NOERROR, tuple(answers), _soa(home), True, located, drawn)
            picked = self._selection.pick(home.names, owner, group, client, trail)
            located, drawn = located or picked.located, drawn or picked.drawn
            answers += [ready(*one) if owner == name else Record(owner, *one) for one in picked.bare]
            if not picked.bare:
                return Resolution(NOERROR, tuple(answers), _soa(home), True, located, drawn)
            if qtype in (group.type, CNAME):
                rotates = len(answers) > 1 and owner == name and group.type != NS
                return Resolution(NOERROR, tuple(answers), (), True, located, drawn, rotates)
            # A CNAME: follow it as far as the planet knows. (Real name servers stop at their zones; this one also
            # stands for the resolver of the planet's stub clients.)
            owner = picked.bare[0][2]
            following = self._closest(owner)
            if following is None:
                address = self._planet.address_of(owner)
                if address is not None and qtype == A:
                    answers.append(Record(owner, A, TTL_S, rdata.encode(A, address)))
                return Resolution(NOERROR, tuple(answers), (), True, located, drawn)
            # Kept answers know only their own zone's changes: a chain into another zone is not kept.
            drawn, home = drawn or following is not zone, following
        return Resolution(NOERROR, tuple(answers), (), True, located, drawn)


def _count(zone: _Zone, name: bytes, change: int) -> None:
    for parent in parents(name)[1:]:
        if len(parent) < len(zone.apex):
            return
        left = zone.below.get(parent, 0) + change
        if left:
            zone.below[parent] = left
        else:
            zone.below.pop(parent, None)


def _groups_at(zone: _Zone, name: bytes) -> dict[int, Group] | None:
    """The groups of a name, or of the wildcard that covers it; {} if only names below it exist; None: no such name."""
    groups = zone.names.get(name)
    if groups is not None:
        return groups
    if name in zone.below:
        return {}
    for parent in parents(name)[1:]:
        if parent in zone.names or parent in zone.below:  # the closest encloser (RFC 4592): only its wildcard counts
            return zone.names.get(b"\x01*" + parent)
        if len(parent) <= len(zone.apex):
            return None
    return None


def _referral(zone: _Zone, name: bytes, qtype: int) -> Resolution | None:
    if not zone.cuts:
        return None
    above = [parent for parent in parents(name) if len(parent) > len(zone.apex) and parent in zone.cuts]
    if not above or (above[-1] == name and qtype == 43):  # DS belongs to the parent's side of a cut
        return None
    group = zone.names[above[-1]][NS]
    records = tuple(Record(above[-1], *one) for one in group.bare[0])
    return Resolution(NOERROR, (), records, authoritative=False)


def _soa(zone: _Zone) -> tuple[Record, ...]:
    """For negative answers: TTL is the smaller of the SOA's own and its MINIMUM (RFC 2308 3)."""
    group = zone.names.get(zone.apex, {}).get(SOA)
    if group is None or not group.bare[0]:
        return ()
    number, ttl_s, data = group.bare[0][0]
    return (Record(zone.apex, number, min(ttl_s, int.from_bytes(data[-4:], "big")), data),)
