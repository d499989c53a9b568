"""AWS::Lambda::Version. Immutable: a new version is a new logical resource."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.resources import lambda_provisioned as provisioned


async def create(job: Job) -> Made:
    params = chosen(job.properties, "FunctionName", "Description", "CodeSha256")
    found = await job.call("lambda", "PublishVersion", params)
    await provisioned.put(job, found["Version"])
    return Made(found["FunctionArn"], {"Version": found["Version"], "FunctionArn": found["FunctionArn"]})


async def delete(job: Job) -> None:
    params = {"FunctionName": job.properties["FunctionName"], "Qualifier": job.attributes["Version"]}
    await gone(job.call("lambda", "DeleteFunction", params))


HANDLERS = (
    Handler(
        "AWS::Lambda::Version",
        frozenset({"FunctionName", "Description", "CodeSha256", provisioned.PROPERTY}),
        create,
        delete,
        required=("FunctionName",),
    ),
)
