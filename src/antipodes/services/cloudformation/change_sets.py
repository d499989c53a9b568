"""Change sets: a prepared update (or creation) that is looked at first and executed later. What `aws cloudformation
deploy` uses.

A change set is made in one step, so it is never seen CREATE_IN_PROGRESS. The differences are worked out from the
templates with the values a stack has now; where a value depends on something that would be replaced, Replacement is
Conditional. A nested stack is one resource of it, with IncludeNestedStacks too. With ImportExistingResources a resource
that has the name which the template gives is taken over (its events say CREATE, not IMPORT).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from antipodes.services.cloudformation.control import Control, check_stack_name, refuse
from antipodes.services.cloudformation.describing import page, parameters_of
from antipodes.services.cloudformation.handler import different, must_replace
from antipodes.services.cloudformation.intrinsics import Scope, evaluate
from antipodes.services.cloudformation.plan import Plan
from antipodes.services.cloudformation.records import ChangeSet, Difference, Stack, StackResource
from antipodes.services.cloudformation.registry import HANDLERS
from antipodes.services.cloudformation.stacks import (
    UPDATABLE,
    ask,
    changes_something,
    check_update,
    checked_plan,
    start_update,
)
from antipodes.services.cloudformation.text import validation_error
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.operation import Request, Result

changed = msgspec.structs.replace
CHANGE_SET_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


async def create_change_set(control: Control, request: Request) -> Result:
    params = request.params
    refuse(params, "RollbackConfiguration", "ResourceTypes", "ResourcesToImport")
    name = params["ChangeSetName"]
    if not CHANGE_SET_NAME.fullmatch(name):
        raise validation_error(
            f"1 validation error detected: Value '{name}' at 'changeSetName' failed to satisfy constraint"
        )
    kind = params.get("ChangeSetType", "UPDATE")
    if kind not in ("CREATE", "UPDATE"):
        refuse({f"ChangeSetType {kind}": True}, f"ChangeSetType {kind}")
    existing = control.records.stack(params["StackName"])
    body = await control.body(params, previous=existing)
    stack = _stack_for(control, params["StackName"], kind)
    previous = stack.wanted if stack is not None and stack.status != "REVIEW_IN_PROGRESS" else None
    asked = await ask(control, params, body, previous)
    stack = _stack_for(control, params["StackName"], kind)  # it may have changed while Parameter Store was asked
    if stack is None:
        stack_name = check_stack_name(params["StackName"])
        stack = Stack(
            id=control.arn("stack", stack_name),
            name=stack_name,
            status="REVIEW_IN_PROGRESS",
            created=control.now(),
            wanted=asked,
            token=params.get("ClientToken"),
        )
        new = True
    else:
        new = False
        if control.records.change_set(stack.id, name) is not None:
            raise ClientFault("AlreadyExistsException", f"ChangeSet [{name}] already exists")
    plan = checked_plan(control, stack, asked, direct=False)
    status, execution, reason = "CREATE_COMPLETE", "AVAILABLE", ""
    if previous is not None:
        check_update(control, stack, plan)
        if not changes_something(previous, asked):
            status, execution, reason = "FAILED", "UNAVAILABLE", NO_CHANGES
    change_set = ChangeSet(
        id=control.arn("changeSet", name),
        name=name,
        stack_id=stack.id,
        kind=kind,
        created=control.now(),
        wanted=asked,
        status=status,
        execution=execution,
        reason=reason,
        description=params.get("Description", ""),
        on_failure=_on_failure(params),
        adopt=bool(params.get("ImportExistingResources")),
        changes=() if status == "FAILED" else differences(control, stack, plan),
    )
    if new:
        control.journal.enter(stack, "REVIEW_IN_PROGRESS", "User Initiated")
    control.records.put_change_set(change_set)
    await control.durable()
    return {"Id": change_set.id, "StackId": stack.id}


def _on_failure(params: Mapping[str, Any]) -> str:
    return str(params.get("OnStackFailure", "ROLLBACK"))


def _stack_for(control: Control, name: str, kind: str) -> Stack | None:
    stack = control.records.stack(name)
    if kind == "CREATE":
        if stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise validation_error(
                f"Stack [{stack.name}] already exists and cannot be created again with the changeSet []."
            )
        return stack
    if stack is None:
        raise validation_error(f"Stack [{name}] does not exist")
    if stack.status not in UPDATABLE:
        raise validation_error(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
    return stack


def differences(control: Control, stack: Stack, plan: Plan) -> tuple[Difference, ...]:
    """What executing would do, resource by resource, in the plan's order; removals last."""
    existing = {
        one.logical_id: one for one in control.records.resources(stack.id) if not one.status.startswith("DELETE")
    }
    replaced: list[str] = []
    found = []
    for name in plan.order:
        spec, now = plan.resources[name], existing.get(name)
        if now is None:
            found.append(Difference("Add", name, spec.type))
            continue
        wanted, sure = _foreseen(plan, spec.properties, existing, replaced)
        names = different(now.properties, wanted)
        if not names:
            continue
        handler = HANDLERS[spec.type]
        replacement = "False"
        if must_replace(handler, now.properties, wanted):
            replacement = "True" if sure else "Conditional"
            replaced.append(name)
        found.append(
            Difference("Modify", name, spec.type, now.physical_id, replacement=replacement, properties=tuple(names))
        )
    found += [
        Difference("Remove", one.logical_id, one.type, one.physical_id)
        for one in existing.values()
        if one.logical_id not in plan.resources
    ]
    return tuple(found)


