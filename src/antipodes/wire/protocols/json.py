"""AWS JSON 1.0 and 1.1: the operation in X-Amz-Target, one JSON object each way. DynamoDB, its streams, ACM, Logs.

DynamoDB is the hot path and differs: attribute values pass as the JSON they are (they are stored so), answers are
dumped without a walk through the model, and carry x-amz-crc32.

Readers are compiled once a shape, from the model; wrong types are refused with the sentences of AWS's own parser
(Coral, in Java: hence "NUMBER_VALUE cannot be converted to String").
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from types import MappingProxyType
from typing import Any

import orjson

from antipodes.wire import eventstream, models
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.models import Shape
from antipodes.wire.operation import Payload, Result
from antipodes.wire.protocols.errors import members_of_error, told
from antipodes.wire.protocols.values import FLOATS, INTEGERS, base64_text, epoch_of, float_text, timestamp_text

Reader = Callable[[Any], Any]

RAW_SERVICES = frozenset({"dynamodb", "dynamodbstreams"})  # their items stay JSON
JAVA_NAMES = MappingProxyType(
    {"string": "String", "integer": "Integer", "long": "Long", "boolean": "Boolean", "double": "Double"}
)
CORAL = "com.amazon.coral.service#"
DYNAMODB = "com.amazonaws.dynamodb.v20120810#"


def serialization_fault(message: str) -> ClientFault:
    return ClientFault("SerializationException", message)


# --- requests ---


def operation_of(service: str, request: HttpRequest) -> str:
    """Raises UnknownOperationException (no message, as AWS) for a target that the model has not."""
    target = request.header("x-amz-target") or ""
    return _operation_of_target(service, target)


@lru_cache(maxsize=1024)
def _operation_of_target(service: str, target: str) -> str:
    prefix, _, operation = target.rpartition(".")
    model = models.service_model(service)
    if prefix != model.metadata["targetPrefix"] or operation not in model.operation_names:
        raise models.unknown_operation()
    return operation


def parse_request(service: str, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    operation = operation_of(service, request)
    return operation, parse_body(service, operation, request.body)


def parse_body(service: str, operation: str, body: bytes) -> dict[str, Any]:
    """The parameters in a JSON body. Raises SerializationException."""
    reader = _input_reader(service, operation)
    if not body:
        if service in RAW_SERVICES:
            raise serialization_fault("")
        return {}
    value = load(body)
    if reader is None:
        return {}
    params: dict[str, Any] = reader(value)
    return params


def load(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise serialization_fault("") from None


@lru_cache(maxsize=1024)
def _input_reader(service: str, operation: str) -> Reader | None:
    shape = models.operation_model(service, operation).input_shape
    return None if shape is None else readers_of(service).of(shape)


@cache
def readers_of(service: str) -> Readers:
    return Readers(raw=service in RAW_SERVICES)


class Readers:
    """Compiled readers of one service, by shape name: each takes a JSON value and gives the parameter."""

    def __init__(self, *, raw: bool) -> None:
        self._raw = raw
        self._by_name: dict[str, Reader] = {}

    def of(self, shape: Shape) -> Reader:
        known = self._by_name.get(shape.name)
        if known is not None:
            return known
        # Shapes may contain themselves: until this one is compiled, it is found by name when it is needed.
        self._by_name[shape.name] = partial(self._read_late, shape.name)
        reader = self._compile(shape)
        self._by_name[shape.name] = reader
        return reader

    def _read_late(self, name: str, value: Any) -> Any:
        return self._by_name[name](value)

    def _compile(self, shape: Shape) -> Reader:
        kind = shape.type_name
        if kind == "structure":
            if self._raw and shape.name == "AttributeValue":
                return _attribute_value
            if shape.is_document_type:
                return lambda value: value
            return self.structure(shape.members)
        if kind == "list":
            return _list_reader(self.of(shape.member))
        if kind == "map":
            if self._raw and shape.value.name == "AttributeValue":
                return _attribute_map
            return _map_reader(self.of(shape.value))
        return _scalar_reader(kind)

    def structure(self, members: Mapping[str, Shape]) -> Reader:
        """A reader of a JSON object with these members; others are ignored, as AWS does, and null is absence."""
        table = {shape.serialization.get("name", name): (name, self.of(shape)) for name, shape in members.items()}

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise _misplaced(value, "Unexpected field type")
            params = {}
            for key, member in value.items():
                entry = table.get(key)
                if entry is not None and member is not None:
                    params[entry[0]] = entry[1](member)
            return params

        return read


def _attribute_value(value: Any) -> Any:
    if type(value) is not dict:
        raise _misplaced(
            value, "Unexpected value type in payload", "class com.amazonaws.dynamodb.v20120810.AttributeValue"
        )
    return value


def _attribute_map(value: Any) -> Any:
    if type(value) is not dict:
        raise _misplaced(
            value,
            "Unexpected field type",
            "java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>",
        )
    for member in value.values():
        if type(member) is not dict:
            _attribute_value(member)
    return value


def _misplaced(value: Any, scalar_message: str, java_class: str = "class java.util.Map") -> ClientFault:
    if isinstance(value, list):
        return serialization_fault(f"Unrecognized collection type {java_class}")
    if isinstance(value, dict):
        return serialization_fault("Start of structure or map found where not expected")
    return serialization_fault(scalar_message)


def _list_reader(member: Reader) -> Reader:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _misplaced(value, "Unexpected field type")
        return [member(one) for one in value if one is not None]

    return read


def _map_reader(member: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _misplaced(value, "Unexpected field type")
        return {key: member(one) for key, one in value.items() if one is not None}

    return read


def _scalar_fault(value: Any, kind: str) -> ClientFault:
    java = JAVA_NAMES.get(kind, "Integer")
    if value is True or value is False:
        return serialization_fault(f"{'TRUE' if value else 'FALSE'}_VALUE cannot be converted to {java}")
    if isinstance(value, int):
        return serialization_fault(f"NUMBER_VALUE cannot be converted to {java}")
    if isinstance(value, float):
        return serialization_fault(f"DECIMAL_VALUE cannot be converted to {java}")
    if isinstance(value, str):
        return serialization_fault(f"STRING_VALUE cannot be converted to {java}")
    return _misplaced(value, "Unexpected field type", f"class java.lang.{java}")


def _scalar_reader(kind: str) -> Reader:
    if kind in INTEGERS:
        return _integer_reader(kind)
    if kind in FLOATS:
        return _read_float
    return {"boolean": _read_boolean, "timestamp": _read_timestamp, "blob": _read_blob}.get(kind, _read_string)


def _read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise _scalar_fault(value, "string")


def _integer_reader(kind: str) -> Reader:
    def read(value: Any) -> int:
        if type(value) is int:
            return value
        if type(value) is float:
            return int(value)  # AWS cuts the fraction off
        raise _scalar_fault(value, kind)

    return read


def _read_float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        return float(value)
    raise _scalar_fault(value, "double")


def _read_boolean(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    if isinstance(value, str):
        # Seen on DynamoDB: these words pass for booleans.
        word = value.upper()
        if word in {"TRUE", "1", "YES"}:
            return True
        if word in {"FALSE", "0", "NO"}:
            return False
        raise serialization_fault("Unexpected token received from parser")
    raise _scalar_fault(value, "boolean")


def _read_timestamp(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _scalar_fault(value, "long")
    if isinstance(value, str):
        try:
            return epoch_of(value)
        except ValueError:
            raise _scalar_fault(value, "long") from None
    return float(value)


def _read_blob(value: Any) -> bytes:
    if not isinstance(value, str):
        if isinstance(value, dict | list):
            raise _misplaced(value, "", "class java.nio.ByteBuffer")
        raise serialization_fault("only base-64-encoded strings are convertible to bytes")
    if len(value) % 4:
        raise serialization_fault(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(value)}")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise serialization_fault("Invalid last non-pad Base64 character dectected") from None  # AWS's own spelling


# --- responses ---


def writable(shape: Shape, value: Any, timestamp_form: str = "unixtimestamp") -> Any:
    """A result value as JSON can hold it. Absent is None; what the model does not know is left out."""
    kind = shape.type_name
    if kind == "structure":
        if shape.is_document_type:
            return value
        return {
            member.serialization.get("name", name): writable(member, value[name], timestamp_form)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if kind == "list":
        return [None if one is None else writable(shape.member, one, timestamp_form) for one in value]
    if kind == "map":
        return {key: writable(shape.value, one, timestamp_form) for key, one in value.items() if one is not None}
    if kind == "blob":
        return base64_text(value)
    if kind == "timestamp":
        return timestamp_text(value, shape.serialization.get("timestampFormat", timestamp_form))
    if kind in FLOATS:
        return float_text(value)
    return value


def serialize_response(service: str, operation: str, result: Result, request_id: str) -> HttpResponse:
    if isinstance(result, Payload):
        return response(service, 200, result.body, request_id, result.headers)
    if service in RAW_SERVICES:
        return response(service, 200, orjson.dumps(result), request_id)
    shape = models.operation_model(service, operation).output_shape
    stream = None if shape is None else shape.event_stream_name
    if stream:
        headers = (("x-amzn-RequestId", request_id), ("Content-Type", eventstream.CONTENT_TYPE))
        return HttpResponse(200, headers, parts=result[stream])  # messages, encoded by who makes them
    body = b"" if shape is None else orjson.dumps(writable(shape, result))  # no output shape: AWS sends nothing at all
    return response(service, 200, body, request_id)


def response(
    service: str, status: int, body: bytes, request_id: str, headers: tuple[tuple[str, str], ...] = ()
) -> HttpResponse:
    """An answer whose body is ready."""
    kind, checked = _style(service)
    own: tuple[tuple[str, str], ...] = (("x-amzn-RequestId", request_id), ("Content-Type", kind))
    if checked:
        own = (*own, ("x-amz-crc32", str(zlib.crc32(body))))
    return HttpResponse(status, own + headers, body)


@cache
def _style(service: str) -> tuple[str, bool]:
    version = models.service_model(service).metadata.get("jsonVersion", "1.0")
    return f"application/x-amz-json-{version}", service in RAW_SERVICES


def serialize_error(service: str, operation: str | None, error: AwsError, request_id: str) -> HttpResponse:
    code, status, _ = told(service, "json", error)
    raw = service in RAW_SERVICES
    members = members_of_error(service, error, _as_it_is if raw else writable)
    kind = code
    if raw:
        kind = _dynamodb_namespace(service, code) + code
        if code == "SerializationException":
            members = {"Message": error.message} if error.message else {}
    elif code in {"SerializationException", "UnknownOperationException"} and not error.message:
        members = {}
    if code == "UnknownOperationException" and not error.message:
        members = {}
    body = orjson.dumps({"__type": kind, **members})
    return response(service, status, body, request_id, _query_error(service, error, status))


def _as_it_is(shape: Shape, value: Any) -> Any:
    """An item of DynamoDB's in an error (a failed condition's) is JSON already: its blobs are base64 text."""
    return value


def _query_error(service: str, error: AwsError, status: int) -> tuple[tuple[str, str], ...]:
    """A service that once spoke the query protocol tells the code of those days as well: clients' code expects it."""
    if "awsQueryCompatible" not in models.service_model(service).metadata:
        return ()
    old_code, _, _ = told(service, "query", error)
    return (("x-amzn-query-error", f"{old_code};{'Sender' if status < 500 else 'Receiver'}"),)


@cache
def _dynamodb_namespace(service: str, code: str) -> str:
    """Who said it on DynamoDB: the service itself for errors of its model, the validator, or the frame around it."""
    if code == "ValidationException":
        return "com.amazon.coral.validate#"
    if code == "UnsupportedOperation":
        return ""
    return DYNAMODB if models.error_shape(service, code) is not None else CORAL
