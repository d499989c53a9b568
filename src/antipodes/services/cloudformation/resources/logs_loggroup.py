"""AWS::Logs::LogGroup and AWS::Logs::LogStream."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.resources.retagging import retag
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

EXISTS = "ResourceAlreadyExistsException"


async def create(job: Job) -> Made:
    name = job.name("LogGroupName", limit=512)
    params: dict[str, Any] = {"logGroupName": name}
    if "LogGroupClass" in job.properties:
        params["logGroupClass"] = job.properties["LogGroupClass"]
    tags = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
    if tags:
        params["tags"] = tags
    try:
        await job.call("logs", "CreateLogGroup", params)
    except AwsError as error:
        if not (job.may_exist and error.code == EXISTS):
            raise
    await job.claim(name)
    job.physical_id = name
    await put_retention(job)
    return made(job)


async def update(job: Job) -> Made:
    await put_retention(job)
    await retag(job, "logs", made(job).attributes["Arn"].removesuffix(":*"))
    return made(job)


async def put_retention(job: Job) -> None:
    if "RetentionInDays" in job.properties:
        params = {"logGroupName": job.physical_id, "retentionInDays": job.properties["RetentionInDays"]}
        await job.call("logs", "PutRetentionPolicy", shaped("logs", "PutRetentionPolicy", params))
    elif "RetentionInDays" in job.before:
        await job.call("logs", "DeleteRetentionPolicy", {"logGroupName": job.physical_id})


def made(job: Job) -> Made:
    arn = f"arn:aws:logs:{job.region}:{job.account}:log-group:{job.physical_id}:*"
    return Made(job.physical_id, {"Arn": arn})


async def delete(job: Job) -> None:
    await gone(job.call("logs", "DeleteLogGroup", {"logGroupName": job.physical_id}))


async def create_stream(job: Job) -> Made:
    name = job.name("LogStreamName", limit=512)
    params = {"logGroupName": job.properties["LogGroupName"], "logStreamName": name}
    try:
        await job.call("logs", "CreateLogStream", params)
    except AwsError as error:
        if not (job.may_exist and error.code == EXISTS):
            raise
    return Made(name)


async def delete_stream(job: Job) -> None:
    params = {"logGroupName": job.properties["LogGroupName"], "logStreamName": job.physical_id}
    await gone(job.call("logs", "DeleteLogStream", params))


HANDLERS = (
    Handler(
        "AWS::Logs::LogGroup",
        frozenset({"LogGroupName", "LogGroupClass", "RetentionInDays", "Tags"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"LogGroupName", "LogGroupClass"}),
        name_property="LogGroupName",
    ),
    Handler(
        "AWS::Logs::LogStream",
        frozenset({"LogGroupName", "LogStreamName"}),
        create_stream,
        delete_stream,
        name_property="LogStreamName",
        required=("LogGroupName",),
    ),
)
