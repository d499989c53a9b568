"""Parameter mapping: requests on their way to an integration, answers on their way back."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from antipodes.services.apigateway.v2 import mapping
from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from tests.apigateway.conftest import Play, Room, host_of
from tests.apigateway.v2.conftest import ECHO, made

REQUEST = HttpRequest("GET", "/a?x=1&y=2", (("Host", "h"), ("One", "1"), ("one", "2")), b'{"u":{"id":[7,"z"]}}')


def mapped(**given: str) -> tuple[HttpRequest, str | None]:
    values = {"request.header.one": "1,2", "context.requestId": "r", "request.path": "/a", "request.path.id": ""}
    changes = {key.replace("__", ":", 1).replace("_", "."): value for key, value in given.items()}
    return mapping.changed_request(mapping.changes_of(changes), REQUEST, values.get)


def test_headers_queries_and_the_path_change() -> None:
    request, path = mapped(append__header_two="${context.requestId}-$request.header.one")
    assert (request.header("two"), path) == ("r-1,2", None)
    assert request.target == REQUEST.target
    request, path = mapped(overwrite__header_one="3", overwrite__path="/v1${request.path}")
    assert ([value for name, value in request.headers if name.lower() == "one"], path) == (["3"], "/v1/a")
    assert mapped(remove__header_one="''")[0].header("one") is None
    assert mapped(append__querystring_x="2", remove__querystring_y="")[0].target == "/a?x=1&x=2"
    assert mapped(overwrite__querystring_x="$request.path.id")[0].target == REQUEST.target  # no value, no change


def test_bodies_are_looked_into() -> None:
    assert mapping.in_body(REQUEST.body, "u.id[1]") == "z"
    assert mapping.in_body(REQUEST.body, "u.id") == '[7,"z"]'
    assert mapping.in_body(REQUEST.body, "u.none[3].x") is None
    assert mapping.in_body(b"no json", "u") is None


def test_answers_change() -> None:
    changes = mapping.changes_of(
        {"overwrite:statuscode": "202", "append:header.a": "$response.body.u.id[0]", "remove:header.b": ""},
        response=True,
    )
    found: Mapping[str, str] = {"response.body.u.id[0]": "7"}
    answer = mapping.changed_response(changes, HttpResponse(200, (("B", "b"),), b"x"), found.get)
    assert answer == HttpResponse(202, (("a", "7"),), b"x")


@pytest.mark.parametrize(
    "given",
    [
        {"append:header.Authorization": "x"}, {"append:header.x-amz-a": "x"}, {"append:path": "x"}, {"x": "y"},
        {"overwrite:statuscode": "1"}, {"append:header.a": "$response.header.x"}, {"append:header.a": "b\r\nc"},
    ],
)  # fmt: skip
def test_what_cannot_be_mapped(given: dict[str, str]) -> None:
    with pytest.raises(ClientFault):
        mapping.changes_of(given)


def test_an_integration_maps_both_ways(play_once: Play) -> None:
    async def story(room: Room) -> None:
        api = await made(room, await room.function("f", ECHO), "GET /items/{id}")
        integration = (await room.ask2("GetIntegrations", ApiId=api))["Items"][0]["IntegrationId"]
        await room.ask2(
            "UpdateIntegration", ApiId=api, IntegrationId=integration,
            RequestParameters={"append:header.x-id": "$request.path.id", "overwrite:querystring.s": "$context.stage"},
            ResponseParameters={"200": {"overwrite:statuscode": "201", "append:header.k": "$response.body.routeKey"}},
        )  # fmt: skip
        answer = await room.get(host_of(api), "/items/7?s=1")
        event = json.loads(answer.body)
        assert (answer.status, answer.header("k")) == (201, "GET /items/{id}")
        assert (event["headers"]["x-id"], event["queryStringParameters"]) == ("7", {"s": "$default"})
        for wrong in ({"99": {"append:header.a": "b"}}, {"200": {"append:querystring.a": "b"}}):
            with pytest.raises(ClientFault):
                await room.ask2("UpdateIntegration", ApiId=api, IntegrationId=integration, ResponseParameters=wrong)

    play_once(story)
