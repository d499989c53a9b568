"""AWS::Lambda::Url: the HTTP address of a function or an alias."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

SETTINGS = ("AuthType", "Cors", "InvokeMode")


def place_of(job: Job) -> dict[str, Any]:
    return {"FunctionName": job.properties["TargetFunctionArn"], **chosen(job.properties, "Qualifier")}


def made(found: Any) -> Made:
    return Made(found["FunctionArn"], {"FunctionArn": found["FunctionArn"], "FunctionUrl": found["FunctionUrl"]})


async def create(job: Job) -> Made:
    params = {**place_of(job), **chosen(job.properties, *SETTINGS)}
    try:
        found = await job.call("lambda", "CreateFunctionUrlConfig", shaped("lambda", "CreateFunctionUrlConfig", params))
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
        return await update(job)
    return made(found)


async def update(job: Job) -> Made:
    params = {**place_of(job), "Cors": {}, **chosen(job.properties, *SETTINGS)}
    params = shaped("lambda", "UpdateFunctionUrlConfig", params)
    return made(await job.call("lambda", "UpdateFunctionUrlConfig", params))


async def delete(job: Job) -> None:
    await gone(job.call("lambda", "DeleteFunctionUrlConfig", place_of(job)))


HANDLERS = (
    Handler(
        "AWS::Lambda::Url",
        frozenset({*SETTINGS, "Qualifier", "TargetFunctionArn"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"Qualifier", "TargetFunctionArn"}),
        required=("AuthType", "TargetFunctionArn"),
    ),
)
