"""Quotas: one more than there may be is refused, and leaves nothing behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.apigateway import quotas
from antipodes.services.apigateway.throttle import ACCOUNT_BURST
from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room, host_of, uri_of
from tests.apigateway.v1.test_guards import MOCK

EXTENSION = "x-amazon-apigateway-"


def test_what_is_there_already_is_never_refused() -> None:
    quotas.check(quotas.PER_API, "stages", range(12), range(12))
    quotas.check(quotas.PER_API, "stages", range(12), range(11))
    quotas.check(quotas.PER_API, "stages", range(9), range(10))
    with pytest.raises(AwsError, match=r"Maximum number of stages for this API has been reached\."):
        quotas.check(quotas.PER_API, "stages", range(10), range(11))


def test_one_more_is_refused(play_once: Play) -> None:
    """By each way to it; also by a document that says too much at once."""

    async def story(room: Room) -> None:
        async def refused(code: str, operation: str, **params: Any) -> None:
            with pytest.raises(AwsError) as error:
                await (room.ask if code == "LimitExceededException" else room.ask2)(operation, **params)
            assert (error.value.code, error.value.status) == (code, 429)

        first, second = "LimitExceededException", "TooManyRequestsException"
        paths = {f"/p{number}": {"get": {EXTENSION + "integration": MOCK}} for number in range(299)}
        given = {"openapi": "3.0.1", "paths": paths}
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        root = (await room.ask("GetRestApi", restApiId=api))["rootResourceId"]
        await refused(first, "CreateResource", restApiId=api, parentId=root, pathPart="more")
        paths["/more"] = paths["/p0"]
        await refused(first, "ImportRestApi", body=json.dumps(given).encode())
        assert len((await room.ask("GetRestApis"))["items"]) == 1
        deployment = (await room.ask("CreateDeployment", restApiId=api, stageName="s0"))["id"]
        for number in range(1, 10):
            await room.ask("CreateStage", restApiId=api, stageName=f"s{number}", deploymentId=deployment)
        await refused(first, "CreateStage", restApiId=api, stageName="more", deploymentId=deployment)
        await refused(first, "CreateDeployment", restApiId=api, stageName="more")
        assert len((await room.ask("GetDeployments", restApiId=api))["items"]) == 1
        kind = {"type": "TOKEN", "authorizerUri": uri_of("f")}
        for number in range(10):
            await room.ask("CreateAuthorizer", restApiId=api, name=f"a{number}", **kind)
        await refused(first, "CreateAuthorizer", restApiId=api, name="more", **kind)

        http = (await room.ask2("CreateApi", Name="h", ProtocolType="HTTP"))["ApiId"]
        for number in range(10):
            await room.ask2("CreateStage", ApiId=http, StageName=f"s{number}")
        await refused(second, "CreateStage", ApiId=http, StageName="more")
        variables = {f"v{number}": "1" for number in range(101)}
        await refused(second, "UpdateStage", ApiId=http, StageName="s0", StageVariables=variables)

    play_once(story)


def test_all_apis_share_one_throttle(play_once: Play) -> None:
    async def story(room: Room) -> None:
        function = await room.function("f", "def handler(event, c):\n    return {'statusCode': 200}\n")
        given = {"openapi": "3.0.1", "paths": {"/a": {"get": {EXTENSION + "integration": MOCK}}}}
        rest = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=rest, stageName="v1")
        http = (await room.ask2("CreateApi", Name="h", ProtocolType="HTTP", Target=function))["ApiId"]
        statuses = [(await room.get(host_of(rest), "/v1/a")).status for _ in range(ACCOUNT_BURST + 1)]
        assert statuses == [200] * ACCOUNT_BURST + [429]  # in simulated time all at once
        refused = await room.get(host_of(http), "/")
        assert (refused.status, refused.body) == (429, b'{"message":"Too Many Requests"}')
        await room.world.sleep(0.01)
        assert (await room.get(host_of(http), "/")).status == 200

    play_once(story)


def test_heads_have_a_limit(play_once: Play) -> None:
    async def story(room: Room) -> None:
        given = {"openapi": "3.0.1", "paths": {"/a": {"get": {EXTENSION + "integration": MOCK}}}}
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        assert (await room.get(host_of(api), "/v1/a", X_A="x" * 20_000)).status == 200
        assert (await room.get(host_of(api), "/v1/a", X_A="x" * 20_480)).status == 431

    play_once(story)
