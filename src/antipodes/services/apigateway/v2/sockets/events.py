"""What functions of a WebSocket API get, and what their answers mean. Pure.

(Developer Guide, "WebSocket API reference: $context variables", and events as functions on AWS saw them.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson

from antipodes.services.apigateway.v1 import proxy
from antipodes.services.apigateway.v2 import mapping
from antipodes.services.apigateway.v2.records import Authorizer
from antipodes.services.apigateway.v2.sockets.settings import DEFAULT
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import Malformed, request_time

ABNORMAL = "Connection closed abnormally"  # the words are a guess


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a connection from its beginning."""

    connection_id: str
    api_id: str
    stage: str
    domain: str
    source_ip: str
    user_agent: str
    connected_at: float  # epoch seconds
    variables: Mapping[str, str]
    authorizer: Mapping[str, Any] | None = None
    identity: Mapping[str, Any] | None = None  # who signed


def context_of(facts: Facts, route_key: str, kind: str, request_id: str, now: float, **more: Any) -> dict[str, Any]:
    """The event's requestContext. kind: "CONNECT", "MESSAGE", "DISCONNECT"."""
    identity: dict[str, Any] = {**(facts.identity or {}), "sourceIp": facts.source_ip}
    if facts.user_agent:
        identity["userAgent"] = facts.user_agent
    context: dict[str, Any] = {
        "routeKey": route_key,
        **more,
        "eventType": kind,
        "extendedRequestId": request_id,
        "requestTime": request_time(now),
        "messageDirection": "IN",
        "stage": facts.stage,
        "connectedAt": int(facts.connected_at * 1000),
        "requestTimeEpoch": int(now * 1000),
        "identity": identity,
        "requestId": request_id,
        "domainName": facts.domain,
        "connectionId": facts.connection_id,
        "apiId": facts.api_id,
    }
    if facts.authorizer is not None:
        context["authorizer"] = facts.authorizer
    return context


def connect_event(request: HttpRequest, facts: Facts, context: Mapping[str, Any], trace_id: str) -> dict[str, Any]:
    """Of the route $connect, and for an authorizer of it."""
    multi: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name.lower() not in {"connection", "upgrade"}:
            multi.setdefault(name, []).append(value)
    multi["X-Amzn-Trace-Id"] = [trace_id]
    multi["X-Forwarded-For"] = [request.client]
    multi["X-Forwarded-Port"] = ["443" if request.secure else "80"]
    multi["X-Forwarded-Proto"] = ["https" if request.secure else "http"]
    event: dict[str, Any] = {
        "headers": {name: values[-1] for name, values in multi.items()},
        "multiValueHeaders": multi,
    }
    query: dict[str, list[str]] = {}
    for key, value in parse_qsl(request.query, keep_blank_values=True) if request.query else ():
        query.setdefault(key, []).append(value)
    if query:
        event["queryStringParameters"] = {name: values[-1] for name, values in query.items()}
        event["multiValueQueryStringParameters"] = query
    return finished(event, facts, context)


def message_event(facts: Facts, context: Mapping[str, Any], body: str) -> dict[str, Any]:
    return {**finished({}, facts, context), "body": body}


def disconnect_event(facts: Facts, context: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"Host": facts.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    multi = {name: [value] for name, value in headers.items()}
    return finished({"headers": headers, "multiValueHeaders": multi}, facts, context)


def finished(event: dict[str, Any], facts: Facts, context: Mapping[str, Any]) -> dict[str, Any]:
    event["requestContext"] = context
    if facts.variables:
        event["stageVariables"] = dict(facts.variables)
    event["isBase64Encoded"] = False
    return event


def route_of(body: str, path: str) -> str:
    """The route that a message asks for; $default where it says nothing."""
    return mapping.in_body(body.encode("utf-8", "surrogatepass"), path) or DEFAULT


def has_identity(authorizer: Authorizer, request: HttpRequest, facts: Facts, context: Mapping[str, Any]) -> bool:
    """Whether all sources of identity are there, and not empty."""
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    for source in authorizer.sources:
        kind, _, name = source.removeprefix("route.request.").partition(".")
        if kind == "header":
            value = request.header(name.lower())
        elif kind == "querystring":
            value = query.get(name)
        elif kind == "stageVariables":
            value = facts.variables.get(name)
        else:
            value = context.get(name)
        if not value:
            return False
    return True


def answer_of(payload: bytes) -> proxy.Reply:
    """A function's answer: statusCode, headers, body. Raises Malformed."""
    try:
        return proxy.reply_of(payload, "", ("*/*",), "text/plain")
    except proxy.Malformed as error:
        raise Malformed(str(error)) from error


def failure(message: str, facts: Facts, request_id: str) -> bytes:
    """What a client is sent when a message cannot be answered."""
    return orjson.dumps({"message": message, "connectionId": facts.connection_id, "requestId": request_id})
