"""Which route of an HTTP API takes a path, and what a route's key may be."""

from __future__ import annotations

import pytest

from antipodes.services.apigateway.v2.records import HttpDeployment, Integration, Route
from antipodes.services.apigateway.v2.routing import Table, is_route_key, lambda_of

ARN = "arn:aws:lambda:us-west-2:000000000000:function:f"
# The example of AWS's guide on routes, with a variable more.
KEYS = ("GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default", "GET /{kind}/all")


def table(*keys: str) -> Table:
    integration = Integration(id="i", kind="AWS_PROXY", uri=ARN)
    routes = tuple(Route(id=key, key=key, integration_id="i") for key in keys)
    return Table(HttpDeployment(id="d", api_id="a", created=0.0, routes=routes, integrations={"i": integration}), {})


@pytest.mark.parametrize(
    ("verb", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/dog/a%20b", "GET /pets/dog/{id}", {"id": "a b"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("POST", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET", "/pets/all", "GET /{kind}/all", {"kind": "pets"}),  # a full match beats a greedy one
        ("GET", "/pets/dog/1/", "GET /pets/{proxy+}", {"proxy": "dog/1/"}),
        ("GET", "/", "$default", {}),
    ],
)
def test_full_match_beats_greedy_beats_default(verb: str, path: str, key: str, parameters: dict[str, str]) -> None:
    found = table(*KEYS).match(verb, path)
    assert found is not None
    assert (found[0].key, found[1]) == (key, parameters)


def test_without_default_there_are_misses() -> None:
    routes = table("GET /items", "ANY /both", "POST /both")
    assert routes.match("POST", "/items") is None
    assert routes.match("GET", "/items/") is None
    assert [found[0].key for verb in ("GET", "POST") if (found := routes.match(verb, "/both"))] == [
        "ANY /both",
        "POST /both",
    ]


@pytest.mark.parametrize("key", ["$default", "GET /", "ANY /{proxy+}", "DELETE /a/{b}/c.d"])
def test_keys_of_routes(key: str) -> None:
    assert is_route_key(key)


@pytest.mark.parametrize("key", ["", "GET", "get /a", "GET a", "TRACE /a", "GET /{a+}/b", "GET /{a}/{a}", "GET /x{a}"])
def test_what_is_no_key(key: str) -> None:
    assert not is_route_key(key)


def test_stage_variables_choose_the_function() -> None:
    variables = {"name": "blue"}
    by_path = (
        f"arn:aws:apigateway:us-west-2:lambda:path/2015-03-31/functions/{ARN}:${{stageVariables.name}}/invocations"
    )
    assert lambda_of(by_path, variables) == f"{ARN}:blue"
    assert lambda_of(f"{ARN}:${{stageVariables.name}}", variables) == f"{ARN}:blue"
    assert lambda_of("https://example.com/") is None
