"""WebSocket APIs whose routes lead to integrations by mapping; models; what is noted of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.edge.http import serve_http
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.geography import address_of
from tests.apigateway.conftest import REGION, Play, Room, host_of, uri_of
from tests.apigateway.v2.sockets.client import Client, listening

FAILS = "def handler(event, c):\n    if event.get('why'):\n        raise ValueError('teapot ' + event['why'])\n"


class Api:
    """A WebSocket API with one stage, `dev`."""

    def __init__(self, room: Room, api: str) -> None:
        self.room = room
        self.id = api

    @classmethod
    async def made(cls, room: Room, **stage: Any) -> Api:
        selection = {"RouteSelectionExpression": "$request.body.action"}
        api = str((await room.ask2("CreateApi", Name="w", ProtocolType="WEBSOCKET", **selection))["ApiId"])
        await room.ask2("CreateStage", ApiId=api, StageName="dev", AutoDeploy=True, **stage)
        return cls(room, api)

    async def route(self, key: str, kind: str, responses: dict[str, str], **given: Any) -> str:
        """responses: key of an integration response -> template ("": the answer passes). The route's id."""
        models = {"RequestModels": given.pop("RequestModels")} if "RequestModels" in given else {}
        made = await self.room.ask2("CreateIntegration", ApiId=self.id, IntegrationType=kind, **given)
        integration = made["IntegrationId"]
        for name, template in responses.items():
            more: dict[str, Any] = {"ResponseTemplates": {"$default": template}} if template else {}
            where = {"ApiId": self.id, "IntegrationId": integration}
            await self.room.ask2("CreateIntegrationResponse", **where, IntegrationResponseKey=name, **more)
        told: dict[str, Any] = {
            "Target": f"integrations/{integration}",
            "RouteResponseSelectionExpression": "$default",
            **models,
        }
        created = await self.room.ask2("CreateRoute", ApiId=self.id, RouteKey=key, **told)
        where = {"ApiId": self.id, "RouteId": created["RouteId"]}
        await self.room.ask2("CreateRouteResponse", **where, RouteResponseKey="$default")
        return str(created["RouteId"])


