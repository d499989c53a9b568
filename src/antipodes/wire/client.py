"""AWS's protocols from the client's side: a signed HttpRequest from an operation, a result from an HttpResponse.

Pure: time and credentials are arguments. botocore's serializers and parsers do the work, except for DynamoDB, whose
attribute values pass as the JSON they are (as on the server's side, see wire/operation.py). Not part of botocore's
serializers and therefore done here: Route 53's ids without their paths, API Gateway's Accept header.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from botocore.awsrequest import HeadersDict
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer

from antipodes.wire import models, sigv4
from antipodes.wire.errors import AwsError, ClientFault, ServerFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.protocols.json import RAW_SERVICES
from antipodes.wire.protocols.rest import is_raw, payload_of
from antipodes.wire.protocols.rest_xml import ROUTE53_IDS
from antipodes.wire.protocols.values import epoch_of
from antipodes.wire.sigv4 import Credentials

__all__ = ["Credentials", "build_request", "parse_response"]

# Members of an error that AwsError has arguments of its own for, or that only repeat them.
NOT_EXTRA = frozenset(
    {"__type", "code", "message", "Message", "status", "happened", "self", "Type", "Error", "ResponseMetadata"}
)


def build_request(
    service: str,
    operation: str,
    params: Mapping[str, Any],
    *,
    region: str,
    host: str,
    credentials: Credentials | None,
    now: float,
) -> HttpRequest:
    """A request for an operation, signed (unless credentials is None). `host` goes into the Host header
    (with its port, if it is not the usual one): "127.44.1.1:4566".

    Raises ClientFault for an operation that does not exist, ValueError or TypeError for parameters that cannot be
    serialised (they are not validated here: the service does that).
    """
    model = models.operation_model(service, operation)
    if service in RAW_SERVICES:
        metadata = models.service_model(service).metadata
        headers: tuple[tuple[str, str], ...] = (
            ("Host", host),
            ("Content-Type", f"application/x-amz-json-{metadata['jsonVersion']}"),
            ("X-Amz-Target", f"{metadata['targetPrefix']}.{operation}"),
        )
        request = HttpRequest("POST", "/", headers, orjson.dumps(params))
    else:
        serialized = _serializer(models.protocol_of(service)).serialize_to_request(
            _prepared(service, model, params), model
        )
        request = _request_of(service, serialized, host)
    if credentials is None:
        return request
    return sigv4.sign(request, credentials, region=region, service=models.signing_name(service), now=now)


@cache
def _serializer(protocol: str) -> Any:
    return create_serializer(protocol, include_validation=False)


def _prepared(service: str, model: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    prepared = {name: value for name, value in params.items() if value is not None}
    if service == "route53" and model.input_shape is not None:
        for name, member in model.input_shape.members.items():
            if member.name in ROUTE53_IDS and isinstance(prepared.get(name), str):
                prepared[name] = prepared[name].rpartition("/")[2]
    return prepared


def _request_of(service: str, serialized: Mapping[str, Any], host: str) -> HttpRequest:
    path, _, fixed_query = serialized["url_path"].partition("?")
    query = serialized["query_string"]
    pieces = [fixed_query] if fixed_query else []
    if query:
        # AWS reads %20 and "+" alike, but other servers on the way do not.
        pieces.append(query if isinstance(query, str) else urlencode(query, doseq=True, quote_via=quote))
    headers = [("Host", host)]
    headers += [(name, str(value)) for name, value in serialized["headers"].items()]
    if service == "apigateway":
        headers.append(("Accept", "application/json"))  # else it answers in HAL
    body = serialized["body"]
    if isinstance(body, Mapping):
        body = urlencode(body, doseq=True).encode()
    elif isinstance(body, str):
        body = body.encode()
    target = path + ("?" + "&".join(pieces) if pieces else "")
    return HttpRequest(serialized["method"], target, tuple(headers), bytes(body))


def parse_response(service: str, operation: str, response: HttpResponse) -> dict[str, Any]:
    """The result of an operation: timestamps as float epoch seconds, blobs as bytes, no ResponseMetadata.

    Raises ClientFault or ServerFault with the answer's code, message, status and further members; an answer that is
    not of the protocol becomes ServerFault("MalformedResponse").
    """
    model = models.operation_model(service, operation)
    if response.status < 300 and service in RAW_SERVICES:
        return _raw_result(response)
    protocol = models.protocol_of(service)
    headers = HeadersDict()
    for name, value in response.headers:
        headers[name] = value
    body: Any = response.body
    payload = payload_of(model.output_shape)
    if response.status < 300 and payload is not None and is_raw(payload[1]) and payload[1].type_name == "blob":
        body = memoryview(response.body)  # botocore would decode bytes; anything else it hands through
    message = {"headers": headers, "status_code": response.status, "body": body, "context": {}}
    try:
        parsed: dict[str, Any] = _parser(protocol).parse(message, model.output_shape)
    except (ResponseParserError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ServerFault(
            "MalformedResponse", f"not an answer of {service} {operation}: {error}", happened=None
        ) from None
    if response.status >= 300:
        raise _fault_of(service, message, parsed)
    parsed.pop("ResponseMetadata", None)
    if payload is not None and isinstance(parsed.get(payload[0]), memoryview):
        parsed[payload[0]] = bytes(parsed[payload[0]])
    return parsed


@cache
def _parser(protocol: str) -> Any:
    parser = create_parser(protocol)
    parser._timestamp_parser = lambda value: float(value) if isinstance(value, int | float) else epoch_of(value)
    return parser


def _raw_result(response: HttpResponse) -> dict[str, Any]:
    try:
        result = orjson.loads(response.body or b"{}")
    except orjson.JSONDecodeError:
        result = None
    if not isinstance(result, dict):
        raise ServerFault("MalformedResponse", "not a JSON object", happened=None)
    return result


def _fault_of(service: str, message: Mapping[str, Any], parsed: Mapping[str, Any]) -> AwsError:
    status = int(message["status_code"])
    error = parsed.get("Error") or {}
    code = str(error.get("Code") or status)
    text = str(error.get("Message") or error.get("message") or "")
    extra: dict[str, Any] = {}
    shape = models.error_shape(service, code)
    if service in RAW_SERVICES:
        extra = _raw_members(message["body"])
    elif shape is not None:
        try:
            extra = dict(_parser(models.protocol_of(service)).parse(message, shape))
        except (ResponseParserError, KeyError, ValueError, TypeError, AttributeError):
            extra = {}  # the code and the message are what counts
    extra = {name: value for name, value in extra.items() if name not in NOT_EXTRA}
    if status >= 500:
        return ServerFault(code, text, status=status, happened=None, **extra)
    return ClientFault(code, text, status=status, **extra)


def _raw_members(body: bytes) -> dict[str, Any]:
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return members if isinstance(members, dict) else {}
