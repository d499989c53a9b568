"""Payload format 2.0: what a function gets from an HTTP API or its own URL, and what its answer becomes. Pure.

Facts 3.4: header names in lower case, several values joined by commas, absent members omitted; an answer without
statusCode is itself the body of a 200.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson

from antipodes.wire.http import HttpRequest, HttpResponse

# Of a connection, or the listener's own business.
NOT_PASSED_BACK = frozenset({"connection", "content-length", "transfer-encoding", "trailer", "upgrade", "te", "date"})
# What these media types carry is passed on as text; everything else in Base64 (the list is a guess: AWS does not tell).
TEXT_TYPES = frozenset({"application/json", "application/xml", "application/javascript", "application/graphql"})


class Malformed(Exception):
    """The function's answer is none. The message is for the log."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the gateway knows of a request when it builds the event."""

    account: str
    api_id: str
    route_key: str
    stage: str
    path: str  # rawPath
    request_id: str
    trace_id: str
    now: float
    parameters: Mapping[str, str] | None = None
    variables: Mapping[str, str] | None = None
    authorizer: Mapping[str, Any] | None = None
    identity: Mapping[str, Any] | None = None  # who signed, as payload 1.0 tells it
    certificate: Mapping[str, Any] | None = None  # that the client has shown (clientCert)


def joined_headers(request: HttpRequest, trace_id: str) -> dict[str, str]:
    """The request's headers as a function sees them, the gateway's own included; cookies apart."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        lower = name.lower()
        if lower in {"cookie", "connection", "transfer-encoding"}:
            continue
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
    headers["content-length"] = str(len(request.body))
    headers["x-amzn-trace-id"] = trace_id
    headers["x-forwarded-for"] = request.client
    headers["x-forwarded-port"] = "443" if request.secure else "80"
    headers["x-forwarded-proto"] = "https" if request.secure else "http"
    return headers


def event_of(request: HttpRequest, call: Call) -> bytes:
    """The event, as JSON."""
    host = request.host
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": call.route_key,
        "rawPath": call.path,
        "rawQueryString": request.query,
    }
    if request.header("cookie") is not None:
        event["cookies"] = [
            one.strip()
            for name, value in request.headers
            if name.lower() == "cookie"
            for one in value.split(";")
            if one.strip()
        ]
    event["headers"] = headers = joined_headers(request, call.trace_id)
    query = query_of(request)
    if query:
        event["queryStringParameters"] = query
    context: dict[str, Any] = {
        "accountId": call.account,
        "apiId": call.api_id,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": call.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.client,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": call.request_id,
        "routeKey": call.route_key,
        "stage": call.stage,
        "time": request_time(call.now),
        "timeEpoch": int(call.now * 1000),
    }
    if call.certificate is not None:
        context["authentication"] = {"clientCert": call.certificate}
    if call.authorizer is not None:
        context["authorizer"] = call.authorizer
    event["requestContext"] = context
    if call.parameters:
        event["pathParameters"] = call.parameters
    if call.variables:
        event["stageVariables"] = call.variables
    body, encoded = body_of(request)
    if body is not None:
        event["body"] = body
    event["isBase64Encoded"] = encoded
    return orjson.dumps(event)


def request_time(now: float) -> str:
    """In CLF's form: "12/Mar/2020:19:03:58 +0000"."""
    return _clf(int(now))


@lru_cache(maxsize=8)
def _clf(second: int) -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))


def query_of(request: HttpRequest) -> dict[str, str]:
    """The query's parameters, several values joined by commas."""
    query: dict[str, str] = {}
    for key, value in parse_qsl(request.query, keep_blank_values=True) if request.query else ():
        query[key] = f"{query[key]},{value}" if key in query else value
    return query


def body_of(request: HttpRequest) -> tuple[str | None, bool]:
    """(body, whether it is in Base64); None: there is none."""
    if not request.body:
        return None, False
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if not media or media.startswith("text/") or media in TEXT_TYPES or media.endswith(("+json", "+xml")):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def response_of(payload: bytes, default_type: str) -> HttpResponse:
    """The function's answer as an HTTP response. `default_type`: the Content-Type of an answer with a statusCode that
    names none. Raises Malformed."""
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Malformed("the answer is not JSON") from error
    if not isinstance(answer, dict) or answer.get("statusCode") is None:
        # A string is its own text, without quotes (the table of interpreted outputs in AWS's guide).
        body = answer.encode("utf-8", "surrogatepass") if isinstance(answer, str) else payload
        return HttpResponse(200, (("content-type", "application/json"),), body)
    headers = list(_headers_of(answer))
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", default_type))
    for cookie in answer.get("cookies") or ():
        headers += _header("set-cookie", cookie)
    return HttpResponse(_status_of(answer["statusCode"]), tuple(headers), _body_of(answer))


def _status_of(given: Any) -> int:
    try:
        status = int(given)
    except (TypeError, ValueError) as error:
        raise Malformed(f"statusCode is {given!r}") from error
    if isinstance(given, bool) or not 200 <= status <= 599:  # the bounds are a guess: 1xx would not end the exchange
        raise Malformed(f"statusCode is {given!r}")
    return status


def _body_of(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed("the body is not a string")
    if answer.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError as error:
        raise Malformed("the body is not base64, although isBase64Encoded says so") from error


def _headers_of(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = answer.get("headers") or {}
    if not isinstance(given, dict) or not isinstance(answer.get("cookies") or [], list):
        raise Malformed("headers is not an object, or cookies not a list")
    return [pair for name, value in given.items() for pair in _header(name, value)]


def _header(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        raise Malformed(f"the header {name} is not a string")
    if name.lower() in NOT_PASSED_BACK:
        return []
    if not name or any(c in "\r\n\0: " for c in name) or any(c in "\r\n\0" for c in value):
        raise Malformed(f"the header {name!r} cannot be sent")
    return [(name, value)]
