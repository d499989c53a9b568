"""The query protocol: a form in, XML out. CloudFormation, IAM, STS.

A form's dotted names ("Tags.member.1.Key") are a tree; it is built first, then read along the model.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from antipodes.wire import models
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.models import Shape
from antipodes.wire.operation import Payload, Result
from antipodes.wire.protocols import xml
from antipodes.wire.protocols.errors import told
from antipodes.wire.protocols.values import scalar_of

CONTENT_TYPE = ("Content-Type", "text/xml")
MAX_FIELDS = 20_000
MAX_DEPTH = 32  # no AWS model nests deeper; a form that does is an attack on the stack

Tree = dict[str, Any]  # name -> Tree, or {"": text} at a leaf


def malformed(message: str) -> ClientFault:
    return ClientFault("MalformedInput", message)


# --- requests ---


def _fields(request: HttpRequest) -> list[tuple[str, str]]:
    """The form's fields, from the body and the query string (GET is allowed)."""
    try:
        body = request.body.decode("utf-8")
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=MAX_FIELDS) if body else []
        if request.query:
            fields += parse_qsl(request.query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise malformed(str(error)) from None
    return fields


def operation_of(service: str, request: HttpRequest) -> str:
    return _operation(service, dict(reversed(_fields(request))))


def _operation(service: str, fields: dict[str, str]) -> str:
    action = fields.get("Action")
    if not action:
        raise ClientFault("MissingAction", "The request must contain the parameter Action")
    model = models.service_model(service)
    version = fields.get("Version", model.api_version)
    if action not in model.operation_names or version != model.api_version:
        raise ClientFault("InvalidAction", f"Could not find operation {action} for version {version}")
    return action


def parse_request(service: str, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    fields = _fields(request)
    operation = _operation(service, dict(reversed(fields)))  # of a repeated field, the first counts
    shape = models.operation_model(service, operation).input_shape
    if shape is None:
        return operation, {}
    return operation, _read_structure(shape, _tree(fields))


def _tree(fields: list[tuple[str, str]]) -> Tree:
    root: Tree = {}
    for name, text in fields:
        steps = name.split(".")
        if len(steps) > MAX_DEPTH:
            raise malformed("Input nested too deeply")
        node = root
        for step in steps:
            node = node.setdefault(step, {})
        node.setdefault("", text)
    return root


def _read(shape: Shape, node: Tree, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _read_structure(shape, node, path)
    if kind == "list":
        return _read_list(shape, node, path)
    if kind == "map":
        return _read_map(shape, node, path)
    if "" not in node:
        raise malformed("Start of list found where not expected" if node else f"Value missing at '{path}'")
    try:
        return scalar_of(shape, node[""])
    except ValueError:
        raise malformed(f"Value ({node['']}) at '{path}' is not of type {kind}") from None


def _read_structure(shape: Shape, node: Tree, path: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        at = f"{path}.{wire_name}" if path else wire_name
        if member.type_name == "list" and member.serialization.get("flattened"):
            # A flattened list goes by its members' name, if they have one, in place of its own.
            child = node.get(member.member.serialization.get("name", wire_name))
        else:
            child = node.get(wire_name)
        if child is not None:
            values[name] = _read(member, child, at)
    return values


def _numbered(node: Tree) -> list[Tree]:
    """The children "1", "2", ... in the order of their numbers; gaps are closed up."""
    numbers = [step for step in node if step.isascii() and step.isdigit()]
    return [node[step] for step in sorted(numbers, key=int)]


def _read_list(shape: Shape, node: Tree, path: str) -> list[Any]:
    if not shape.serialization.get("flattened"):
        member_name = shape.member.serialization.get("name", "member")
        if member_name not in node:
            if node.get("") or any(node):
                # Lenient as AWS is: Tags.1 is taken for Tags.member.1.
                return [_read(shape.member, one, path) for one in _numbered(node)]
            return []  # "Tags=" is an empty list
        node = node[member_name]
    return [_read(shape.member, one, f"{path}.{index}") for index, one in enumerate(_numbered(node), 1)]


def _read_map(shape: Shape, node: Tree, path: str) -> dict[str, Any]:
    entries = node if shape.serialization.get("flattened") else node.get("entry", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    values: dict[str, Any] = {}
    for entry in _numbered(entries):
        if key_name not in entry or value_name not in entry:
            raise malformed(f"An entry of '{path}' needs {key_name} and {value_name}")
        values[_read(shape.key, entry[key_name], path)] = _read(shape.value, entry[value_name], path)
    return values


# --- responses ---


def serialize_response(service: str, operation: str, result: Result, request_id: str) -> HttpResponse:
    if isinstance(result, Payload):
        return HttpResponse(200, (("x-amzn-RequestId", request_id), CONTENT_TYPE, *result.headers), result.body)
    shape = models.operation_model(service, operation).output_shape
    namespace = models.service_model(service).metadata.get("xmlNamespace", "")
    parts = [f"<{operation}Response xmlns={quoteattr(namespace)}>"]
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper")
        inner: list[str] = []
        xml.write_members(inner, shape, result)
        parts += [f"<{wrapper}>", *inner, f"</{wrapper}>"] if wrapper else inner
    parts.append(f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata>")
    parts.append(f"</{operation}Response>")
    return HttpResponse(200, (("x-amzn-RequestId", request_id), CONTENT_TYPE), "".join(parts).encode())


def serialize_error(service: str, operation: str | None, error: AwsError, request_id: str) -> HttpResponse:
    code, status, message = told(service, "query", error)
    namespace = models.service_model(service).metadata.get("xmlNamespace", "")
    body = error_document(namespace, code, message, request_id, sender=status < 500)
    return HttpResponse(status, (("x-amzn-RequestId", request_id), CONTENT_TYPE), body.encode())


def serialize_ec2_error(error: AwsError, request_id: str) -> HttpResponse:
    """EC2 tells errors in a document of its own; its requests are not read here."""
    code, status, message = told("ec2", "query", error)
    body = (
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
        f"<RequestID>{escape(request_id)}</RequestID></Response>"
    )
    return HttpResponse(status, (("x-amzn-RequestId", request_id), CONTENT_TYPE), body.encode())


def error_document(namespace: str, code: str, message: str, request_id: str, *, sender: bool, more: str = "") -> str:
    """The ErrorResponse of query and of REST XML (S3 has its own); `more` is XML to put beside the message."""
    return (
        f"<ErrorResponse xmlns={quoteattr(namespace)}>"
        f"<Error><Type>{'Sender' if sender else 'Receiver'}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message>{more}</Error>"
        f"<RequestId>{escape(request_id)}</RequestId></ErrorResponse>"
    )
