"""Tags of resources that keep them by ARN: changed where the resource is."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Job, tags_of


async def retag(job: Job, service: str, arn: str) -> None:
    """From the tags before an update to those after it; by TagResource and UntagResource of a service that calls their
    members resourceArn, tags and tagKeys."""
    if not job.changed("Tags"):
        return
    new = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
    dropped = [one["Key"] for one in tags_of(job.before, {}) if one["Key"] not in new]
    if dropped:
        await job.call(service, "UntagResource", {"resourceArn": arn, "tagKeys": dropped})
    if new:
        await job.call(service, "TagResource", {"resourceArn": arn, "tags": new})


async def retag_api(job: Job, path: str) -> None:
    """Of API Gateway's things: "restapis/a1b2c3"."""
    await retag(job, "apigateway", f"arn:aws:apigateway:{job.region}::/{path}")
