"""A non-proxy integration, prepared: from the client's request to the backend's, from its answer to the client's. Pure.

request    the template for the request's Content-Type makes the body, parameter mappings the headers, the query and
           the path; without a template passthroughBehavior decides
response   the first integration response whose pattern matches the status (of a Lambda function: its errorMessage),
           else the one without a pattern; its template makes the body, its mappings the headers
overrides  $context.requestOverride and $context.responseOverride, as templates set them
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from antipodes.services.apigateway.v1.call import Call
from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.mapping import rendered
from antipodes.services.apigateway.v1.parameters import Source, source_of
from antipodes.services.apigateway.v1.proxy import NOT_PASSED_BACK, REMAPPED, is_binary
from antipodes.services.apigateway.v1.records import Integration, IntegrationResponse
from antipodes.services.apigateway.v1.vtl.nodes import Template
from antipodes.services.apigateway.v1.vtl.parser import parsed
from antipodes.services.apigateway.v1.vtl.values import TemplateError, as_text
from antipodes.wire.http import HttpResponse

JSON = "application/json"
HEADER = "method.response.header."
REQUEST = "integration.request."
TO_TEXT, TO_BINARY = "CONVERT_TO_TEXT", "CONVERT_TO_BINARY"


class Misconfigured(Exception):
    """The integration cannot be carried out as it is configured: 500. The message is for the log."""


@dataclass(slots=True)
class Outgoing:
    """The request to the backend."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)  # text, or a list of texts


@dataclass(frozen=True, slots=True)
class Outcome:
    """An integration response, prepared."""

    status: int  # 0: the integration's
    pattern: re.Pattern[str] | None  # None: the default
    headers: tuple[tuple[str, Source], ...]
    templates: Mapping[str, Template | None]  # None: an empty one, the body passes through
    handling: str


@dataclass(frozen=True, slots=True)
class Plan:
    """An integration, prepared."""

    parameters: tuple[tuple[str, str, Source], ...]  # place, name, where from
    templates: Mapping[str, Template]
    passthrough: str
    handling: str
    outcomes: tuple[Outcome, ...]

    def outgoing(self, call: Call) -> Outgoing:
        """The request to the backend. Raises Rejected, Misconfigured."""
        found = Outgoing(self._body(call))
        for place, name, source in self.parameters:
            value = source.value(call) if place == "querystring" else source.text(call)
            if value is not None:
                getattr(found, "query" if place == "querystring" else _attribute(place))[name] = value
        overrides = (call.overrides or {}).get("requestOverride") or {}
        places: tuple[tuple[str, dict[str, Any]], ...] = (
            ("header", found.headers),
            ("path", found.path),
            ("querystring", found.query),
        )
        for place, attribute in places:
            for name, value in (overrides.get(place) or {}).items():
                attribute[str(name)] = [as_text(one) for one in value] if isinstance(value, list) else as_text(value)
        return found

    def incoming(self, call: Call, answer: HttpResponse, selection: str) -> HttpResponse:
        """The answer to the client. Raises Misconfigured."""
        outcome = self._outcome(selection)
        kind, template = _response_template(outcome, call)
        body = _converted(outcome.handling, call, answer)
        headers: dict[str, str] = {}
        for name, source in outcome.headers:
            value = source.text(call, answer)
            if value is not None:
                headers[name] = value
        if template is not None:
            if isinstance(body, bytes):
                body = body.decode("utf-8", "replace")
            body = _rendered(template, call, body)
        status = outcome.status or answer.status
        override = (call.overrides or {}).get("responseOverride") or {}
        given = override.get("status")
        if isinstance(given, str) and given.isdigit():
            given = int(given)
        if isinstance(given, int) and 100 <= given <= 599:  # AWS ignores any other
            status = given
        for name, value in (override.get("header") or {}).items():
            headers[str(name)] = re.sub(r"[\r\n\0]+", " ", as_text(value))
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = kind
        return HttpResponse(status, passed_back(headers), body if isinstance(body, bytes) else body.encode())

    def _body(self, call: Call) -> bytes:
        request = call.request
        kind = call.template_key or (request.header("content-type") or JSON).partition(";")[0].strip().lower() or JSON
        binary = is_binary(kind, call.binary_types)
        template = self.templates.get(kind)
        if template is None:
            if self.passthrough == "NEVER" or (self.passthrough == "WHEN_NO_TEMPLATES" and self.templates):
                raise Rejected("UNSUPPORTED_MEDIA_TYPE")
            if binary and self.handling == TO_TEXT:
                return base64.b64encode(request.body)
            if not binary and self.handling == TO_BINARY:
                return _unbased(request.body)
            return request.body
        # A template takes text: a binary body comes as base64.
        text = base64.b64encode(request.body).decode() if binary else request.body.decode("utf-8", "replace")
        made = _rendered(template, call, text).encode()
        return _unbased(made) if self.handling == TO_BINARY and binary else made

    def _outcome(self, selection: str) -> Outcome:
        default = None
        for outcome in self.outcomes:
            if outcome.pattern is None:
                default = default or outcome
            elif outcome.pattern.fullmatch(selection):
                return outcome
        if default is None:
            raise Misconfigured(f"no integration response matches {selection[:100]!r}, and none is the default")
        return default


