"""Canary release deployments, as recorded on AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room, host_of
from tests.apigateway.v1.test_documents import EXTENSION

TELLS = '{"from": "%s", "isCanary": "$context.isCanary", "a": "$stageVariables.a", "b": "$stageVariables.b"}'


class Staged:
    """An API with two deployments, which say which they are; the stage `v1` serves the first."""

    def __init__(self, room: Room, api: str, deployments: list[str]) -> None:
        self.room, self.api, self.deployments = room, api, deployments
        self.where = {"restApiId": api, "stageName": "v1"}

    @classmethod
    async def made(cls, room: Room) -> Staged:
        api, deployments = "", []
        for name in ("first", "second"):
            says = {"default": {"statusCode": "200", "responseTemplates": {"application/json": TELLS % name}}}
            mock = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}, "responses": says}
            document = {"openapi": "3.0.1", "paths": {"/": {"get": {EXTENSION + "integration": mock}}}}
            body = json.dumps(document).encode()
            if api:
                await room.ask("PutRestApi", restApiId=api, mode="overwrite", body=body)
            else:
                api = (await room.ask("ImportRestApi", body=body))["id"]
            deployments.append((await room.ask("CreateDeployment", restApiId=api))["id"])
        variables = {"a": "stage", "b": "stage"}
        await room.ask("CreateStage", restApiId=api, stageName="v1", deploymentId=deployments[0], variables=variables)
        return cls(room, api, deployments)

    async def patch(self, *patches: dict[str, str]) -> dict[str, Any]:
        return await self.room.ask("UpdateStage", **self.where, patchOperations=list(patches))

    async def told(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((await self.room.get(host_of(self.api), "/v1")).body)
        return found


def test_some_requests_are_the_canarys(play_once: Play) -> None:
    async def story(room: Room) -> None:
        staged = await Staged.made(room)
        assert await staged.told() == {"from": "first", "isCanary": "false", "a": "stage", "b": "stage"}
        shown = await staged.patch(
            {"op": "replace", "path": "/canarySettings/deploymentId", "value": staged.deployments[1]},
            {"op": "replace", "path": "/canarySettings/stageVariableOverrides/a", "value": "canary"},
        )
        assert shown["canarySettings"] == {
            "deploymentId": staged.deployments[1],
            "percentTraffic": 0.0,
            "stageVariableOverrides": {"a": "canary"},
            "useStageCache": False,
        }
        assert [(await staged.told())["from"] for _ in range(20)] == ["first"] * 20
        await staged.patch({"op": "replace", "path": "/canarySettings/percentTraffic", "value": "100.0"})
        assert await staged.told() == {"from": "second", "isCanary": "true", "a": "canary", "b": "stage"}
        await staged.patch({"op": "replace", "path": "/canarySettings/percentTraffic", "value": "30"})
        seen = [(await staged.told())["from"] for _ in range(200)]
        assert 30 < seen.count("second") < 90
        with pytest.raises(AwsError, match="Active stages"):
            await room.ask("DeleteDeployment", restApiId=staged.api, deploymentId=staged.deployments[1])
        shown = await staged.patch(
            {"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"},
            {"op": "copy", "from": "/canarySettings/stageVariableOverrides", "path": "/variables"},
            {"op": "remove", "path": "/canarySettings"},
        )
        assert (shown["deploymentId"], shown["variables"]) == (staged.deployments[1], {"a": "canary", "b": "stage"})
        assert "canarySettings" not in shown
        assert await staged.told() == {"from": "second", "isCanary": "false", "a": "canary", "b": "stage"}

    play_once(story)


def test_a_deployment_may_be_made_a_canary(play_once: Play) -> None:
    async def story(room: Room) -> None:
        staged = await Staged.made(room)
        made = await room.ask("CreateDeployment", **staged.where, canarySettings={"percentTraffic": 50.0})
        shown = await room.ask("GetStage", **staged.where)
        assert shown["deploymentId"] == staged.deployments[0]
        assert shown["canarySettings"] == {"deploymentId": made["id"], "percentTraffic": 50.0, "useStageCache": False}
        for operation, params, words in (
            ("CreateDeployment", {"restApiId": staged.api}, "Provided value is null"),
            ("CreateDeployment", {"restApiId": staged.api, "stageName": "none"}, "must already be created"),
            (
                "CreateStage",
                {"restApiId": staged.api, "stageName": "v2", "deploymentId": made["id"]},
                "Deployment id does not exist",
            ),
        ):
            with pytest.raises(AwsError, match=words):
                await room.ask(operation, **params, canarySettings={"percentTraffic": 1.0, "deploymentId": "none"})
        assert len((await room.ask("GetDeployments", restApiId=staged.api))["items"]) == 3

    play_once(story)


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"op": "remove", "path": "/canarySettings/stageVariableOverrides"}, "Cannot remove method setting"),
        ({"op": "replace", "path": "/canarySettings", "value": "x"}, "Invalid method setting path"),
        ({"op": "replace", "path": "/canarySettings/bad", "value": "x"}, "Invalid method setting path"),
        ({"op": "add", "path": "/canarySettings/deploymentId", "value": "x"}, "Invalid add operation"),
        ({"op": "replace", "path": "/canarySettings/deploymentId", "value": "x"}, "Deployment id does not exist"),
        ({"op": "replace", "path": "/canarySettings/percentTraffic", "value": "101"}, "between 0 and 100"),
        ({"op": "copy", "from": "/canarySettings/deploymentId", "path": "/deploymentId"}, "Promotion not available"),
        (
            {"op": "add", "path": "/canarySettings/stageVariableOverrides/a", "value": "a b"},
            "Invalid stage variable value",
        ),
        ({"op": "copy", "from": "/variables", "path": "/deploymentId"}, "Invalid copy operation"),
    ],
)
def test_patches_that_cannot_be(play_once: Play, patch: dict[str, str], words: str) -> None:
    async def story(room: Room) -> None:
        staged = await Staged.made(room)
        with pytest.raises(AwsError, match=words):
            await staged.patch(patch)
        assert "canarySettings" not in await room.ask("GetStage", **staged.where)

    play_once(story)
