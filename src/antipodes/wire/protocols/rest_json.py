"""REST JSON: Lambda, API Gateway. Operation from method and path, members in path, query, headers and a JSON body."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from antipodes.wire import models
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.models import Shape
from antipodes.wire.operation import Payload, Result
from antipodes.wire.protocols import json, rest
from antipodes.wire.protocols.errors import members_of_error, told
from antipodes.wire.protocols.values import bytes_of

JSON = ("Content-Type", "application/json")


def operation_of(service: str, request: HttpRequest) -> str:
    return rest.match(service, request).operation


def parse_request(service: str, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    matched = rest.match(service, request)
    shape = models.operation_model(service, matched.operation).input_shape
    if shape is None:
        return matched.operation, {}
    params = rest.bound_params(shape, request, matched, json.serialization_fault)
    payload = rest.payload_of(shape)
    if payload is not None:
        name, member = payload
        if rest.is_raw(member):
            if request.body:
                params[name] = request.body if member.type_name == "blob" else _text(request.body)
        elif request.body:
            params[name] = json.readers_of(service).of(member)(_load(service, request.body))
    elif request.body:
        reader = _body_reader(service, matched.operation)
        if reader is not None:
            params.update(reader(_load(service, request.body)))
    return matched.operation, params


@lru_cache(maxsize=1024)
def _body_reader(service: str, operation: str) -> json.Reader | None:
    members = rest.body_members(models.operation_model(service, operation).input_shape)
    return json.readers_of(service).structure(members) if members else None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise json.serialization_fault("The body is not UTF-8") from None


def _load(service: str, body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if service == "lambda":
            raise ClientFault(
                "InvalidRequestContentException", f"Could not parse request body into json: {error}"
            ) from None
        raise json.serialization_fault("") from None


def serialize_response(service: str, operation: str, result: Result, request_id: str) -> HttpResponse:
    model = models.operation_model(service, operation)
    identity = ("x-amzn-RequestId", request_id)
    if isinstance(result, Payload):
        return HttpResponse(rest.status_of(model, {}), (identity, JSON, *result.headers), result.body)
    shape = model.output_shape
    status = rest.status_of(model, result)
    headers = (identity, *rest.bound_headers(shape, result))
    stream = None if shape is None else shape.event_stream_name
    if stream:
        return HttpResponse(status, headers, parts=result[stream])  # messages, encoded by who makes them
    body = _body(shape, result)
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, JSON)
    return HttpResponse(status, headers, body)


def _body(shape: Shape | None, result: Any) -> bytes:
    if shape is None:
        return b""
    payload = rest.payload_of(shape)
    if payload is not None:
        name, member = payload
        value = result.get(name)
        if rest.is_raw(member):
            return b"" if value is None else bytes_of(value)
        return b"{}" if value is None else orjson.dumps(json.writable(member, value))
    members = rest.body_members(shape)
    if not members:
        return b""
    return orjson.dumps(
        {
            member.serialization.get("name", name): json.writable(member, result[name])
            for name, member in members.items()
            if result.get(name) is not None
        }
    )


def serialize_error(service: str, operation: str | None, error: AwsError, request_id: str) -> HttpResponse:
    code, status, _ = told(service, "rest-json", error)
    shape = models.error_shape(service, error.code)
    members = members_of_error(service, error, json.writable)
    headers = (
        ("x-amzn-RequestId", request_id),
        ("x-amzn-ErrorType", code),
        JSON,
        *rest.bound_headers(shape, error.extra),
    )
    return HttpResponse(status, headers, orjson.dumps(members))
