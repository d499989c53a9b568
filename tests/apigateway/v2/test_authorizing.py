"""Lambda authorizers: who passes, what the function behind the route is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.apigateway.v2.authorizing import verdict_of
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpResponse
from antipodes.wire.payload2 import Malformed
from tests.apigateway.conftest import Play, Room, host_of, uri_of
from tests.apigateway.v2.conftest import ECHO, made, told

ARN = "arn:aws:execute-api:us-west-2:000000000000:api/$default/GET/a"
# Answers by the token that it is given: what stands there as JSON; the count of calls in the context.
GUARD = """
import json
calls = 0
def handler(event, context):
    global calls
    calls += 1
    answer = json.loads(event["identitySource"][0])
    answer.setdefault("context", {"calls": calls, "arn": event["routeArn"], "body": "body" in event})
    return answer
"""


async def guarded(room: Room, **authorizer: Any) -> str:
    """An API whose one route, GET /a, is behind an authorizer; its id."""
    api = await made(room, await room.function("f", ECHO))
    guard = await room.function("guard", GUARD, permitted=f"{api}/authorizers/*")
    given = {
        "AuthorizerType": "REQUEST",
        "AuthorizerPayloadFormatVersion": "2.0",
        "AuthorizerUri": uri_of(guard),
        "EnableSimpleResponses": True,
        "IdentitySource": ["$request.header.Token"],
        "Name": "guard",
        **authorizer,
    }
    authorizer_id = (await room.ask2("CreateAuthorizer", ApiId=api, **given))["AuthorizerId"]
    integration = (await room.ask2("GetIntegrations", ApiId=api))["Items"][0]["IntegrationId"]
    await room.ask2(
        "CreateRoute", ApiId=api, RouteKey="GET /a", Target=f"integrations/{integration}", AuthorizationType="CUSTOM",
        AuthorizerId=authorizer_id,
    )  # fmt: skip
    return api


async def ask(room: Room, api: str, token: Any) -> HttpResponse:
    return await room.get(host_of(api), "/a", Token=json.dumps(token))


def test_simple_responses_open_and_close_a_route(play: Play) -> None:
    async def story(room: Room) -> None:
        api = await guarded(room)
        assert told(await room.get(host_of(api), "/a")) == (401, b'{"message":"Unauthorized"}')
        assert told(await ask(room, api, {"isAuthorized": False})) == (403, b'{"message":"Forbidden"}')
        passed = await ask(room, api, {"isAuthorized": True})
        context = json.loads(passed.body)["requestContext"]["authorizer"]["lambda"]
        assert context["arn"].endswith(f":{api}/$default/GET/a")
        assert context["body"] is False
        failed = (500, b'{"message":"Internal Server Error"}')
        assert told(await ask(room, api, {"isAuthorized": "yes"})) == failed
        assert told(await room.get(host_of(api), "/a", Token="no json")) == failed

    play(story)


def test_answers_are_kept_as_long_as_told(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await guarded(room, AuthorizerResultTtlInSeconds=60)

        async def calls() -> int:
            body = json.loads((await ask(room, api, {"isAuthorized": True})).body)
            return int(body["requestContext"]["authorizer"]["lambda"]["calls"])

        assert [await calls(), await calls()] == [1, 1]
        await room.world.sleep(61)
        assert await calls() == 2

    play_once(story)


def test_guard_that_api_gateway_may_not_invoke_is_a_fault(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await guarded(room)
        await room.ask_lambda("RemovePermission", FunctionName="guard", StatementId="gateway")
        assert (await ask(room, api, {"isAuthorized": True})).status == 500

    play_once(story)


def test_documents_name_authorizers(play_once: Play) -> None:
    async def story(room: Room) -> None:
        uri = uri_of(await room.function("f", ECHO))
        scheme = {
            "type": "request",
            "authorizerUri": uri,
            "authorizerPayloadFormatVersion": "2.0",
            "enableSimpleResponses": True,
            "identitySource": "$request.header.Token",
        }
        integration = {"type": "aws_proxy", "payloadFormatVersion": "2.0", "uri": uri}
        document = {
            "openapi": "3.0.1",
            "info": {"title": "t"},
            "paths": {"/a": {"get": {"security": [{"g": []}], "x-amazon-apigateway-integration": integration}}},
            "components": {"securitySchemes": {"g": {"type": "apiKey", "x-amazon-apigateway-authorizer": scheme}}},
        }
        api = (await room.ask2("ImportApi", Body=json.dumps(document)))["ApiId"]
        route = (await room.ask2("GetRoutes", ApiId=api))["Items"][0]
        assert route["AuthorizationType"] == "CUSTOM"
        with pytest.raises(ClientFault, match="referenced in route"):
            await room.ask2("DeleteAuthorizer", ApiId=api, AuthorizerId=route["AuthorizerId"])
        await room.ask2("UpdateRoute", ApiId=api, RouteId=route["RouteId"], AuthorizationType="NONE")
        await room.ask2("DeleteAuthorizer", ApiId=api, AuthorizerId=route["AuthorizerId"])

    play_once(story)


def policy(*statements: tuple[str, str, str]) -> bytes:
    written = [{"Effect": effect, "Action": action, "Resource": [resource]} for effect, action, resource in statements]
    return json.dumps({"principalId": "me", "policyDocument": {"Statement": written}, "context": {"a": 1}}).encode()


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([("Allow", "execute-api:Invoke", "*")], True),
        ([("Allow", "execute-api:*", "arn:aws:execute-api:*:*:api/*/GET/*")], True),
        ([("Allow", "execute-api:Invoke", "arn:aws:execute-api:*:*:api/*/POST/*")], False),
        ([("Allow", "*", "*"), ("Deny", "execute-api:Invoke", ARN)], False),
        ([("Allow", "lambda:*", "*")], False),
        ([], False),
    ],
)
def test_policies_allow_and_deny(statements: list[tuple[str, str, str]], allowed: bool) -> None:
    verdict = verdict_of(Authorizer(id="i", name="n", uri="u", payload="1.0"), policy(*statements), ARN, "127.0.0.1")
    assert (verdict.allowed, verdict.context) == (allowed, {"a": 1, "principalId": "me"})


@pytest.mark.parametrize("answer", [b"1", b"{}", b'{"isAuthorized": true}', b'{"principalId": "me"}'])
def test_what_is_no_policy(answer: bytes) -> None:
    with pytest.raises(Malformed):
        verdict_of(Authorizer(id="i", name="n", uri="u", payload="1.0"), answer, ARN, "127.0.0.1")
