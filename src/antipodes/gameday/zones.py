"""Hosted zones as master files: what `antipodes zone export` and `zone import` do, by Route 53's own API.

An import makes the zone if there is none of that name, and writes each record set with UPSERT, in batches that Route 53
takes; what the file does not name stays. Aliases into the exported zone become aliases into this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from antipodes.globe.globe import Globe
from antipodes.wire import masterfile
from antipodes.wire.dns import decode_name, encode_name
from antipodes.world.world import HERE

# Of one ChangeResourceRecordSets: 1,000 values and 32,000 characters, of which UPSERT counts each twice.
MAX_VALUES, MAX_CHARACTERS = 500, 16_000
IN_SYNC_TIMEOUT_S = 60.0


class NoSuchZone(Exception):
    """No hosted zone has that name, or several have it."""


class Imported(NamedTuple):
    """What an import did."""

    zone_id: str
    made: bool  # the zone was not there before
    record_sets: int
    passed_over: tuple[str, ...]
    in_sync: bool


async def export_zone(globe: Globe, name: str) -> str:
    """The zone's master file. `name`: a zone's name or id. Raises NoSuchZone, AwsError, NetworkError."""
    zone = await _find(globe, name)
    if zone is None:
        raise NoSuchZone(f"there is no hosted zone {name}")
    zone_id = _bare(zone["Id"])
    record_sets = [shape async for shape in _record_sets(globe, zone_id)]
    return masterfile.write(zone_id, zone["Name"], record_sets)


async def import_zone(globe: Globe, name: str, text: str) -> Imported:
    """Writes a master file's record sets. `name`: a zone's name or id. Raises NoSuchZone, wire.masterfile.BadFile (then
    nothing was written), AwsError (then the batches before the refused one were)."""
    zone = await _find(globe, name)
    zone_name = zone["Name"] if zone else decode_name(encode_name(name))
    read = masterfile.read(text, zone_name)
    made = zone is None
    if zone is None:
        reference = f"import {zone_name} {globe.world(HERE).now():.3f}"
        zone = (await _call(globe, "CreateHostedZone", Name=zone_name, CallerReference=reference))["HostedZone"]
    zone_id = _bare(zone["Id"])
    shapes = [_at_home(shape, read.zone_id, zone_id) for shape in read.record_sets]
    shapes.sort(key=lambda shape: "AliasTarget" in shape)  # an alias is refused before its target is there
    changes: list[str] = []
    for batch in _batches(shapes):
        asked = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": shape} for shape in batch]}
        answer = await _call(globe, "ChangeResourceRecordSets", HostedZoneId=zone_id, ChangeBatch=asked)
        changes.append(answer["ChangeInfo"]["Id"])
    in_sync = all([await _in_sync(globe, change) for change in changes])
    return Imported(zone_id, made, len(shapes), read.passed_over, in_sync)


def _at_home(shape: Mapping[str, Any], exported_id: str, zone_id: str) -> Mapping[str, Any]:
    alias = shape.get("AliasTarget")
    if not alias or _bare(alias["HostedZoneId"]) != exported_id:
        return shape
    return {**shape, "AliasTarget": {**alias, "HostedZoneId": zone_id}}


def _batches(shapes: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    values = characters = 0
    for shape in shapes:
        held = [one["Value"] for one in shape.get("ResourceRecords") or ()]
        size = sum(map(len, held))
        if batch and (
            values + len(held) > MAX_VALUES or characters + size > MAX_CHARACTERS or len(batch) >= MAX_VALUES
        ):
            yield batch
            batch, values, characters = [], 0, 0
        batch.append(shape)
        values, characters = values + len(held), characters + size
    if batch:
        yield batch


async def _find(globe: Globe, name: str) -> Mapping[str, Any] | None:
    """The zone of a name or an id."""
    if name.startswith("Z") and "." not in name:
        return (await _call(globe, "GetHostedZone", Id=name))["HostedZone"]  # type: ignore[no-any-return]
    wanted = decode_name(encode_name(name))
    listed = await _call(globe, "ListHostedZonesByName", DNSName=wanted, MaxItems="100")
    found = [zone for zone in listed["HostedZones"] if zone["Name"] == wanted]
    if len(found) > 1:
        raise NoSuchZone(f"several hosted zones are called {name}: give an id, one of "
                         f"{', '.join(_bare(zone['Id']) for zone in found)}")  # fmt: skip
    return found[0] if found else None


async def _record_sets(globe: Globe, zone_id: str) -> Any:
    start: dict[str, Any] = {}
    while True:
        page = await _call(globe, "ListResourceRecordSets", HostedZoneId=zone_id, **start)
        for shape in page["ResourceRecordSets"]:
            yield shape
        if not page["IsTruncated"]:
            return
        following = {"Name": "NextRecordName", "Type": "NextRecordType", "Identifier": "NextRecordIdentifier"}
        start = {f"StartRecord{part}": page[member] for part, member in following.items() if page.get(member)}


async def _in_sync(globe: Globe, change_id: str) -> bool:
    world = globe.world(HERE)
    began_s = world.monotonic()
    while world.monotonic() - began_s < IN_SYNC_TIMEOUT_S:
        if (await _call(globe, "GetChange", Id=change_id))["ChangeInfo"]["Status"] == "INSYNC":
            return True
        await world.sleep(0.2)
    return False


async def _call(globe: Globe, operation: str, **params: Any) -> Mapping[str, Any]:
    region = "us-east-1" if "us-east-1" in globe.regions else globe.regions[0]
    return await globe.call("route53", operation, params, region)


def _bare(zone_id: str) -> str:
    return zone_id.rpartition("/")[2]
