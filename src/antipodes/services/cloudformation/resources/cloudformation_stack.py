"""AWS::CloudFormation::Stack: a stack within a stack, by CloudFormation's own operations.

Its Ref is its id; its outputs are the attributes "Outputs.NAME". It may do what its parent was allowed to. A change set
of the parent lists it as one resource, not what changes within it.
"""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, exists, tags_of
from antipodes.wire.errors import AwsError, ClientFault

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
EXISTS = "AlreadyExistsException"
NO_CHANGE = "No updates are to be performed."


def _wanted(job: Job, name: str) -> dict[str, Any]:
    given = job.properties.get("Parameters") or {}
    values = {key: ",".join(map(str, one)) if isinstance(one, list) else one for key, one in given.items()}
    texts = {key: str(one).lower() if isinstance(one, bool) else str(one) for key, one in values.items()}
    return {
        "StackName": name,
        "TemplateURL": job.properties["TemplateURL"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": text} for key, text in texts.items()],
        "Tags": tags_of(job.properties, job.tags),
        "Capabilities": CAPABILITIES,
    }


async def _stack(job: Job, name: str) -> dict[str, Any]:
    answer = await exists(job.call("cloudformation", "DescribeStacks", {"StackName": name}))
    return dict(answer["Stacks"][0]) if answer else {}


async def _ended(job: Job, verb: str, good: tuple[str, ...]) -> Made:
    """Waits for the end of what is under way. Raises what CloudFormation says of an embedded stack that failed."""
    found: dict[str, Any] = {}

    async def over() -> bool:
        nonlocal found
        found = await _stack(job, job.physical_id)
        return not found["StackStatus"].endswith("_IN_PROGRESS")

    await job.until(f"Stack {job.physical_id}", over, limit_s=3600.0)
    if found["StackStatus"] not in good:
        reason = found.get("StackStatusReason", "")
        raise ClientFault("NotStabilized", f"Embedded stack {job.physical_id} was not successfully {verb}: {reason}")
    outputs = {f"Outputs.{one['OutputKey']}": one["OutputValue"] for one in found.get("Outputs") or ()}
    return Made(job.physical_id, outputs)


async def create(job: Job) -> Made:
    name = job.name("StackName", limit=128)
    try:
        answer = await job.call("cloudformation", "CreateStack", _wanted(job, name))
        job.physical_id = answer["StackId"]
    except AwsError as error:
        if not (job.may_exist and error.code == EXISTS):
            raise
        job.physical_id = (await _stack(job, name))["StackId"]
    await job.claim(job.physical_id)
    return await _ended(job, "created", ("CREATE_COMPLETE",))


async def update(job: Job) -> Made:
    good: tuple[str, ...] = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    found = await _stack(job, job.physical_id)
    if not found["StackStatus"].endswith("_IN_PROGRESS"):  # else an update that was begun before the Region ended
        try:
            await job.call("cloudformation", "UpdateStack", _wanted(job, job.physical_id))
        except AwsError as error:
            if error.message != NO_CHANGE:
                raise
            good = (*good, "UPDATE_ROLLBACK_COMPLETE")  # its own way back from a failure led where it is wanted
    return await _ended(job, "updated", good)


async def delete(job: Job) -> None:
    await job.call("cloudformation", "DeleteStack", {"StackName": job.physical_id})
    await _ended(job, "deleted", ("DELETE_COMPLETE",))


HANDLERS = (
    Handler(
        "AWS::CloudFormation::Stack",
        frozenset({"Parameters", "Tags", "TemplateURL"}),
        create,
        delete,
        update,
        required=("TemplateURL",),
    ),
)
