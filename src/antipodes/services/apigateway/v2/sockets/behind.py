"""What stands behind a route of a WebSocket API, prepared: the same integrations by mapping that REST APIs have. Pure.

    request     which template makes the body is said by TemplateSelectionExpression ("$default" unless told)
    response    the first integration response whose /pattern/ matches the status, or a failed function's error message;
                else "$default"; without any the answer passes through
    models      ModelSelectionExpression says by which of the route's models a message is checked

What `method.request` is in REST APIs, `route.request` is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.apigateway.v1 import records, routing
from antipodes.services.apigateway.v1.records import bad_request
from antipodes.services.apigateway.v1.validation import BadSchema, compiled_schema
from antipodes.services.apigateway.v2 import mapping
from antipodes.services.apigateway.v2.records import DEFAULT, Integration, IntegrationResponse, Route
from antipodes.wire.errors import NotSupported

OWN_STATUS = "0"  # of a response: that of the integration
PATTERN = re.compile(r"/(.+)/")
SELECTION = re.compile(r"\$request\.body\.([A-Za-z0-9_\-.]+)|\$\{request\.body\.([A-Za-z0-9_\-.]+)\}")


@dataclass(frozen=True, slots=True)
class Behind:
    """An integration by mapping."""

    route: routing.Route
    selection: str  # of the request template

    def template_key(self, message: bytes) -> str:
        return selected(self.selection, message).lower()


@dataclass(frozen=True, slots=True)
class Checks:
    """The models of a route."""

    selection: str
    schemas: Mapping[str, Any]  # what the selection may find, to a compiled schema

    def fault(self, message: bytes) -> str:
        """What is wrong with a message; "": nothing."""
        schema = self.schemas.get(selected(self.selection, message)) or self.schemas.get(DEFAULT)
        if schema is None:
            return ""
        try:
            error = next(iter(schema.iter_errors(orjson.loads(message or b"{}"))), None)
        except Exception:  # no JSON; or a reference into nowhere, a schema that leads back into itself
            return "the message cannot be checked"
        return "" if error is None else str(error.message)


def execution_group(api_id: str, stage: str) -> str:
    """The log group of a stage's execution logs."""
    return f"/aws/apigateway/{api_id}/{stage}"


def check_selection(expression: str, name: str) -> None:
    """Raises UnsupportedOperation for what cannot be evaluated."""
    if expression and expression.lstrip("\\") != DEFAULT and SELECTION.fullmatch(expression) is None:
        raise NotSupported(f"{name} {expression}; only $default and $request.body.<path>")


def selected(expression: str, message: bytes) -> str:
    """What a selection expression finds in a message; $default where that is nothing."""
    match = SELECTION.fullmatch(expression)
    if match is None:
        return DEFAULT
    return mapping.in_body(message, match[1] or match[2]) or DEFAULT


def behind_of(route: Route, integration: Integration, variables: Mapping[str, str]) -> Behind | None:
    """None: a function by proxy. What was checked when it was put can be prepared."""
    if integration.kind == "AWS_PROXY":
        return None
    first = as_first(integration)
    resource = records.Resource(id=route.key, path=route.key)
    method = records.Method(verb="POST", integration=first)
    return Behind(routing.route_of(resource, method, first, variables), integration.template_selection)


def as_first(integration: Integration) -> records.Integration:
    """As the first API keeps it."""
    responses = {one.id: _response(one) for one in integration.responses.values()}
    return records.Integration(
        kind=integration.kind,
        uri=integration.uri,
        http_method=integration.method,
        timeout_ms=integration.timeout_ms,
        passthrough=integration.passthrough,
        templates=integration.templates,
        parameters={
            name: value.replace("route.request.", "method.request.", 1) if value.startswith("route.request.") else value
            for name, value in integration.request_parameters.items()
        },
        content_handling=integration.content_handling,
        credentials=integration.credentials,
        responses=responses or {"": records.IntegrationResponse(status=OWN_STATUS)},
    )


def pattern_of(key: str) -> str:
    """Of an integration response; "": the default. Raises BadRequestException."""
    if key == DEFAULT:
        return ""
    match = PATTERN.fullmatch(key)
    try:
        if match is not None:
            re.compile(match[1])
            return match[1]
    except re.error:
        pass
    # the words are a guess
    raise bad_request(f"Invalid integration response key {key}: it is $default, or a regular expression in slashes")


def checks_of(route: Route, models: Iterable[records.Model]) -> Checks | None:
    """None: messages are not checked."""
    if not route.request_models:
        return None
    known = {model.name: model.schema for model in models}
    texts = tuple(sorted(known.items()))
    schemas: dict[str, Any] = {}
    for key, name in route.request_models.items():
        try:
            schemas[key] = compiled_schema(known.get(name) or "{}", texts)
        except BadSchema:
            continue  # a reference to a model that is gone: nothing is checked by it
    return Checks(route.model_selection, schemas)


def _response(given: IntegrationResponse) -> records.IntegrationResponse:
    return records.IntegrationResponse(
        status=OWN_STATUS,
        selection_pattern=pattern_of(given.key),
        templates=given.templates,
        content_handling=given.content_handling,
    )
