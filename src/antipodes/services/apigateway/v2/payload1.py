"""Payload format 1.0 as HTTP APIs send it, and the answer to it. Pure.

The event is REST's (facts 3.3) with a version, header names in lower case, and the route's key for a resource id. The
answer's rules are those of format 1.0: statusCode may be missing, unknown keys are no answer.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from antipodes.services.apigateway.v1 import proxy
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.payload2 import Call, Malformed, body_of, joined_headers, request_time

BINARY = ("*/*",)  # isBase64Encoded alone decides


def event_of(request: HttpRequest, call: Call, resource: str) -> bytes:
    """The event, as JSON. `resource`: the route's path."""
    multi: dict[str, list[str]] = {name: [value] for name, value in joined_headers(request, call.trace_id).items()}
    for name in multi:
        several = [value for key, value in request.headers if key.lower() == name]
        if len(several) > 1:
            multi[name] = several
    cookies = [value for key, value in request.headers if key.lower() == "cookie"]
    if cookies:
        multi["cookie"] = cookies
    query: dict[str, list[str]] = {}
    for key, value in parse_qsl(request.query, keep_blank_values=True) if request.query else ():
        query.setdefault(key, []).append(value)
    body, encoded = body_of(request)
    host = request.host
    event: dict[str, Any] = {
        "version": "1.0",
        "resource": resource,
        "path": unquote(request.path),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in multi.items()},
        "multiValueHeaders": multi,
        "queryStringParameters": {key: values[-1] for key, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "accountId": call.account,
            "apiId": call.api_id,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "extendedRequestId": call.request_id,
            "httpMethod": request.method,
            "identity": {
                **proxy.NOBODY,
                **(call.identity or {}),
                **({} if call.certificate is None else {"clientCert": call.certificate}),
                "sourceIp": request.client,
                "userAgent": request.header("user-agent") or "",
            },
            "path": unquote(request.path),
            "protocol": "HTTP/1.1",
            "requestId": call.request_id,
            "requestTime": request_time(call.now),
            "requestTimeEpoch": int(call.now * 1000),
            "resourceId": call.route_key,
            "resourcePath": resource,
            "stage": call.stage,
        },
        "pathParameters": call.parameters or None,
        "stageVariables": call.variables or None,
        "body": body,
        "isBase64Encoded": encoded,
    }
    if call.authorizer is not None:
        event["requestContext"]["authorizer"] = call.authorizer
    return orjson.dumps(event)


def response_of(payload: bytes, default_type: str) -> HttpResponse:
    """The function's answer as an HTTP response. Raises Malformed."""
    try:
        reply = proxy.reply_of(payload, "", BINARY, default_type)
    except proxy.Malformed as error:
        raise Malformed(str(error)) from error
    return HttpResponse(reply.status, reply.headers, reply.body)
