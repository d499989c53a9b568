"""AWS::Lambda::EventInvokeConfig: how a function's asynchronous invocations are retried."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.shapes import shaped

OPERATION = "PutFunctionEventInvokeConfig"
SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


async def put(job: Job) -> Made:
    params: dict[str, Any] = chosen(job.properties, "FunctionName", "Qualifier", *SETTINGS)
    await job.call("lambda", OPERATION, shaped("lambda", OPERATION, params))
    return Made(f"{job.properties['FunctionName']}|{job.properties['Qualifier']}")


async def delete(job: Job) -> None:
    await gone(
        job.call("lambda", "DeleteFunctionEventInvokeConfig", chosen(job.properties, "FunctionName", "Qualifier"))
    )


HANDLERS = (
    Handler(
        "AWS::Lambda::EventInvokeConfig",
        frozenset({"FunctionName", "Qualifier", *SETTINGS}),
        put,
        delete,
        put,
        replaced_by=frozenset({"FunctionName", "Qualifier"}),
        required=("FunctionName", "Qualifier"),
    ),
)
