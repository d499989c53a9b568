"""Batch: a change batch played on a copy of what it touches, and the judgement of the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from antipodes.services.route53.records import DEFAULT_LOCATION, Collection, RecordSet, Zone, record_key
from antipodes.services.route53.rules import value_faults
from antipodes.world.geography import regions

Stored = Callable[[Zone, str], list[tuple[bytes, RecordSet]]]  # all record sets of one name

MAX_GEOPROXIMITY = 30  # of one name and type (routing-policy-geoproximity.html)
MAX_GROUP = 100  # records of one name and type (DNSLimitations.html)
_PLANET_SUFFIXES = (".amazonaws.com.", ".on.aws.")


class Batch:
    """Use: play each change in order, then `faults`, then `outcome`."""

    def __init__(self, zone: Zone, stored: Stored, collections: Mapping[str, Collection]) -> None:
        self._zone = zone
        self._collections = collections
        self._stored = stored
        self._names: dict[str, dict[bytes, RecordSet | None]] = {}  # the copy, by name
        self._touched: dict[bytes, RecordSet | None] = {}
        self._faults: list[str] = []
        self.growth = 0  # by how many record sets the zone grows

    def play(self, action: str, record: RecordSet) -> None:
        if not self._inside(record.name):
            self._faults.append(f"RRSet with DNS name {record.name} is not permitted in zone {self._zone.name}")
            return
        at_name = self._at(record.name)
        key = record_key(self._zone.id, record)
        there = at_name.get(key)
        if there is not None and there.instance_id:
            self._faults.append(
                f"Resource record set {_named(record)} was created by the traffic policy instance {there.instance_id} "
                "and can be changed by it alone"
            )
            return
        if action == "DELETE":
            if there is None:
                self._faults.append(f"Tried to delete resource record set {_named(record)} but it was not found")
                return
            if _matchable(there) != _matchable(record):
                self._faults.append(
                    f"Tried to delete resource record set {_named(record)} "
                    "but the values provided do not match the current values"
                )
                return
            at_name[key] = self._touched[key] = None
            self.growth -= 1
            return
        if action == "CREATE" and there is not None:
            self._faults.append(f"Tried to create resource record set {_named(record)} but it already exists")
            return
        self._faults += value_faults(record) + collection_faults(record, self._collections)
        at_name[key] = self._touched[key] = record
        self.growth += there is None

    def faults(self) -> list[str]:
        """All that is wrong: with single actions, then with what the names would hold afterwards."""
        found = list(self._faults)
        if found:
            return found
        for record in self._touched.values():
            if record is not None:
                found += self._alias_faults(record)
        for name in list(self._names):
            held = [record for record in self._names[name].values() if record is not None]
            found += self._name_faults(name, held)
        return list(dict.fromkeys(found))

    def outcome(self) -> list[tuple[bytes, RecordSet | None]]:
        """What to write: key and record set, None for gone."""
        return list(self._touched.items())

    def _at(self, name: str) -> dict[bytes, RecordSet | None]:
        if name not in self._names:
            self._names[name] = dict(self._stored(self._zone, name))
        return self._names[name]

    def _inside(self, name: str) -> bool:
        return name == self._zone.name or name.endswith("." + self._zone.name)

    def _alias_faults(self, record: RecordSet) -> list[str]:
        alias = record.alias
        if alias is None:
            return []
        tried = f"Tried to create an alias that targets {alias.name}, type {record.type} in zone {alias.zone_id}, but"
        if record.type in ("NS", "SOA"):
            return [f"Alias RRSets of type {record.type} are not permitted in zone {self._zone.name}"]
        if alias.zone_id != self._zone.id:
            # Another zone's id: an AWS service's. Only those whose names lead to a Region are known here.
            known = alias.name.endswith(_PLANET_SUFFIXES)
            return [] if known else [f"{tried} the alias target name does not lie within the target zone"]
        if not self._inside(alias.name):
            return [f"{tried} the alias target name does not lie within the target zone"]
        there = [one for one in self._at(alias.name).values() if one is not None and one.type == record.type]
        return [] if there and alias.name != record.name else [f"{tried} that target was not found"]

    def _name_faults(self, name: str, held: list[RecordSet]) -> list[str]:
        found: list[str] = []
        apex = self._zone.name
        types = dict.fromkeys(record.type for record in held)
        if name == apex:
            if "CNAME" in types:
                found.append(f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {apex}")
            if "NS" not in types:
                found.append("A HostedZone must contain at least one NS record for the zone itself.")
            if "SOA" not in types:
                found.append("A HostedZone must contain exactly one SOA record.")
        elif "SOA" in types:
            found.append(f"RRSet of type SOA with DNS name {name} is not permitted in zone {apex}")
        if "CNAME" in types and len(types) > 1 and name != apex:
            found.append(
                f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records with "
                f"the same DNS name in zone {apex}"
            )
        for kind in types:
            found += _group_faults(name, kind, [record for record in held if record.type == kind])
        return found


def collection_faults(record: RecordSet, collections: Mapping[str, Collection]) -> list[str]:
    """What is wrong with the CIDR location that a record set names. Texts from memory."""
    cidr = record.cidr
    if cidr is None:
        return []
    found = collections.get(cidr.collection_id)
    if found is None:
        return [f"The CIDR collection {cidr.collection_id} does not exist"]
    if cidr.location != DEFAULT_LOCATION and cidr.location not in found.locations:
        return [f"The CIDR collection {cidr.collection_id} has no location {cidr.location}"]
    return []


def _group_faults(name: str, kind: str, group: list[RecordSet]) -> list[str]:
    """A group mixes no policies, and no two of its records stand for the same thing. Texts from memory."""
    subject = f"RRSet with DNS name {name}, type {kind}"
    policies = list(dict.fromkeys(record.policy for record in group))
    if len(policies) > 1:
        return [f"{subject} cannot be created as other RRSets exist with the same name and type and another policy"]
    policy = policies[0]
    if policy == "latency":
        unknown = [record.region for record in group if record.region not in regions()]
        if unknown:
            return [f"{subject} has an invalid Region {unknown[0]}"]
    if policy == "geoproximity" and len(group) > MAX_GEOPROXIMITY:
        return [f"{subject} cannot be created as a set holds at most {MAX_GEOPROXIMITY} geoproximity records"]
    if policy == "ip-based" and len({record.cidr.collection_id for record in group if record.cidr}) > 1:
        return [f"{subject} cannot be created as all records of a set must use one CIDR collection"]
    if len(group) > MAX_GROUP:
        return [f"{subject} cannot be created as a set holds at most {MAX_GROUP} records"]
    if policy == "weighted" and len({record.ttl_s for record in group if record.alias is None}) > 1:
        return [f"{subject} cannot be created as weighted sets must share one TTL"]
    if policy == "multivalue" and any(record.alias or kind in ("NS", "CNAME") for record in group):
        return [f"{subject} cannot be created as multivalue answer sets permit neither aliases nor type NS and CNAME"]
    told = {"latency": "region", "failover": "failover", "geolocation": "place", "ip-based": "cidr"}.get(policy)
    if told:
        marks = [getattr(record, told) for record in group]
        if len(marks) != len(dict.fromkeys(marks)):
            return [f"{subject} cannot be created as a set with the same {told} exists"]
    return []


def _named(record: RecordSet) -> str:
    identifier = f", set-identifier='{record.set_id}'" if record.set_id else ""
    return f"[name='{record.name}', type='{record.type}'{identifier}]"


def _matchable(record: RecordSet) -> RecordSet:
    """What DELETE compares: everything; values in any order."""
    return msgspec.structs.replace(record, values=tuple(sorted(record.values)))