def _foreseen(
    plan: Plan, properties: Mapping[str, Any], existing: Mapping[str, StackResource], replaced: list[str]
) -> tuple[dict[str, Any], bool]:
    """The properties as they would be, and whether all of them are sure: what is yet to be made is a placeholder."""
    unsure: list[str] = []

    def physical(name: str) -> str:
        if name in existing and name not in replaced and existing[name].physical_id:
            return str(existing[name].physical_id)
        unsure.append(name)
        return "{{changeSet:KNOWN_AFTER_APPLY}}"

    def attribute(name: str, attribute_name: str) -> Any:
        if name in existing and name not in replaced and attribute_name in existing[name].attributes:
            return existing[name].attributes[attribute_name]
        unsure.append(name)
        return "{{changeSet:KNOWN_AFTER_APPLY}}"

    scope: Scope = replace(plan.scope, physical_id=physical, attribute=attribute)
    return evaluate(dict(properties), scope), not unsure


def find(control: Control, params: Mapping[str, Any]) -> tuple[ChangeSet, Stack]:
    """By id, or by name with the stack's. Raises ChangeSetNotFound (404)."""
    name = params["ChangeSetName"]
    if name.startswith("arn:"):
        for one in control.records.all_change_sets():
            if one.id == name:
                return one, control.stack(one.stack_id)
    elif not params.get("StackName"):
        raise validation_error("StackName must be specified if ChangeSetName is not specified as an ARN.")
    else:
        stack = control.stack(params["StackName"])
        found = control.records.change_set(stack.id, name)
        if found is not None:
            return found, stack
    raise ClientFault("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)


async def describe_change_set(control: Control, request: Request) -> Result:
    await control.settled()
    change_set, stack = find(control, request.params)
    changes, rest = page(change_set.changes, request.params.get("NextToken"))
    return {
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.id,
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": change_set.description,
        "Parameters": parameters_of(control, change_set.wanted),
        "CreationTime": change_set.created,
        "ExecutionStatus": change_set.execution,
        "Status": change_set.status,
        **({"StatusReason": change_set.reason} if change_set.reason else {}),
        "Capabilities": list(change_set.wanted.capabilities),
        "Tags": [{"Key": key, "Value": value} for key, value in change_set.wanted.tags.items()],
        "Changes": [_change_shape(one) for one in changes],
        **rest,
    }


def _change_shape(one: Difference) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Action": one.action,
        "LogicalResourceId": one.logical_id,
        "ResourceType": one.type,
        "Scope": ["Properties"] if one.action == "Modify" else [],
        "Details": [
            {
                "Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": "Never"}
                if one.replacement == "False"
                else {"Attribute": "Properties", "Name": name, "RequiresRecreation": "Conditionally"},
                "Evaluation": "Dynamic" if one.replacement == "Conditional" else "Static",
                "ChangeSource": "DirectModification",
            }
            for name in one.properties
        ],
    }
    if one.physical_id:
        shape["PhysicalResourceId"] = one.physical_id
    if one.replacement:
        shape["Replacement"] = one.replacement
    return {"Type": "Resource", "ResourceChange": shape}


async def execute_change_set(control: Control, request: Request) -> Result:
    params = request.params
    refuse(params, "RetainExceptOnCreate")
    change_set, stack = find(control, params)
    if change_set.execution != "AVAILABLE":
        raise ClientFault(
            "InvalidChangeSetStatus",
            f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]",
        )
    on_failure = "DO_NOTHING" if params.get("DisableRollback") else change_set.on_failure
    token = params.get("ClientRequestToken")
    if change_set.kind == "CREATE":
        plan = checked_plan(control, stack, change_set.wanted, direct=False)
        stack = changed(
            stack, wanted=change_set.wanted, on_failure=on_failure, token=token, change_set=change_set.id,
            description=plan.template.description, adopt=change_set.adopt,
        )  # fmt: skip
        control.journal.enter(stack, "CREATE_IN_PROGRESS", "User Initiated")
        control.engine.run(stack.id)
    else:
        refuse(params, "DisableRollback")
        if stack.status not in UPDATABLE:
            raise validation_error(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
        start_update(control, changed(stack, change_set=change_set.id), change_set.wanted, token, change_set.adopt)
    for other in control.records.change_sets(stack.id):
        if other.name != change_set.name and other.execution == "AVAILABLE":
            control.records.put_change_set(changed(other, execution="OBSOLETE"))
    control.records.put_change_set(changed(change_set, execution="EXECUTE_COMPLETE"))
    await control.durable()
    return {}


async def delete_change_set(control: Control, request: Request) -> Result:
    try:
        change_set, _ = find(control, request.params)
    except AwsError as error:
        if error.code == "ChangeSetNotFound":
            return {}  # AWS answers success
        raise
    control.records.drop_change_set(change_set)
    await control.durable()
    return {}


async def list_change_sets(control: Control, request: Request) -> Result:
    await control.settled()
    stack = control.stack(request.params["StackName"])
    found, rest = page(control.records.change_sets(stack.id), request.params.get("NextToken"))
    return {
        "Summaries": [
            {
                "StackId": stack.id,
                "StackName": stack.name,
                "ChangeSetId": one.id,
                "ChangeSetName": one.name,
                "ExecutionStatus": one.execution,
                "Status": one.status,
                "CreationTime": one.created,
                **({"StatusReason": one.reason} if one.reason else {}),
                **({"Description": one.description} if one.description else {}),
            }
            for one in found
        ],
        **rest,
    }
