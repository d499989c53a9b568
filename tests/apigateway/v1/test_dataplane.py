"""From an HTTP request through the gateway and a function, and back."""

from __future__ import annotations

import json

import pytest

from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpResponse
from tests.apigateway.conftest import CERTIFICATE, REGION, Play, Room, host_of

ECHO = "import json\ndef handler(event, c):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
HANDS_BACK = "import json\ndef handler(event, c):\n    return json.loads(event['body'])\n"


def told(response: HttpResponse) -> tuple[int, str, str | None]:
    return response.status, json.loads(response.body)["message"], response.header("x-amzn-ErrorType")


def test_request_reaches_the_function_and_its_answer_the_client(play: Play) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", ECHO), ("GET", "/items/{id}"))
        response = await room.get(
            host_of(api), "/v1/items/a%20b?x=1&x=2&y=", Accept="text/html", user_agent="me/1", X_Two="1"
        )
        assert response.status == 200
        assert response.header("content-type") == "application/json"
        assert response.header("x-amzn-requestid")
        event = json.loads(response.body)
        assert (event["resource"], event["path"], event["httpMethod"]) == ("/items/{id}", "/items/a%20b", "GET")
        assert event["pathParameters"] == {"id": "a%20b"}
        assert event["queryStringParameters"] == {"x": "2", "y": ""}
        assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
        assert event["headers"]["User-Agent"] == "me/1"
        assert event["multiValueHeaders"]["Accept"] == ["text/html"]
        assert event["headers"]["X-Forwarded-For"] == "198.18.0.9"
        assert (event["body"], event["isBase64Encoded"], event["stageVariables"]) == (None, False, None)
        context = event["requestContext"]
        assert (context["stage"], context["path"], context["apiId"]) == ("v1", "/v1/items/a%20b", api)
        assert context["identity"]["sourceIp"] == "198.18.0.9"
        assert context["requestId"] == response.header("x-amzn-RequestId")

    play(story)


