"""Stacks with a REST API's stage: its cache, and the documentation that it shows."""

from __future__ import annotations

import json
from typing import Any

from tests.cloudformation.conftest import Desk
from tests.worlds import Worlds

API = {"Ref": "Api"}
METHOD = {"x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "{}"}}}
BODY = {"swagger": "2.0", "info": {"title": "a"}, "paths": {"/pets": {"get": METHOD}}}


def resource(kind: str, *after: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGateway::{kind}", "Properties": properties, "DependsOn": list(after)}


def template(says: str, version: str, ttl_s: int, **stage: Any) -> str:
    settings = {"ResourcePath": "/*", "HttpMethod": "*", "CachingEnabled": True, "CacheTtlInSeconds": ttl_s}
    resources = {
        "Api": resource("RestApi", Body=BODY),
        "Deployment": resource("Deployment", RestApiId=API),
        "Part": resource(
            "DocumentationPart",
            RestApiId=API,
            Location={"Type": "METHOD", "Path": "/pets", "Method": "GET"},
            Properties=json.dumps({"summary": says}),
        ),
        "Version": resource("DocumentationVersion", "Part", RestApiId=API, DocumentationVersion=version),
        "Stage": resource(
            "Stage",
            RestApiId=API,
            StageName="v1",
            DeploymentId={"Ref": "Deployment"},
            DocumentationVersion={"Ref": "Version"},
            MethodSettings=[settings],
            **stage,
        ),
    }
    return json.dumps({"Resources": resources, "Outputs": {"Id": {"Value": API}}})


def test_a_stage_is_made_with_all_of_them_and_changed(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.open()
        made = await desk.create(template("all", "1", 60, CacheClusterEnabled=True, CacheClusterSize="1.6"))
        where = {"restApiId": made["Outputs"][0]["OutputValue"], "stageName": "v1"}
        stage = await desk.ask("apigateway", "GetStage", **where)
        assert (stage["cacheClusterSize"], stage["documentationVersion"]) == ("1.6", "1")
        assert stage["methodSettings"]["*/*"]["cacheTtlInSeconds"] == 60
        assert await summary(desk, where) == "all"
        await desk.update(template("every one", "2", 30))
        stage = await desk.ask("apigateway", "GetStage", **where)
        assert (stage["cacheClusterEnabled"], stage["documentationVersion"]) == (False, "2")
        assert stage["methodSettings"]["*/*"]["cacheTtlInSeconds"] == 30
        assert await summary(desk, where) == "every one"
        versions = await desk.ask("apigateway", "GetDocumentationVersions", restApiId=where["restApiId"])
        assert [one["version"] for one in versions["items"]] == ["2"]
        await desk.delete()
        assert (await desk.ask("apigateway", "GetRestApis"))["items"] == []
        await desk.close()

    both_worlds.run(story)


def test_an_api_stays_the_same_when_its_settings_change(both_worlds: Worlds, desk: Desk) -> None:
    def with_settings(**settings: Any) -> str:
        resources = {"Api": resource("RestApi", Name="a", **settings)}
        return json.dumps({"Resources": resources, "Outputs": {"Id": {"Value": API}}})

    async def story() -> None:
        await desk.open()
        tags = [{"Key": "old", "Value": "1"}]
        made = await desk.create(with_settings(BinaryMediaTypes=["image~1png", "a/b"], Tags=tags))
        tags = [{"Key": "new", "Value": "2"}]
        given: dict[str, Any] = {"DisableExecuteApiEndpoint": True, "EndpointConfiguration": {"Types": ["REGIONAL"]}}
        changed = await desk.update(with_settings(BinaryMediaTypes=["a/b", "*/*"], Tags=tags, **given))
        api = made["Outputs"][0]["OutputValue"]
        assert changed["Outputs"][0]["OutputValue"] == api
        shown = await desk.ask("apigateway", "GetRestApi", restApiId=api)
        assert (shown["binaryMediaTypes"], shown["disableExecuteApiEndpoint"]) == (["a/b", "*/*"], True)
        assert (shown["endpointConfiguration"]["types"], shown["tags"]) == (["REGIONAL"], {"new": "2"})
        await desk.close()

    both_worlds.run(story)


async def summary(desk: Desk, where: dict[str, str]) -> str:
    document = json.loads((await desk.ask("apigateway", "GetExport", **where, exportType="oas30"))["body"])
    return str(document["paths"]["/pets"]["get"]["summary"])
