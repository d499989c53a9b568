"""Function URLs: their configuration, who may call them, what a function gets and gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.lambda_ import url_door
from antipodes.wire import sigv4
from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from tests.lambda_.conftest import REGION, Play, Room, play_simulated

ECHO = "def handler(event, c):\n    return event\n"
ANYBODY = {"StatementId": "all", "Action": "lambda:InvokeFunctionUrl", "Principal": "*"}


def host_of(made: dict[str, Any]) -> str:
    return str(made["FunctionUrl"]).removeprefix("https://").rstrip("/")


def to(made: dict[str, Any], target: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> HttpRequest:
    given = (("Host", host_of(made)), *((name.replace("_", "-"), value) for name, value in headers.items()))
    return HttpRequest(method, target, given, body, client="198.18.0.9")


async def call(room: Room, request: HttpRequest) -> HttpResponse:
    assert url_door.owns_host(request.host)

    def verify(request: HttpRequest) -> sigv4.Identity:
        return sigv4.verify(request, {"test": "test"}.get, room.world.now())

    return await room.service.urls.respond(request, verify)


async def opened(room: Room, source: str = ECHO, **config: Any) -> dict[str, Any]:
    """A function that anybody may call at its URL."""
    await room.create("f", source)
    await room.ask("AddPermission", FunctionName="f", FunctionUrlAuthType="NONE", **ANYBODY)
    return await room.ask("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE", **config)


def test_function_is_called_with_payload_2(play: Play) -> None:
    async def story(room: Room) -> None:
        made = await opened(room)
        response = await call(room, to(made, "/a/b?x=1&x=2", "POST", b'{"k": 1}', Cookie="c=1", Content_Type="text/x"))
        assert (response.status, response.header("content-type")) == (200, "application/json")
        event = json.loads(response.body)
        assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "$default", "/a/b")
        assert (event["queryStringParameters"], event["cookies"]) == ({"x": "1,2"}, ["c=1"])
        assert (event["body"], event["isBase64Encoded"]) == ('{"k": 1}', False)
        context = event["requestContext"]
        assert (context["accountId"], context["stage"]) == ("anonymous", "$default")
        assert context["domainName"] == host_of(made) == f"{context['apiId']}.lambda-url.{REGION}.on.aws"
        assert context["requestId"] == response.header("x-amzn-requestid")

    play(story)


def test_nobody_may_call_without_a_statement_for_the_address() -> None:
    async def story(room: Room) -> None:
        await room.create("f", ECHO)
        made = await room.ask("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
        refused = await call(room, to(made))
        assert (refused.status, refused.header("x-amzn-errortype")) == (403, "AccessDeniedException")
        assert json.loads(refused.body)["Message"].startswith("Forbidden")
        invoke = {**ANYBODY, "Action": "lambda:InvokeFunction"}
        via = {**invoke, "StatementId": "via"}
        await room.ask("AddPermission", FunctionName="f", InvokedViaFunctionUrl=True, **via)
        assert (await call(room, to(made))).status == 403
        await room.ask("AddPermission", FunctionName="f", FunctionUrlAuthType="AWS_IAM", **ANYBODY)
        assert (await call(room, to(made))).status == 403
        with pytest.raises(ClientFault, match="InvokeFunctionUrl"):
            await room.ask("AddPermission", FunctionName="f", FunctionUrlAuthType="NONE", **invoke)
        await room.ask("RemovePermission", FunctionName="f", StatementId="all")
        await room.ask("AddPermission", FunctionName="f", FunctionUrlAuthType="NONE", **ANYBODY)
        assert (await call(room, to(made))).status == 200
        policy = json.loads((await room.ask("GetPolicy", FunctionName="f"))["Policy"])
        conditions = [statement["Condition"] for statement in policy["Statement"]]
        assert {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}} in conditions
        assert {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}} in conditions
        await room.ask("DeleteFunctionUrlConfig", FunctionName="f")
        assert (await call(room, to(made))).status == 403

    play_simulated(story)


def test_with_iam_the_caller_signs() -> None:
    async def story(room: Room) -> None:
        await room.create("f", ECHO)
        made = await room.ask("CreateFunctionUrlConfig", FunctionName="f", AuthType="AWS_IAM")
        credentials, now = sigv4.Credentials("test", "test"), room.world.now()

        def signed(region: str = REGION, service: str = "lambda") -> HttpRequest:
            return sigv4.sign(to(made, "/x", "POST", b"{}"), credentials, region=region, service=service, now=now)

        answer = await call(room, signed())
        assert answer.status == 200
        assert json.loads(answer.body)["requestContext"]["authorizer"]["iam"]["accessKey"] == "test"
        for request in (to(made), signed(region="eu-west-1"), signed(service="dynamodb")):
            assert (await call(room, request)).status == 403
        wrong = sigv4.sign(to(made), sigv4.Credentials("test", "no"), region=REGION, service="lambda", now=now)
        assert (await call(room, wrong)).status == 403

    play_simulated(story)


def test_cors_is_answered_here_and_the_functions_is_ignored() -> None:
    async def story(room: Room) -> None:
        source = (
            "def handler(e, c):\n    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'evil'}}\n"
        )
        made = await opened(room, source, Cors={"AllowOrigins": ["https://a.example"], "AllowMethods": ["PUT"]})
        asked: Any = {"Origin": "https://a.example", "Access_Control_Request_Method": "PUT"}
        preflight = await call(room, to(made, "/x", "OPTIONS", **asked))
        assert preflight.header("access-control-allow-methods") == "PUT"
        answer = await call(room, to(made, Origin="https://a.example"))
        said = [value for name, value in answer.headers if name.lower() == "access-control-allow-origin"]
        assert said == ["https://a.example"]
        await room.ask("UpdateFunctionUrlConfig", FunctionName="f", Cors={})
        assert (await call(room, to(made))).header("access-control-allow-origin") == "evil"

    play_simulated(story)


def test_failures_are_502() -> None:
    async def story(room: Room) -> None:
        made = await opened(room, "import json\ndef handler(e, c):\n    return json.loads(e['body'])\n")
        for body in (b"no json", b'{"statusCode": "x"}'):
            assert (await call(room, to(made, "/", "POST", body))).status == 502
        await room.ask("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
        assert (await call(room, to(made, "/", "POST", b"{}"))).status == 429

    play_simulated(story)


def test_addresses_belong_to_a_function_or_an_alias() -> None:
    async def story(room: Room) -> None:
        made = await opened(room, "def handler(e, c):\n    return c.invoked_function_arn\n")
        with pytest.raises(ClientFault) as caught:
            await room.ask("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
        assert caught.value.status == 409
        version = (await room.ask("PublishVersion", FunctionName="f"))["Version"]
        with pytest.raises(ClientFault, match="qualifier"):
            await room.ask("CreateFunctionUrlConfig", FunctionName="f", Qualifier=version, AuthType="NONE")
        await room.ask("CreateAlias", FunctionName="f", Name="live", FunctionVersion=version)
        alias = await room.ask("CreateFunctionUrlConfig", FunctionName="f", Qualifier="live", AuthType="NONE")
        assert (await call(room, to(alias))).status == 403  # a statement holds for its own qualifier
        await room.ask("AddPermission", FunctionName="f", Qualifier="live", FunctionUrlAuthType="NONE", **ANYBODY)
        assert (await call(room, to(alias))).body.endswith(b":f:live")
        listed = (await room.ask("ListFunctionUrlConfigs", FunctionName="f"))["FunctionUrlConfigs"]
        assert [one["FunctionUrl"] for one in listed] == [made["FunctionUrl"], alias["FunctionUrl"]]
        await room.ask("DeleteAlias", FunctionName="f", Name="live")
        assert (await call(room, to(alias))).status == 403
        await room.ask("DeleteFunction", FunctionName="f")
        assert (await call(room, to(made))).status == 403
        with pytest.raises(ClientFault) as gone:
            await room.ask("GetFunctionUrlConfig", FunctionName="f")
        assert gone.value.status == 404

    play_simulated(story)
