"""AWS::Route53::RecordSet and RecordSetGroup: changes to a zone, each in one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, ClientFault

AS_IT_IS = (
    "Failover", "HealthCheckId", "MultiValueAnswer", "Region", "SetIdentifier", "TTL", "Type", "Weight", "GeoLocation",
    "GeoProximityLocation", "CidrRoutingConfig",
)  # fmt: skip
RECORD = frozenset({*AS_IT_IS, "AliasTarget", "Name", "ResourceRecords"})
MISSING = ("NoSuchHostedZone",)


def record_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """A record set in the API's shape."""
    found: dict[str, Any] = {"Name": str(given["Name"])}
    found.update({name: given[name] for name in AS_IT_IS if name in given})
    if "ResourceRecords" in given:
        found["ResourceRecords"] = [{"Value": str(one)} for one in given["ResourceRecords"]]
    if "AliasTarget" in given:
        found["AliasTarget"] = {"EvaluateTargetHealth": False, **given["AliasTarget"]}
    return found


async def zone_of(job: Job, properties: Mapping[str, Any]) -> str:
    """The zone's id, given or found by name."""
    if "HostedZoneId" in properties:
        return str(properties["HostedZoneId"]).rpartition("/")[2]
    name = str(properties.get("HostedZoneName", ""))
    if not name:
        raise ClientFault("InvalidRequest", "HostedZoneId or HostedZoneName is required.")
    name = name if name.endswith(".") else name + "."
    found = await job.globally("route53", "ListHostedZonesByName", {"DNSName": name})
    zones = [one["Id"] for one in found["HostedZones"] if one["Name"] == name]
    if len(zones) != 1:
        raise ClientFault("InvalidRequest", f"Found {len(zones)} hosted zones named {name}; exactly one is needed.")
    return str(zones[0]).rpartition("/")[2]


async def change(job: Job, zone: str, changes: list[tuple[str, Mapping[str, Any]]]) -> None:
    """One ChangeResourceRecordSets, waited for until INSYNC."""
    batch = [{"Action": action, "ResourceRecordSet": record_of(record)} for action, record in changes]
    params = {"HostedZoneId": zone, "ChangeBatch": {"Changes": batch}}
    params = shaped("route53", "ChangeResourceRecordSets", params)
    info = (await job.globally("route53", "ChangeResourceRecordSets", params))["ChangeInfo"]
    change_id = info["Id"].rpartition("/")[2]

    async def in_sync() -> bool:
        if info["Status"] == "INSYNC":
            return True
        found = await job.globally("route53", "GetChange", {"Id": change_id})
        return bool(found["ChangeInfo"]["Status"] == "INSYNC")

    await job.until(f"Change {change_id}", in_sync, every_s=0.2)


def identity(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(record["Name"]).rstrip(".").lower(), str(record["Type"]), str(record.get("SetIdentifier", ""))


def records_of(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "RecordSets" in properties:
        return list(properties["RecordSets"])
    return [{key: value for key, value in properties.items() if key in RECORD}]


def reference(job: Job) -> str:
    return job.name("Id") if "RecordSets" in job.properties else str(job.properties["Name"])


async def create(job: Job) -> Made:
    zone = await zone_of(job, job.properties)
    action = "UPSERT" if job.may_exist else "CREATE"
    await change(job, zone, [(action, one) for one in records_of(job.properties)])
    return Made(reference(job))


async def update(job: Job) -> Made:
    """Gone and changed names in one batch, so that no answer falls between."""
    zone = await zone_of(job, job.properties)
    old = {identity(one): one for one in records_of(job.before)}
    new = {identity(one): one for one in records_of(job.properties)}
    changes = [("DELETE", one) for key, one in old.items() if key not in new]
    changes += [("UPSERT", one) for key, one in new.items() if old.get(key) != one or job.resumed]
    if changes:
        try:
            await change(job, zone, changes)
        except AwsError as error:
            if not (job.resumed and error.code == "InvalidChangeBatch"):
                raise
            # What was to go has gone in an earlier attempt.
            await change(job, zone, [one for one in changes if one[0] == "UPSERT"])
    return Made(job.physical_id)


async def delete(job: Job) -> None:
    for record in records_of(job.properties):
        try:
            await change(job, await zone_of(job, job.properties), [("DELETE", record)])
        except AwsError as error:
            absent = error.code == "InvalidChangeBatch" and "not found" in error.message
            if error.code not in MISSING and not absent:
                raise


HANDLERS = (
    Handler(
        "AWS::Route53::RecordSet",
        frozenset({*RECORD, "HostedZoneId", "HostedZoneName", "Comment"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"Name", "HostedZoneId", "HostedZoneName"}),
        required=("Name", "Type"),
    ),
    Handler(
        "AWS::Route53::RecordSetGroup",
        frozenset({"RecordSets", "HostedZoneId", "HostedZoneName", "Comment"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"HostedZoneId", "HostedZoneName"}),
        required=("RecordSets",),
    ),
)
