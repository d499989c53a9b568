"""Delegation sets: four name servers that zones share (reusable), or that one zone has alone.

Rules. A reusable set is a row of the desk's topic: the name server does not care, all its names lead to one place.
A zone of a reusable set names it. CallerReference is used once. Texts are from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53.desk import Desk, fault, marked_page
from antipodes.services.route53.ledger import DESK, ZONES, Entry
from antipodes.services.route53.records import Zone, bare_id, pack, unpack
from antipodes.wire.operation import Request

MAX_PAGE, MAX_SETS, MAX_ZONES = 100, 100, 100
TOP_LEVELS = ("com", "net", "org", "co.uk")


class DelegationSet(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reusable delegation set."""

    id: str
    caller_reference: str
    name_servers: tuple[str, ...]


class DelegationSets:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_reusable_delegation_set(self, request: Request) -> Mapping[str, Any]:
        reference, zone_id = request.params["CallerReference"], request.params.get("HostedZoneId")
        known = self._sets()
        if any(one.caller_reference == reference for one in known):
            raise fault(
                "DelegationSetAlreadyCreated",
                f"A delegation set with the same caller reference has already been created: {reference}",
            )
        if len(known) >= MAX_SETS:
            raise fault("LimitsExceeded", f"The limit of {MAX_SETS} reusable delegation sets has been reached.")
        entries: list[Entry] = []
        servers = draw_name_servers(self._desk)
        made_id = self._desk.draw_id("N", 20)
        if zone_id:
            zone = self._desk.overview.zones.get(bare_id(zone_id))
            if zone is None:
                raise fault("HostedZoneNotFound", f"No hosted zone found with ID: {zone_id}")
            if zone.delegation_set:
                raise fault("DelegationSetAlreadyReusable", "The delegation set of the zone is reusable already.")
            servers = zone.name_servers
            marked = msgspec.structs.replace(zone, delegation_set=made_id)
            entries.append((ZONES, zone.id.encode(), pack(marked)))
        made = DelegationSet(made_id, reference, servers)
        await self._desk.write([*entries, (DESK, _key(made_id), pack(made))])
        location = f"https://route53.amazonaws.com/2013-04-01/delegationset/{made_id}"
        return {"DelegationSet": set_shape(made), "Location": location}

    async def get_reusable_delegation_set(self, request: Request) -> Mapping[str, Any]:
        found = reusable_set(self._desk, request.params["Id"])
        await self._desk.settle()
        return {"DelegationSet": set_shape(found)}

    async def list_reusable_delegation_sets(self, request: Request) -> Mapping[str, Any]:
        found = self._sets()
        await self._desk.settle()
        shapes, ids = [set_shape(one) for one in found], [one.id for one in found]
        return marked_page(shapes, ids, request.params, "DelegationSets", MAX_PAGE)

    async def delete_reusable_delegation_set(self, request: Request) -> Mapping[str, Any]:
        found = reusable_set(self._desk, request.params["Id"])
        if zones_of(self._desk, found.id):
            raise fault("DelegationSetInUse", "The delegation set is used by hosted zones and cannot be deleted.")
        await self._desk.write([(DESK, _key(found.id), None)])
        return {}

    async def get_reusable_delegation_set_limit(self, request: Request) -> Mapping[str, Any]:
        found = reusable_set(self._desk, request.params["DelegationSetId"])
        await self._desk.settle()
        return {
            "Limit": {"Type": request.params["Type"], "Value": MAX_ZONES},
            "Count": len(zones_of(self._desk, found.id)),
        }

    def _sets(self) -> list[DelegationSet]:
        """All reusable sets, by id."""
        rows = self._desk.ledger.scan(DESK, _key(""), _key("~"))
        return [unpack(value, DelegationSet) for _, value in rows]


def reusable_set(desk: Desk, set_id: str) -> DelegationSet:
    """Raises NoSuchDelegationSet."""
    data = desk.ledger.get(DESK, _key(bare_id(set_id)))
    if data is None:
        raise fault("NoSuchDelegationSet", f"No delegation set found with ID: {bare_id(set_id)}")
    return unpack(data, DelegationSet)


def zones_of(desk: Desk, set_id: str) -> list[Zone]:
    """The zones that use a reusable set, by id."""
    return [zone for zone in desk.zones() if zone.delegation_set == set_id]


def set_shape(one: DelegationSet) -> dict[str, Any]:
    return {
        "Id": f"/delegationset/{one.id}",
        "CallerReference": one.caller_reference,
        "NameServers": list(one.name_servers),
    }


def draw_name_servers(desk: Desk) -> tuple[str, ...]:
    """Four names, one below each of four top-level domains, numbered as AWS numbers them (from memory)."""
    chance = desk.around.world.chance
    numbers = [512 * at + chance.randrange(512) for at in range(4)]
    return tuple(
        f"ns-{number}.awsdns-{number // 8 % 64:02d}.{top}" for number, top in zip(numbers, TOP_LEVELS, strict=True)
    )


def _key(set_id: str) -> bytes:
    return b"delegationset/" + set_id.encode()
