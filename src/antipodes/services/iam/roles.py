"""Roles, their inline policies and the managed policies attached to them."""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.iam.account import (
    AWS_MANAGED,
    Account,
    check_document,
    check_name,
    check_path,
    encoded,
    no_such_entity,
    tags_of,
)
from antipodes.services.iam.records import Role
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

changed = msgspec.structs.replace


def role_shape(role: Role) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created,
        "AssumeRolePolicyDocument": encoded(role.trust),
        "MaxSessionDuration": role.session_s,
    }
    if role.description:
        shape["Description"] = role.description
    if role.tags:
        shape["Tags"] = [{"Key": key, "Value": value} for key, value in role.tags.items()]
    if role.boundary:
        shape["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
            "PermissionsBoundaryArn": role.boundary,
        }
    return shape


async def create_role(account: Account, request: Request) -> Result:
    params = request.params
    name, path = check_name(params["RoleName"], "roleName", 64), check_path(params.get("Path") or "/")
    if account.roster.role(name) is not None:
        raise ClientFault("EntityAlreadyExists", f"Role with name {name} already exists.", status=409)
    role = Role(
        name=name,
        id=account.new_id("AROA"),
        arn=account.arn("role", path, name),
        path=path,
        created=account.now(),
        trust=check_document(params["AssumeRolePolicyDocument"]),
        description=params.get("Description") or "",
        session_s=int(params.get("MaxSessionDuration") or 3600),
        boundary=params.get("PermissionsBoundary"),
        tags=tags_of(params),
    )
    account.roster.put_role(role)
    await account.durable()
    return {"Role": role_shape(role)}


async def get_role(account: Account, request: Request) -> Result:
    await account.settled()
    return {"Role": role_shape(account.role(request.params))}


async def list_roles(account: Account, request: Request) -> Result:
    await account.settled()
    prefix = request.params.get("PathPrefix") or "/"
    found = [role_shape(one) for one in account.roster.roles() if one.path.startswith(prefix)]
    for shape in found:  # ListRoles leaves tags and boundary out
        shape.pop("Tags", None)
        shape.pop("PermissionsBoundary", None)
    return {"Roles": found, "IsTruncated": False}


async def delete_role(account: Account, request: Request) -> Result:
    role = account.role(request.params)
    if role.attached:
        raise ClientFault("DeleteConflict", "Cannot delete entity, must detach all policies first.", status=409)
    if role.inline:
        raise ClientFault("DeleteConflict", "Cannot delete entity, must delete policies first.", status=409)
    account.roster.drop_role(role.name)
    await account.durable()
    return {}


async def update_role(account: Account, request: Request) -> Result:
    role = account.role(request.params)
    if "Description" in request.params:
        role = changed(role, description=request.params["Description"])
    if "MaxSessionDuration" in request.params:
        role = changed(role, session_s=int(request.params["MaxSessionDuration"]))
    account.roster.put_role(role)
    await account.durable()
    return {}


async def update_assume_role_policy(account: Account, request: Request) -> Result:
    role = account.role(request.params)
    account.roster.put_role(changed(role, trust=check_document(request.params["PolicyDocument"])))
    await account.durable()
    return {}


async def tag_role(account: Account, request: Request) -> Result:
    role = account.role(request.params)
    account.roster.put_role(changed(role, tags={**role.tags, **tags_of(request.params)}))
    await account.durable()
    return {}


async def untag_role(account: Account, request: Request) -> Result:
    role, keys = account.role(request.params), request.params["TagKeys"]
    account.roster.put_role(changed(role, tags={k: v for k, v in role.tags.items() if k not in keys}))
    await account.durable()
    return {}


async def list_role_tags(account: Account, request: Request) -> Result:
    await account.settled()
    role = account.role(request.params)
    return {"Tags": [{"Key": key, "Value": value} for key, value in role.tags.items()], "IsTruncated": False}


async def put_role_policy(account: Account, request: Request) -> Result:
    params = request.params
    role, name = account.role(params), check_name(params["PolicyName"], "policyName", 128)
    inline = {**role.inline, name: check_document(params["PolicyDocument"])}
    account.roster.put_role(changed(role, inline=inline))
    await account.durable()
    return {}


async def get_role_policy(account: Account, request: Request) -> Result:
    await account.settled()
    role, name = account.role(request.params), request.params["PolicyName"]
    if name not in role.inline:
        raise no_such_entity(f"The role policy with name {name} cannot be found.")
    return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": encoded(role.inline[name])}


async def delete_role_policy(account: Account, request: Request) -> Result:
    role, name = account.role(request.params), request.params["PolicyName"]
    if name not in role.inline:
        raise no_such_entity(f"The role policy with name {name} cannot be found.")
    account.roster.put_role(changed(role, inline={k: v for k, v in role.inline.items() if k != name}))
    await account.durable()
    return {}


async def list_role_policies(account: Account, request: Request) -> Result:
    await account.settled()
    return {"PolicyNames": sorted(account.role(request.params).inline), "IsTruncated": False}


async def attach_role_policy(account: Account, request: Request) -> Result:
    """AWS's own policies are taken by their ARN: antipodes does not keep their text."""
    role, arn = account.role(request.params), request.params["PolicyArn"]
    if not arn.startswith(AWS_MANAGED):
        account.policy(arn)
    if arn not in role.attached:
        account.roster.put_role(changed(role, attached=(*role.attached, arn)))
    await account.durable()
    return {}


async def detach_role_policy(account: Account, request: Request) -> Result:
    role, arn = account.role(request.params), request.params["PolicyArn"]
    if arn not in role.attached:
        raise no_such_entity(f"Policy {arn} was not found.")
    account.roster.put_role(changed(role, attached=tuple(one for one in role.attached if one != arn)))
    await account.durable()
    return {}


async def list_attached_role_policies(account: Account, request: Request) -> Result:
    await account.settled()
    role = account.role(request.params)
    found = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in role.attached]
    return {"AttachedPolicies": found, "IsTruncated": False}
