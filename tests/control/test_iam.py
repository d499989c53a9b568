"""Roles and policies; who am I."""

from __future__ import annotations

from urllib.parse import unquote

from antipodes.services.iam.service import IAM
from antipodes.services.sts.service import STS
from tests.control.conftest import REGION, ask, refused, surroundings
from tests.worlds import Worlds

TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}'
MANAGED = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def test_a_role_is_kept_with_its_policies(both_worlds: Worlds) -> None:
    async def story() -> None:
        iam = IAM(surroundings(both_worlds.world(REGION)))
        made = (await ask(iam, "CreateRole", RoleName="runner", AssumeRolePolicyDocument=TRUST, Path="/app/"))["Role"]
        assert made["Arn"] == "arn:aws:iam::000000000000:role/app/runner"
        assert made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21
        assert unquote(made["AssumeRolePolicyDocument"]) == TRUST
        await ask(iam, "PutRolePolicy", RoleName="runner", PolicyName="inline", PolicyDocument=TRUST)
        await ask(iam, "AttachRolePolicy", RoleName="runner", PolicyArn=MANAGED)
        assert (await ask(iam, "ListRolePolicies", RoleName="runner"))["PolicyNames"] == ["inline"]
        attached = (await ask(iam, "ListAttachedRolePolicies", RoleName="runner"))["AttachedPolicies"]
        assert attached == [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": MANAGED}]
        error = await refused(iam, "DeleteRole", RoleName="runner")
        assert (error.code, error.status) == ("DeleteConflict", 409)
        await ask(iam, "DetachRolePolicy", RoleName="runner", PolicyArn=MANAGED)
        assert (await refused(iam, "DeleteRole", RoleName="runner")).message.endswith("must delete policies first.")
        await ask(iam, "DeleteRolePolicy", RoleName="runner", PolicyName="inline")
        await ask(iam, "DeleteRole", RoleName="runner")
        error = await refused(iam, "GetRole", RoleName="runner")
        assert (error.code, error.status) == ("NoSuchEntity", 404)
        assert error.message == "The role with name runner cannot be found."

    both_worlds.run(story)


def test_managed_policies_are_guarded_while_attached(both_worlds: Worlds) -> None:
    async def story() -> None:
        iam = IAM(surroundings(both_worlds.world(REGION)))
        arn = (await ask(iam, "CreatePolicy", PolicyName="p", PolicyDocument=TRUST))["Policy"]["Arn"]
        await ask(iam, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
        await ask(iam, "AttachRolePolicy", RoleName="r", PolicyArn=arn)
        assert (await ask(iam, "GetPolicy", PolicyArn=arn))["Policy"]["AttachmentCount"] == 1
        assert (await refused(iam, "DeletePolicy", PolicyArn=arn)).code == "DeleteConflict"
        missing = await refused(iam, "AttachRolePolicy", RoleName="r", PolicyArn=arn + "x")
        assert missing.code == "NoSuchEntity"

    both_worlds.run(story)


def test_bad_input_is_refused_in_iams_words(both_worlds: Worlds) -> None:
    async def story() -> None:
        iam = IAM(surroundings(both_worlds.world(REGION)))
        bad = await refused(iam, "CreateRole", RoleName="r", AssumeRolePolicyDocument="{")
        assert bad.code == "MalformedPolicyDocument"
        bad = await refused(iam, "CreateRole", RoleName="a b", AssumeRolePolicyDocument=TRUST)
        assert bad.code == "ValidationError"
        await ask(iam, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
        again = await refused(iam, "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST)
        assert again.code == "EntityAlreadyExists"

    both_worlds.run(story)


def test_the_caller_is_the_account(both_worlds: Worlds) -> None:
    async def story() -> None:
        sts = STS(surroundings(both_worlds.world(REGION), account="123456789012"))
        found = await ask(sts, "GetCallerIdentity")
        assert (found["Account"], found["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:root")

    both_worlds.run(story)
