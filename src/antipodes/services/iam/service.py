"""IAM: one for the whole planet, kept by the Region that holds the global control planes (us-east-1, as on AWS).

Policies are kept and described, not enforced: whoever has a key of the planet may do everything. Nothing asks IAM
while an application runs, so a Region of which us-east-1 is gone goes on serving.
"""

from __future__ import annotations

import functools

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.contract.checking import completed
from antipodes.services.iam import policies, roles
from antipodes.services.iam.account import Account
from antipodes.services.iam.records import Roster

OPERATIONS = {
    "AttachRolePolicy": roles.attach_role_policy,
    "CreatePolicy": policies.create_policy,
    "CreateRole": roles.create_role,
    "DeletePolicy": policies.delete_policy,
    "DeleteRole": roles.delete_role,
    "DeleteRolePolicy": roles.delete_role_policy,
    "DetachRolePolicy": roles.detach_role_policy,
    "GetPolicy": policies.get_policy,
    "GetPolicyVersion": policies.get_policy_version,
    "GetRole": roles.get_role,
    "GetRolePolicy": roles.get_role_policy,
    "ListAttachedRolePolicies": roles.list_attached_role_policies,
    "ListPolicies": policies.list_policies,
    "ListRolePolicies": roles.list_role_policies,
    "ListRoleTags": roles.list_role_tags,
    "ListRoles": roles.list_roles,
    "PutRolePolicy": roles.put_role_policy,
    "TagRole": roles.tag_role,
    "UntagRole": roles.untag_role,
    "UpdateAssumeRolePolicy": roles.update_assume_role_policy,
    "UpdateRole": roles.update_role,
}


class IAM:
    """The service."""

    name = "iam"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        account = Account(surroundings, Roster(surroundings.store))
        self.operations = {
            name: completed(functools.partial(function, account)) for name, function in OPERATIONS.items()
        }

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None
