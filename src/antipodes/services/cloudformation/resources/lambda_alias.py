"""AWS::Lambda::Alias."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.resources import lambda_provisioned as provisioned
from antipodes.wire.errors import AwsError

PARAMS = ("FunctionName", "FunctionVersion", "Name", "Description")


def params_of(job: Job) -> dict[str, Any]:
    """The weights are a list here and a map in the API."""
    params = chosen(job.properties, *PARAMS)
    routing = job.properties.get("RoutingConfig") or {}
    weights = {
        one["FunctionVersion"]: float(one["FunctionWeight"]) for one in routing.get("AdditionalVersionWeights", ())
    }
    return {**params, "RoutingConfig": {"AdditionalVersionWeights": weights}}


async def create(job: Job) -> Made:
    try:
        found = await job.call("lambda", "CreateAlias", params_of(job))
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
        found = await job.call("lambda", "UpdateAlias", params_of(job))
    await provisioned.put(job, found["Name"])
    return Made(found["AliasArn"], {"AliasArn": found["AliasArn"]})


async def update(job: Job) -> Made:
    found = await job.call("lambda", "UpdateAlias", {"Description": "", **params_of(job)})
    await provisioned.put(job, found["Name"])
    return Made(found["AliasArn"], {"AliasArn": found["AliasArn"]})


async def delete(job: Job) -> None:
    await gone(job.call("lambda", "DeleteAlias", chosen(job.properties, "FunctionName", "Name")))


HANDLERS = (
    Handler(
        "AWS::Lambda::Alias",
        frozenset({*PARAMS, "RoutingConfig", provisioned.PROPERTY}),
        create,
        delete,
        update,
        replaced_by=frozenset({"FunctionName", "Name"}),
        name_property="Name",
        required=("FunctionName", "FunctionVersion", "Name"),
    ),
)
