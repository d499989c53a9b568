"""HTTP and HTTP_PROXY integrations: an API in front of another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.apigateway.v2.http_proxy import HttpProxy
from antipodes.wire.http import HttpRequest, HttpResponse
from tests.apigateway.conftest import Play, Room, host_of
from tests.apigateway.v1.test_integrations import staged


class Server:
    """Stands in for HttpProxy's network: keeps what was sent, answers with what it got."""

    def __init__(self) -> None:
        self.sent: list[tuple[HttpRequest, str, str, dict[str, str]]] = []
        self.more = b""

    def answer(self, request: HttpRequest, uri: str, method: str, parameters: dict[str, str]) -> HttpResponse:
        self.sent.append((request, uri, method, dict(parameters)))
        return HttpResponse(
            203, (("Server", "mine"), ("X-Back", "1"), ("Content-Type", "text/plain")), request.body + self.more
        )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()

    async def send(
        _: HttpProxy, request: HttpRequest, uri: str, method: str, parameters: dict[str, str], **_given: Any
    ) -> HttpResponse:
        return found.answer(request, uri, method, parameters)

    monkeypatch.setattr(HttpProxy, "send", send)
    return found


def test_http_proxy_passes_the_request_and_the_answer(play_once: Play, server: Server) -> None:
    integration = {
        "type": "http_proxy",
        "httpMethod": "ANY",
        "uri": "http://${stageVariables.colour}.example.com/{proxy}",
        "requestParameters": {
            "integration.request.path.proxy": "method.request.path.proxy",
            "integration.request.header.X-Stage": "context.stage",
        },
    }

    async def story(room: Room) -> None:
        api = await staged(room, integration, path="/{proxy+}", verb="x-amazon-apigateway-any-method")
        answer = await room.get(host_of(api), "/v1/a/b%20c?q=1", "PUT", b"body", X_One="1")
        assert (answer.status, answer.body, answer.header("x-back")) == (203, b"body", "1")
        assert (answer.header("server"), answer.header("x-amzn-remapped-server")) == (None, "mine")
        request, uri, method, parameters = server.sent[0]
        assert (uri, method, parameters) == ("http://blue.example.com/{proxy}", "PUT", {"proxy": "a/b c"})
        assert (request.query, request.header("x-one"), request.header("x-stage")) == ("q=1", "1", "v1")

    play_once(story)


def test_an_answer_of_more_than_10_mb_is_none(play_once: Play, server: Server) -> None:
    integration = {"type": "http_proxy", "httpMethod": "ANY", "uri": "http://backend.example.com/"}

    async def story(room: Room) -> None:
        api = await staged(room, integration)
        largest = b"x" * 10 * 1024 * 1024
        assert (await room.get(host_of(api), "/v1", "POST", largest)).status == 203
        server.more = b"x"
        answer = await room.get(host_of(api), "/v1", "POST", largest)
        assert (answer.status, json.loads(answer.body)) == (500, {"message": "Internal server error"})

    play_once(story)


def test_http_maps_both_ways(play_once: Play, server: Server) -> None:
    integration = {
        "type": "http",
        "httpMethod": "POST",
        "uri": "http://backend.example.com/in",
        "requestParameters": {"integration.request.querystring.q": "method.request.querystring.from"},
        "requestTemplates": {"application/json": '{"v": $input.json("$.v")}'},
        "responses": {
            "2\\d\\d": {
                "statusCode": "200",
                "responseTemplates": {"application/json": '{"got": "$input.path("$.v")"}'},
                "responseParameters": {"method.response.header.X-Back": "integration.response.header.X-Back"},
            }
        },
    }

    async def story(room: Room) -> None:
        api = await staged(room, integration)
        answer = await room.get(host_of(api), "/v1?from=here", "POST", b'{"v": 5}', X_One="1")
        assert (answer.status, json.loads(answer.body), answer.header("x-back")) == (200, {"got": "5"}, "1")
        request, _, _, _ = server.sent[0]
        assert (request.query, request.body, request.header("x-one")) == ("q=here", b'{"v": 5}', None)
        assert request.header("content-type") == "application/json"

    play_once(story)
