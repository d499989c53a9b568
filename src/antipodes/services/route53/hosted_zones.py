"""Hosted zones: create, get, list, list by name, delete; and GetChange, which follows their changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.route53.desk import Desk, invalid, page_size
from antipodes.services.route53.ledger import DESK, ZONES, Entry
from antipodes.services.route53.records import (
    RecordSet,
    Zone,
    bare_id,
    pack,
    record_key,
    reversed_name,
    tidy,
    unpack,
    zone_key,
)
from antipodes.wire.dns import BadName
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request

MAX_PAGE = 100
NS_TTL_S, SOA_TTL_S = 172800, 900
TOP_LEVELS = ("com", "net", "org", "co.uk")


class HostedZones:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_hosted_zone(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        config = params.get("HostedZoneConfig") or {}
        if config.get("PrivateZone") or params.get("VPC"):
            raise NotSupported("private hosted zones")
        if params.get("DelegationSetId"):
            raise NotSupported("reusable delegation sets")
        name = _zone_name(params["Name"])
        reference = params["CallerReference"]
        if any(zone.caller_reference == reference for zone in self._desk.zones()):
            raise ClientFault(
                "HostedZoneAlreadyExists",
                f"A hosted zone has already been created with the specified caller reference: {reference}",
                status=409,
            )
        servers = self._draw_name_servers()
        now_s = self._desk.around.world.now()
        zone = Zone(self._desk.draw_id("Z", 20), name, reference, servers, now_s, config.get("Comment") or None)
        soa = f"{servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        records = (
            RecordSet(name, "NS", NS_TTL_S, tuple(f"{server}." for server in servers)),
            RecordSet(name, "SOA", SOA_TTL_S, (soa,)),
        )
        entries: list[Entry] = [(ZONES, zone_key(zone.id), pack(zone))]
        entries += [(ZONES, record_key(zone.id, record), pack(record)) for record in records]
        info = await self._desk.submit(entries)
        return {
            "HostedZone": self._shape(zone),
            "ChangeInfo": info,
            "DelegationSet": {"NameServers": list(servers)},
            "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
        }

    async def get_hosted_zone(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["Id"])
        await self._desk.settle()
        return {"HostedZone": self._shape(zone), "DelegationSet": {"NameServers": list(zone.name_servers)}}

    async def list_hosted_zones(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        if params.get("HostedZoneType") or params.get("DelegationSetId"):
            raise NotSupported("ListHostedZones by type or delegation set")
        size, marker = page_size(params, MAX_PAGE), params.get("Marker") or ""
        found = [zone for zone in self._desk.zones() if zone.id >= bare_id(marker)]
        page = found[:size]
        await self._desk.settle()
        result: dict[str, Any] = {
            "HostedZones": [self._shape(zone) for zone in page],
            "IsTruncated": len(found) > size,
            "MaxItems": str(size),
        }
        if marker:
            result["Marker"] = marker
        if len(found) > size:
            result["NextMarker"] = found[size].id
        return result

    async def list_hosted_zones_by_name(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        size, name, zone_id = page_size(params, MAX_PAGE), params.get("DNSName"), params.get("HostedZoneId")
        if zone_id and not name:
            raise invalid("The DNSName must be specified when HostedZoneId is specified.")
        start = (reversed_name(_zone_name(name)) if name else "", bare_id(zone_id or ""))
        zones = sorted(self._desk.zones(), key=lambda zone: (reversed_name(zone.name), zone.id))
        found = [zone for zone in zones if (reversed_name(zone.name), zone.id) >= start]
        page = found[:size]
        await self._desk.settle()
        result: dict[str, Any] = {
            "HostedZones": [self._shape(zone) for zone in page],
            "IsTruncated": len(found) > size,
            "MaxItems": str(size),
        }
        if name:
            result["DNSName"] = tidy(name)
        if zone_id:
            result["HostedZoneId"] = bare_id(zone_id)
        if len(found) > size:
            result |= {"NextDNSName": found[size].name, "NextHostedZoneId": found[size].id}
        return result

    async def delete_hosted_zone(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["Id"])
        entries: list[Entry] = [(ZONES, zone_key(zone.id), None)]
        for key, value in self._desk.ledger.scan(ZONES, *_span(zone)):
            record = unpack(value, RecordSet)
            if record.name != zone.name or record.type not in ("NS", "SOA"):
                raise ClientFault(
                    "HostedZoneNotEmpty",
                    "The specified hosted zone contains non-required resource record sets  and so cannot be deleted.",
                )
            entries.append((ZONES, key, None))
        entries.append((DESK, f"tags/hostedzone/{zone.id}".encode(), None))
        return {"ChangeInfo": await self._desk.submit(entries)}

    async def get_change(self, request: Request) -> Mapping[str, Any]:
        return {"ChangeInfo": await self._desk.change_info(request.params["Id"])}

    def _shape(self, zone: Zone) -> dict[str, Any]:
        config: dict[str, Any] = {"PrivateZone": False}
        if zone.comment:
            config["Comment"] = zone.comment
        return {
            "Id": f"/hostedzone/{zone.id}",
            "Name": zone.name,
            "CallerReference": zone.caller_reference,
            "Config": config,
            "ResourceRecordSetCount": sum(1 for _ in self._desk.ledger.scan(ZONES, *_span(zone))),
        }

    def _draw_name_servers(self) -> tuple[str, ...]:
        """Four names, one below each of four top-level domains, numbered as AWS numbers them (from memory)."""
        chance = self._desk.around.world.chance
        numbers = [512 * at + chance.randrange(512) for at in range(4)]
        return tuple(
            f"ns-{number}.awsdns-{number // 8 % 64:02d}.{top}" for number, top in zip(numbers, TOP_LEVELS, strict=True)
        )


def _span(zone: Zone) -> tuple[bytes, bytes]:
    """Keys of the zone's record sets."""
    return f"{zone.id}/".encode(), f"{zone.id}0".encode()  # "0" follows "/" in ASCII


def _zone_name(text: str) -> str:
    try:
        name = tidy(text)
    except BadName as error:
        raise ClientFault("InvalidDomainName", f"{text} is not a valid domain name: {error}") from None
    if name == "." or "\\052" in name:
        raise ClientFault("InvalidDomainName", f"{text} is not a valid domain name for a hosted zone")
    return name
