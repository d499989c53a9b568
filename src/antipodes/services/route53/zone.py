"""The data plane's picture of the zones, and how a question is answered from it.

Rules. Pure but for the draws. Knows no packets, no network, no time: a question is a wire name, a type and a client;
what comes out is a `Resolution` to be put into a packet.

The walk: closest zone; a delegation below it (referral); the name, or the wildcard of its closest encloser; the group
of that name and type, or a CNAME, which is followed as long as the planet knows the target; the group's record sets are
selected by policy and health (`selection`).

Packets are prepared from what the walk found, by the name server; `kept` holds them, and forgets by name what a change
of records or of health touches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from antipodes.services.route53.kept import Kept
from antipodes.services.route53.names import DS, WILDCARD, ZoneNames
from antipodes.services.route53.networks import Blocks
from antipodes.services.route53.planet import TTL_S, Planet
from antipodes.services.route53.policies import Client
from antipodes.services.route53.policies.draws import Draws, Source
from antipodes.services.route53.records import Collection, RecordSet, Zone
from antipodes.services.route53.selection import Group, Selection, Step, group_of, longest
from antipodes.wire import rdata
from antipodes.wire.dns import (
    ANY,
    CNAME,
    NOERROR,
    NS,
    NXDOMAIN,
    REFUSED,
    A,
    Record,
    encode_name,
    parents,
)

MAX_CHAIN = 8  # CNAMEs in one answer
HINFO = 13
MINIMAL_ANY = (HINFO, 3789, b"\x07RFC8482\0")  # RFC 8482 4.2; its example's TTL


class Denial(NamedTuple):
    """What a negative answer, or a referral, says is not there."""

    zone: ZoneNames
    name: bytes
    types: tuple[int, ...] | None  # what is there instead; () only names below it; None: no such name
    referred: bool = False


class Resolution(NamedTuple):
    """The content of an answer."""

    rcode: int
    answers: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True
    located: bool = False  # depends on the site of the client
    network_bits: int | None = None  # depends on the client's address: the same for all in its prefix of this length
    rotates: bool = False  # several values of one record set: order is random
    denial: Denial | None = None
    zone: ZoneNames | None = None  # the closest to the question; None: not ours


class _Walk:
    """What a walk has gathered on its way."""

    def __init__(self, zone: ZoneNames) -> None:
        self.zone = zone
        self.answers: list[Record] = []
        self.located = False
        self.network_bits: int | None = None

    def end(
        self,
        rcode: int = NOERROR,
        authority: tuple[Record, ...] = (),
        *,
        additional: tuple[Record, ...] = (),
        authoritative: bool = True,
        rotates: bool = False,
        denial: Denial | None = None,
    ) -> Resolution:
        return Resolution(
            rcode,
            tuple(self.answers),
            authority,
            additional,
            authoritative,
            self.located,
            self.network_bits,
            rotates,
            denial,
            self.zone,
        )


class DataPlane:
    """All zones, and the answers."""

    def __init__(self, planet: Planet, healthy: Callable[[str], bool], chance: Source) -> None:
        self._planet = planet
        self._collections: dict[str, dict[str, Blocks]] = {}
        self._source = chance
        self.draws = Draws(chance)
        self._selection = Selection(planet, healthy, self.draws, self._collections)
        self._by_id: dict[str, ZoneNames] = {}
        self._by_name: dict[bytes, ZoneNames] = {}
        self._users: dict[str, dict[bytes, None]] = {}  # a health check or CIDR collection: owners of records with it
        self.kept: Kept[Any] = Kept()

    # ---------------------------------------------------------------- changes

    def put_zone(self, zone: Zone) -> None:
        """Adds a zone (its records come one by one), or renews its settings."""
        known = self._by_id.get(zone.id)
        if known is not None:
            known.zone = zone
        else:
            self._by_id[zone.id] = ZoneNames(zone, encode_name(zone.name))
        self._index(encode_name(zone.name))

    def remove_zone(self, zone_id: str) -> None:
        gone = self._by_id.pop(zone_id, None)
        if gone is not None:
            self._index(gone.apex)

    def _index(self, apex: bytes) -> None:
        """Several zones may have one name; the oldest answers."""
        before = self._by_name.get(apex)
        same = [zone for zone in self._by_id.values() if zone.apex == apex]
        if same:
            self._by_name[apex] = min(same, key=lambda one: (one.zone.created_s, one.zone.id))
        else:
            self._by_name.pop(apex, None)
        if self._by_name.get(apex) is not before:
            self._selection.epoch += 1
            self.kept.drop_below(apex)

    def set_group(self, zone_id: str, name: str, record_type: str, records: Sequence[RecordSet]) -> None:
        """Sets all record sets of one name and type, in ListResourceRecordSets' order; () removes them."""
        zone = self._by_id.get(zone_id)
        if zone is None:
            return
        wire, number = encode_name(name), rdata.type_number(record_type)
        for record in records:
            for used in (record.check_id, record.cidr.collection_id if record.cidr else ""):
                if used:
                    self._users.setdefault(used, {})[wire] = None
        flipped = zone.put(wire, number, group_of(number, records) if records else None)
        self._selection.epoch += 1
        if number == NS and wire != zone.apex and (wire in zone.cuts) != bool(records):
            if records:
                zone.cuts[wire] = True
            else:
                del zone.cuts[wire]
            self.kept.drop_below(wire)
        self.kept.drop(wire)
        for other in flipped:
            self.kept.drop(other)

    def set_collection(self, collection_id: str, collection: Collection | None) -> None:
        """Sets a CIDR collection; None removes it."""
        if collection is None:
            self._collections.pop(collection_id, None)
        else:
            self._collections[collection_id] = {name: Blocks(held) for name, held in collection.locations.items()}
        self._drop_users(collection_id)

    def health_changed(self, check_id: str) -> None:
        """A health check flipped: what was chosen by it is chosen anew."""
        self._drop_users(check_id)

    def _drop_users(self, used: str) -> None:
        self._selection.epoch += 1
        for name in self._users.get(used, ()):
            self.kept.drop(name)

    def zone_changed(self, zone_id: str) -> None:
        """Something about all answers of a zone changed: its signing, its log."""
        zone = self._by_id.get(zone_id)
        if zone is not None:
            self.kept.drop_below(zone.apex)

    @property
    def zones(self) -> tuple[Zone, ...]:
        return tuple(one.zone for one in self._by_id.values())

    # ---------------------------------------------------------------- answers

    def resolve(
        self,
        name: bytes,
        qtype: int,
        client: Client,
        trail: list[Step] | None = None,
        zone_id: str | None = None,
        touched: dict[bytes, None] | None = None,
    ) -> Resolution:
        """What to answer. `trail` collects the decisions; `zone_id` asks that zone whatever zone would answer;
        `touched` collects the names that the answer leans on."""
        zone = self._by_id.get(zone_id) if zone_id else self.zone_for(name, qtype)
        if zone is not None and zone_id and zone.apex not in parents(name):
            return Resolution(REFUSED, authoritative=False)
        if zone is None:
            return self._planet_answer(name, qtype) or Resolution(REFUSED, authoritative=False)
        found = self._walk(zone, name, qtype, client, trail, touched)
        if found.rotates and touched is None:  # what is prepared is turned when it is sent
            at = self._source.randrange(len(found.answers))
            found = found._replace(answers=found.answers[at:] + found.answers[:at])
        return found

    def zone_for(self, name: bytes, qtype: int) -> ZoneNames | None:
        """The zone that answers. DS records of a zone's apex are its parent's (RFC 4035 3.1.4.1)."""
        zone = self.closest(name)
        if zone is not None and qtype == DS and zone.apex == name and name != b"\0":
            return self.closest(name[1 + name[0] :]) or zone
        return zone

    def closest(self, name: bytes) -> ZoneNames | None:
        """The zone whose apex is the name or its closest parent."""
        by_name, at = self._by_name, 0
        while True:
            found = by_name.get(name[at:])
            if found is not None:
                return found
            length = name[at]
            if not length:
                return None
            at += 1 + length

    def aliases_of(self, name: bytes, qtype: int) -> dict[bytes, None]:
        """The names that a group of records leads to by aliases: what answers from it lean on."""
        touched: dict[bytes, None] = {}
        zone = self.zone_for(name, qtype)
        groups = zone.groups.get(name, {}) if zone else {}
        group = groups.get(qtype) or groups.get(CNAME)
        if zone is not None and group is not None:
            touch_aliases(touched, zone, group)
        return touched

    def _planet_answer(self, name: bytes, qtype: int) -> Resolution | None:
        address = self._planet.address_of(name)
        if address is None:
            return None
        if qtype == A:
            return Resolution(NOERROR, (Record(name, A, TTL_S, rdata.encode(A, address)),))
        return Resolution(NOERROR)

    def _walk(
        self,
        zone: ZoneNames,
        name: bytes,
        qtype: int,
        client: Client,
        trail: list[Step] | None,
        touched: dict[bytes, None] | None,
    ) -> Resolution:
        walk = _Walk(zone)
        owner, home = name, zone
        seen: list[bytes] = []
        while True:
            cut = home.cut_above(owner, qtype)
            groups = home.at(owner)
            if touched is not None:
                _touch(touched, home, owner)
            if cut is not None:
                return _referred(walk, home, cut, touched)
            if groups is None:
                return _denied(walk, NXDOMAIN, Denial(home, owner, None), touched)
            if qtype == ANY and groups:
                walk.answers.append(Record(owner, *MINIMAL_ANY))
                return walk.end()
            group = groups.get(qtype) or groups.get(CNAME)
            picked = None
            if group is not None:
                if touched is not None:
                    touch_aliases(touched, home, group)
                picked = self._selection.pick(home.groups, owner, group, client, trail)
                walk.located = walk.located or picked.located
                walk.network_bits = longest(walk.network_bits, picked.network_bits)
            if group is None or picked is None or not picked.bare:
                # What is there for others, such as other places' CNAME, is not for this asker.
                there = tuple(n for n in groups if n != qtype and (group is None or n != group.type))
                return _denied(walk, NOERROR, Denial(home, owner, there), touched)
            walk.answers += [Record(owner, *one) for one in picked.bare]
            if qtype in (group.type, CNAME):
                return walk.end(rotates=len(walk.answers) > 1 and owner == name and group.type != NS)
            # A CNAME: follow it as far as the planet knows. (Real name servers stop at their zones; this one also
            # stands for the resolver of the planet's stub clients.)
            seen.append(owner)
            owner = picked.bare[0][2]
            following = self.zone_for(owner, qtype)
            if following is None:
                address = self._planet.address_of(owner)
                if address is not None and qtype == A:
                    walk.answers.append(Record(owner, A, TTL_S, rdata.encode(A, address)))
                if touched is not None:
                    touched[owner] = None  # a zone for it may come
                return walk.end()
            if owner in seen or len(seen) >= MAX_CHAIN:
                return walk.end()
            home = following