def test_nobody_answers_by_template(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await Api.made(room)
        templates = {"$default": '{"statusCode": 200}', "bad": '{"statusCode": 418}'}
        selection = {"TemplateSelectionExpression": "$request.body.kind", "RequestTemplates": templates}
        shown = '{"id": "$context.connectionId", "key": "$context.routeKey", "q": $input.json("$.q")}'
        # A MOCK's answer has no body of its own: its template sees nothing of the message.
        await api.route("$default", "MOCK", {"$default": shown, "/4\\d\\d/": "refused"}, **selection)
        server = await listening(room)
        client = await Client.dial(room.world, server.port, host_of(api.id))
        await client.send('{"q": [1]}')
        told = json.loads(await client.receive())
        assert (told["key"], len(told["id"]), told["q"]) == ("$default", 16, "")
        await client.send('{"kind": "bad"}')
        assert await client.receive() == b"refused"
        server.close()

    play_once(story)


def test_a_function_and_a_server_by_mapping(play_once: Play) -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        status = 503 if b"ill" in request.body else 200
        return HttpResponse(status, (), request.target.encode() + b" " + request.body)

    async def story(room: Room) -> None:
        api = await Api.made(room)
        await room.function("f", FAILS, permitted=f"{api.id}/dev/ask")
        template = {"RequestTemplates": {"$default": '{"why": "$input.path(\'$.why\')"}'}}
        responses = {"/teapot.*/": 'failed: $input.path("$.errorMessage")', "$default": "done"}
        await api.route("ask", "AWS", responses, IntegrationUri=uri_of("f"), IntegrationMethod="POST", **template)
        behind = await serve_http(room.world, 0, answer, address=address_of(REGION))
        uri = f"http://{address_of(REGION)}:{behind.port}/x"
        mapped = {"RequestParameters": {"integration.request.querystring.w": "route.request.body.who"}}
        await api.route("get", "HTTP", {}, IntegrationUri=uri, IntegrationMethod="POST", **mapped)
        server = await listening(room)
        client = await Client.dial(room.world, server.port, host_of(api.id))
        for message, wanted in (
            ({"action": "ask", "why": "hot"}, b"failed: teapot hot"),
            ({"action": "ask"}, b"done"),
            ({"action": "get", "who": "me"}, b'/x?w=me {"action": "get", "who": "me"}'),
            ({"action": "get", "x": "ill"}, b'/x {"action": "get", "x": "ill"}'),
        ):
            await client.send(json.dumps(message))
            assert await client.receive() == wanted
        await room.world.sleep(1.0)
        await room.gateway.stop()
        values = {one["MetricName"]: 0.0 for one in room.metrics}
        for one in room.metrics:
            if one["Dimensions"] == [{"Name": "ApiId", "Value": api.id}]:
                pairs = zip(one["Values"], one["Counts"], strict=True)
                values[one["MetricName"]] += sum(value * count for value, count in pairs)
        assert values["ConnectCount"] == 1
        assert values["MessageCount"] == 8  # four in, four out
        assert (values["IntegrationError"], values["ExecutionError"], values["ClientError"]) == (1, 0, 0)
        server.close()
        behind.close()

    play_once(story)


def test_messages_are_checked_by_models_and_written_down(play_once: Play) -> None:
    async def story(room: Room) -> None:
        settings = {"LoggingLevel": "INFO", "DataTraceEnabled": True}
        api = await Api.made(room, DefaultRouteSettings=settings)
        room.log_groups.append(f"/aws/apigateway/{api.id}/dev")
        schema = json.dumps({"type": "object", "required": ["n"]})
        model = await room.ask2("CreateModel", ApiId=api.id, Name="M", Schema=schema)
        mock = {"RequestTemplates": {"$default": '{"statusCode": 200}'}, "RequestModels": {"$default": "M"}}
        route = await api.route("$default", "MOCK", {"$default": "good"}, **mock)
        assert (await room.ask2("GetRoute", ApiId=api.id, RouteId=route))["RequestModels"] == {"$default": "M"}
        with pytest.raises(AwsError, match="referenced"):
            await room.ask2("DeleteModel", ApiId=api.id, ModelId=model["ModelId"])
        server = await listening(room)
        client = await Client.dial(room.world, server.port, host_of(api.id))
        for message in ("{}", "no json"):
            await client.send(message)
            assert json.loads(await client.receive())["message"] == "Invalid request body"
        await client.send('{"n": 1}')
        assert await client.receive() == b"good"
        await room.world.sleep(1.0)
        await room.gateway.stop()
        lines = [line.partition(") ")[2] for line in room.lines]
        assert "WebSocket Request Route: [$connect]" in lines
        completed = [line.rpartition(" ")[2] for line in lines if line.startswith("Method completed")]
        assert completed == ["200", "400", "400", "200"]
        server.close()

    play_once(story)


def test_what_cannot_be_is_refused_when_it_is_put(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await Api.made(room)
        made = await room.ask2("CreateIntegration", ApiId=api.id, IntegrationType="MOCK")
        where = {"ApiId": api.id, "IntegrationId": made["IntegrationId"]}
        first = await room.ask2("CreateIntegrationResponse", **where, IntegrationResponseKey="$default")
        for operation, params in (
            ("CreateIntegrationResponse", {**where, "IntegrationResponseKey": "$default"}),
            ("CreateIntegrationResponse", {**where, "IntegrationResponseKey": "/(/"}),
            ("CreateIntegrationResponse", {**where, "IntegrationResponseKey": "200"}),
            ("UpdateIntegration", {**where, "RequestTemplates": {"$default": "#if("}}),
            ("UpdateIntegration", {**where, "TemplateSelectionExpression": "$request.header.x"}),
            ("CreateIntegration", {"ApiId": api.id, "IntegrationType": "HTTP"}),
            ("CreateRoute", {"ApiId": api.id, "RouteKey": "x", "RequestModels": {"$default": "none"}}),
            ("CreateModel", {"ApiId": api.id, "Name": "M", "Schema": "["}),
        ):
            with pytest.raises(AwsError):
                await room.ask2(operation, **params)
        await room.ask2("UpdateIntegration", **where, Description="d")
        listed = (await room.ask2("GetIntegrationResponses", **where))["Items"]
        assert [one["IntegrationResponseId"] for one in listed] == [first["IntegrationResponseId"]]

    play_once(story)
