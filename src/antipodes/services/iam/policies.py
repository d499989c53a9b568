"""Managed policies of the account: one version each."""

from __future__ import annotations

from typing import Any

from antipodes.services.iam.account import Account, check_document, check_name, check_path, encoded
from antipodes.services.iam.records import Policy
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

ONLY_VERSION = "v1"


def policy_shape(account: Account, policy: Policy) -> dict[str, Any]:
    attachments = sum(policy.arn in role.attached for role in account.roster.roles())
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": ONLY_VERSION,
        "AttachmentCount": attachments,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "Description": policy.description,
        "CreateDate": policy.created,
        "UpdateDate": policy.created,
    }


async def create_policy(account: Account, request: Request) -> Result:
    params = request.params
    name, path = check_name(params["PolicyName"], "policyName", 128), check_path(params.get("Path") or "/")
    arn = account.arn("policy", path, name)
    if account.roster.policy(arn) is not None:
        raise ClientFault(
            "EntityAlreadyExists",
            f"A policy called {name} already exists. Duplicate names are not allowed.",
            status=409,
        )
    policy = Policy(
        name=name,
        id=account.new_id("ANPA"),
        arn=arn,
        path=path,
        created=account.now(),
        document=check_document(params["PolicyDocument"]),
        description=params.get("Description") or "",
    )
    account.roster.put_policy(policy)
    await account.durable()
    return {"Policy": policy_shape(account, policy)}


async def get_policy(account: Account, request: Request) -> Result:
    await account.settled()
    return {"Policy": policy_shape(account, account.policy(request.params["PolicyArn"]))}


async def get_policy_version(account: Account, request: Request) -> Result:
    await account.settled()
    policy = account.policy(request.params["PolicyArn"])
    if request.params["VersionId"] != ONLY_VERSION:
        raise ClientFault(
            "NoSuchEntity",
            f"Policy {policy.arn} version {request.params['VersionId']} does not exist or is not attachable.",
            status=404,
        )
    return {
        "PolicyVersion": {
            "Document": encoded(policy.document),
            "VersionId": ONLY_VERSION,
            "IsDefaultVersion": True,
            "CreateDate": policy.created,
        }
    }


async def list_policies(account: Account, request: Request) -> Result:
    """The account's own; AWS's managed ones are not kept."""
    await account.settled()
    return {"Policies": [policy_shape(account, one) for one in account.roster.policies()], "IsTruncated": False}


async def delete_policy(account: Account, request: Request) -> Result:
    policy = account.policy(request.params["PolicyArn"])
    if any(policy.arn in role.attached for role in account.roster.roles()):
        raise ClientFault("DeleteConflict", "Cannot delete a policy attached to entities.", status=409)
    account.roster.drop_policy(policy.arn)
    await account.durable()
    return {}
