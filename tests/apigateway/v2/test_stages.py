"""What a stage of an HTTP API says of its requests: access logs, metrics, signatures of routes; and exporting."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from antipodes.wire import sigv4
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.http import HttpRequest
from tests.apigateway.conftest import ACCOUNT, REGION, Play, Room, host_of
from tests.apigateway.v2.conftest import ECHO, made

GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/apis/access"
FORMAT = '{"s":$context.status,"k":"$context.routeKey","e":"$context.error.message","id":"$context.requestId"}'


def test_access_logs_and_metrics_of_a_stage(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "GET /a")
        settings = {"AccessLogSettings": {"DestinationArn": GROUP, "Format": FORMAT}}
        detailed = {"GET /a": {"DetailedMetricsEnabled": True}}
        shown = await room.ask2("UpdateStage", ApiId=api, StageName="$default", RouteSettings=detailed, **settings)
        assert shown["AccessLogSettings"] == settings["AccessLogSettings"]
        assert shown["RouteSettings"] == detailed
        ok, none = await room.get(host_of(api), "/a"), await room.get(host_of(api), "/none")
        await room.world.sleep(6.0)
        lines = [json.loads(line) for line in room.lines]
        assert [(one["s"], one["k"], one["e"]) for one in lines] == [(200, "GET /a", "-"), (404, "-", "Not Found")]
        assert [one["id"] for one in lines] == [ok.header("apigw-requestid"), none.header("apigw-requestid")]
        counts = {
            tuple(one["Value"] for one in datum["Dimensions"]): sum(datum["Counts"])
            for datum in room.metrics
            if datum["MetricName"] == "Count"
        }
        assert counts == {(api,): 2, (api, "$default"): 2, (api, "$default", "GET", "/a"): 1}
        await room.ask2("DeleteAccessLogSettings", ApiId=api, StageName="$default")
        await room.ask2("DeleteRouteSettings", ApiId=api, StageName="$default", RouteKey="GET /a")
        assert "AccessLogSettings" not in await room.ask2("GetStage", ApiId=api, StageName="$default")
        wrongs: tuple[dict[str, Any], ...] = (
            {"AccessLogSettings": {"DestinationArn": GROUP, "Format": "x"}},
            {"RouteSettings": {"GET /b": {}}},
        )
        for wrong in wrongs:
            with pytest.raises(ClientFault):
                await room.ask2("UpdateStage", ApiId=api, StageName="$default", **wrong)

    play_once(story)


def test_routes_that_want_a_signature(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "GET /a")
        route = (await room.ask2("GetRoutes", ApiId=api))["Items"][0]["RouteId"]
        await room.ask2("UpdateRoute", ApiId=api, RouteId=route, AuthorizationType="AWS_IAM")
        refused = await room.get(host_of(api), "/a")
        assert (refused.status, refused.body) == (403, b'{"message":"Forbidden"}')
        plain = HttpRequest("GET", "/a", (("Host", host_of(api)),), b"")
        keys = sigv4.Credentials("test", "test")
        signed = sigv4.sign(plain, keys, region=REGION, service="execute-api", now=room.world.now())
        answer = await room.gateway.respond(signed, room.verify)
        assert json.loads(answer.body)["requestContext"]["authorizer"]["iam"]["accessKey"] == "test"

    play_once(story)


def test_routes_are_throttled(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "GET /a", "GET /b")
        await room.ask2("UpdateStage", ApiId=api, StageName="$default", DefaultRouteSettings={"ThrottlingRateLimit": 5})
        limits = {"GET /a": {"ThrottlingBurstLimit": 1, "ThrottlingRateLimit": 0.5}}
        await room.ask2("UpdateStage", ApiId=api, StageName="$default", RouteSettings=limits)
        assert [(await room.get(host_of(api), path)).status for path in ("/a", "/b", "/b")] == [200, 200, 200]
        refused = await room.get(host_of(api), "/a")
        assert (refused.status, refused.body) == (429, b'{"message":"Too Many Requests"}')
        await room.world.sleep(2.0)
        assert (await room.get(host_of(api), "/a")).status == 200

    play_once(story)


def test_heads_have_a_limit(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "GET /a")
        assert (await room.get(host_of(api), "/a", X="y" * 10_000)).status == 200
        assert (await room.get(host_of(api), "/a", X="y" * 10_240)).status == 431

    play_once(story)


def test_what_is_exported_is_imported(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "GET /items/{id}", "$default", Version="2")
        options = {"ApiId": api, "Specification": "OAS30", "OutputType": "JSON"}
        document = json.loads((await room.ask2("ExportApi", StageName="$default", **options))["body"])
        assert document["info"] == {"title": "a", "version": "2"}
        assert sorted(document["paths"]) == ["/$default", "/items/{id}"]
        again = await room.ask2("ImportApi", Body=json.dumps(document))
        routes = (await room.ask2("GetRoutes", ApiId=again["ApiId"]))["Items"]
        assert sorted(route["RouteKey"] for route in routes) == ["$default", "GET /items/{id}"]
        text = (await room.ask2("ExportApi", **{**options, "OutputType": "YAML", "IncludeExtensions": False}))["body"]
        assert "apigateway-integration" not in text.decode()
        assert yaml.safe_load(text)["openapi"] == "3.0.1"
        with pytest.raises(NotSupported, match="SQS-SendMessage"):
            await room.ask2(
                "CreateIntegration", ApiId=api, IntegrationType="AWS_PROXY", IntegrationSubtype="SQS-SendMessage"
            )

    play_once(story)