def test_a_semicolon_parts_parameters(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", ECHO), ("GET", "/"))
        event = json.loads((await room.get(host_of(api), "/v1/?a=1;b=2&c=3%3B4")).body)
        assert event["queryStringParameters"] == {"a": "1", "b": "2", "c": "3;4"}

    play_once(story)


def test_unknown_paths_verbs_and_stages_are_missing_authentication_tokens(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", ECHO), ("GET", "/items"))
        missing = (403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        for target, method in (("/v1/other", "GET"), ("/v1/items", "POST"), ("/v2/items", "GET"), ("/", "GET")):
            assert told(await room.get(host_of(api), target, method)) == missing
        assert (await room.get(host_of(api), "/v1/items/")).status == 200  # a slash at the end is ignored
        forbidden = (403, "Forbidden", "ForbiddenException")
        assert told(await room.get(host_of("nowhere123"), "/v1/items")) == forbidden
        assert told(await room.get(f"{api}.execute-api.eu-west-1.amazonaws.com", "/v1/items")) == forbidden
        assert (await room.get(f"{api}.execute-api.localhost.localdomain", "/v1/items")).status == 200

    play_once(story)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({}, 200),
        ({"statusCode": "201"}, 201),
        ({"headers": None, "body": "x"}, 200),
        ({"statusCode": 200, "extra": 1}, 502),
        ({"errorMessage": "x"}, 502),
        ([1], 502),
        ("text", 502),
        (None, 502),
        ({"statusCode": "many"}, 502),
        ({"body": {"a": 1}}, 502),
        ({"headers": {"a": "b\r\nc: d"}}, 502),
    ],
)
def test_answers_that_are_none_become_502(play_once: Play, answer: object, status: int) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", HANDS_BACK), ("POST", "/"))
        response = await room.get(host_of(api), "/v1", "POST", json.dumps(answer).encode())
        assert response.status == status
        if status == 502:
            assert told(response) == (502, "Internal server error", "InternalServerErrorException")

    play_once(story)


def test_headers_of_an_answer_are_merged_and_remapped(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", HANDS_BACK), ("POST", "/"))
        answer = {
            "headers": {"X-A": "1", "x-b": True, "Date": "yesterday", "Content-Type": "text/plain"},
            "multiValueHeaders": {"x-a": ["2", "3"], "Set-Cookie": ["a=1", "b=2"]},
        }
        response = await room.get(host_of(api), "/v1", "POST", json.dumps(answer).encode())
        headers = [(k, v) for k, v in response.headers if k.lower() not in {"x-amzn-requestid", "x-amz-apigw-id"}]
        assert ("x-a", "2") in headers
        assert ("x-a", "3") in headers
        assert headers.index(("x-a", "3")) < headers.index(("x-a", "1"))
        assert ("x-b", "true") in headers
        assert ("x-amzn-Remapped-Date", "yesterday") in headers
        assert [v for k, v in headers if k == "Set-Cookie"] == ["a=1", "b=2"]
        assert response.header("content-type") == "text/plain"

    play_once(story)


def test_binary_bodies_travel_as_base64_where_the_api_says_so(play_once: Play) -> None:
    source = "def handler(e, c):\n    return {'body': e['body'], 'isBase64Encoded': e['isBase64Encoded']}\n"

    async def story(room: Room) -> None:
        function = await room.function("f", source)
        document = {"x-amazon-apigateway-binary-media-types": ["image/*"]}
        api = await room.api(function, ("POST", "/"), document=document)
        image = b"\x89PNG\xff\x00"
        back = await room.get(host_of(api), "/v1", "POST", image, Content_Type="image/png", Accept="image/png, */*")
        assert back.body == image
        back = await room.get(host_of(api), "/v1", "POST", image, Content_Type="image/png", Accept="text/html")
        assert back.body == b"iVBORw=="[:4] + b"R/8A"

    play_once(story)


def test_slashes_in_excess_and_what_is_no_text(play_once: Play) -> None:
    """Slashes as AWS recorded them: those before and after the stage count for one."""

    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", ECHO), ("ANY", "/items/{proxy+}"))
        for target, path, full in (
            ("//v1/items/x", "/items/x", "/v1/items/x"),
            ("/v1//items/x", "/items/x", "/v1//items/x"),
            ("/v1/items/x//y", "/items/x//y", "/v1/items/x//y"),
        ):
            event = json.loads((await room.get(host_of(api), target)).body)
            assert (event["path"], event["requestContext"]["path"]) == (path, full)
        event = json.loads((await room.get(host_of(api), "/v1/items/x", "POST", b"a\xff")).body)
        assert (event["body"], event["isBase64Encoded"]) == ("a\ufffd", False)
        large = await room.get(host_of(api), "/v1/items/x", "POST", b"x" * 7_000_000)
        assert told(large) == (413, "Request Too Long", "RequestTooLargeException")

    play_once(story)


def test_without_permission_the_client_gets_500(play_once: Play) -> None:
    async def story(room: Room) -> None:
        for name, permitted in (("none", None), ("other", "elsewhere/*/GET/items")):
            api = await room.api(await room.function(name, ECHO, permitted=permitted), ("GET", "/items"))
            refused = (500, "Internal server error", "InternalServerErrorException")
            assert told(await room.get(host_of(api), "/v1/items")) == refused
        api = await room.api(await room.function("exact", ECHO, permitted="*/v1/GET/items"), ("ANY", "/items"))
        assert (await room.get(host_of(api), "/v1/items")).status == 200
        assert (await room.get(host_of(api), "/v1/items", "POST")).status == 500

    play_once(story)


def test_functions_that_fail_or_dawdle(play: Play) -> None:
    async def story(room: Room) -> None:
        raising = await room.api(await room.function("bad", "def handler(e, c): 1 / 0"), ("GET", "/"))
        assert told(await room.get(host_of(raising), "/v1"))[:2] == (502, "Internal server error")
        source = "import time\ndef handler(e, c):\n    time.sleep(0.7)\n    return {}\n"
        slow = await room.api(await room.function("slow", source), ("GET", "/"))
        assert (await room.get(host_of(slow), "/v1")).status == 200
        root = (await room.ask("GetRestApi", restApiId=slow))["rootResourceId"]
        where = {"restApiId": slow, "resourceId": root, "httpMethod": "GET"}
        integration = await room.ask("GetIntegration", **where)
        await room.ask(
            "PutIntegration",
            **where,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=integration["uri"],
            timeoutInMillis=100,
        )
        assert (await room.get(host_of(slow), "/v1")).status == 200  # the deployment is a snapshot
        await room.ask("CreateDeployment", restApiId=slow, stageName="v1")
        assert told(await room.get(host_of(slow), "/v1"))[:2] == (504, "Endpoint request timed out")
        await room.world.sleep(1.0)

    play(story)


def test_custom_domain_and_its_base_paths(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await room.api(await room.function("f", ECHO), ("GET", "/items"), ("ANY", "/{proxy+}"))
        domain = await room.ask(
            "CreateDomainName",
            domainName="api.example.com",
            regionalCertificateArn=CERTIFICATE,
            endpointConfiguration={"types": ["REGIONAL"]},
        )
        assert domain["regionalDomainName"].endswith(f".execute-api.{REGION}.amazonaws.com")
        assert domain["regionalHostedZoneId"] == "Z2OJLYMUO9EFXC"
        assert told(await room.get("api.example.com", "/items"))[:2] == (403, "Forbidden")
        await room.ask(
            "CreateBasePathMapping", domainName="api.example.com", restApiId=api, stage="v1", basePath="shop"
        )
        assert told(await room.get("api.example.com", "/items"))[:2] == (403, "Forbidden")
        event = json.loads((await room.get("api.example.com", "/shop/items")).body)
        assert (event["resource"], event["path"], event["pathParameters"]) == ("/items", "/shop/items", None)
        assert event["requestContext"]["domainName"] == "api.example.com"
        await room.ask("CreateBasePathMapping", domainName="api.example.com", restApiId=api, stage="v1")
        event = json.loads((await room.get("api.example.com", "/shopping/x")).body)
        assert event["pathParameters"] == {"proxy": "shopping/x"}
        assert room.gateway.custom_domains() == {"api.example.com": CERTIFICATE}
        with pytest.raises(ClientFault, match="remove all base path mappings"):
            await room.ask("DeleteRestApi", restApiId=api)
        await room.ask("DeleteDomainName", domainName="api.example.com")
        assert not room.gateway.owns_host("api.example.com")

    play_once(story)


def test_stage_variables_name_the_function(play_once: Play) -> None:
    async def story(room: Room) -> None:
        await room.function("blue", ECHO)
        name = "arn:aws:lambda:us-west-2:000000000000:function:${stageVariables.colour}"
        api = await room.api(name, ("GET", "/"), variables={"colour": "blue"})
        event = json.loads((await room.get(host_of(api), "/v1")).body)
        assert event["stageVariables"] == {"colour": "blue"}

    play_once(story)


@pytest.mark.parametrize(("name", "value"), [("a-b", "x"), ("a", "x y"), ("a", "$x")])
def test_stage_variables_have_names_and_values_of_some_letters_only(play_once: Play, name: str, value: str) -> None:
    async def story(room: Room) -> None:
        with pytest.raises(ClientFault, match="Invalid stage variable"):
            await room.api(await room.function("f", ECHO), ("GET", "/"), variables={name: value})

    play_once(story)


def test_mock_answers_preflight_requests(play_once: Play) -> None:
    async def story(room: Room) -> None:
        headers = {"method.response.header.Access-Control-Allow-Origin": "'*'"}
        mock = {
            "type": "mock",
            "requestTemplates": {"application/json": '{\n  "statusCode" : 200\n}\n'},
            "responses": {
                "default": {
                    "statusCode": "200",
                    "responseTemplates": {"application/json": "{}\n"},
                    "responseParameters": headers,
                }
            },
        }
        document = {"paths": {"/items": {"options": {"x-amazon-apigateway-integration": mock}}}}
        api = await room.api("unused", document=document)
        response = await room.get(host_of(api), "/v1/items", "OPTIONS")
        assert (response.status, response.body) == (200, b"{}\n")
        assert response.header("access-control-allow-origin") == "*"

    play_once(story)


def test_health_paths_are_the_services_own(play_once: Play) -> None:
    async def story(room: Room) -> None:
        assert (await room.get("anything.execute-api.us-west-2.amazonaws.com", "/ping")).status == 200

    play_once(story)
