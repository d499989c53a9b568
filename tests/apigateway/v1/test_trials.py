"""Methods and authorizers that are tried out without a stage."""

from __future__ import annotations

import json
from typing import Any

from tests.apigateway.conftest import Play, Room, host_of
from tests.apigateway.v1.test_documents import EXTENSION, document
from tests.apigateway.v1.test_guards import AUTHORIZER

LISTS = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
PET = '{"petId": "$input.params(\'petId\')"}'


def lines_of(answer: dict[str, Any]) -> list[str]:
    """Of its log, without times and ids."""
    first, *rest = answer["log"].splitlines()
    assert first.startswith("Execution log for request ")
    return [line.partition(" : ")[2] for line in rest]


def test_a_mock_is_tried_out(play_once: Play) -> None:
    """The log's lines and the path parameters are as AWS recorded them."""
    responses = {"default": {"statusCode": "200", "responseTemplates": {"application/json": PET}}}
    operation = {EXTENSION + "integration": {**LISTS, "responses": responses}, "security": [{"api_key": []}]}
    given = {
        "swagger": "2.0",
        "paths": {"/pets/{petId}": {"get": operation}},
        "securityDefinitions": {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}},
    }

    async def story(room: Room) -> None:
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        resources = (await room.ask("GetResources", restApiId=api))["items"]
        where = {"restApiId": api, "resourceId": resources[-1]["id"], "httpMethod": "GET"}
        answer = await room.ask("TestInvokeMethod", **where, pathWithQueryString="/pets/123")
        assert (answer["status"], answer["body"]) == (200, '{"petId": "123"}')
        assert answer["headers"] == {"Content-Type": "application/json"}
        assert lines_of(answer)[1:] == [
            "HTTP Method: GET, Resource Path: /pets/123",
            "Method request path: {petId=123}",
            "Method request query string: {}",
            "Method request headers: {}",
            "Method request body before transformations: ",
            'Method response body after transformations: {"petId": "123"}',
            "Method response headers: {Content-Type=application/json}",
            "Successfully completed execution",
            "Method completed with status: 200",
        ]
        for path, body in ((None, '{"petId": "{petId}"}'), ("/random/test", '{"petId": ""}')):
            more = {} if path is None else {"pathWithQueryString": path}
            assert (await room.ask("TestInvokeMethod", **where, **more))["body"] == body

    play_once(story)


def test_a_function_is_tried_out(play_once: Play) -> None:
    source = (
        "import json\ndef handler(event, c):\n    return {'body': json.dumps(event)} if event['body'] else [event]\n"
    )

    async def story(room: Room) -> None:
        await room.function("f", source)
        api = await room.api("f", ("POST", "/a/{b+}"))
        resources = (await room.ask("GetResources", restApiId=api))["items"]
        where = {"restApiId": api, "resourceId": resources[-1]["id"], "httpMethod": "POST"}
        more = {"headers": {"X-A": "1"}, "stageVariables": {"c": "d"}, "body": "hi"}
        answer = await room.ask("TestInvokeMethod", **where, **more, pathWithQueryString="/a/x/y?q=1")
        event = json.loads(answer["body"])
        assert event["pathParameters"] == {"b": "x/y"}
        assert (event["queryStringParameters"], event["stageVariables"]) == ({"q": "1"}, {"c": "d"})
        assert event["requestContext"]["stage"] == "test-invoke-stage"
        assert "Received response. Status: 200" in answer["log"]
        assert "X-Amzn-Trace-Id" in answer["headers"]
        failed = await room.ask("TestInvokeMethod", **where, pathWithQueryString="/a/x")
        assert (failed["status"], failed["headers"]) == (502, {"x-amzn-ErrorType": "InternalServerErrorException"})
        assert lines_of(failed)[-2].startswith(
            "Execution failed due to configuration error: Malformed Lambda proxy response"
        )

    play_once(story)


def test_an_authorizer_is_tried_out_and_what_it_said_forgotten(play_once: Play) -> None:
    async def story(room: Room) -> None:
        given = document(await room.function("a", AUTHORIZER))
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        authorizer = (await room.ask("GetAuthorizers", restApiId=api))["items"][0]["id"]

        async def tried(**headers: str) -> dict[str, Any]:
            return await room.ask("TestInvokeAuthorizer", restApiId=api, authorizerId=authorizer, headers=headers)

        good = await tried(**{"X-T": "ada"})
        assert (good["clientStatus"], good["principalId"]) == (200, "ada")
        assert json.loads(good["policy"])["Statement"][0]["Effect"] == "Allow"
        assert [(await tried(**{"X-T": token}))["clientStatus"] for token in ("nobody", "broken")] == [401, 500]
        assert (await tried())["clientStatus"] == 401

        operation = given["paths"]["/items"]["post"]
        for name in ("requestBody", "parameters", EXTENSION + "request-validator"):
            del operation[name]
        operation["security"] = [{"Mine": []}]
        says = {
            "default": {"statusCode": "200", "responseTemplates": {"application/json": "$context.authorizer.asked"}}
        }
        operation[EXTENSION + "integration"] = {**LISTS, "responses": says}
        await room.ask("PutRestApi", restApiId=api, mode="overwrite", body=json.dumps(given).encode())
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")

        async def asked() -> int:
            return int((await room.get(host_of(api), "/v1/items", "POST", X_T="ada")).body)

        first = await asked()
        assert await asked() == first
        await room.ask("FlushStageAuthorizersCache", restApiId=api, stageName="v1")
        assert await asked() == first + 1

    play_once(story)
