"""REST XML: Route 53 and S3. Operation from method and path, members in path, query, headers and an XML body.

The two differ in small things, told here by name: Route 53 takes "/hostedzone/Z1" for "Z1"; S3 takes the bucket from
the host, bodies in aws-chunked pieces, has its own request id headers and its own form of error.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from antipodes.wire import models
from antipodes.wire.aws_chunked import decode_body
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.wire.models import Shape
from antipodes.wire.operation import Payload, Result
from antipodes.wire.protocols import query, rest, xml
from antipodes.wire.protocols.errors import told
from antipodes.wire.protocols.values import bytes_of

XML = ("Content-Type", "application/xml")
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
S3_MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"
ROUTE53_IDS = frozenset({"ResourceId", "DelegationSetId", "ChangeId"})  # shapes whose values may come with a path
# Root elements of S3's answers that are not their shape's name (API reference of each operation).
S3_ROOTS = MappingProxyType(
    {
        "ListBuckets": "ListAllMyBucketsResult",
        "ListObjects": "ListBucketResult",
        "ListObjectsV2": "ListBucketResult",
        "ListObjectVersions": "ListVersionsResult",
        "ListMultipartUploads": "ListMultipartUploadsResult",
        "ListParts": "ListPartsResult",
        "CreateMultipartUpload": "InitiateMultipartUploadResult",
        "CompleteMultipartUpload": "CompleteMultipartUploadResult",
        "DeleteObjects": "DeleteResult",
        "GetBucketVersioning": "VersioningConfiguration",
        "GetBucketTagging": "Tagging",
        "GetObjectTagging": "Tagging",
        "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
        "GetBucketCors": "CORSConfiguration",
        "GetBucketWebsite": "WebsiteConfiguration",
        "GetBucketNotificationConfiguration": "NotificationConfiguration",
        "GetBucketAcl": "AccessControlPolicy",
        "GetObjectAcl": "AccessControlPolicy",
    }
)


def _fault(service: str, message: str) -> ClientFault:
    return ClientFault("SerializationException", S3_MALFORMED if service == "s3" else message)


def operation_of(service: str, request: HttpRequest) -> str:
    return rest.match(service, request).operation


def parse_request(service: str, request: HttpRequest) -> tuple[str, dict[str, Any]]:
    matched = rest.match(service, request)
    shape = models.operation_model(service, matched.operation).input_shape
    if shape is None:
        return matched.operation, {}
    if service == "s3":
        request = decode_body(request)
    params = rest.bound_params(shape, request, matched, lambda message: ClientFault("InvalidArgument", message))
    payload = rest.payload_of(shape)
    try:
        if payload is not None:
            name, member = payload
            if rest.is_raw(member):
                params[name] = request.body if member.type_name == "blob" else request.body.decode("utf-8")
            elif request.body:
                params[name] = xml.read(member, xml.parse(request.body))
        elif request.body and rest.body_members(shape):
            params.update(xml.read_members(shape, xml.parse(request.body)))
    except (xml.MalformedXml, UnicodeDecodeError) as error:
        raise _fault(service, str(error)) from None
    if service == "route53":
        _trim_ids(shape, params)
    return matched.operation, params


def _trim_ids(shape: Shape, params: dict[str, Any]) -> None:
    """ "/hostedzone/Z1" and "Z1" name the same zone."""
    for name, member in shape.members.items():
        if member.name in ROUTE53_IDS and isinstance(params.get(name), str):
            params[name] = params[name].rpartition("/")[2]


def _identity(service: str, request_id: str) -> tuple[tuple[str, str], ...]:
    if service == "s3":
        return (("x-amz-request-id", request_id), ("x-amz-id-2", request_id))
    return (("x-amzn-RequestId", request_id),)


def serialize_response(service: str, operation: str, result: Result, request_id: str) -> HttpResponse:
    model = models.operation_model(service, operation)
    identity = _identity(service, request_id)
    if isinstance(result, Payload):
        return HttpResponse(rest.status_of(model, {}), (*identity, *result.headers), result.body)
    shape = model.output_shape
    headers = (*identity, *rest.bound_headers(shape, result))
    body, kind = _body(service, operation, shape, result)
    if body and not any(name.lower() == "content-type" for name, _ in headers):
        headers = (*headers, ("Content-Type", kind))
    return HttpResponse(rest.status_of(model, result), headers, body)


def _body(service: str, operation: str, shape: Shape | None, result: Any) -> tuple[bytes, str]:
    if shape is None:
        return b"", ""
    namespace = models.service_model(service).metadata.get("xmlNamespace")
    uri = S3_NAMESPACE if service == "s3" else (namespace or _request_namespace(service))
    xmlns = f" xmlns={quoteattr(uri)}" if uri else ""
    if operation == "GetBucketLocation":
        # The one answer without a structure: its text is the root's own (botocore reads it by a rule of its own).
        text = escape(str(result.get("LocationConstraint") or ""))
        return f"{DECLARATION}<LocationConstraint{xmlns}>{text}</LocationConstraint>".encode(), XML[1]
    payload = rest.payload_of(shape)
    if payload is not None:
        name, member = payload
        value = result.get(name)
        if value is None:
            return b"", ""
        if rest.is_raw(member):
            return bytes_of(value), "binary/octet-stream"
        root, structure = member.serialization.get("name", member.name), member
    else:
        if not rest.body_members(shape):
            return b"", ""
        root, structure, value = S3_ROOTS.get(operation, shape.name) if service == "s3" else shape.name, shape, result
    parts: list[str] = []
    headers = [name for name, member in structure.members.items() if member.serialization.get("location") is not None]
    attributes = xml.write_members(parts, structure, value, headers)
    return f"{DECLARATION}<{root}{xmlns}{attributes}>{''.join(parts)}</{root}>".encode(), XML[1]


def _request_namespace(service: str) -> str:
    """The namespace that the service's requests name; its answers use the same."""
    model = models.service_model(service)
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        namespace = shape.serialization.get("xmlNamespace") if shape is not None else None
        if namespace:
            return str(namespace["uri"] if isinstance(namespace, dict) else namespace)
    return ""


def serialize_error(service: str, operation: str | None, error: AwsError, request_id: str) -> HttpResponse:
    code, status, message = told(service, "rest-xml", error)
    identity = _identity(service, request_id)
    shape = models.error_shape(service, error.code)
    more: list[str] = []
    for name, value in error.extra.items():
        member = shape.members.get(name) if shape is not None else None
        if member is not None and member.serialization.get("location") is None:
            xml.write(more, member, value, member.serialization.get("name", name))
        elif member is None and isinstance(value, str):
            more.append(f"<{name}>{escape(value)}</{name}>")  # S3: BucketName, Key, Resource
    if service == "s3":
        document = (
            f"{DECLARATION}<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>{''.join(more)}"
            f"<RequestId>{escape(request_id)}</RequestId><HostId>{escape(request_id)}</HostId></Error>"
        )
    else:
        namespace = _request_namespace(service)
        document = '<?xml version="1.0"?>\n' + query.error_document(
            namespace, code, message, request_id, sender=status < 500, more="".join(more)
        )
    return HttpResponse(status, (*identity, XML), document.encode())
