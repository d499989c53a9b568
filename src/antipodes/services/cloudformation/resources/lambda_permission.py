"""AWS::Lambda::Permission. Immutable: every change makes a new statement."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

PARAMS = (
    "FunctionName", "Action", "Principal", "SourceArn", "SourceAccount", "EventSourceToken", "FunctionUrlAuthType",
    "PrincipalOrgID", "InvokedViaFunctionUrl",
)  # fmt: skip


async def create(job: Job) -> Made:
    statement = job.name("Id", limit=100)
    params = shaped("lambda", "AddPermission", {**chosen(job.properties, *PARAMS), "StatementId": statement})
    try:
        await job.call("lambda", "AddPermission", params)
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    return Made(statement, {"Id": statement})


async def delete(job: Job) -> None:
    params = {"FunctionName": job.properties["FunctionName"], "StatementId": job.physical_id}
    await gone(job.call("lambda", "RemovePermission", params))


HANDLERS = (
    Handler(
        "AWS::Lambda::Permission", frozenset(PARAMS), create, delete, required=("FunctionName", "Action", "Principal")
    ),
)
