"""AWS's protocols, from the server's side: HTTP messages to operations and back, derived from the service models.

    operation, params = parse_request("route53", request)
    response = serialize_response("route53", operation, result, request_id)
    response = serialize_error("route53", operation, error, request_id)

Pure. Every function raises only AwsError (malformed input, unknown operation); the door turns that into an answer
with serialize_error. One module a protocol: json, query, rest_json, rest_xml.
"""

from __future__ import annotations

from typing import Any

from antipodes.wire import models
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.operation import Result
from antipodes.wire.protocols import json, query, rest_json, rest_xml

__all__ = ["operation_of", "parse_request", "serialize_error", "serialize_response"]


def protocol_spoken(service: str, request: HttpRequest | None = None) -> str:
    """The protocol of a request: the service's usual one, or "query" where a service has that too and a form came
    (older clients of CloudWatch and SQS)."""
    usual = models.protocol_of(service)
    if usual == "json" and request is not None and request.header("x-amz-target") is None:
        metadata = models.service_model(service).metadata
        if "query" in (metadata.get("protocols") or ()):
            return "query"
    return usual


def operation_of(service: str, request: HttpRequest) -> str:
    """The operation's name. Raises UnknownOperationException."""
    protocol = protocol_spoken(service, request)
    if protocol == "json":
        return json.operation_of(service, request)
    if protocol == "query":
        return query.operation_of(service, request)
    if protocol == "rest-json":
        return rest_json.operation_of(service, request)
    return rest_xml.operation_of(service, request)


def parse_request(service: str, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    """(operation, params), params shaped as wire/operation.py says. Raises AwsError: unknown operation, malformed
    body, values of the wrong type."""
    protocol = protocol_spoken(service, request)
    if protocol == "json":
        return json.parse_request(service, request)
    if protocol == "query":
        return query.parse_request(service, request)
    if protocol == "rest-json":
        return rest_json.parse_request(service, request)
    return rest_xml.parse_request(service, request)


def serialize_response(
    service: str, operation: str, result: Result, request_id: str, *, protocol: str | None = None
) -> HttpResponse:
    """The answer to an operation. `protocol` only where `protocol_spoken` of the request was not the usual one."""
    protocol = protocol or models.protocol_of(service)
    if protocol == "json":
        return json.serialize_response(service, operation, result, request_id)
    if protocol == "query":
        return query.serialize_response(service, operation, result, request_id)
    if protocol == "rest-json":
        return rest_json.serialize_response(service, operation, result, request_id)
    return rest_xml.serialize_response(service, operation, result, request_id)


def serialize_error(
    service: str, operation: str | None, error: AwsError, request_id: str, *, protocol: str | None = None
) -> HttpResponse:
    """The answer that tells an error, in every case. An empty or unknown service, and one whose protocol is not spoken
    here, gets a REST JSON error, which most clients read; EC2 its own."""
    listed = models.protocols_of(service) if service in models.known_services() else ()
    if listed == ("ec2",):
        return query.serialize_ec2_error(error, request_id)
    if not any(one in models.SPOKEN for one in listed):
        return rest_json.serialize_error("", operation, error, request_id)
    protocol = protocol or models.protocol_of(service)
    if protocol == "json":
        return json.serialize_error(service, operation, error, request_id)
    if protocol == "query":
        return query.serialize_error(service, operation, error, request_id)
    if protocol == "rest-json":
        return rest_json.serialize_error(service, operation, error, request_id)
    return rest_xml.serialize_error(service, operation, error, request_id)
