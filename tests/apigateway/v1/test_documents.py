"""OpenAPI documents with AWS's extensions: what they make of an API; none is too odd for an answer."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.apigateway.v1 import openapi
from antipodes.wire.errors import AwsError, ClientFault
from tests.apigateway.conftest import Play, Room, host_of, uri_of
from tests.apigateway.v1.test_guards import AUTHORIZER, MOCK, told

EXTENSION = "x-amazon-apigateway-"


def document(authorizer: str) -> dict[str, Any]:
    """As SAM writes it."""
    return {
        "openapi": "3.0.1",
        "info": {"title": "shop", "version": "1.0"},
        "paths": {
            "/items": {
                "post": {
                    EXTENSION + "integration": MOCK,
                    EXTENSION + "request-validator": "all",
                    "security": [{"api_key": []}, {"Mine": []}],
                    "parameters": [{"$ref": "#/components/parameters/q"}],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/item"}}}},
                    "responses": {"200": {"headers": {"X-A": {"schema": {"type": "string"}}}}},
                },
                "get": {EXTENSION + "integration": MOCK, "security": [{"NONE": []}]},
                EXTENSION + "any-method": {EXTENSION + "integration": MOCK, EXTENSION + "auth": {"type": "AWS_IAM"}},
            }
        },
        "security": [{"Mine": []}],
        "components": {
            "parameters": {"q": {"in": "query", "name": "q", "required": True}},
            "schemas": {
                "item": {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/components/schemas/n"}}},
                "n": {"type": "integer"},
            },
            "securitySchemes": {
                "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
                "Mine": {
                    "type": "apiKey",
                    "name": "X-T",
                    "in": "header",
                    EXTENSION + "authtype": "custom",
                    EXTENSION + "authorizer": {"type": "token", "authorizerUri": uri_of(authorizer)},
                },
            },
        },
        EXTENSION + "request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
        EXTENSION + "gateway-responses": {"UNAUTHORIZED": {"statusCode": 499}},
        EXTENSION + "binary-media-types": ["image/png"],
    }


def test_a_document_with_everything(play_once: Play) -> None:
    async def story(room: Room) -> None:
        given = document(await room.function("a", AUTHORIZER))
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        key = await room.ask("CreateApiKey", name="k", enabled=True)
        plan = await room.ask("CreateUsagePlan", name="p", apiStages=[{"apiId": api, "stage": "v1"}])
        await room.ask("CreateUsagePlanKey", usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")

        async def post(body: bytes, query: str = "?q=1", **headers: str) -> tuple[int, bytes]:
            answer = await room.get(host_of(api), f"/v1/items{query}", "POST", body, **headers)
            return answer.status, answer.body

        good = {"X_T": "ada", "x_api_key": key["value"]}
        assert await post(b'{"n": 1}', **good) == (200, b"passed")
        assert (await post(b'{"n": "x"}', **good))[0] == 400
        assert (await post(b'{"n": 1}', "", **good))[0] == 400
        assert (await post(b'{"n": 1}', X_T="ada"))[0] == 403
        assert (await post(b'{"n": 1}'))[0] == 499
        assert (await room.get(host_of(api), "/v1/items")).status == 200
        assert told(await room.get(host_of(api), "/v1/items", "PUT")) == (403, "Missing Authentication Token")
        before = (await room.ask("GetAuthorizers", restApiId=api))["items"]
        await room.ask("PutRestApi", restApiId=api, mode="overwrite", body=json.dumps(given).encode())
        assert (await room.ask("GetAuthorizers", restApiId=api))["items"] == before  # names keep their ids
        models = [one["name"] for one in (await room.ask("GetModels", restApiId=api))["items"]]
        assert models == ["Empty", "Error", "item", "n"]

    play_once(story)


def test_a_base_path_goes_before_the_paths_if_asked(play_once: Play) -> None:
    given = {"swagger": "2.0", "basePath": "/a/b", "paths": {"/c": {"get": {EXTENSION + "integration": MOCK}}}}

    async def story(room: Room) -> None:
        for mode, path in (("ignore", "/c"), ("prepend", "/a/b/c"), ("split", "/b/c")):
            made = await room.ask("ImportRestApi", body=json.dumps(given).encode(), parameters={"basepath": mode})
            found = await room.ask("GetResources", restApiId=made["id"])
            assert found["items"][-1]["path"] == path

    play_once(story)


ODD: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, "", "x", "object", "#/components/schemas/a", "aws", "MOCK", "$ref"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "get",
                        "/a",
                        "schema",
                        "$ref",
                        "security",
                        "parameters",
                        "in",
                        "name",
                        "content",
                        "a",
                        "type",
                        "uri",
                    ),
                    *(
                        "headers",
                        "200",
                        EXTENSION + "integration",
                        EXTENSION + "authorizer",
                        "responses",
                        "requestBody",
                    ),
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
TOP = st.dictionaries(
    st.sampled_from(["paths", "info", "components", "definitions", "securityDefinitions", "security"])
    | st.sampled_from([EXTENSION + one for one in ("gateway-responses", "policy", "request-validators")]),
    ODD,
    max_size=3,
)


@given(TOP)
def test_no_document_is_too_odd(parts: dict[str, Any]) -> None:
    try:
        openapi.imported(openapi.parse(json.dumps({"openapi": "3.0.1", **parts}).encode()))
    except ClientFault:
        pass


def test_changes_by_patches(play_once: Play) -> None:
    async def story(room: Room) -> None:
        given = {"openapi": "3.0.1", "paths": {"/a/b": {"get": {EXTENSION + "integration": MOCK}}}}
        api = (await room.ask("ImportRestApi", body=json.dumps(given).encode()))["id"]
        resources = (await room.ask("GetResources", restApiId=api))["items"]
        by_path = {one["path"]: one["id"] for one in resources}
        moved = [{"op": "replace", "path": "/pathPart", "value": "c"}]
        await room.ask("UpdateResource", restApiId=api, resourceId=by_path["/a"], patchOperations=moved)
        assert (await room.ask("GetResource", restApiId=api, resourceId=by_path["/a/b"]))["path"] == "/c/b"
        where = {"restApiId": api, "resourceId": by_path["/a/b"], "httpMethod": "GET"}
        patches = [
            {"op": "replace", "path": "/apiKeyRequired", "value": "true"},
            {"op": "add", "path": "/requestParameters/method.request.header.X~1Y", "value": "true"},
        ]
        method = await room.ask("UpdateMethod", **where, patchOperations=patches)
        assert (method["apiKeyRequired"], method["requestParameters"]) == (True, {"method.request.header.X/Y": True})
        patches = [{"op": "replace", "path": "/requestTemplates/application~1json", "value": '{"statusCode": 201}'}]
        integration = await room.ask("UpdateIntegration", **where, patchOperations=patches)
        assert integration["requestTemplates"] == {"application/json": '{"statusCode": 201}'}
        assert list(integration["integrationResponses"]) == ["200"]
        patches = [{"op": "add", "path": "/selectionPattern", "value": "2.."}]
        response = await room.ask("UpdateIntegrationResponse", **where, statusCode="200", patchOperations=patches)
        assert response["selectionPattern"] == "2.."
        for operation, bad, code in (
            ("UpdateMethod", {"op": "replace", "path": "/nothing", "value": "1"}, "UnsupportedOperation"),
            ("UpdateMethod", {"op": "become", "path": "/apiKeyRequired"}, "ValidationException"),
            ("UpdateIntegration", {"op": "replace", "path": "/timeoutInMillis", "value": "1"}, "BadRequestException"),
            ("UpdateIntegration", {"op": "remove", "path": "/uri"}, "BadRequestException"),
        ):
            try:
                await room.ask(operation, **where, patchOperations=[bad])
            except AwsError as error:
                assert error.code == code
            else:
                raise AssertionError(operation)
        arn = f"arn:aws:apigateway:us-west-2::/restapis/{api}"
        await room.ask("TagResource", resourceArn=arn, tags={"a": "1", "b": "2"})
        await room.ask("UntagResource", resourceArn=arn, tagKeys=["a"])
        assert (await room.ask("GetTags", resourceArn=arn))["tags"] == {"b": "2"}

    play_once(story)
