"""Hosted zones: create, get, list, list by name, delete; and GetChange, which follows their changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.route53.delegation_sets import MAX_ZONES as MAX_ZONES_OF_SET
from antipodes.services.route53.delegation_sets import draw_name_servers, reusable_set, set_shape, zones_of
from antipodes.services.route53.desk import Desk, fault, invalid, page_size
from antipodes.services.route53.keys import Signing
from antipodes.services.route53.ledger import DESK, DNSSEC, QUERY_LOGS, ZONES, Entry
from antipodes.services.route53.limits import MAX_ZONES
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


class HostedZones:
    """The family's operations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def create_hosted_zone(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        config = params.get("HostedZoneConfig") or {}
        if config.get("PrivateZone") or params.get("VPC"):
            raise NotSupported("private hosted zones (VPC, HostedZoneConfig.PrivateZone)")
        name = _zone_name(params["Name"])
        reference = params["CallerReference"]
        if any(zone.caller_reference == reference for zone in self._desk.zones()):
            raise fault(
                "HostedZoneAlreadyExists",
                f"A hosted zone has already been created with the specified caller reference: {reference}",
            )
        if len(self._desk.overview.zones) >= MAX_ZONES:
            raise fault("TooManyHostedZones", f"The limit of {MAX_ZONES} hosted zones has been reached.")
        servers, set_id = self._name_servers(name, params.get("DelegationSetId"))
        now_s = self._desk.around.world.now()
        zone = Zone(self._desk.draw_id("Z", 20), name, reference, servers, now_s, config.get("Comment") or None, set_id)
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
            "DelegationSet": self._delegation_set(zone),
            "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
        }

    async def get_hosted_zone(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["Id"])
        await self._desk.settle()
        return {"HostedZone": self._shape(zone), "DelegationSet": self._delegation_set(zone)}

    async def list_hosted_zones(self, request: Request) -> Mapping[str, Any]:
        params = request.params
        size, marker, set_id = page_size(params, MAX_PAGE), params.get("Marker") or "", params.get("DelegationSetId")
        found = [zone for zone in self._desk.zones() if zone.id >= bare_id(marker)]
        if set_id:
            wanted = reusable_set(self._desk, set_id).id
            found = [zone for zone in found if zone.delegation_set == wanted]
        if params.get("HostedZoneType"):  # the only type that can be asked for is PrivateHostedZone
            found = []
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
        signing = self._desk.ledger.get(DNSSEC, zone.id.encode())
        if signing is not None and unpack(signing, Signing).keys:
            raise ClientFault(
                "HostedZoneNotEmpty",
                "The specified hosted zone contains DNSSEC Key Signing Keys and so cannot be deleted.",
            )
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
        entries += [(topic, zone.id.encode(), None) for topic in (DNSSEC, QUERY_LOGS)]
        return {"ChangeInfo": await self._desk.submit(entries)}

    async def update_hosted_zone_comment(self, request: Request) -> Mapping[str, Any]:
        zone = self._desk.zone(request.params["Id"])
        zone = msgspec.structs.replace(zone, comment=request.params.get("Comment") or None)
        await self._desk.write([(ZONES, zone_key(zone.id), pack(zone))])
        return {"HostedZone": self._shape(zone)}

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
            "ResourceRecordSetCount": self._desk.overview.record_count(zone.id),
        }

    def _name_servers(self, name: str, set_id: str | None) -> tuple[tuple[str, ...], str]:
        """Of a reusable delegation set, with its id, or drawn ones. Raises NoSuchDelegationSet, LimitsExceeded,
        ConflictingDomainExists."""
        if not set_id:
            return draw_name_servers(self._desk), ""
        found = reusable_set(self._desk, set_id)
        sharing = zones_of(self._desk, found.id)
        if len(sharing) >= MAX_ZONES_OF_SET:
            raise fault("LimitsExceeded", f"The limit of {MAX_ZONES_OF_SET} zones of a delegation set is reached.")
        if any(zone.name == name for zone in sharing):
            # "two hosted zones that have the same name, or a parent/child relationship" cannot share name servers;
            # whether AWS refuses parents too is unclear (a guess: only equal names, which could not be told apart).
            raise fault("ConflictingDomainExists", f"A hosted zone {name} uses the delegation set {found.id} already.")
        return found.name_servers, found.id

    def _delegation_set(self, zone: Zone) -> dict[str, Any]:
        if zone.delegation_set:
            return set_shape(reusable_set(self._desk, zone.delegation_set))
        return {"NameServers": list(zone.name_servers)}


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
