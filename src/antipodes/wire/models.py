"""The services' models: which operations exist, how they travel, what their shapes are. Read from botocore, lazily.

A model is some hundred kilobytes of JSON; it is read when the first request of its service comes, and kept. Names that
the models do not know are answered with AWS's UnknownOperationException, never with a KeyError.

It also knows which service a request means. The wire has three names for a service: the model's ("dynamodbstreams"),
the one in the signature's scope ("dynamodb"), and the prefix of X-Amz-Target ("DynamoDBStreams_20120810"); ours is
always the model's.
"""

from __future__ import annotations

from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel

from antipodes.wire.errors import ClientFault
from antipodes.wire.http import HttpRequest

Shape = Any  # botocore.model.Shape and its subclasses; botocore has no types

# What clients use, best first. botocore lists several protocols for some services; CBOR is not spoken here.
SPOKEN = ("json", "rest-json", "rest-xml", "query")

# X-Amz-Target's prefix -> service. The only sure sign: DynamoDB and its streams sign with one name.
TARGETS = MappingProxyType(
    {
        "DynamoDB_20120810": "dynamodb",
        "DynamoDBStreams_20120810": "dynamodbstreams",
        "CertificateManager": "acm",
        "Logs_20140328": "logs",
        "GraniteServiceVersion20100801": "cloudwatch",
        "AmazonSSM": "ssm",
        "AmazonSQS": "sqs",
        "TrentService": "kms",
        "secretsmanager": "secretsmanager",
        "AWSEvents": "events",
        "ToggleCustomerAPI": "route53-recovery-cluster",
    }
)
# Signature scope or endpoint prefix -> service, where the two differ.
SIGNING_NAMES = MappingProxyType(
    {
        "monitoring": "cloudwatch",
        "cloudcontrolapi": "cloudcontrol",
        "execute-api": "apigatewaymanagementapi",
        "streams.dynamodb": "dynamodbstreams",
        "s3express": "s3",
        "elasticloadbalancing": "elbv2",
    }
)


def unknown_operation(message: str = "", *, status: int = 400) -> ClientFault:
    return ClientFault("UnknownOperationException", message, status=status)


@cache
def _loader() -> Loader:
    return Loader(include_default_search_paths=True)


@cache
def known_services() -> frozenset[str]:
    return frozenset(_loader().list_available_services("service-2"))


@cache
def service_model(service: str) -> ServiceModel:
    """The model of a service by botocore's name. Raises ClientFault (UnknownOperationException) if there is none."""
    if service not in known_services():
        raise unknown_operation(f"No such service: {service}")
    try:
        described = _loader().load_service_model(service, "service-2")
    except UnknownServiceError:
        raise unknown_operation(f"No such service: {service}") from None
    _drop_documentation(described)
    return ServiceModel(described, service)


def _drop_documentation(part: Any) -> None:
    """In place: two thirds of a model are words for people, which would stay in memory for good."""
    if isinstance(part, dict):
        if isinstance(part.get("documentation"), str):
            del part["documentation"]
        for one in part.values():
            _drop_documentation(one)
    elif isinstance(part, list):
        for one in part:
            _drop_documentation(one)


@lru_cache(maxsize=4096)
def operation_model(service: str, operation: str) -> OperationModel:
    """The model of an operation. Raises ClientFault (UnknownOperationException)."""
    try:
        return service_model(service).operation_model(operation)
    except OperationNotFoundError:
        raise unknown_operation() from None


@cache
def protocols_of(service: str) -> tuple[str, ...]:
    """All that the service speaks on AWS, as its model lists them ("ec2" is EC2's own kind of query)."""
    metadata = service_model(service).metadata
    return tuple(metadata.get("protocols") or [metadata["protocol"]])


@cache
def protocol_of(service: str) -> str:
    """ "json", "query", "rest-json" or "rest-xml": the one that clients use with the service."""
    listed = protocols_of(service)
    for protocol in SPOKEN:
        if protocol in listed:
            return protocol
    raise unknown_operation(f"{service} speaks only {', '.join(listed)}")


@cache
def error_shape(service: str, code: str) -> Shape | None:
    """The shape of an error by its name or its wire code; None if the model has none."""
    if not service:
        return None
    model = service_model(service)
    for shape in model.error_shapes:
        if code in (shape.name, shape.error_code):
            return shape
    return None


def signing_name(service: str) -> str:
    """The service's name in a signature's scope."""
    metadata = service_model(service).metadata
    return str(metadata.get("signingName") or metadata["endpointPrefix"])


@cache
def _service_of_scope(name: str) -> str | None:
    mapped = SIGNING_NAMES.get(name, name)
    return mapped if mapped in known_services() else None


def service_of(request: HttpRequest, scope_service: str | None) -> str | None:
    """The service that a request means, or None: by X-Amz-Target, else by the name in its signature's scope, else by
    its host ("bucket.s3.us-east-1.amazonaws.com", "sts.amazonaws.com")."""
    target = request.header("x-amz-target")
    if target:
        by_target = TARGETS.get(target.partition(".")[0])
        if by_target is not None:
            return by_target
    if scope_service:
        service = _service_of_scope(scope_service)
        if service == "apigateway" and request.target.startswith("/v2/"):
            return "apigatewayv2"
        return service
    labels = request.host.split(".")
    if "s3" in labels:
        return "s3"
    if labels[-2:] == ["amazonaws", "com"]:
        return _service_of_scope("streams.dynamodb" if labels[:2] == ["streams", "dynamodb"] else labels[0])
    return None
