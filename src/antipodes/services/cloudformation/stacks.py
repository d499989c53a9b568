"""CreateStack, UpdateStack, DeleteStack and their kin: they check, note what is wanted, and start the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.cloudformation.control import (
    Control,
    check_stack_name,
    given_parameters,
    given_tags,
    refuse,
)
from antipodes.services.cloudformation.drafting import check, check_capabilities, transforms_in
from antipodes.services.cloudformation.includes import with_pieces
from antipodes.services.cloudformation.plan import Plan
from antipodes.services.cloudformation.records import Asked, Stack
from antipodes.services.cloudformation.template import transforms_of
from antipodes.services.cloudformation.text import read_text, validation_error
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

UPDATABLE = (
    "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "UPDATE_FAILED",
)  # fmt: skip
NOT_DELETABLE = (
    "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
)  # fmt: skip
REFUSED = ("RollbackConfiguration", "StackPolicyBody", "StackPolicyURL", "ResourceTypes")
changed = msgspec.structs.replace


async def ask(control: Control, params: Mapping[str, Any], body: str, previous: Asked | None = None) -> Asked:
    """What a request wants of a stack."""
    given = given_parameters(params)
    asked = control.drafting.ask(
        body,
        await with_pieces(read_text(body), given, control.text_at),
        given,
        previous,
        tags=given_tags(params),
        capabilities=params.get("Capabilities") or (),
        role=params.get("RoleARN"),
        notifications=params.get("NotificationARNs") or (),
    )
    return await control.filled(asked)


def checked_plan(control: Control, stack: Stack, asked: Asked, *, direct: bool) -> Plan:
    """The plan, with everything refused that can be refused before anything is made."""
    plan, _ = control.drafting.plan(stack, asked)
    check(plan)
    check_capabilities(transforms_in(asked), plan, asked.capabilities, direct=direct)
    return plan


async def create_stack(control: Control, request: Request) -> Result:
    params = request.params
    refuse(params, *REFUSED, "TimeoutInMinutes", "RetainExceptOnCreate")
    name = check_stack_name(params["StackName"])
    if params.get("DisableRollback") and params.get("OnFailure"):
        raise validation_error("Either DisableRollback or OnFailure can be specified, not both.")
    asked = await ask(control, params, await control.body(params))
    existing = control.records.stack(name)
    if existing is not None:
        raise ClientFault("AlreadyExistsException", f"Stack [{name}] already exists")
    stack = Stack(
        id=control.arn("stack", name),
        name=name,
        status="CREATE_IN_PROGRESS",
        created=control.now(),
        wanted=asked,
        on_failure="DO_NOTHING" if params.get("DisableRollback") else params.get("OnFailure", "ROLLBACK"),
        protected=bool(params.get("EnableTerminationProtection")),
        token=params.get("ClientRequestToken"),
    )
    plan = checked_plan(control, stack, asked, direct=True)
    stack = changed(stack, description=plan.template.description)
    control.journal.enter(stack, "CREATE_IN_PROGRESS", "User Initiated")
    await control.durable()
    control.engine.run(stack.id)
    return {"StackId": stack.id}


def start_update(control: Control, stack: Stack, asked: Asked, token: str | None, adopt: bool = False) -> None:
    """Begins an update that was checked. adopt: what is there under a name that the template gives is taken over."""
    stack = changed(stack, wanted=asked, before=stack.wanted, updated=control.now(), token=token, adopt=adopt)
    control.journal.enter(stack, "UPDATE_IN_PROGRESS", "User Initiated")
    control.engine.run(stack.id)


def changes_something(old: Asked, new: Asked) -> bool:
    """Whether an update has anything to do: AWS compares the processed template, the values and the tags."""

    def substance(asked: Asked) -> tuple[Any, ...]:
        raw = orjson.loads(asked.expanded)
        for name in ("Metadata", "Transform"):
            raw.pop(name, None)
        return raw, asked.parameters, asked.stored, asked.tags, asked.notifications

    return substance(old) != substance(new)


async def update_stack(control: Control, request: Request) -> Result:
    params = request.params
    refuse(params, *REFUSED, "DisableRollback", "StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL")
    stack = control.stack(params["StackName"])
    if stack.status not in UPDATABLE:
        raise validation_error(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
    asked = await ask(control, params, await control.body(params, previous=stack), stack.wanted)
    stack = control.stack(params["StackName"])  # body and parameters may have come from S3 and SSM meanwhile
    if stack.status not in UPDATABLE:
        raise validation_error(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
    plan = checked_plan(control, stack, asked, direct=True)
    if not changes_something(stack.wanted, asked):
        raise validation_error("No updates are to be performed.")
    check_update(control, stack, plan)
    start_update(control, stack, asked, params.get("ClientRequestToken"))
    await control.durable()
    return {"StackId": stack.id}


def check_update(control: Control, stack: Stack, plan: Plan) -> None:
    """What an update may not do: change a resource's type, take away an export that is in use."""
    retyped = [
        one.logical_id
        for one in control.records.resources(stack.id)
        if one.logical_id in plan.resources and plan.resources[one.logical_id].type != one.type
    ]
    if retyped:
        raise validation_error(
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{', '.join(retyped)}]"
        )
    kept = list(plan.outputs)
    for output in stack.outputs:
        if output.export is not None and output.key not in kept:
            refuse_used_export(control, stack, output.export, "deleted")


