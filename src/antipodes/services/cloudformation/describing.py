"""The reading operations: stacks, events, resources, templates, exports. Nothing here changes anything."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

from antipodes.services.cloudformation.control import Control
from antipodes.services.cloudformation.records import Asked, Stack, StackResource
from antipodes.services.cloudformation.text import validation_error
from antipodes.wire.operation import Request, Result

Item = TypeVar("Item")
PAGE = 100  # AWS: at most 1 MB an answer, in practice pages of about this size
MASK = "****"
HOLD_S, LOOK_S = 5.0, 0.05
CHANGING = frozenset(
    {
        *("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "DELETE_IN_PROGRESS"),
        *("ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"),
    }
)


def page(items: Sequence[Item], token: str | None, size: int = PAGE) -> tuple[Sequence[Item], dict[str, str]]:
    """One page, and the NextToken member if there is more."""
    start = 0
    if token:
        try:
            start = int(base64.urlsafe_b64decode(token).decode())
        except ValueError:
            raise validation_error("NextToken is not valid") from None
    rest = {}
    if start + size < len(items):
        rest = {"NextToken": base64.urlsafe_b64encode(str(start + size).encode()).decode()}
    return items[start : start + size], rest


def parameters_of(control: Control, asked: Asked) -> list[dict[str, str]]:
    """Values as a caller may see them: NoEcho ones are masked."""
    declared = control.drafting.template(asked).parameters if asked.parameters else {}
    return [
        {
            "ParameterKey": name,
            "ParameterValue": MASK if name in declared and declared[name].no_echo else value,
            **({"ResolvedValue": asked.stored[name]} if name in asked.stored else {}),
        }
        for name, value in asked.parameters.items()
    ]


def stack_shape(control: Control, stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = {
        "StackId": stack.id,
        "StackName": stack.name,
        "CreationTime": stack.created,
        "StackStatus": stack.status,
        "DisableRollback": stack.on_failure == "DO_NOTHING",
        "EnableTerminationProtection": stack.protected,
        "RollbackConfiguration": {},
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "NotificationARNs": list(stack.wanted.notifications),
        "Capabilities": list(stack.wanted.capabilities),
        "Parameters": parameters_of(control, stack.wanted),
        "Tags": [{"Key": key, "Value": value} for key, value in stack.wanted.tags.items()],
        "Outputs": [
            {
                "OutputKey": one.key,
                "OutputValue": one.value,
                **({"Description": one.description} if one.description else {}),
                **({"ExportName": one.export} if one.export is not None else {}),
            }
            for one in stack.outputs
        ],
    }
    for member, value in (
        ("StackStatusReason", stack.reason if stack.reason != "User Initiated" else ""),
        ("Description", stack.description),
        ("LastUpdatedTime", stack.updated),
        ("DeletionTime", stack.deleted),
        ("ChangeSetId", stack.change_set),
        ("RoleARN", stack.wanted.role),
    ):
        if value:
            found[member] = value
    return found


async def describe_stacks(control: Control, request: Request) -> Result:
    await control.settled()
    name = request.params.get("StackName")
    if name:
        return {"Stacks": [stack_shape(control, await _rested(control, name))]}
    live = [one for one in control.records.stacks() if one.status != "DELETE_COMPLETE"]
    live.sort(key=lambda one: (-one.created, one.id))
    stacks, rest = page(live, request.params.get("NextToken"))
    return {"Stacks": [stack_shape(control, one) for one in stacks], **rest}


async def _rested(control: Control, name: str) -> Stack:
    """The stack, when it is not changing any more, or has not come to rest in HOLD_S. AWS answers at once; its command
    line and SDKs then wait for 30 seconds before they ask again, and here most changes take one or two."""
    world = control.surroundings.world
    until = world.monotonic() + HOLD_S
    stack = control.stack(name)
    while stack.status in CHANGING and world.monotonic() < until:
        await world.sleep(LOOK_S)
        stack = control.stack(name)
    return stack


async def list_stacks(control: Control, request: Request) -> Result:
    await control.settled()
    wanted = request.params.get("StackStatusFilter") or ()
    found = [one for one in control.records.stacks() if not wanted or one.status in wanted]
    found.sort(key=lambda one: (-one.created, one.id))
    stacks, rest = page(found, request.params.get("NextToken"))
    summaries = []
    for stack in stacks:
        shape = stack_shape(control, stack)
        summary = {
            "StackId": stack.id,
            "StackName": stack.name,
            "CreationTime": stack.created,
            "StackStatus": stack.status,
            "DriftInformation": shape["DriftInformation"],
        }
        for member, source in (
            ("TemplateDescription", "Description"),
            ("LastUpdatedTime", "LastUpdatedTime"),
            ("DeletionTime", "DeletionTime"),
            ("StackStatusReason", "StackStatusReason"),
        ):
            if source in shape:
                summary[member] = shape[source]
        summaries.append(summary)
    return {"StackSummaries": summaries, **rest}


async def describe_stack_events(control: Control, request: Request) -> Result:
    await control.settled()
    if not request.params.get("StackName"):
        raise validation_error("1 validation error detected: Value null at 'stackName' failed to satisfy constraint")
    stack = control.stack(request.params["StackName"])
    events, rest = page(control.records.events(stack.id), request.params.get("NextToken"))
    return {
        "StackEvents": [
            {
                "StackId": stack.id,
                "EventId": one.id,
                "StackName": stack.name,
                "LogicalResourceId": one.logical_id,
                "PhysicalResourceId": one.physical_id,
                "ResourceType": one.type,
                "Timestamp": one.at,
                "ResourceStatus": one.status,
                **({"ResourceStatusReason": one.reason} if one.reason else {}),
                **({"ResourceProperties": one.properties} if one.properties else {}),
                **({"ClientRequestToken": one.token} if one.token else {}),
            }
            for one in events
        ],
        **rest,
    }


def resource_shape(stack: Stack, resource: StackResource, time: str) -> dict[str, Any]:
    return {
        "LogicalResourceId": resource.logical_id,
        **({"PhysicalResourceId": resource.physical_id} if resource.physical_id else {}),
        "ResourceType": resource.type,
        time: resource.updated,
        "ResourceStatus": resource.status,
        **({"ResourceStatusReason": resource.reason} if resource.reason else {}),
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


async def describe_stack_resource(control: Control, request: Request) -> Result:
    await control.settled()
    stack = control.stack(request.params["StackName"])
    name = request.params["LogicalResourceId"]
    found = control.records.resource(stack.id, name)
    if found is None:
        raise validation_error(f"Resource {name} does not exist for stack {stack.name}")
    shape = resource_shape(stack, found, "LastUpdatedTimestamp")
    return {"StackResourceDetail": {"StackName": stack.name, "StackId": stack.id, **shape}}


async def describe_stack_resources(control: Control, request: Request) -> Result:
    await control.settled()
    params = request.params
    if params.get("StackName"):
        stack = control.stack(params["StackName"])
    else:
        stack = _owner(control, params.get("PhysicalResourceId", ""))
    name = params.get("LogicalResourceId")
    found = [one for one in control.records.resources(stack.id) if not name or one.logical_id == name]
    if name and not found:
        raise validation_error(f"Stack '{stack.name}' does not have a resource {name}")
    return {
        "StackResources": [
            {"StackName": stack.name, "StackId": stack.id, **resource_shape(stack, one, "Timestamp")} for one in found
        ]
    }


def _owner(control: Control, physical_id: str) -> Stack:
    for stack in control.records.stacks():
        if stack.status != "DELETE_COMPLETE":
            for resource in control.records.resources(stack.id):
                if physical_id and resource.physical_id == physical_id:
                    return stack
    raise validation_error(f"Stack for {physical_id} does not exist")


async def list_stack_resources(control: Control, request: Request) -> Result:
    await control.settled()
    stack = control.stack(request.params["StackName"])
    found, rest = page(control.records.resources(stack.id), request.params.get("NextToken"))
    shapes = [resource_shape(stack, one, "LastUpdatedTimestamp") for one in found]
    return {"StackResourceSummaries": shapes, **rest}


async def get_template(control: Control, request: Request) -> Result:
    await control.settled()
    name, params = request.params.get("StackName", ""), request.params
    if params.get("ChangeSetName"):
        from_set = find_change_set(control, params["ChangeSetName"], name)
        asked = from_set
    else:
        asked = control.stack(name).wanted
    processed = params.get("TemplateStage") == "Processed"
    # botocore parses TemplateBody as a string; JSON comes pretty enough for people.
    body = (
        orjson.dumps(orjson.loads(asked.expanded), option=orjson.OPT_INDENT_2).decode() if processed else asked.template
    )
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


def find_change_set(control: Control, name: str, stack_name: str) -> Asked:
    for one in control.records.all_change_sets():
        if one.id == name or (one.name == name and control.stack(stack_name).id == one.stack_id):
            return one.wanted
    raise validation_error(f"ChangeSet [{name}] does not exist")


async def list_exports(control: Control, request: Request) -> Result:
    await control.settled()
    found = [
        {"ExportingStackId": stack.id, "Name": output.export, "Value": output.value}
        for stack in control.records.stacks()
        if stack.status != "DELETE_COMPLETE"
        for output in stack.outputs
        if output.export is not None
    ]
    found.sort(key=lambda one: str(one["Name"]))
    exports, rest = page(found, request.params.get("NextToken"))
    return {"Exports": list(exports), **rest}


async def list_imports(control: Control, request: Request) -> Result:
    await control.settled()
    export = request.params["ExportName"]
    users = [one.name for one in control.records.stacks() if export in one.imports and one.status != "DELETE_COMPLETE"]
    if not users:
        raise validation_error(f"Export '{export}' is not imported by any stack.")
    names, rest = page(users, request.params.get("NextToken"))
    return {"Imports": list(names), **rest}
