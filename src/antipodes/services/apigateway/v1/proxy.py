"""Lambda proxy integration, payload 1.0: the event that a function gets, and what its answer becomes. Pure.

The shapes and rules are in facts 3.3 (validated there against AWS): absent maps are null, any unknown key in the answer
is a 502, a missing statusCode is 200. What headers and multiValueHeaders say of one name is merged, the latter first
(recorded on AWS).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from antipodes.services.apigateway.v1.call import Call, query_of
from antipodes.wire.http import HttpRequest
from antipodes.wire.payload2 import request_time

ANSWER_KEYS = frozenset({"isBase64Encoded", "statusCode", "headers", "multiValueHeaders", "body"})
NOT_PASSED_ON = frozenset({"content-length", "connection", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"})
# What the gateway itself says about the connection; a function's own goes out under another name (facts 3.2).
REMAPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "date",
        "expect",
        "host",
        "server",
        "user-agent",
        "www-authenticate",
    }
)
NOT_PASSED_BACK = frozenset({"transfer-encoding", "trailer", "upgrade", "te"})
NOBODY: Mapping[str, None] = {
    "cognitoIdentityPoolId": None,
    "accountId": None,
    "cognitoIdentityId": None,
    "caller": None,
    "principalOrgId": None,
    "accessKey": None,
    "cognitoAuthenticationType": None,
    "cognitoAuthenticationProvider": None,
    "userArn": None,
    "user": None,
}


class Malformed(Exception):
    """The function's answer is not one: 502. The message is for the log."""


def event_of(call: Call) -> bytes:
    """The event, as JSON."""
    return orjson.dumps(event(call))


def event(call: Call) -> dict[str, Any]:
    request = call.request
    headers: dict[str, str] = {}
    multi: dict[str, list[str]] = {}
    agent = None
    for key, value in request.headers:
        lower = key.lower()
        if lower in NOT_PASSED_ON:
            continue
        name = key
        if lower in {"authorization", "user-agent"}:
            name = key.title()  # these two arrive with capitals, whatever the client wrote
            if lower == "user-agent":
                agent = value
        headers[name] = value
        multi.setdefault(name, []).append(value)
    for name, value in (
        ("X-Amzn-Trace-Id", call.trace_id),
        ("X-Forwarded-For", request.client),
        ("X-Forwarded-Port", "443" if request.secure else "80"),
        ("X-Forwarded-Proto", "https" if request.secure else "http"),
    ):
        headers[name] = value
        multi[name] = [value]
    query = query_of(request.query)
    multi_query: dict[str, list[str]] = {}
    for key, value in query:
        multi_query.setdefault(key, []).append(value)
    body, encoded = _body_of(request, call.binary_types)
    host = request.host
    context: dict[str, Any] = {
        "resourceId": call.resource_id,
        "resourcePath": call.resource_path,
        "httpMethod": request.method,
        "extendedRequestId": call.extended_id,
        "requestTime": request_time(call.now),
        "path": call.full_path,
        "accountId": call.account,
        "protocol": "HTTP/1.1",
        "stage": call.stage,
        "domainPrefix": host.partition(".")[0],
        "requestTimeEpoch": int(call.now * 1000),
        "requestId": call.request_id,
        "identity": {**NOBODY, "sourceIp": request.client, "userAgent": agent},
        "domainName": host,
        "deploymentId": call.deployment_id,
        "apiId": call.api_id,
    }
    if call.identity is not None:
        context["identity"].update(call.identity)
    if call.authorizer is not None:
        context["authorizer"] = call.authorizer
    return {
        "resource": call.resource_path,
        "path": call.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": multi,
        "queryStringParameters": dict(query) or None,  # of several values the last
        "multiValueQueryStringParameters": multi_query or None,
        "pathParameters": call.parameters,
        "stageVariables": call.variables,
        "requestContext": context,
        "body": body,
        "isBase64Encoded": encoded,
    }


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes to the client."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def reply_of(
    payload: bytes, accept: str, binary_types: tuple[str, ...], default_type: str = "application/json"
) -> Reply:
    """The function's answer as an HTTP response; `default_type` is its Content-Type if it names none. Raises
    Malformed."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed("the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise Malformed("the answer is not a JSON object")
    unknown = answer.keys() - ANSWER_KEYS
    if unknown:
        raise Malformed(f"unknown keys in the answer: {', '.join(sorted(unknown))}")
    body = answer.get("body")
    if body is not None and not isinstance(body, str):
        raise Malformed("the body is not a string")
    data = (body or "").encode("utf-8", "surrogatepass")
    # The first type of Accept decides whether base64 is taken apart (API Gateway's rule for proxy integrations).
    if answer.get("isBase64Encoded") is True and data and is_binary(accept.partition(",")[0], binary_types):
        try:
            data = base64.b64decode(data, validate=True)
        except ValueError as error:
            raise Malformed("the body is not base64, although isBase64Encoded says so") from error
    return Reply(_status_of(answer.get("statusCode")), _headers_of(answer, default_type), data)


def is_binary(media_type: str, binary_types: tuple[str, ...]) -> bool:
    """Whether a media type is among the API's binary ones ("image/png", "image/*", "*/*")."""
    if not binary_types:
        return False
    wanted = media_type.partition(";")[0].strip().lower()
    family = wanted.partition("/")[0] + "/*"
    return any(kind in {"*/*", wanted, family} for kind in binary_types)


def _status_of(given: Any) -> int:
    if given is None:
        return 200
    try:
        status = int(given)
    except (TypeError, ValueError) as error:
        raise Malformed(f"statusCode is {given!r}") from error
    if not 100 <= status <= 599:  # a guess: what no HTTP response can carry
        raise Malformed(f"statusCode is {given!r}")
    return status


def _headers_of(answer: Mapping[str, Any], default_type: str) -> tuple[tuple[str, str], ...]:
    single, multi = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multi, dict):
        raise Malformed("headers or multiValueHeaders is not an object")
    named = {name.lower() for name in multi}
    headers = [one for name, value in single.items() if name.lower() not in named for one in _header(name, value)]
    for name, values in multi.items():
        if not isinstance(values, list):
            raise Malformed(f"the header {name} of multiValueHeaders is not a list")
        merged = [one for value in values for one in _header(name, value)]
        # "If the same key-value pair is specified in both, only the values from multiValueHeaders will appear"
        also = [one for key, value in single.items() if key.lower() == name.lower() for one in _header(name, value)]
        headers += merged + [one for one in also if one not in merged]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", default_type))
    return tuple(headers)


def _header(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)  # numbers pass on AWS too (a guess: widely relied on, not in the facts)
    if not isinstance(value, str):
        raise Malformed(f"the header {name} is not a string")
    lower = name.lower()
    if lower in NOT_PASSED_BACK:
        return []
    if not name or any(c in "\r\n\0: " for c in name) or any(c in "\r\n\0" for c in value):
        raise Malformed(f"the header {name!r} cannot be sent")
    return [(f"x-amzn-Remapped-{name}" if lower in REMAPPED else name, value)]


def _body_of(request: HttpRequest, binary_types: tuple[str, ...]) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if binary_types and is_binary(request.header("content-type") or "", binary_types):
        return base64.b64encode(request.body).decode(), True
    # What is not among the API's binary types is taken for text, and broken if it is none (as many found out on AWS).
    return request.body.decode("utf-8", "replace"), False
