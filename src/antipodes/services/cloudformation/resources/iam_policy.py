"""AWS::IAM::Policy (inline policy put on roles) and AWS::IAM::ManagedPolicy (a policy of its own)."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone
from antipodes.services.cloudformation.resources.iam_role import document
from antipodes.wire.errors import AwsError


async def put(job: Job) -> Made:
    name = str(job.properties["PolicyName"])
    roles = list(job.properties.get("Roles") or ())
    for role in job.before.get("Roles") or ():
        if role not in roles:
            await gone(job.globally("iam", "DeleteRolePolicy", {"RoleName": role, "PolicyName": name}))
    for role in roles:
        params = {
            "RoleName": role,
            "PolicyName": name,
            "PolicyDocument": document(job.properties["PolicyDocument"]),
        }
        await job.globally("iam", "PutRolePolicy", params)
    return Made(job.physical_id or job.name("Id"))


async def delete(job: Job) -> None:
    for role in job.properties.get("Roles") or ():
        params = {"RoleName": role, "PolicyName": job.properties["PolicyName"]}
        await gone(job.globally("iam", "DeleteRolePolicy", params))


async def create_managed(job: Job) -> Made:
    name = job.name("ManagedPolicyName", limit=128)
    params: dict[str, Any] = {
        "PolicyName": name,
        "PolicyDocument": document(job.properties["PolicyDocument"]),
        **chosen(job.properties, "Path", "Description"),
    }
    path = str(job.properties.get("Path", "/"))
    arn = f"arn:aws:iam::{job.account}:policy{path}{name}"
    try:
        arn = (await job.globally("iam", "CreatePolicy", params))["Policy"]["Arn"]
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    await job.claim(arn)
    for role in job.properties.get("Roles") or ():
        await job.globally("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn})
    return Made(arn, {"PolicyArn": arn})


async def delete_managed(job: Job) -> None:
    for role in job.properties.get("Roles") or ():
        await gone(job.globally("iam", "DetachRolePolicy", {"RoleName": role, "PolicyArn": job.physical_id}))
    await gone(job.globally("iam", "DeletePolicy", {"PolicyArn": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::IAM::Policy",
        frozenset({"PolicyDocument", "PolicyName", "Roles"}),
        put,
        delete,
        put,
        replaced_by=frozenset({"PolicyName"}),
        required=("PolicyDocument", "PolicyName"),
    ),
    Handler(
        "AWS::IAM::ManagedPolicy",
        frozenset({"Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"}),
        create_managed,
        delete_managed,
        name_property="ManagedPolicyName",
        required=("PolicyDocument",),
    ),
)
