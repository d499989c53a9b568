"""Documentation parts and versions, and what documents show of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.apigateway.v1.documenting import Documentation, location_of
from antipodes.services.apigateway.v1.records import DocumentationPart
from antipodes.wire.errors import AwsError
from tests.apigateway.conftest import Play, Room

EXTENSION = "x-amazon-apigateway-documentation"
METHOD = {
    "parameters": [{"name": "page", "in": "query", "type": "string"}],
    "responses": {"200": {"description": "200 response", "headers": {"X-Total": {"type": "string"}}}},
    "x-amazon-apigateway-integration": {"type": "mock", "requestTemplates": {"application/json": "{}"}},
}
DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "pets", "version": "v7"},
    "paths": {"/pets": {"get": METHOD}, "/pets/{id}": {"get": METHOD}},
    EXTENSION: {
        "documentationParts": [
            {
                "location": {"type": "API"},
                "properties": {
                    "foo": "API foo",
                    "x-bar": "API x-bar",
                    "info": {"description": "pets", "version": "no"},
                },
            },
            {"location": {"type": "METHOD", "path": "/pets"}, "properties": {"summary": "all", "foo": "no"}},
            {"location": {"type": "METHOD", "path": "/pets/{id}", "method": "GET"}, "properties": {"summary": "one"}},
            {"location": {"type": "RESOURCE", "path": "/pets"}, "properties": {"description": "no", "x-bar": "r"}},
            {"location": {"type": "QUERY_PARAMETER", "name": "page"}, "properties": {"description": "which page"}},
            {"location": {"type": "RESPONSE", "statusCode": "200"}, "properties": {"description": "good"}},
            {"location": {"type": "RESPONSE_HEADER", "name": "X-Total"}, "properties": {"description": "how many"}},
        ]
    },
}


async def exported(room: Room, api: str, extensions: str = "", kind: str = "swagger") -> dict[str, Any]:
    params = {"parameters": {"extensions": extensions}} if extensions else {}
    answer = await room.ask("GetExport", restApiId=api, stageName="v1", exportType=kind, **params)
    found: dict[str, Any] = json.loads(answer["body"])
    return found


@pytest.mark.parametrize("kind", ["swagger", "oas30"])
def test_what_is_imported_is_published_with_a_version_and_exported(play_once: Play, kind: str) -> None:
    async def story(room: Room) -> None:
        api = (await room.ask("ImportRestApi", body=json.dumps(DOCUMENT).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        assert EXTENSION not in await exported(room, api, kind=kind)
        made = await room.ask("CreateDocumentationVersion", restApiId=api, documentationVersion="1", stageName="v1")
        assert made["version"] == "1"
        assert (await room.ask("GetStage", restApiId=api, stageName="v1"))["documentationVersion"] == "1"
        document = await exported(room, api, kind=kind)
        assert document["info"] == {"title": "pets", "version": "v7", "description": "pets"}
        assert (document["x-bar"], "foo" in document) == ("API x-bar", False)
        pets, pet = document["paths"]["/pets"], document["paths"]["/pets/{id}"]
        assert (pets["get"]["summary"], pet["get"]["summary"], "foo" in pets["get"]) == ("all", "one", False)
        assert (pets["x-bar"], "description" in pets, "x-bar" in pet) == ("r", False, False)
        assert pet["get"]["parameters"][0]["description"] == "which page"
        response = pet["get"]["responses"]["200"]
        assert (response["description"], response["headers"]["X-Total"]["description"]) == ("good", "how many")
        assert (document[EXTENSION]["version"], document[EXTENSION]["createdDate"][-1:]) == ("1", "Z")
        assert document[EXTENSION]["documentationParts"] == DOCUMENT[EXTENSION]["documentationParts"]  # type: ignore[index]
        assert EXTENSION not in await exported(room, api, "integrations", kind)
        assert EXTENSION in await exported(room, api, "integrations,documentation", kind)
        again = await exported(room, api, "apigateway", kind)
        body = json.dumps(again).encode()
        second = (await room.ask("ImportRestApi", body=body, parameters={"ignore": "documentation"}))["id"]
        assert (await room.ask("GetDocumentationParts", restApiId=second))["items"] == []
        await room.ask("PutRestApi", restApiId=second, mode="overwrite", body=body)
        assert len((await room.ask("GetDocumentationParts", restApiId=second))["items"]) == 7

    play_once(story)


def test_parts_are_made_found_changed_and_deleted(play_once: Play) -> None:
    async def story(room: Room) -> None:
        where = {"restApiId": (await room.ask("CreateRestApi", name="a"))["id"]}

        async def make(properties: str = '{"description": "d"}', **location: str) -> dict[str, Any]:
            return await room.ask("CreateDocumentationPart", **where, location=location, properties=properties)

        root = await make(type="RESOURCE")
        assert root["location"] == {"type": "RESOURCE", "path": "/"}
        method = await make(type="METHOD", path="/pets", method="GET")
        with pytest.raises(AwsError, match=r"for the specified location: type 'RESOURCE', path '/'\.") as caught:
            await make(type="RESOURCE", path="/")
        assert caught.value.code == "ConflictException"
        for location in ({"type": "API", "path": "/"}, {"type": "BAD"}, {"type": "PATH_PARAMETER", "path": "/x"}):
            with pytest.raises(AwsError):
                await make(**location)
        with pytest.raises(AwsError, match="must be a JSON object"):
            await make("[]", type="API")
        patches = [{"op": "replace", "path": "/properties", "value": '{"summary": "s"}'}]
        part = {**where, "documentationPartId": method["id"]}
        assert (await room.ask("UpdateDocumentationPart", **part, patchOperations=patches))["id"] == method["id"]
        assert (await room.ask("GetDocumentationPart", **part))["properties"] == '{"summary": "s"}'
        found = await room.ask("GetDocumentationParts", **where, type="METHOD", path="/pets")
        assert [one["id"] for one in found["items"]] == [method["id"]]
        await room.ask("CreateDocumentationVersion", **where, documentationVersion="1")
        with pytest.raises(AwsError, match="already exists"):
            await room.ask("CreateDocumentationVersion", **where, documentationVersion="1")
        await room.ask("DeleteDocumentationPart", **part)
        with pytest.raises(AwsError, match="Invalid Documentation part identifier"):
            await room.ask("GetDocumentationPart", **part)
        await room.ask("DeleteDocumentationVersion", **where, documentationVersion="1")
        with pytest.raises(AwsError, match="Invalid Documentation version"):
            await room.ask("GetDocumentationVersion", **where, documentationVersion="1")

    play_once(story)


def test_import_merges_or_overwrites_and_tells_of_what_it_leaves_out(play_once: Play) -> None:
    async def story(room: Room) -> None:
        where = {"restApiId": (await room.ask("CreateRestApi", name="a"))["id"]}
        made = await room.ask(
            "CreateDocumentationPart", **where, location={"type": "API"}, properties='{"a": 1, "b": 1}'
        )

        async def take(*parts: dict[str, Any], **params: Any) -> dict[str, Any]:
            body = json.dumps({"swagger": "2.0", EXTENSION: {"documentationParts": parts}}).encode()
            return await room.ask("ImportDocumentationParts", **where, body=body, **params)

        api: dict[str, Any] = {"location": {"type": "API"}, "properties": {"b": 2}}
        root: dict[str, Any] = {"location": {"type": "RESOURCE"}, "properties": {}}
        bad: dict[str, Any] = {"location": {"type": "NONE"}, "properties": {}}
        with pytest.raises(AwsError, match="Warnings found"):
            await take(api, bad, failOnWarnings=True)
        answer = await take(api, root, bad)
        assert (answer["ids"][0], len(answer["ids"]), len(answer["warnings"])) == (made["id"], 2, 1)
        part = await room.ask("GetDocumentationPart", **where, documentationPartId=made["id"])
        assert json.loads(part["properties"]) == {"a": 1, "b": 2}
        await take(api, mode="overwrite")
        items = (await room.ask("GetDocumentationParts", **where))["items"]
        assert [(one["id"], json.loads(one["properties"])) for one in items] == [(made["id"], {"b": 2})]

    play_once(story)


def test_a_stage_names_a_version_that_is_there(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = (await room.ask("ImportRestApi", body=json.dumps(DOCUMENT).encode()))["id"]
        await room.ask("CreateDeployment", restApiId=api, stageName="v1")
        patch = [{"op": "replace", "path": "/documentationVersion", "value": "1"}]
        with pytest.raises(AwsError, match="Invalid Documentation version specified"):
            await room.ask("UpdateStage", restApiId=api, stageName="v1", patchOperations=patch)
        await room.ask("CreateDocumentationVersion", restApiId=api, documentationVersion="1")
        await room.ask("UpdateStage", restApiId=api, stageName="v1", patchOperations=patch)
        with pytest.raises(AwsError, match="associated with stages: v1"):
            await room.ask("DeleteDocumentationVersion", restApiId=api, documentationVersion="1")
        patch = [{"op": "remove", "path": "/documentationVersion"}]
        shown = await room.ask("UpdateStage", restApiId=api, stageName="v1", patchOperations=patch)
        assert "documentationVersion" not in shown

    play_once(story)


def test_the_longest_path_counts_first_and_then_the_status() -> None:
    """The Developer Guide's example of content inheritance."""
    parts = [
        DocumentationPart(id=name, location=location_of({"type": "RESPONSE", **place}), properties=json.dumps(says))
        for name, place, says in (
            ("1", {"statusCode": "400"}, {"description": "Invalid request error."}),
            ("2", {"path": "/pets", "statusCode": "400"}, {"description": "Invalid petId specified."}),
            ("3", {"path": "/pets/{id}"}, {"description": "any"}),
        )
    ]

    def responses() -> dict[str, Any]:
        return {"responses": {"400": {}, "200": {}}}

    paths = {"/": {"get": responses()}, "/pets": {"get": responses()}, "/pets/{id}": {"get": responses()}}
    document: dict[str, Any] = {"info": {}, "paths": {**paths, "/petshop": {"get": responses()}}}
    Documentation(parts).put_into(document)
    told = {path: item["get"]["responses"]["400"].get("description") for path, item in document["paths"].items()}
    assert told == {
        "/": "Invalid request error.",
        "/pets": "Invalid petId specified.",
        "/pets/{id}": "any",
        "/petshop": "Invalid request error.",
    }
    assert document["paths"]["/pets"]["get"]["responses"]["200"] == {}
