"""One request on its way through a REST API, and what is learnt of it. Pure.

A Call is made when the route is found and belongs to the data plane: the steps write into it what they learn (who
calls, what went wrong), integrations and logs read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from antipodes.services.apigateway.v1.policies import Policy
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.payload2 import request_time


class Call(msgspec.Struct, kw_only=True):
    """What the gateway knows of a request."""

    request: HttpRequest
    api_id: str
    stage: str
    deployment_id: str
    account: str
    resource_id: str
    resource_path: str
    path: str  # what the function sees: without the stage; with the base path of a custom domain
    stage_path: str  # in the stage, as it was routed
    full_path: str  # as it was requested
    parameters: dict[str, str] | None
    variables: dict[str, str] | None
    request_id: str
    extended_id: str
    trace_id: str
    now: float
    binary_types: tuple[str, ...] = ()
    authorizer: dict[str, Any] | None = None  # what an authorizer said of the caller
    identity: dict[str, Any] | None = None  # of the caller, beside address and agent
    error: dict[str, Any] | None = None
    overrides: dict[str, Any] | None = None  # requestOverride, responseOverride
    status: int = 0  # of the answer
    integration_status: int = 0
    integration_s: float = -1.0  # how long the integration took
    received: HttpRequest | None = None  # as it came and was signed, where its body was compressed
    cache_hit: bool | None = None  # None: no cache was asked
    grants: Policy | None = None  # what an authorizer said that the caller may
    steps: list[str] | None = None  # what is told of the way to the backend and back; None: nobody wants to know
    reason: str = ""  # why it failed, for those who may know
    is_test: bool = False  # by TestInvokeMethod
    is_canary: bool = False
    # of WebSocket APIs' messages
    context: Mapping[str, Any] | None = None  # $context as a whole
    template_key: str = ""  # names the request template, in the place of a Content-Type
    source: str = ""  # the end of the SourceArn that functions' policies see, in the place of method and path

    def tell(self, line: str) -> None:
        if self.steps is not None:
            self.steps.append(line)

    def query(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, value in query_of(self.request.query):
            found.setdefault(key, []).append(value)
        return found

    def header(self, name: str) -> str | None:
        """Of several of one name the last (as for mapped parameters)."""
        lower = name.lower()
        found = None
        for key, value in self.request.headers:
            if key.lower() == lower:
                found = value
        return found


def query_of(text: str) -> list[tuple[str, str]]:
    """A query's parameters in order. "The semicolon character (;) is not supported for any request URL query string and
    results in the data being split" (Developer Guide, "Important notes"): it parts them, as "&" does (a guess)."""
    return parse_qsl(text.replace(";", "&"), keep_blank_values=True) if text else []


def context_of(call: Call) -> dict[str, Any]:
    """`$context`: a new dict every time, which templates may change."""
    if call.context is not None:
        return {**call.context, "error": dict(call.error or {})}
    host = call.request.host
    context: dict[str, Any] = {
        "accountId": call.account,
        "apiId": call.api_id,
        "authorizer": dict(call.authorizer or {}),
        "deploymentId": call.deployment_id,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "error": dict(call.error or {}),
        "extendedRequestId": call.extended_id,
        "httpMethod": call.request.method,
        "isCanary": call.is_canary,
        "identity": {
            "sourceIp": call.request.client,
            "userAgent": call.request.header("user-agent"),
            **(call.identity or {}),
        },
        "path": call.full_path,
        "protocol": "HTTP/1.1",
        "requestId": call.request_id,
        "requestTime": request_time(call.now),
        "requestTimeEpoch": int(call.now * 1000),
        "resourceId": call.resource_id,
        "resourcePath": call.resource_path,
        "stage": call.stage,
        "xrayTraceId": call.trace_id,
    }
    if call.status:
        context["status"] = call.status
    return context


def values_of(call: Call, answer: HttpResponse, latency_s: float) -> Callable[[str], Any]:
    """The variables of access logs (Developer Guide, "Variables for access logging for API Gateway")."""
    context: dict[str, Any] = {}

    def value(name: str) -> Any:
        if not context:
            asked = call.integration_s >= 0
            context.update(context_of(call))
            context["responseLatency"] = int(latency_s * 1000)
            context["responseLength"] = len(answer.body)
            if asked:
                latency_ms = int(call.integration_s * 1000)
                context["integrationLatency"] = latency_ms
                context["integrationStatus"] = call.integration_status or None
                context["integrationErrorMessage"] = call.reason or None  # its words are ours
                context["integration"] = {
                    "latency": latency_ms,
                    "status": call.integration_status or None,
                    "integrationStatus": call.integration_status or None,
                    "requestId": None,
                    "error": call.reason or None,
                }
        found: Any = context
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return found

    return value
