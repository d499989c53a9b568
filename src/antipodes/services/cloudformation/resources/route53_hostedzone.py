"""AWS::Route53::HostedZone: a public zone. Route 53's control plane is in one Region."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone
from antipodes.wire.errors import AwsError


def made(found: Any) -> Made:
    zone = found["HostedZone"]["Id"].rpartition("/")[2]
    return Made(zone, {"Id": zone, "NameServers": list((found.get("DelegationSet") or {}).get("NameServers") or ())})


async def create(job: Job) -> Made:
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
    return Made(job.physical_id, job.attributes)


async def delete(job: Job) -> None:
    await gone(job.globally("route53", "DeleteHostedZone", {"Id": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::Route53::HostedZone",
        frozenset({"HostedZoneConfig", "Name"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"Name"}),
        required=("Name",),
    ),
)