def _attribute(place: str) -> str:
    return "headers" if place == "header" else "path"


def _converted(handling: str, call: Call, answer: HttpResponse) -> bytes | str:
    """The body by contentHandling, what is binary, and what the client accepts (Developer Guide, "Content type
    conversions in API Gateway")."""
    types = call.binary_types
    if not types and not handling:
        return answer.body
    binary = is_binary(answer.header("content-type") or "", types)
    accepted = is_binary((call.request.header("accept") or "").partition(",")[0], types)
    if binary:
        if handling == TO_TEXT or (not handling and not accepted):
            return base64.b64encode(answer.body)
        return answer.body
    if handling == TO_BINARY or (not handling and accepted):
        return _unbased(answer.body)
    return answer.body


def passed_back(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Headers as they go out: those of the connection are the gateway's, some have another name then."""
    return tuple(
        (f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name, value)
        for name, value in headers.items()
        if name.lower() not in NOT_PASSED_BACK and name and not re.search(r"[\s:\0]", name)
    )


def plan_of(integration: Integration) -> Plan:
    """Raises BadMapping, TemplateError, re.error: checked when the integration is put."""
    parameters = []
    for target, expression in integration.parameters.items():
        place, _, name = target.removeprefix(REQUEST).partition(".")
        parameters.append((place, name, source_of(expression, "method.request.")))
    return Plan(
        parameters=tuple(parameters),
        templates={kind.lower(): parsed(text) for kind, text in integration.templates.items()},
        passthrough=integration.passthrough,
        handling=integration.content_handling,
        outcomes=tuple(_outcome_of(response) for response in integration.responses.values()),
    )


def _outcome_of(response: IntegrationResponse) -> Outcome:
    return Outcome(
        status=int(response.status),
        pattern=re.compile(response.selection_pattern, re.DOTALL) if response.selection_pattern else None,
        headers=tuple(
            (name.removeprefix(HEADER), source_of(expression, "integration.response."))
            for name, expression in response.parameters.items()
        ),
        templates={kind: parsed(text) if text else None for kind, text in response.templates.items()},
        handling=response.content_handling,
    )


def _response_template(outcome: Outcome, call: Call) -> tuple[str, Template | None]:
    """What the client accepts, else JSON, else the first."""
    templates = outcome.templates
    accepted = (call.request.header("accept") or "").partition(",")[0].partition(";")[0].strip()
    for kind in (accepted, JSON):
        if kind in templates:
            return kind, templates[kind]
    return next(iter(templates.items()), (JSON, None))


def _rendered(template: Template, call: Call, body: str) -> str:
    try:
        return rendered(template, call, body)
    except TemplateError as error:
        raise Misconfigured(f"mapping template: {error}") from error


def _unbased(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise Misconfigured("the body is not base64") from error
