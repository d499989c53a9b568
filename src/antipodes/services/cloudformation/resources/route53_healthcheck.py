"""AWS::Route53::HealthCheck."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import ClientFault

IMMUTABLE = ("Type", "RequestInterval", "MeasureLatency", "RoutingControlArn")


def config_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    config = properties.get("HealthCheckConfig")
    if not isinstance(config, Mapping) or "Type" not in config:
        raise ClientFault("InvalidRequest", "HealthCheckConfig with a Type is required.")
    return dict(config)


def replaced_when(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    before, after = config_of(old), config_of(new)
    return any(before.get(name) != after.get(name) for name in IMMUTABLE)


async def put_tags(job: Job, check: str) -> None:
    new = tags_of({"Tags": job.properties.get("HealthCheckTags")}, job.tags)
    names = [one["Key"] for one in new]
    old = [one["Key"] for one in job.before.get("HealthCheckTags") or () if one["Key"] not in names]
    if not new and not old:
        return
    params: dict[str, Any] = {"ResourceType": "healthcheck", "ResourceId": check}
    if new:
        params["AddTags"] = new
    if old:
        params["RemoveTagKeys"] = old
    await job.globally("route53", "ChangeTagsForResource", params)


async def create(job: Job) -> Made:
    maker = hashlib.sha256(f"{job.stack_name}/{job.logical_id}".encode()).hexdigest()[:12]
    prefix = f"{job.region}-{maker}-"
    check = await predecessor(job, prefix) if job.adopt else None
    if check is None:
        params = {
            # The same in every attempt: Route 53 then gives the check that is there. At most 64 characters.
            "CallerReference": f"{prefix}{job.token}-{job.stack_id.rpartition('/')[2]}"[:64],
            "HealthCheckConfig": config_of(job.properties),
        }
        found = await job.globally("route53", "CreateHealthCheck", shaped("route53", "CreateHealthCheck", params))
        check = str(found["HealthCheck"]["Id"])
    else:
        await put_config(job, check)
    await job.claim(check)
    await put_tags(job, check)
    return Made(check, {"HealthCheckId": check})


async def predecessor(job: Job, prefix: str) -> str | None:
    """The check that a lost stack of this name made for this resource, if it can become what is wanted now."""
    wanted = config_of(job.properties)
    params: dict[str, Any] = {}
    while True:
        page = await job.globally("route53", "ListHealthChecks", params)
        for check in page["HealthChecks"]:
            config = check["HealthCheckConfig"]
            fits = all(
                str(config.get(name)).lower() == str(wanted[name]).lower() for name in IMMUTABLE if name in wanted
            )
            if fits and str(check["CallerReference"]).startswith(prefix):
                return str(check["Id"])
        if not page.get("IsTruncated"):
            return None
        params = {"Marker": page["NextMarker"]}


async def put_config(job: Job, check: str) -> None:
    config = {key: value for key, value in config_of(job.properties).items() if key not in IMMUTABLE}
    params = shaped("route53", "UpdateHealthCheck", {"HealthCheckId": check, **config})
    await job.globally("route53", "UpdateHealthCheck", params)


async def update(job: Job) -> Made:
    await put_config(job, job.physical_id)
    await put_tags(job, job.physical_id)
    return Made(job.physical_id, {"HealthCheckId": job.physical_id})


async def delete(job: Job) -> None:
    await gone(job.globally("route53", "DeleteHealthCheck", {"HealthCheckId": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::Route53::HealthCheck",
        frozenset({"HealthCheckConfig", "HealthCheckTags"}),
        create,
        delete,
        update,
        replaced_when=replaced_when,
        required=("HealthCheckConfig",),
    ),
)
