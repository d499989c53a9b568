"""Exports of REST APIs: taken back, they make an API that behaves the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room, host_of
from tests.apigateway.v1.test_documents import EXTENSION, document
from tests.apigateway.v1.test_guards import AUTHORIZER


async def export(room: Room, api: str, kind: str, **more: Any) -> dict[str, Any]:
    answer = await room.ask("GetExport", restApiId=api, stageName="v1", exportType=kind, **more)
    assert answer["contentType"] == "application/octet-stream"
    found: dict[str, Any] = yaml.safe_load(answer["body"])
    return found


async def behaviour(room: Room, api: str) -> list[tuple[int, bytes]]:
    """What the API of `document` answers."""
    await room.ask("CreateDeployment", restApiId=api, stageName="v1")
    asked = [
        ("GET", "/v1/items", b"", {}),
        ("PUT", "/v1/items", b"", {}),
        ("POST", "/v1/items?q=1", b'{"n": 1}', {}),
        ("POST", "/v1/items?q=1", b'{"n": 1}', {"X_T": "ada"}),
        ("POST", "/v1/nothing", b"", {}),
    ]
    answers = [await room.get(host_of(api), target, verb, body, **headers) for verb, target, body, headers in asked]
    return [(answer.status, answer.body) for answer in answers]


@pytest.mark.parametrize("kind", ["swagger", "oas30"])
def test_what_is_exported_can_be_taken_back(play_once: Play, kind: str) -> None:
    async def story(room: Room) -> None:
        given = document(await room.function("a", AUTHORIZER))
        operation = given["paths"]["/items"]["post"]
        operation["responses"]["200"]["content"] = {
            "application/json": {"schema": {"$ref": "#/components/schemas/item"}}
        }
        first = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        before = await behaviour(room, first)
        assert [status for status, _ in before] == [200, 403, 499, 403, 403]
        whole = {"parameters": {"extensions": "apigateway"}}
        told = await export(room, first, kind, **whole)
        second = (await room.ask("ImportRestApi", body=json.dumps(told).encode()))["id"]
        assert await behaviour(room, second) == before
        again = await export(room, second, kind, **whole)
        assert json.dumps(again).replace(second, first) == json.dumps(told)
        bare = await export(room, first, kind)
        assert EXTENSION + "integration" not in json.dumps(bare)
        assert EXTENSION + "authorizer" not in json.dumps(bare)

    play_once(story)


def test_the_shape_of_an_export(play_once: Play) -> None:
    """As documents have it that AWS exported."""
    integration = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
    operation = {
        EXTENSION + "integration": {
            **integration,
            "responses": {"default": {"statusCode": "200"}},
            "cacheKeyParameters": ["method.request.querystring.page"],
        },
        "parameters": [{"in": "query", "name": "page"}, {"in": "body", "schema": {"$ref": "#/definitions/Pet"}}],
        "responses": {"200": {"schema": {"$ref": "#/definitions/Pet"}, "headers": {"X-A": {"type": "string"}}}},
    }
    given = {
        "swagger": "2.0",
        "info": {"title": "Pets", "version": "1.0"},
        "paths": {"/pets": {"post": operation}},
        "definitions": {"Pet": {"type": "object"}},
    }

    async def story(room: Room) -> None:
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        answer = await room.ask("GetExport", restApiId=api, stageName="v1", exportType="swagger")
        assert answer["contentDisposition"] == 'attachment; filename="swagger_1.0.json"'
        whole = await export(room, api, "swagger", parameters={"extensions": "integrations"})
        kept = whole["paths"]["/pets"]["post"][EXTENSION + "integration"]
        assert kept["cacheKeyParameters"] == ["method.request.querystring.page"]
        second = await export(room, api, "swagger")
        assert second["host"] == host_of(api)
        assert second["basePath"] == "/v1"
        assert second["paths"]["/pets"]["post"] == {
            "consumes": ["application/json"],
            "produces": ["application/json"],
            "parameters": [
                {"name": "page", "in": "query", "required": False, "type": "string"},
                {"in": "body", "name": "Pet", "required": True, "schema": {"$ref": "#/definitions/Pet"}},
            ],
            "responses": {
                "200": {
                    "description": "200 response",
                    "schema": {"$ref": "#/definitions/Pet"},
                    "headers": {"X-A": {"type": "string"}},
                }
            },
        }
        third = await export(room, api, "oas30", accepts="application/yaml")
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
        shown = third["paths"]["/pets"]["post"]
        assert shown["parameters"] == [{"name": "page", "in": "query", "schema": {"type": "string"}}]
        assert shown["requestBody"] == {"content": content, "required": True}
        assert shown["responses"]["200"]["content"] == content
        assert third["components"] == {"schemas": {"Pet": {"type": "object"}}}
        for bad in ({"exportType": "raml"}, {"parameters": {"extensions": "postman"}}, {"stageName": "no"}):
            with pytest.raises(AwsError):
                await room.ask("GetExport", **{"restApiId": api, "stageName": "v1", "exportType": "oas30", **bad})

    play_once(story)
