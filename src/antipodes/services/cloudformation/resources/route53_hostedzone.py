"""AWS::Route53::HostedZone: a public zone. VPCs (a private zone) are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone, tags_of
from antipodes.wire.errors import AwsError


def made(found: Any) -> Made:
    zone = found["HostedZone"]["Id"].rpartition("/")[2]
    return Made(zone, {"Id": zone, "NameServers": list((found.get("DelegationSet") or {}).get("NameServers") or ())})


async def create(job: Job) -> Made:
    zone = await create_zone(job)
    await job.claim(zone.physical_id)
    await put_tags(job, zone.physical_id)
    if log_group(job.properties):
        await put_query_log(job, zone.physical_id)
    return zone


async def put_tags(job: Job, zone: str) -> None:
    new = tags_of({"Tags": job.properties.get("HostedZoneTags")}, job.tags)
    names = [one["Key"] for one in new]
    old = [one["Key"] for one in job.before.get("HostedZoneTags") or () if one["Key"] not in names]
    params: dict[str, Any] = {"ResourceType": "hostedzone", "ResourceId": zone}
    if new:
        params["AddTags"] = new
    if old:
        params["RemoveTagKeys"] = old
    if new or old:
        await job.globally("route53", "ChangeTagsForResource", params)


def log_group(properties: Mapping[str, Any]) -> str | None:
    group = (properties.get("QueryLoggingConfig") or {}).get("CloudWatchLogsLogGroupArn")
    return str(group) if group else None


async def put_query_log(job: Job, zone: str) -> None:
    wanted = log_group(job.properties)
    found = await job.globally("route53", "ListQueryLoggingConfigs", {"HostedZoneId": zone})
    for config in found["QueryLoggingConfigs"]:
        if config["CloudWatchLogsLogGroupArn"] == wanted:
            return
        await job.globally("route53", "DeleteQueryLoggingConfig", {"Id": config["Id"]})
    if wanted:
        params = {"HostedZoneId": zone, "CloudWatchLogsLogGroupArn": wanted}
        await job.globally("route53", "CreateQueryLoggingConfig", params)


async def create_zone(job: Job) -> Made:
    params: dict[str, Any] = {
        "Name": job.properties["Name"],
        # The same in every attempt: Route 53 then answers that the zone is there instead of making a second one.
        "CallerReference": f"{job.stack_id}/{job.logical_id}/{job.token}"[-128:],
    }
    if job.adopt:
        name = str(job.properties["Name"]).rstrip(".").lower() + "."
        for zone in (await job.globally("route53", "ListHostedZones", {}))["HostedZones"]:
            if zone["Name"] == name:
                return made(await job.globally("route53", "GetHostedZone", {"Id": zone["Id"]}))
    comment = (job.properties.get("HostedZoneConfig") or {}).get("Comment")
    if comment:
        params["HostedZoneConfig"] = {"Comment": comment}
    try:
        return made(await job.globally("route53", "CreateHostedZone", params))
    except AwsError as error:
        if not (job.resumed and error.code == "HostedZoneAlreadyExists"):
            raise
    zones = await job.globally("route53", "ListHostedZones", {})
    ours = next(one for one in zones["HostedZones"] if one["CallerReference"] == params["CallerReference"])
    return made(await job.globally("route53", "GetHostedZone", {"Id": ours["Id"]}))


async def update(job: Job) -> Made:
    comment = (job.properties.get("HostedZoneConfig") or {}).get("Comment", "")
    params = {"Id": job.physical_id, "Comment": str(comment)}
    await job.globally("route53", "UpdateHostedZoneComment", params)
    await put_tags(job, job.physical_id)
    if log_group(job.before) != log_group(job.properties):
        await put_query_log(job, job.physical_id)
    return Made(job.physical_id, job.attributes)


async def delete(job: Job) -> None:
    await gone(job.globally("route53", "DeleteHostedZone", {"Id": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::Route53::HostedZone",
        frozenset({"HostedZoneConfig", "HostedZoneTags", "Name", "QueryLoggingConfig"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"Name"}),
        required=("Name",),
    ),
)
