"""HTTP APIs, from a request to a function and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.edge.http import serve_http
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.geography import address_of
from tests.apigateway.conftest import ACCOUNT, CERTIFICATE, REGION, Play, Room, host_of, uri_of
from tests.apigateway.v2.conftest import ECHO, made, told

HANDS_BACK = "import json\ndef handler(event, c):\n    return json.loads(event['body'])\n"
OPEN = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-one"], "MaxAge": 60}


def test_event_of_payload_2(play: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "POST /items/{id}")
        await room.ask2("UpdateStage", ApiId=api, StageName="$default", StageVariables={"colour": "blue"})
        response = await room.get(
            host_of(api), "/items/a%20b?x=1&x=2&y=", "POST", b"{}", User_Agent="me/1", Cookie="k=1; l=2", X_Two="1"
        )
        assert (response.status, response.header("content-type")) == (200, "application/json")
        event = json.loads(response.body)
        context = event.pop("requestContext")
        headers = event.pop("headers")
        assert event == {
            "version": "2.0",
            "routeKey": "POST /items/{id}",
            "rawPath": "/items/a b",
            "rawQueryString": "x=1&x=2&y=",
            "cookies": ["k=1", "l=2"],
            "queryStringParameters": {"x": "1,2", "y": ""},
            "pathParameters": {"id": "a b"},
            "stageVariables": {"colour": "blue"},
            "body": "{}",
            "isBase64Encoded": False,
        }
        assert (headers["x-two"], headers["x-forwarded-for"], headers["content-length"]) == ("1", "198.18.0.9", "2")
        assert (context["stage"], context["apiId"], context["routeKey"]) == ("$default", api, "POST /items/{id}")
        assert (context["http"]["path"], context["http"]["sourceIp"]) == ("/items/a b", "198.18.0.9")
        assert context["requestId"] == response.header("apigw-requestid")

    play(story)


def test_event_of_payload_1_is_rests_with_a_version(play_once: Play) -> None:
    async def story(room: Room) -> None:
        function = await room.function("f", "import json\ndef handler(e, c):\n    return {'body': json.dumps(e)}\n")
        api = await made(room, function, "ANY /{proxy+}", payload="1.0", stage="dev")
        response = await room.get(host_of(api), "/dev/a/b%C3%A9?x=1&x=2", User_Agent="me/1")
        assert (response.status, response.header("content-type")) == (200, "text/plain;charset=UTF-8")
        event = json.loads(response.body)
        assert (event["version"], event["resource"], event["path"]) == ("1.0", "/{proxy+}", "/dev/a/bé")
        assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
        assert event["headers"]["user-agent"] == "me/1"
        assert event["requestContext"]["resourceId"] == "ANY /{proxy+}"
        assert (event["body"], event["stageVariables"]) == (None, None)

    play_once(story)


def test_what_a_functions_answer_becomes(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", HANDS_BACK), "$default")

        async def answer(value: Any) -> HttpResponse:
            return await room.get(host_of(api), "/", "POST", json.dumps(value).encode())

        plain = await answer("hello")
        assert (plain.status, plain.body, plain.header("content-type")) == (200, b"hello", "application/json")
        assert told(await answer({"a": 1})) == (200, b'{"a": 1}')
        assert told(await answer([1])) == (200, b"[1]")
        whole = await answer(
            {
                "statusCode": 201,
                "headers": {"X-A": 1},
                "cookies": ["a=1", "b=2"],
                "body": "aGk=",
                "isBase64Encoded": True,
            }
        )
        assert told(whole) == (201, b"hi")
        assert whole.header("x-a") == "1"
        assert [value for name, value in whole.headers if name == "set-cookie"] == ["a=1", "b=2"]
        failed = (500, b'{"message":"Internal Server Error"}')
        for wrong in (
            {"statusCode": "x"},
            {"statusCode": 200, "body": {}},
            {"statusCode": 200, "headers": {"a b": "c"}},
        ):
            assert told(await answer(wrong)) == failed
        assert told(await room.get(host_of(api), "/", "POST", b"no json")) == failed  # it raises

    play_once(story)


def test_errors_of_the_gateway(play_once: Play) -> None:
    async def story(room: Room) -> None:
        function = await room.function("f", ECHO, permitted="*/*/GET/allowed")
        api = await made(room, function, "GET /allowed", "GET /other", stage="dev")
        missing = (404, b'{"message":"Not Found"}')
        for target in ("/dev/none", "/none", "/", "/dev"):
            assert told(await room.get(host_of(api), target)) == missing
        assert told(await room.get(host_of(api), "/dev/allowed", "POST")) == missing
        assert (await room.get(host_of(api), "/dev/allowed")).status == 200
        # The policy of the function allows another route alone.
        assert told(await room.get(host_of(api), "/dev/other")) == (500, b'{"message":"Internal Server Error"}')
        large = await room.get(host_of(api), "/dev/allowed", "GET", b"x" * (10 * 1024 * 1024 + 1))
        assert large.status == 413
        await room.ask2("UpdateApi", ApiId=api, DisableExecuteApiEndpoint=True)
        assert told(await room.get(host_of(api), "/dev/allowed")) == missing

    play_once(story)


def test_function_that_takes_longer_than_the_integration_waits(play_once: Play) -> None:
    async def story(room: Room) -> None:
        slow = "import time\ndef handler(e, c):\n    time.sleep(40)\n    return 1\n"
        api = await made(room, await room.function("f", slow, Timeout=60), "$default")
        before = room.world.monotonic()
        assert told(await room.get(host_of(api), "/")) == (503, b'{"message":"Service Unavailable"}')
        assert 30 <= room.world.monotonic() - before < 31  # virtual

    play_once(story)


def test_cors_is_answered_here_and_the_backends_is_ignored(play_once: Play) -> None:
    async def story(room: Room) -> None:
        own = "def handler(e, c):\n    h = {'Access-Control-Allow-Origin': 'evil', 'X-Own': '1'}\n"
        function = await room.function("f", own + "    return {'statusCode': 200, 'headers': h}\n")
        api = await made(room, function, "GET /items", CorsConfiguration=OPEN)
        ask: Any = {"Origin": "https://a.example", "Access_Control_Request_Method": "GET"}
        allowed = await room.get(host_of(api), "/anything", "OPTIONS", **ask)
        assert (allowed.status, allowed.body) == (204, b"")
        assert allowed.header("access-control-allow-origin") == "https://a.example"
        assert allowed.header("access-control-allow-headers") == "x-one"
        assert allowed.header("access-control-max-age") == "60"
        other = await room.get(host_of(api), "/items", "OPTIONS", **{**ask, "Origin": "https://b.example"})
        assert (other.status, other.header("access-control-allow-origin")) == (204, None)
        answer = await room.get(host_of(api), "/items", Origin="https://a.example")
        assert [v for k, v in answer.headers if k.lower() == "access-control-allow-origin"] == ["https://a.example"]
        assert answer.header("x-own") == "1"
        assert (await room.get(host_of(api), "/items")).header("access-control-allow-origin") is None

    play_once(story)


def test_api_mappings_lead_to_stages(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "ANY /{proxy+}", stage="dev")
        configuration = [{"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL"}]
        domain = await room.ask2(
            "CreateDomainName", DomainName="api.example.com", DomainNameConfigurations=configuration
        )
        assert domain["DomainNameConfigurations"][0]["ApiGatewayDomainName"].startswith("d-")
        mapping = await room.ask2(
            "CreateApiMapping", DomainName="api.example.com", ApiId=api, Stage="dev", ApiMappingKey="orders/v1"
        )
        response = await room.get("api.example.com", "/orders/v1/items/7")
        # The stage's name stands in the path, the mapping's key never does (as AWS sends it).
        assert json.loads(response.body)["rawPath"] == "/dev/items/7"
        assert (await room.get("api.example.com", "/orders/v2")).status == 403
        assert (await room.ask("GetBasePathMappings", domainName="api.example.com"))["items"]
        with pytest.raises(ClientFault, match="API mappings"):
            await room.ask2("DeleteApi", ApiId=api)
        await room.ask2("DeleteApiMapping", DomainName="api.example.com", ApiMappingId=mapping["ApiMappingId"])
        await room.ask2("DeleteApi", ApiId=api)
        assert (await room.ask2("GetApis"))["Items"] == []

    play_once(story)


def test_quick_create_and_deployments_by_hand(play_once: Play) -> None:
    async def story(room: Room) -> None:
        function = await room.function("f", "def handler(e, c):\n    return e['routeKey']\n")
        quick = await room.ask2("CreateApi", Name="q", ProtocolType="HTTP", Target=function)
        assert told(await room.get(host_of(quick["ApiId"]), "/any/thing")) == (200, b"$default")
        api = str((await room.ask2("CreateApi", Name="a", ProtocolType="HTTP"))["ApiId"])
        await room.ask2("CreateStage", ApiId=api, StageName="dev")
        with pytest.raises(ClientFault, match="At least one route"):
            await room.ask2("CreateDeployment", ApiId=api, StageName="dev")
        integration = await room.ask2(
            "CreateIntegration", ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=uri_of(function),
            PayloadFormatVersion="2.0",
        )  # fmt: skip
        target = f"integrations/{integration['IntegrationId']}"
        route = await room.ask2("CreateRoute", ApiId=api, RouteKey="GET /a", Target=target)
        assert (await room.get(host_of(api), "/dev/a")).status == 404  # nothing is deployed
        await room.ask2("CreateDeployment", ApiId=api, StageName="dev")
        await room.ask2("UpdateRoute", ApiId=api, RouteId=route["RouteId"], RouteKey="GET /b")
        assert told(await room.get(host_of(api), "/dev/a")) == (200, b"GET /a")
        await room.ask2("UpdateStage", ApiId=api, StageName="dev", AutoDeploy=True)
        assert told(await room.get(host_of(api), "/dev/b")) == (200, b"GET /b")
        arn = f"arn:aws:apigateway:{REGION}::/apis/{api}"
        await room.ask2("TagResource", ResourceArn=arn, Tags={"a": "1", "b": "2"})
        await room.ask2("UntagResource", ResourceArn=arn, TagKeys=["a"])
        assert (await room.ask2("GetTags", ResourceArn=arn))["Tags"] == {"b": "2"}

    play_once(story)


def test_documents_become_routes(play_once: Play) -> None:
    async def story(room: Room) -> None:
        function = await room.function("f", "def handler(e, c):\n    return e['routeKey']\n")
        integration = {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            "uri": uri_of(function),
        }
        document: dict[str, Any] = {
            "openapi": "3.0.1",
            "info": {"title": "t", "version": "1"},
            "paths": {
                "/a": {"get": {"x-amazon-apigateway-integration": integration}},
                "/$default": {
                    "x-amazon-apigateway-any-method": {
                        "isDefaultRoute": True,
                        "x-amazon-apigateway-integration": {"$ref": "#/components/x-amazon-apigateway-integrations/f"},
                    }
                },
            },
            "components": {"x-amazon-apigateway-integrations": {"f": integration}},
            "x-amazon-apigateway-cors": {"allowOrigins": ["*"]},
            "tags": [{"name": "k", "x-amazon-apigateway-tag-value": "v"}],
        }
        api = await room.ask2("ImportApi", Body=json.dumps(document))
        assert (api["Tags"], api["CorsConfiguration"]) == ({"k": "v"}, {"AllowOrigins": ["*"]})
        host = host_of(api["ApiId"])
        await room.ask2("CreateStage", ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
        assert told(await room.get(host, "/a")) == (200, b"GET /a")
        assert told(await room.get(host, "/b")) == (200, b"$default")
        del document["paths"]["/$default"]
        await room.ask2("ReimportApi", ApiId=api["ApiId"], Body=json.dumps(document))
        assert (await room.get(host, "/b")).status == 404
        document["paths"]["/a"]["get"]["security"] = [{"jwt": []}]
        with pytest.raises(NotSupported, match="GET /a"):
            await room.ask2("ReimportApi", ApiId=api["ApiId"], Body=json.dumps(document))
        assert told(await room.get(host, "/a")) == (200, b"GET /a")

    play_once(story)


def test_what_is_wrong_is_refused_and_leaves_nothing(play_once: Play) -> None:
    async def story(room: Room) -> None:
        with pytest.raises(ClientFault, match="Route selection expression"):
            await room.ask2("CreateApi", Name="w", ProtocolType="WEBSOCKET")
        with pytest.raises(ClientFault, match="allowCredentials"):
            cors = {"AllowOrigins": ["*"], "AllowCredentials": True}
            await room.ask2("CreateApi", Name="c", ProtocolType="HTTP", CorsConfiguration=cors)
        assert (await room.ask2("GetApis"))["Items"] == []
        api = await made(room, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:none", "GET /a")
        with pytest.raises(ClientFault, match="already exists"):
            await room.ask2("CreateRoute", ApiId=api, RouteKey="GET /a")
        with pytest.raises(ClientFault, match="not formatted properly"):
            await room.ask2("CreateRoute", ApiId=api, RouteKey="/a")
        with pytest.raises(ClientFault, match="names no integration"):
            await room.ask2("CreateRoute", ApiId=api, RouteKey="GET /b", Target="integrations/none")
        with pytest.raises(ClientFault, match="referenced by route"):
            integration = (await room.ask2("GetIntegrations", ApiId=api))["Items"][0]["IntegrationId"]
            await room.ask2("DeleteIntegration", ApiId=api, IntegrationId=integration)
        with pytest.raises(ClientFault) as caught:
            await room.ask2("GetApi", ApiId="nowhere123")
        assert (caught.value.code, caught.value.status) == ("NotFoundException", 404)
        assert len((await room.ask2("GetRoutes", ApiId=api))["Items"]) == 1
        assert (await room.get(host_of(api), "/a")).status == 500  # no such function

    play_once(story)


def test_http_servers_are_proxied_to(play: Play) -> None:
    async def story(room: Room) -> None:
        seen: list[HttpRequest] = []

        async def serve(request: HttpRequest) -> HttpResponse:
            seen.append(request)
            headers = (("X-Own", "1"), ("Access-Control-Allow-Origin", "evil"))
            return HttpResponse(418, headers, request.body[::-1])

        server = await serve_http(room.world, 0, serve)
        address = f"http://{address_of(REGION)}:{server.port}"
        api = str((await room.ask2("CreateApi", Name="a", ProtocolType="HTTP", CorsConfiguration=OPEN))["ApiId"])
        await room.ask2("CreateStage", ApiId=api, StageName="$default", AutoDeploy=True, StageVariables={"v": "one"})
        for key, uri in (
            ("ANY /{proxy+}", address + "/${stageVariables.v}/{proxy}?own=1"),
            ("GET /down", f"http://{address_of(REGION)}:9/"),
        ):
            proxied = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": uri}
            made = await room.ask2("CreateIntegration", ApiId=api, **proxied)
            await room.ask2("CreateRoute", ApiId=api, RouteKey=key, Target=f"integrations/{made['IntegrationId']}")
        answer = await room.get(host_of(api), "/a%20b/c?x=1", "PUT", b"abc", X_Two="2")
        assert (answer.status, answer.body, answer.header("x-own")) == (418, b"cba", "1")
        assert answer.header("access-control-allow-origin") is None
        assert (seen[0].method, seen[0].target) == ("PUT", "/one/a%20b/c?own=1&x=1")
        assert (seen[0].header("host"), seen[0].header("x-two")) == (address.removeprefix("http://"), "2")
        assert seen[0].header("forwarded") == f"for=198.18.0.9;host={host_of(api)};proto=http"
        assert told(await room.get(host_of(api), "/down")) == (503, b'{"message":"Service Unavailable"}')
        server.close()

    play(story)
