"""Integrations by mapping: templates, parameters, what becomes of the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpResponse
from tests.apigateway.conftest import Play, Room, host_of, uri_of

ECHO = "def handler(event, c):\n    return event\n"
FAILS = "class Teapot(Exception): pass\ndef handler(event, c):\n    raise Teapot('[418] ' + event['why'])\n"


async def staged(
    room: Room, integration: dict[str, Any], *, path: str = "/", verb: str = "post", **document: Any
) -> str:
    """An API with one method; its id."""
    operation = {"x-amazon-apigateway-integration": integration}
    given = {"swagger": "2.0", "info": {"title": "t"}, "paths": {path: {verb: operation}}, **document}
    made = await room.ask("ImportRestApi", body=json.dumps(given).encode())
    await room.ask("CreateDeployment", restApiId=made["id"], stageName="v1", variables={"colour": "blue"})
    return str(made["id"])


def mock(template: str, response: str = "", **more: Any) -> dict[str, Any]:
    responses = {"default": {"statusCode": "200", "responseTemplates": {"application/json": response}}, **more}
    return {"type": "mock", "requestTemplates": {"application/json": template}, "responses": responses}


def refused(response: HttpResponse) -> tuple[int, str]:
    return response.status, json.loads(response.body)["message"]


def test_a_mock_answers_what_its_templates_say(play_once: Play) -> None:
    response = (
        '{"id": "$input.params(\'id\')", "q": "$input.params().querystring.q", "h": "$input.params(\'X-One\')",'
        ' "stage": "$context.stage", "ip": "$context.identity.sourceIp", "colour": "$stageVariables.colour",'
        ' "who": "$util.escapeJavaScript("it\'s ""me""")", "url": "$util.urlEncode("a b")",'
        ' "b64": "$util.base64Encode("hi")", "again": "$util.parseJson(\'{"a": [5]}\').a[0]"}'
    )

    async def story(room: Room) -> None:
        api = await staged(room, mock("{statusCode: 200}", response), path="/items/{id}", verb="get")
        answer = await room.get(host_of(api), "/v1/items/a1?q=2&q=3", X_One="yes")
        assert answer.status == 200
        assert answer.header("content-type") == "application/json"
        assert json.loads(answer.body.replace(b"\\'", b"'")) == {
            "id": "a1",
            "q": "3",
            "h": "yes",
            "stage": "v1",
            "ip": "198.18.0.9",
            "colour": "blue",
            "who": 'it\'s "me"',
            "url": "a+b",
            "b64": "aGk=",
            "again": "5",
        }

    play_once(story)


def test_the_request_template_chooses_the_response(play_once: Play) -> None:
    other = {"statusCode": "404", "responseTemplates": {"application/json": "gone"}}
    template = '{"statusCode": #if($input.params("q") == "x")404#{else}200#end}'

    async def story(room: Room) -> None:
        api = await staged(room, mock(template, "here", **{"4\\d\\d": other}))
        assert (await room.get(host_of(api), "/v1", "POST")).body == b"here"
        answer = await room.get(host_of(api), "/v1?q=x", "POST")
        assert (answer.status, answer.body) == (404, b"gone")
        # No template for this type: the body passes through, and says no status.
        broken = await room.get(host_of(api), "/v1", "POST", b"<a/>", Content_Type="text/xml")
        assert refused(broken) == (500, "Internal server error")

    play_once(story)


@pytest.mark.parametrize(
    ("behavior", "kind", "status"),
    [
        ("when_no_match", "application/json", 200),
        ("when_no_match", "text/plain", 200),
        ("when_no_templates", "text/plain", 415),
        ("never", "text/plain", 415),
        ("never", "application/json; charset=utf-8", 200),
    ],
)
def test_passthrough_behavior(play_once: Play, behavior: str, kind: str, status: int) -> None:
    given = mock('{"statusCode": 200}')
    given["passthroughBehavior"] = behavior

    async def story(room: Room) -> None:
        api = await staged(room, given)
        answer = await room.get(host_of(api), "/v1", "POST", b'{"statusCode": 200}', Content_Type=kind)
        assert answer.status == status
        if status == 415:
            assert refused(answer) == (415, "Unsupported Media Type")

    play_once(story)


def test_templates_override_status_headers_and_more(play_once: Play) -> None:
    response = (
        "#set($context.responseOverride.status = 201)"
        "#set($context.responseOverride.header.X-Made = \"$input.params('q')\")made"
    )

    async def story(room: Room) -> None:
        api = await staged(room, mock('{"statusCode": 200}', response))
        answer = await room.get(host_of(api), "/v1?q=7", "POST")
        assert (answer.status, answer.body, answer.header("x-made")) == (201, b"made", "7")

    play_once(story)


def test_a_function_gets_what_the_template_makes_and_its_answer_is_mapped(play: Play) -> None:
    async def story(room: Room) -> None:
        integration = {
            "type": "aws",
            "httpMethod": "POST",
            "uri": uri_of(await room.function("f", ECHO)),
            "requestTemplates": {
                "application/json": '{"name": $input.json("$.user.name"), "all": $input.json("$"), "n": 1}'
            },
            "responses": {
                "default": {
                    "statusCode": "200",
                    "responseTemplates": {"application/json": "#set($i = $input.path('$'))hello $i.name ($i.all.user)"},
                    "responseParameters": {
                        "method.response.header.X-Name": "integration.response.body.name",
                        "method.response.header.X-Stage": "context.stage",
                        "method.response.header.X-Colour": "stageVariables.colour",
                        "method.response.header.X-Fixed": "'yes'",
                    },
                }
            },
        }
        api = await staged(room, integration)
        answer = await room.get(host_of(api), "/v1", "POST", b'{"user": {"name": "Ada"}}')
        assert (answer.status, answer.body) == (200, b"hello Ada ({name=Ada})")
        named = [answer.header(f"x-{name}") for name in ("name", "stage", "colour", "fixed")]
        assert named == ["Ada", "v1", "blue", "yes"]
        assert refused(await room.get(host_of(api), "/v1", "POST", b"not json")) == (500, "Internal server error")

    play(story)


