"""Documents of any shape: an API that reads back, or AWS's error."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from antipodes.services.apigateway.v2.openapi import imported
from antipodes.services.apigateway.v2.records import HttpApi
from antipodes.wire.errors import ClientFault

FUNCTION = "arn:aws:lambda:us-west-2:000000000000:function:f"
INTEGRATION = {"type": "aws_proxy", "payloadFormatVersion": "2.0", "uri": FUNCTION, "timeoutInMillis": 100}
AUTHORIZER = {
    "type": "request",
    "authorizerUri": FUNCTION,
    "authorizerPayloadFormatVersion": "2.0",
    "identitySource": "$request.header.Token",
    "authorizerResultTtlInSeconds": 3,
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "t"},
    "servers": [{"x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}],
    "paths": {
        "/a": {"get": {"security": [{"g": []}], "x-amazon-apigateway-integration": INTEGRATION}},
        "/b": {"get": {"x-amazon-apigateway-integration": {"$ref": "#/components/x/f"}}},
    },
    "components": {
        "x-amazon-apigateway-integrations": {"f": {"type": "http_proxy", "uri": "http://x/", "httpMethod": "ANY"}},
        "securitySchemes": {"g": {"type": "apiKey", "x-amazon-apigateway-authorizer": AUTHORIZER}},
    },
    "x-amazon-apigateway-cors": {"allowOrigins": ["*"], "maxAge": 3},
    "tags": [{"name": "k", "x-amazon-apigateway-tag-value": "v"}],
}
ODD: tuple[Any, ...] = (None, 1, "x", [], [1], {}, {"a": 1}, True, 1.5, [{}], {"a": {}})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*path, key))


COUNT = itertools.count()


def drawn(length: int) -> str:
    return f"{next(COUNT):0{length}d}"


BARE = HttpApi(id="a", name="n", created=0.0)


def test_the_whole_document_is_taken() -> None:
    api = imported(BARE, json.dumps(DOCUMENT), drawn)
    assert sorted(route.key for route in api.routes.values()) == ["GET /a", "GET /b"]
    assert len(api.authorizers) == 1
    assert api.endpoint_disabled


@pytest.mark.parametrize("path", list(places(DOCUMENT)), ids=lambda path: "/".join(map(str, path)))
def test_odd_parts_are_refused_or_mean_something(path: tuple[Any, ...]) -> None:
    for odd in ODD:
        document = copy.deepcopy(DOCUMENT)
        part: Any = document
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = odd
        try:
            assert imported(BARE, json.dumps(document), drawn).id == "a"
        except ClientFault as fault:
            assert fault.code in {"BadRequestException", "UnsupportedOperation"}
