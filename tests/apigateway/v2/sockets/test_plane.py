"""WebSocket APIs, from a client's frames to functions and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.wire import sigv4
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.geography import address_of
from tests.apigateway.conftest import REGION, Play, Room
from tests.apigateway.v2.sockets.client import Client, listening, made

ECHO = "import json\ndef handler(event, c):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"
SAYS = "import json\ndef handler(event, c):\n    return json.loads((event.get('queryStringParameters') or {})['say'])\n"
# Keeps what it was told in its answer to a later message.
KEEPS = """
import json
SEEN = []
def handler(event, c):
    kind = event['requestContext']['eventType']
    if kind != 'MESSAGE':
        SEEN.append(event['requestContext'])
        return {'statusCode': 200}
    return {'statusCode': 200, 'body': json.dumps(SEEN)}
"""


def test_a_conversation(play: Play) -> None:
    async def story(room: Room) -> None:
        echo = await room.function("f", ECHO)
        host = await made(room, {"$connect": echo, "$default": echo, "say": echo}, answers=("$default", "say"))
        server = await listening(room)
        client = await Client.dial(room.world, server.port, host, "/dev?a=1", X_One="2")
        await client.send('{"action": "say", "text": "hi"}')
        event = json.loads(await client.receive())
        context = event["requestContext"]
        assert (event["body"], event["isBase64Encoded"]) == ('{"action": "say", "text": "hi"}', False)
        assert (context["routeKey"], context["eventType"], context["stage"]) == ("say", "MESSAGE", "dev")
        assert (context["domainName"], len(context["connectionId"])) == (host, 16)
        for other in ('{"action": "none"}', '{"x": 1}', "no json", '{"action": "$connect"}'):
            await client.send(other)
            assert json.loads(await client.receive())["requestContext"]["routeKey"] == "$default"
        await client.send('{"action": "say", ', fin=False)
        client.protocol.send_continuation(b'"n": 2}', fin=True)
        client._flush()
        assert json.loads(await client.receive())["body"] == '{"action": "say", "n": 2}'
        client.close()
        assert await client.ended() == 1000
        server.close()

    play(story)


def test_functions_hear_of_the_beginning_and_the_end(play_once: Play) -> None:
    async def story(room: Room) -> None:
        keeps = await room.function("f", KEEPS)
        routes = dict.fromkeys(("$connect", "$disconnect", "$default"), keeps)
        host = await made(room, routes, answers=("$default",))
        server = await listening(room)
        first = await Client.dial(room.world, server.port, host, User_Agent="me/1")
        first.close(1000)
        await first.ended()
        await room.world.sleep(1.0)  # one environment hears it all, one thing after the other
        second = await Client.dial(room.world, server.port, host)
        second.cut()
        await room.world.sleep(1.0)
        third = await Client.dial(room.world, server.port, host)
        await third.send("what did you see?")
        seen = json.loads(await third.receive())
        assert [one["eventType"] for one in seen] == ["CONNECT", "DISCONNECT"] * 2 + ["CONNECT"]
        assert seen[0]["connectionId"] == seen[1]["connectionId"] != seen[2]["connectionId"]
        assert seen[0]["identity"]["userAgent"] == "me/1"
        assert [one.get("disconnectStatusCode") for one in seen] == [None, 1000, None, 1006, None]
        server.close()

    play_once(story)


def test_connect_decides(play_once: Play) -> None:
    async def story(room: Room) -> None:
        host = await made(room, {"$connect": await room.function("f", SAYS)})
        server = await listening(room)

        async def status(say: str, **headers: str) -> Any:
            client = await Client.dial(room.world, server.port, host, f"/dev?say={say}", **headers)
            assert client.answer is not None
            return client.answer.status_code, client.answer.headers.get("sec-websocket-protocol")

        assert await status('{"statusCode":200}') == (101, None)
        chosen = '{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"b"}}'
        assert await status(chosen, Sec_WebSocket_Protocol="a, b") == (101, "b")
        assert await status('{"statusCode":401}') == (401, None)
        assert await status("nonsense") == (502, None)
        for wrong in ("/none", "/"):
            assert (await Client.dial(room.world, server.port, host, wrong)).answer.status_code == 403  # type: ignore[union-attr]
        assert (await room.get(host, "/dev")).status == 403  # no upgrade
        assert (await room.get(host, "/dev", Upgrade="websocket", Sec_WebSocket_Key="x")).status == 400
        server.close()

    play_once(story)


def test_messages_that_nobody_takes_are_told_so(play_once: Play) -> None:
    async def story(room: Room) -> None:
        broken = await room.function("f", "def handler(event, c):\n    raise ValueError('x')\n")
        host = await made(room, {"say": broken})
        server = await listening(room)
        client = await Client.dial(room.world, server.port, host)
        await client.send("{}")
        refused = json.loads(await client.receive())
        assert (refused["message"], sorted(refused)) == ("Forbidden", ["connectionId", "message", "requestId"])
        await client.send('{"action": "say"}')
        assert json.loads(await client.receive())["message"] == "Internal server error"
        server.close()

    play_once(story)


def test_limits_of_a_connection(play_once: Play) -> None:
    async def story(room: Room) -> None:
        echo = await room.function("f", "def handler(event, c):\n    return {'statusCode': 200, 'body': 'ok'}\n")
        host = await made(room, {"$default": echo}, answers=("$default",))
        server = await listening(room)
        fits = await Client.dial(room.world, server.port, host)
        await fits.send("x" * 32 * 1024)
        assert await fits.receive() == b"ok"
        for piece in range(4):
            await (fits.send("x" * 32 * 1024, fin=False) if piece == 0 else _more(fits, last=piece == 3))
        assert await fits.receive() == b"ok"
        large = await Client.dial(room.world, server.port, host)
        await large.send("x" * (32 * 1024 + 1))
        assert await large.ended() == 1009
        binary = await Client.dial(room.world, server.port, host)
        await binary.send(b"x")
        assert await binary.ended() == 1003
        began = room.world.now()
        assert await fits.ended() == 1001
        assert room.world.now() - began == pytest.approx(600, abs=1)
        busy = await Client.dial(room.world, server.port, host)
        began = room.world.now()
        while room.world.now() - began < 6700:
            await room.world.sleep(480)
            await busy.send("still here")
            assert await busy.receive() == b"ok"
        assert await busy.ended() == 1001
        assert room.world.now() - began == pytest.approx(7200, abs=1)
        server.close()

    play_once(story)


async def _more(client: Client, *, last: bool) -> None:
    client.protocol.send_continuation(b"x" * 32 * 1024, fin=last)
    client._flush()


def test_backends_speak_to_connections(play: Play) -> None:
    async def story(room: Room) -> None:
        echo = await room.function("f", ECHO)
        host = await made(room, {"$default": echo}, answers=("$default",))
        server = await listening(room)
        client = await Client.dial(room.world, server.port, host, User_Agent="me/1")
        await client.send("{}")
        connection = json.loads(await client.receive())["requestContext"]["connectionId"]

        async def ask(verb: str, body: bytes = b"", name: str = connection, stage: str = "dev") -> HttpResponse:
            target = f"/{stage}/@connections/{name.replace('=', '%3D').replace('/', '%2F').replace('+', '%2B')}"
            plain = HttpRequest(verb, target, (("Host", host),), body)
            keys = sigv4.Credentials("test", "test")
            signed = sigv4.sign(plain, keys, region=REGION, service="execute-api", now=room.world.now())
            return await room.gateway.respond(signed, room.verify)

        assert (await ask("POST", b"x" * 100_000)).status == 200
        assert await client.receive() == b"x" * 100_000
        shown = json.loads((await ask("GET")).body)
        assert (shown["identity"]["userAgent"], shown["connectedAt"][-1]) == ("me/1", "Z")
        assert (await ask("POST", b"x" * (128 * 1024 + 1))).status == 413
        assert (await room.get(host, f"/dev/@connections/{connection}", "POST", b"x")).status == 403
        assert (await ask("DELETE")).status == 204
        assert await client.ended() == 1000
        await room.world.sleep(0.1)
        gone = await ask("POST", b"x")
        assert (gone.status, gone.header("x-amzn-errortype")) == (410, "GoneException")
        assert (await ask("GET", name="nonsense")).status == 410
        server.close()

    play(story)


PUSHES = """
import boto3
def handler(event, c):
    here = event['requestContext']
    client = boto3.client('apigatewaymanagementapi', endpoint_url=f"https://{here['domainName']}/{here['stage']}")
    try:
        client.post_to_connection(ConnectionId='none=', Data=b'x')
    except client.exceptions.GoneException:
        client.post_to_connection(ConnectionId=here['connectionId'], Data=b'pushed')
    return {'statusCode': 200}