def refuse_used_export(control: Control, stack: Stack, export: str, verb: str) -> None:
    users = [
        other.name
        for other in control.records.stacks()
        if other.status != "DELETE_COMPLETE" and export in other.imports and other.id != stack.id
    ]
    if users:
        raise validation_error(f"Export {export} cannot be {verb} as it is in use by {', '.join(users)}")


async def delete_stack(control: Control, request: Request) -> Result:
    """A stack that does not exist is no error, as on AWS."""
    params = request.params
    refuse(params, "DeletionMode")
    stack = control.records.stack(params["StackName"])
    if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
        return {}
    if stack.status in NOT_DELETABLE:
        raise validation_error(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
    if stack.protected:
        raise validation_error(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
    keep = tuple(params.get("RetainResources") or ())
    if keep and stack.status != "DELETE_FAILED":
        raise validation_error(
            f"Invalid operation on stack [{stack.id}]. RetainResources can only be specified when the stack is in "
            "the DELETE_FAILED state."
        )
    for output in stack.outputs:
        if output.export is not None:
            refuse_used_export(control, stack, output.export, "deleted")
    stack = changed(stack, keep=keep, token=params.get("ClientRequestToken"))
    control.journal.enter(stack, "DELETE_IN_PROGRESS", "User Initiated")
    await control.durable()
    control.engine.run(stack.id)
    return {}


async def continue_update_rollback(control: Control, request: Request) -> Result:
    refuse(request.params, "ResourcesToSkip")
    stack = control.stack(request.params["StackName"])
    if stack.status != "UPDATE_ROLLBACK_FAILED":
        raise validation_error(
            f"Stack:{stack.id} is in {stack.status} state and can not continue to rollback an update."
        )
    control.journal.enter(stack, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
    await control.durable()
    control.engine.run(stack.id)
    return {}


async def update_termination_protection(control: Control, request: Request) -> Result:
    stack = control.stack(request.params["StackName"])
    control.records.put_stack(changed(stack, protected=bool(request.params["EnableTerminationProtection"])))
    await control.durable()
    return {"StackId": stack.id}


async def validate_template(control: Control, request: Request) -> Result:
    body = await control.body(request.params)
    template = control.drafting.template_of_text(body)
    return {
        "Description": template.description,
        "Parameters": [
            {
                "ParameterKey": one.name,
                "NoEcho": one.no_echo,
                "Description": one.description,
                **({"DefaultValue": one.default} if one.default is not None else {}),
            }
            for one in template.parameters.values()
        ],
        **capabilities_of(body),
        **({"DeclaredTransforms": list(template.transforms)} if template.transforms else {}),
    }


def capabilities_of(body: str) -> dict[str, Any]:
    """Which capabilities a template would need, by what it says before any transform."""
    raw = read_text(body)
    if transforms_of(raw):
        return {
            "Capabilities": ["CAPABILITY_AUTO_EXPAND"],
            "CapabilitiesReason": "The following transform(s) are required to process the template",
        }
    resources = raw.get("Resources") or {}
    iam = [one for one in resources.values() if str(one.get("Type", "")).startswith("AWS::IAM::")]
    if not iam:
        return {}
    kinds = ", ".join(sorted(dict.fromkeys(str(one["Type"]) for one in iam)))
    named = any("RoleName" in (one.get("Properties") or {}) for one in iam)
    return {
        "Capabilities": ["CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"],
        "CapabilitiesReason": f"The following resource(s) require capabilities: [{kinds}]",
    }


async def get_template_summary(control: Control, request: Request) -> Result:
    params = request.params
    if "StackName" in params:
        body = control.stack(params["StackName"]).wanted.template
    else:
        body = await control.body(params)
    template = control.drafting.template_of_text(body)
    return {
        "Parameters": [
            {
                "ParameterKey": one.name,
                "ParameterType": one.type,
                "NoEcho": one.no_echo,
                "Description": one.description,
                **({"DefaultValue": one.default} if one.default is not None else {}),
                **({"ParameterConstraints": {"AllowedValues": list(one.allowed_values)}} if one.allowed_values else {}),
            }
            for one in template.parameters.values()
        ],
        "Description": template.description,
        "ResourceTypes": [one.type for one in template.resources.values()],
        "Version": "2010-09-09",
        **capabilities_of(body),
        **({"DeclaredTransforms": list(template.transforms)} if template.transforms else {}),
    }
