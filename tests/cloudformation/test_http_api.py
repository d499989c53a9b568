"""Stacks with HTTP APIs: plain resources, and what SAM makes of its own."""

from __future__ import annotations

import json
from typing import Any

from antipodes.services.cloudformation.registry import HANDLERS
from antipodes.services.cloudformation.sam import expand
from tests.cloudformation.conftest import Desk
from tests.worlds import Worlds

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
INTEGRATION = {
    "ApiId": {"Ref": "Api"},
    "IntegrationType": "AWS_PROXY",
    "IntegrationUri": FUNCTION,
    "PayloadFormatVersion": "2.0",
}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGatewayV2::{kind}", "Properties": properties}


def plain(key: str, **stage: Any) -> str:
    api = {"Ref": "Api"}
    resources = {
        "Api": resource("Api", Name="a", ProtocolType="HTTP", Tags={"k": "v"}),
        "Integration": resource("Integration", **INTEGRATION),
        "Route": resource("Route", ApiId=api, RouteKey=key, Target={"Fn::Sub": "integrations/${Integration}"}),
        "Stage": resource("Stage", ApiId=api, StageName="$default", AutoDeploy="true", **stage),
    }
    return json.dumps({"Resources": resources, "Outputs": {"Id": {"Value": api}}})


def document(path: str) -> str:
    integration = {"type": "aws_proxy", "payloadFormatVersion": "2.0", "uri": FUNCTION}
    body = {
        "openapi": "3.0.1",
        "info": {"title": {"Ref": "AWS::StackName"}},
        "paths": {path: {"get": {"x-amazon-apigateway-integration": integration}}},
    }
    return json.dumps({"Resources": {"Api": resource("Api", Body=body)}, "Outputs": {"Id": {"Value": {"Ref": "Api"}}}})


async def keys(desk: Desk, api: str) -> list[str]:
    return [route["RouteKey"] for route in (await desk.ask("apigatewayv2", "GetRoutes", ApiId=api))["Items"]]


def test_resources_are_made_changed_and_taken_away(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.open()
        made = await desk.create(plain("GET /a", StageVariables={"x": "1"}))
        api = made["Outputs"][0]["OutputValue"]
        stage = await desk.ask("apigatewayv2", "GetStage", ApiId=api, StageName="$default")
        assert (stage["AutoDeploy"], stage["StageVariables"]) == (True, {"x": "1"})
        assert (await desk.ask("apigatewayv2", "GetApi", ApiId=api))["Tags"] == {"k": "v"}
        await desk.update(plain("GET /b", StageVariables={"y": "2"}))
        stage = await desk.ask("apigatewayv2", "GetStage", ApiId=api, StageName="$default")
        assert stage["StageVariables"] == {"y": "2"}
        assert await keys(desk, api) == ["GET /b"]
        await desk.delete()
        assert (await desk.ask("apigatewayv2", "GetApis"))["Items"] == []
        await desk.close()

    both_worlds.run(story)


def test_documents_are_imported_and_imported_anew(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.open()
        api = (await desk.create(document("/a")))["Outputs"][0]["OutputValue"]
        assert (await desk.ask("apigatewayv2", "GetApi", ApiId=api))["Name"] == "app"
        assert (await desk.update(document("/b")))["Outputs"][0]["OutputValue"] == api
        assert await keys(desk, api) == ["GET /b"]
        await desk.close()

    both_worlds.run(story)


def test_what_sam_makes_of_http_apis_is_carried_out() -> None:
    event = {"Type": "HttpApi", "Properties": {"Path": "/x/{id}", "Method": "get"}}
    function = {"CodeUri": "s3://b/k", "Handler": "a.b", "Runtime": "python3.12", "Events": {"E": event}}
    domain = {"DomainName": "api.example.com", "CertificateArn": "arn:x", "BasePath": ["a/b"]}
    raw = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "F": {"Type": "AWS::Serverless::Function", "Properties": function},
            "A": {"Type": "AWS::Serverless::HttpApi", "Properties": {"StageName": "prod", "Domain": domain}},
        },
    }
    for logical, one in json.loads(expand(raw, {}, "us-east-1"))["Resources"].items():
        assert one["Type"] in HANDLERS, logical
        assert set(one["Properties"]) <= HANDLERS[one["Type"]].properties, logical


def sockets(**stage: Any) -> str:
    api, target = {"Ref": "Api"}, {"Fn::Sub": "integrations/${Integration}"}
    selection = {"RouteSelectionExpression": "$request.body.action"}
    resources = {
        "Api": resource("Api", Name="w", ProtocolType="WEBSOCKET", **selection),
        "Integration": resource("Integration", ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=FUNCTION),
        "Route": resource(
            "Route", ApiId=api, RouteKey="say", Target=target, RouteResponseSelectionExpression="$default"
        ),
        "Answer": resource("RouteResponse", ApiId=api, RouteId={"Ref": "Route"}, RouteResponseKey="$default"),
        "Deployment": resource("Deployment", ApiId=api) | {"DependsOn": ["Answer"]},
        "Stage": resource("Stage", ApiId=api, StageName="dev", DeploymentId={"Ref": "Deployment"}, **stage),
    }
    return json.dumps({"Resources": resources, "Outputs": {"Id": {"Value": api}}})


def test_websocket_apis_and_what_a_stage_no_longer_says(both_worlds: Worlds, desk: Desk) -> None:
    async def story() -> None:
        await desk.open()
        log = {
            "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:g",
            "Format": "$context.requestId $context.routeKey",
        }
        said = {"AccessLogSettings": log, "RouteSettings": {"say": {"ThrottlingBurstLimit": "5"}}}
        api = (await desk.create(sockets(**said)))["Outputs"][0]["OutputValue"]
        stage = await desk.ask("apigatewayv2", "GetStage", ApiId=api, StageName="dev")
        assert stage["AccessLogSettings"] == log
        assert stage["RouteSettings"]["say"]["ThrottlingBurstLimit"] == 5
        route = (await desk.ask("apigatewayv2", "GetRoutes", ApiId=api))["Items"][0]
        answers = await desk.ask("apigatewayv2", "GetRouteResponses", ApiId=api, RouteId=route["RouteId"])
        assert [one["RouteResponseKey"] for one in answers["Items"]] == ["$default"]
        await desk.update(sockets())
        stage = await desk.ask("apigatewayv2", "GetStage", ApiId=api, StageName="dev")
        assert ("AccessLogSettings" in stage, stage["RouteSettings"]) == (False, {})
        await desk.delete()
        assert (await desk.ask("apigatewayv2", "GetApis"))["Items"] == []
        await desk.close()

    both_worlds.run(story)