"""


def test_functions_speak_to_connections_at_the_address_that_they_are_told(play: Play) -> None:
    async def story(room: Room) -> None:
        server = await listening(room)
        here = {"AWS_ENDPOINT_URL": f"http://{address_of(REGION)}:{server.port}"}
        pushes = await room.function("f", PUSHES, Environment={"Variables": here}, Timeout=60)
        host = await made(room, {"$default": pushes})
        client = await Client.dial(room.world, server.port, host)
        await client.send("{}")
        assert await client.receive() == b"pushed"
        server.close()

    play(story)


AUTHORIZES = """
def handler(event, c):
    word = event['headers'].get('X-Word')
    effect = 'Allow' if word == 'please' else 'Deny'
    statement = {'Effect': effect, 'Action': 'execute-api:Invoke', 'Resource': event['methodArn']}
    return {'principalId': 'ann', 'policyDocument': {'Statement': [statement]}, 'context': {'k': 'v'}}
"""


def test_connections_are_authorized(play_once: Play) -> None:
    async def story(room: Room) -> None:
        echo, asked = await room.function("f", ECHO), await room.function("a", AUTHORIZES)
        host = await made(room, {"$connect": echo, "$default": echo}, answers=("$default",))
        api = host.partition(".")[0]
        made_ = await room.ask2(
            "CreateAuthorizer", ApiId=api, Name="a", AuthorizerType="REQUEST", AuthorizerUri=asked,
            IdentitySource=["route.request.header.X-Word"],
        )  # fmt: skip
        routes = (await room.ask2("GetRoutes", ApiId=api))["Items"]
        connect, other = (next(one for one in routes if one["RouteKey"] == key) for key in ("$connect", "$default"))
        custom = {"AuthorizationType": "CUSTOM", "AuthorizerId": made_["AuthorizerId"]}
        await room.ask2("UpdateRoute", ApiId=api, RouteId=connect["RouteId"], **custom)
        with pytest.raises(ClientFault, match=r"only supported for the \$connect route"):
            await room.ask2("UpdateRoute", ApiId=api, RouteId=other["RouteId"], **custom)
        server = await listening(room)

        async def answer(**headers: str) -> Client:
            return await Client.dial(room.world, server.port, host, **headers)

        statuses = [(await answer(**one)).answer.status_code for one in ({}, {"X_Word": "now"})]  # type: ignore[union-attr]
        assert statuses == [401, 403]
        client = await answer(X_Word="please")
        await client.send("{}")
        assert json.loads(await client.receive())["requestContext"]["authorizer"] == {"k": "v", "principalId": "ann"}
        await room.ask2("UpdateRoute", ApiId=api, RouteId=connect["RouteId"], AuthorizationType="AWS_IAM")
        assert (await answer(X_Word="please")).answer.status_code == 403  # type: ignore[union-attr]
        keys = sigv4.Credentials("test", "test")
        plain = HttpRequest("GET", "/dev", (("Host", host),), b"")
        signed = sigv4.sign(plain, keys, region=REGION, service="execute-api", now=room.world.now())
        extra = {name.replace("-", "_"): value for name, value in signed.headers if name.lower() != "host"}
        assert (await answer(**extra)).answer.status_code == 101  # type: ignore[union-attr]
        server.close()

    play_once(story)


def test_what_websocket_apis_are_not_is_refused(play_once: Play) -> None:
    async def story(room: Room) -> None:
        function = await room.function("f", ECHO)
        api = (await made(room, {"$default": function})).partition(".")[0]
        shown = await room.ask2("GetApi", ApiId=api)
        assert shown["ApiEndpoint"] == f"wss://{api}.execute-api.{REGION}.amazonaws.com"
        assert (shown["ProtocolType"], shown["RouteSelectionExpression"]) == ("WEBSOCKET", "$request.body.action")
        for more in ({"ConnectionType": "VPC_LINK"}, {"TlsConfig": {"ServerNameToVerify": "x"}}):
            with pytest.raises(NotSupported, match=next(iter(more))):
                given = {"IntegrationType": "HTTP", "IntegrationUri": "http://x/", "IntegrationMethod": "POST"}
                await room.ask2("CreateIntegration", ApiId=api, **given, **more)
        with pytest.raises(ClientFault, match="Stage name"):
            await room.ask2("CreateStage", ApiId=api, StageName="$default")
        with pytest.raises(NotSupported, match="selection expression"):
            await room.ask2("UpdateApi", ApiId=api, RouteSelectionExpression="$request.header.x")
        with pytest.raises(ClientFault, match="CorsConfiguration"):
            await room.ask2("UpdateApi", ApiId=api, CorsConfiguration={"AllowOrigins": ["*"]})

    play_once(story)
