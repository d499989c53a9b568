"""AWS::Lambda::Alias."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone
from antipodes.wire.errors import AwsError

PARAMS = ("FunctionName", "FunctionVersion", "Name", "Description")


async def create(job: Job) -> Made:
    try:
        found = await job.call("lambda", "CreateAlias", chosen(job.properties, *PARAMS))
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
        found = await job.call("lambda", "UpdateAlias", chosen(job.properties, *PARAMS))
    return Made(found["AliasArn"], {"AliasArn": found["AliasArn"]})


async def update(job: Job) -> Made:
    found = await job.call("lambda", "UpdateAlias", {"Description": "", **chosen(job.properties, *PARAMS)})
    return Made(found["AliasArn"], {"AliasArn": found["AliasArn"]})


async def delete(job: Job) -> None:
    await gone(job.call("lambda", "DeleteAlias", chosen(job.properties, "FunctionName", "Name")))


HANDLERS = (
    Handler(
        "AWS::Lambda::Alias",
        frozenset(PARAMS),
        create,
        delete,
        update,
        replaced_by=frozenset({"FunctionName", "Name"}),
        name_property="Name",
        required=("FunctionName", "FunctionVersion", "Name"),
    ),
)
