"""AWS::IAM::Role: a role with its inline and attached policies."""

from __future__ import annotations

from typing import Any

import orjson

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError


def document(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def policies_of(properties: Any) -> dict[str, str]:
    return {one["PolicyName"]: document(one["PolicyDocument"]) for one in properties.get("Policies") or ()}


async def put_policies(job: Job) -> None:
    name = job.physical_id
    old, new = policies_of(job.before), policies_of(job.properties)
    for policy in old:
        if policy not in new:
            await gone(job.globally("iam", "DeleteRolePolicy", {"RoleName": name, "PolicyName": policy}))
    for policy, text in new.items():
        params = {"RoleName": name, "PolicyName": policy, "PolicyDocument": text}
        await job.globally("iam", "PutRolePolicy", params)
    attached = list(job.properties.get("ManagedPolicyArns") or ())
    for arn in job.before.get("ManagedPolicyArns") or ():
        if arn not in attached:
            await gone(job.globally("iam", "DetachRolePolicy", {"RoleName": name, "PolicyArn": arn}))
    for arn in attached:
        await job.globally("iam", "AttachRolePolicy", {"RoleName": name, "PolicyArn": arn})


async def made(job: Job) -> Made:
    role = (await job.globally("iam", "GetRole", {"RoleName": job.physical_id}))["Role"]
    return Made(job.physical_id, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


async def create(job: Job) -> Made:
    name = job.name("RoleName")
    params: dict[str, Any] = {
        "RoleName": name,
        "AssumeRolePolicyDocument": document(job.properties["AssumeRolePolicyDocument"]),
    }
    for key in ("Path", "Description", "MaxSessionDuration", "PermissionsBoundary"):
        if key in job.properties:
            params[key] = job.properties[key]
    tags = tags_of(job.properties, job.tags)
    if tags:
        params["Tags"] = tags
    try:
        await job.globally("iam", "CreateRole", shaped("iam", "CreateRole", params))
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    await job.claim(name)
    job.physical_id = name
    await put_policies(job)
    return await made(job)


async def update(job: Job) -> Made:
    if job.changed("AssumeRolePolicyDocument"):
        params = {
            "RoleName": job.physical_id,
            "PolicyDocument": document(job.properties["AssumeRolePolicyDocument"]),
        }
        await job.globally("iam", "UpdateAssumeRolePolicy", params)
    if job.changed("Description", "MaxSessionDuration"):
        params = {"RoleName": job.physical_id, "Description": str(job.properties.get("Description", ""))}
        if "MaxSessionDuration" in job.properties:
            params["MaxSessionDuration"] = job.properties["MaxSessionDuration"]
        await job.globally("iam", "UpdateRole", shaped("iam", "UpdateRole", params))
    if job.changed("Tags"):
        new = tags_of(job.properties, job.tags)
        keys = [one["Key"] for one in new]
        old = [one["Key"] for one in tags_of(job.before, job.tags) if one["Key"] not in keys]
        if old:
            await job.globally("iam", "UntagRole", {"RoleName": job.physical_id, "TagKeys": old})
        if new:
            await job.globally("iam", "TagRole", {"RoleName": job.physical_id, "Tags": new})
    await put_policies(job)
    return await made(job)


async def delete(job: Job) -> None:
    name = job.physical_id
    # What the template does not name may hang on the role as well (AWS::IAM::Policy); those go with their own resource.
    for policy in policies_of(job.properties):
        await gone(job.globally("iam", "DeleteRolePolicy", {"RoleName": name, "PolicyName": policy}))
    for arn in job.properties.get("ManagedPolicyArns") or ():
        await gone(job.globally("iam", "DetachRolePolicy", {"RoleName": name, "PolicyArn": arn}))
    await gone(job.globally("iam", "DeleteRole", {"RoleName": name}))


HANDLERS = (
    Handler(
        "AWS::IAM::Role",
        frozenset(
            {
                "AssumeRolePolicyDocument", "Description", "ManagedPolicyArns", "MaxSessionDuration", "Path",
                "PermissionsBoundary", "Policies", "RoleName", "Tags",
            }
        ),
        create,
        delete,
        update,
        replaced_by=frozenset({"RoleName", "Path", "PermissionsBoundary"}),
        name_property="RoleName",
        required=("AssumeRolePolicyDocument",),
    ),
)  # fmt: skip
