"""AWS::CDK::Metadata: analytics that CDK puts into every template. It makes nothing, on AWS either."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Handler, Job, Made


async def create(job: Job) -> Made:
    return Made(job.name("Name"))


async def delete(job: Job) -> None:
    return None


HANDLERS = (Handler("AWS::CDK::Metadata", frozenset({"Analytics", "Modules"}), create, delete, update=create),)
