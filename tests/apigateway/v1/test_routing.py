"""Routes, mappings, and what OpenAPI documents may say."""

from __future__ import annotations

from typing import Any

import pytest

from antipodes.services.apigateway.v1.domains import covers
from antipodes.services.apigateway.v1.openapi import imported, parse
from antipodes.services.apigateway.v1.records import Integration, Method, Resource
from antipodes.services.apigateway.v1.routing import Table, longest_mapping
from antipodes.wire.errors import ClientFault, NotSupported
from tests.apigateway.conftest import uri_of


def table(*methods: tuple[str, str]) -> Table:
    resources: dict[str, Resource] = {}
    for verb, path in methods:
        found = resources.get(path) or Resource(id=path, path=path)
        method = Method(verb=verb, integration=Integration(kind="AWS_PROXY", uri=uri_of("f")))
        resources[path] = Resource(id=path, path=path, methods={**found.methods, verb: method})
    return Table(resources.values(), {})


@pytest.mark.parametrize(
    ("verb", "path", "resource", "parameters"),
    [
        ("GET", "/", "/", None),
        ("GET", "/items", "/items", None),
        ("GET", "/items/", "/items", None),
        ("GET", "/items/7", "/items/{id}", {"id": "7"}),
        ("GET", "/items/new", "/items/new", None),
        ("GET", "/items/new/parts", "/items/{id}/parts", {"id": "new"}),
        ("PUT", "/items/7/parts/9", "/{proxy+}", {"proxy": "items/7/parts/9"}),
        ("GET", "/items//x", "/{proxy+}", {"proxy": "items//x"}),
    ],
)
def test_the_most_specific_resource_takes_the_path(
    verb: str, path: str, resource: str, parameters: dict[str, str] | None
) -> None:
    routes = table(
        ("GET", "/"), ("GET", "/items"), ("GET", "/items/{id}"), ("GET", "/items/new"), ("GET", "/items/{id}/parts"),
        ("ANY", "/{proxy+}"),
    )  # fmt: skip
    found = routes.match(verb, path)
    assert found is not None
    assert (found[0].resource_path, found[1]) == (resource, parameters)


def test_resource_without_the_verb_is_a_miss_even_beside_a_greedy_one() -> None:
    routes = table(("GET", "/items"), ("ANY", "/{proxy+}"))
    assert routes.match("POST", "/items") is None
    assert routes.match("GET", "/") is None


def test_the_longest_base_path_wins_by_whole_parts() -> None:
    assert longest_mapping(["", "a", "ab"], "/ab/c") == "ab"
    assert longest_mapping(["", "a"], "/abc") == ""
    assert longest_mapping(["a"], "/abc") is None


def test_certificate_names_cover_one_label() -> None:
    assert covers("*.example.com", "api.example.com")
    assert not covers("*.example.com", "a.b.example.com")
    assert not covers("*.example.com", "example.com")


SQS = {"type": "aws", "httpMethod": "POST", "uri": "arn:aws:apigateway:us-west-2:sqs:path/000000000000/queue"}


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"x-amazon-apigateway-endpoint-access-mode": "STRICT"}, "endpoint-access-mode"),
        ({"paths": {"/": {"get": {"security": [{"a": []}]}}}}, "get /"),
        ({"paths": {"/": {"get": {"x-amazon-apigateway-integration": SQS}}}}, "get /"),
    ],
)
def test_what_is_not_carried_out_is_refused_by_name(part: dict[str, Any], named: str) -> None:
    with pytest.raises(NotSupported, match=named):
        imported({"openapi": "3.0.1", "info": {"title": "t"}, "paths": {}, **part})


def test_documents_may_be_yaml_and_must_be_openapi() -> None:
    assert parse(b"openapi: 3.0.1\npaths: {}\n")["openapi"] == "3.0.1"
    for bad in (b"{}", b"- 1", b"\xff\xfe", b"a: [", b'{"swagger": "1.2"}'):
        with pytest.raises(ClientFault):
            parse(bad)
