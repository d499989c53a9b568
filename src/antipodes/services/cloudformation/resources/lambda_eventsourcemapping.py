"""AWS::Lambda::EventSourceMapping: a function invoked with the records of a stream."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

FIXED = ("EventSourceArn", "StartingPosition", "StartingPositionTimestamp")
SETTINGS = (
    "FunctionName", "Enabled", "BatchSize", "FilterCriteria", "MaximumBatchingWindowInSeconds", "ParallelizationFactor",
    "DestinationConfig", "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "FunctionResponseTypes", "MetricsConfig",
)  # fmt: skip


async def create(job: Job) -> Made:
    params: dict[str, Any] = chosen(job.properties, *FIXED, *SETTINGS)
    try:
        made = await job.call(
            "lambda", "CreateEventSourceMapping", shaped("lambda", "CreateEventSourceMapping", params)
        )
    except AwsError as error:
        if not (job.may_exist and error.code == "ResourceConflictException"):
            raise
        asked = chosen(params, "EventSourceArn", "FunctionName")
        made = (await job.call("lambda", "ListEventSourceMappings", asked))["EventSourceMappings"][0]
    await job.claim(made["UUID"])
    job.physical_id = made["UUID"]
    return await settled(job)


async def update(job: Job) -> Made:
    params = {"UUID": job.physical_id, **chosen(job.properties, *SETTINGS)}
    await job.call("lambda", "UpdateEventSourceMapping", shaped("lambda", "UpdateEventSourceMapping", params))
    return await settled(job)


async def settled(job: Job) -> Made:
    """When it is Enabled or Disabled."""
    found: dict[str, Any] = {}

    async def ready() -> bool:
        found.update(await job.call("lambda", "GetEventSourceMapping", {"UUID": job.physical_id}))
        return found["State"] in {"Enabled", "Disabled"}

    await job.until("The event source mapping", ready, every_s=0.1)
    return Made(job.physical_id, {"Id": job.physical_id, "EventSourceMappingArn": found["EventSourceMappingArn"]})


async def delete(job: Job) -> None:
    await gone(job.call("lambda", "DeleteEventSourceMapping", {"UUID": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::Lambda::EventSourceMapping",
        frozenset({*FIXED, *SETTINGS}),
        create,
        delete,
        update,
        replaced_by=frozenset(FIXED),
        required=("FunctionName",),
    ),
)