def test_a_functions_error_is_matched_by_its_message(play_once: Play) -> None:
    async def story(room: Room) -> None:
        integration = {
            "type": "aws",
            "httpMethod": "POST",
            "uri": uri_of(await room.function("f", FAILS)),
            "responses": {
                "default": {"statusCode": "200"},
                r"\[418\].*": {
                    "statusCode": "418",
                    "responseTemplates": {"application/json": '{"why": $input.json("$.errorMessage")}'},
                },
            },
        }
        api = await staged(room, integration)
        answer = await room.get(host_of(api), "/v1", "POST", b'{"why": "tea"}')
        assert (answer.status, json.loads(answer.body)) == (418, {"why": "[418] tea"})
        assert (await room.get(host_of(api), "/v1", "POST", b"{}")).status == 200  # KeyError: the default

    play_once(story)


def test_an_operation_of_an_aws_service(play_once: Play) -> None:
    """Lists log groups: any JSON service is asked the same way."""

    async def story(room: Room) -> None:
        integration = {
            "type": "aws",
            "httpMethod": "POST",
            "uri": "arn:aws:apigateway:us-west-2:logs:action/DescribeLogGroups",
            "credentials": "arn:aws:iam::000000000000:role/r",
            "requestTemplates": {"application/json": '{"logGroupNamePrefix": $input.json("$.prefix")}'},
            "responses": {
                "default": {
                    "statusCode": "200",
                    "responseTemplates": {"application/json": "$input.path('$.logGroups').size()"},
                },
                "4..": {"statusCode": "400", "responseTemplates": {"application/json": "$input.path('$.__type')"}},
            },
        }
        api = await staged(room, integration)
        assert (await room.get(host_of(api), "/v1", "POST", b'{"prefix": "/aws"}')).body.isdigit()
        answer = await room.get(host_of(api), "/v1", "POST", b'{"prefix": 5}')
        assert (answer.status, answer.body) == (400, b"SerializationException")

    play_once(story)


@pytest.mark.parametrize("place", ["s3:path/{bucket}/{key}", "${stageVariables.colour}.s3:path/{key}"])
def test_a_place_in_s3(play_once: Play, place: str) -> None:
    """Serves objects, as the Developer Guide's tutorial "Create a REST API as an Amazon S3 proxy" does."""

    async def story(room: Room) -> None:
        room.objects["blue", "a b/c"] = b"bytes"
        integration = {
            "type": "aws",
            "httpMethod": "GET",
            "uri": f"arn:aws:apigateway:us-west-2:{place}",
            "credentials": "arn:aws:iam::000000000000:role/r",
            "requestParameters": {
                "integration.request.path.bucket": "'blue'",
                "integration.request.path.key": "method.request.path.item",
            },
            "responses": {
                "default": {"statusCode": "200"},
                "4..": {"statusCode": "404", "responseTemplates": {"application/json": "none"}},
            },
        }
        api = await staged(room, integration, path="/{item}", verb="get")
        answer = await room.get(host_of(api), "/v1/a%20b%2Fc")
        assert (answer.status, answer.body) == (200, b"bytes")
        assert (await room.get(host_of(api), "/v1/none")).status == 404

    play_once(story)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"requestTemplates": {"application/json": "#if("}}, "BadRequestException"),
        ({"passthroughBehavior": "sometimes"}, "BadRequestException"),
        ({"contentHandling": "TURN"}, "BadRequestException"),
        ({"requestParameters": {"integration.request.header.a": "method.header.b"}}, "BadRequestException"),
        ({"requestParameters": {"header.a": "'b'"}}, "BadRequestException"),
        ({"responses": {"(": {"statusCode": "200"}}}, "BadRequestException"),
        ({"responses": {"x": {"statusCode": "two"}}}, "BadRequestException"),
        ({"responses": {"x": 5}}, "BadRequestException"),
        (
            {"type": "aws", "uri": "arn:aws:apigateway:us-west-2:sqs:path/b/k", "httpMethod": "GET"},
            "UnsupportedOperation",
        ),
        (
            {"type": "aws", "uri": "arn:aws:apigateway:us-west-2:dynamodb:action/Nothing", "httpMethod": "POST"},
            "UnsupportedOperation",
        ),
        ({"type": "http", "uri": "ftp://x", "httpMethod": "GET"}, "BadRequestException"),
        ({"connectionType": "VPC_LINK"}, "UnsupportedOperation"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_when_it_is_put(
    play_once: Play, change: dict[str, Any], code: str
) -> None:
    async def story(room: Room) -> None:
        with pytest.raises(AwsError) as caught:
            await staged(room, {**mock('{"statusCode": 200}'), **change})
        assert caught.value.code == code
        assert (await room.ask("GetRestApis"))["items"] == []

    play_once(story)