def _referred(walk: _Walk, home: ZoneNames, cut: bytes, touched: dict[bytes, None] | None) -> Resolution:
    servers = home.referral(cut)
    if touched is not None:
        touched[cut] = None
        touched.update((server.rdata, None) for server in servers)  # their addresses are the glue
    there = tuple(home.groups[cut])
    return walk.end(
        authority=servers,
        additional=home.glue(servers),
        authoritative=bool(walk.answers),
        denial=Denial(home, cut, there, referred=True),
    )


def _denied(walk: _Walk, rcode: int, denial: Denial, touched: dict[bytes, None] | None) -> Resolution:
    if touched is not None:
        touched[denial.zone.apex] = None  # its SOA stands in the answer
    return walk.end(rcode, denial.zone.soa(), denial=denial)


def _touch(touched: dict[bytes, None], home: ZoneNames, owner: bytes) -> None:
    """The names whose changes may change what is answered for `owner`."""
    touched[owner] = None
    if owner in home.groups:
        return
    for parent in parents(owner)[1:]:  # which one is the closest encloser, and whether it has a wildcard
        touched[parent] = None
        touched[WILDCARD + parent] = None
        if len(parent) <= len(home.apex):
            return


def touch_aliases(touched: dict[bytes, None], home: ZoneNames, group: Group) -> None:
    """The targets of a group's aliases, and theirs: their records and their health."""
    waiting = [group]
    while waiting:
        for record in waiting.pop().records:
            if record.alias is None:
                continue
            target = encode_name(record.alias.name)
            if target not in touched:
                touched[target] = None
                inner = home.groups.get(target, {}).get(group.type)
                if inner is not None:
                    waiting.append(inner)
