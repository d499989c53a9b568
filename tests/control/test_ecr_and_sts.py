"""Repositories that stay empty; sessions of roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from antipodes.services.ecr.service import ECR
from antipodes.services.iam.service import IAM
from antipodes.services.sts.service import STS
from antipodes.wire.operation import Request
from antipodes.wire.session_keys import secret_for
from tests.control.conftest import REGION, ask, refused, surroundings
from tests.worlds import Worlds


def test_a_repository_exists_with_its_policies_and_has_no_images(both_worlds: Worlds) -> None:
    async def story() -> None:
        ecr = ECR(surroundings(both_worlds.world(REGION)))
        made = (await ask(ecr, "CreateRepository", repositoryName="team/app"))["repository"]
        assert made["repositoryUri"] == f"000000000000.dkr.ecr.{REGION}.amazonaws.com/team/app"
        assert (await refused(ecr, "CreateRepository", repositoryName="team/app")).code == (
            "RepositoryAlreadyExistsException"
        )
        here = {"repositoryName": "team/app"}
        assert (await refused(ecr, "GetLifecyclePolicy", **here)).code == "LifecyclePolicyNotFoundException"
        await ask(ecr, "PutLifecyclePolicy", **here, lifecyclePolicyText='{"rules": []}')
        assert (await ask(ecr, "GetLifecyclePolicy", **here))["lifecyclePolicyText"] == '{"rules": []}'
        assert (await ask(ecr, "DescribeImages", **here))["imageDetails"] == []
        missing = await refused(ecr, "DescribeImages", **here, imageIds=[{"imageTag": "latest"}])
        assert missing.code == "ImageNotFoundException"
        assert "GetAuthorizationToken" not in ecr.operations
        await ask(ecr, "DeleteRepository", **here)
        assert (await ask(ecr, "DescribeRepositories"))["repositories"] == []

    both_worlds.run(story)


def test_a_session_of_a_role_has_a_key_that_every_region_can_check(both_worlds: Worlds) -> None:
    async def story() -> None:
        around = surroundings(both_worlds.world(REGION))
        iam = IAM(around)

        async def call(
            service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
        ) -> Mapping[str, Any]:
            return await ask(iam, operation, **params)

        sts = STS(replace(around, call=call))
        await ask(iam, "CreateRole", RoleName="deploy", AssumeRolePolicyDocument='{"Statement": [{}]}')
        arn = "arn:aws:iam::000000000000:role/deploy"
        given = await ask(sts, "AssumeRole", RoleArn=arn, RoleSessionName="tool")
        again = await ask(sts, "AssumeRole", RoleArn=arn, RoleSessionName="tool")
        keys = given["Credentials"]
        assert keys["AccessKeyId"] != again["Credentials"]["AccessKeyId"]
        assert secret_for("test", keys["AccessKeyId"]) == keys["SecretAccessKey"]
        who = Request("sts", "GetCallerIdentity", {}, REGION, access_key=keys["AccessKeyId"])
        answer = await sts.operations["GetCallerIdentity"](who)
        assert isinstance(answer, Mapping)
        assert answer["Arn"] == "arn:aws:sts::000000000000:assumed-role/deploy/tool"
        other = {"RoleArn": arn + "x", "RoleSessionName": "tool"}
        assert (await refused(sts, "AssumeRole", **other)).code == "AccessDenied"

    both_worlds.run(story)
