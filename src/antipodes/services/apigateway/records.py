"""What API Gateway keeps. Pure values.

In the store: `apigateway/api/<id>` an Api with its resources as they are being edited,
`apigateway/deployment/<api>/<id>` an immutable snapshot of them, `apigateway/stage/<api>/<name>` a Stage that points at
a snapshot, `apigateway/domain/<name>` a Domain with its mappings, `apigateway/account` the account's settings.
"""

from __future__ import annotations

import msgspec

from antipodes.wire.errors import ClientFault

FORMAT = 1  # of the records in the store
API_PREFIX = b"apigateway/api/"
DEPLOYMENT_PREFIX = b"apigateway/deployment/"
STAGE_PREFIX = b"apigateway/stage/"
DOMAIN_PREFIX = b"apigateway/domain/"
ACCOUNT_KEY = b"apigateway/account"

ANY = "ANY"
NO_BASE_PATH = "(none)"
DEFAULT_TIMEOUT_MS = 29_000


class IntegrationResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a MOCK integration answers. `parameters`: method.response.header.Name to a quoted literal."""

    status: str
    selection_pattern: str = ""
    parameters: dict[str, str] = {}
    templates: dict[str, str] = {}


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a method."""

    kind: str  # "AWS_PROXY" (a Lambda function) or "MOCK"
    uri: str = ""
    http_method: str = ""
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    passthrough: str = "WHEN_NO_MATCH"
    cache_namespace: str = ""
    templates: dict[str, str] = {}
    responses: dict[str, IntegrationResponse] = {}


class MethodResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A declared response of a method."""

    status: str
    parameters: dict[str, bool] = {}
    models: dict[str, str] = {}


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One verb of a resource."""

    verb: str  # "GET", or ANY
    operation_name: str = ""
    request_parameters: dict[str, bool] = {}
    responses: dict[str, MethodResponse] = {}
    integration: Integration | None = None


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One path."""

    id: str
    parent_id: str = ""  # "" for the root
    part: str = ""
    path: str = "/"
    methods: dict[str, Method] = {}


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """A REST API as it is edited."""

    format: int = FORMAT
    id: str
    name: str
    root_id: str
    created: float  # epoch seconds
    description: str = ""
    version: str = ""
    endpoint_types: tuple[str, ...] = ("EDGE",)
    binary_media_types: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    resources: dict[str, Resource] = {}


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable snapshot of an API's resources."""

    format: int = FORMAT
    id: str
    api_id: str
    created: float
    description: str = ""
    binary_media_types: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A name under which a deployment is served."""

    format: int = FORMAT
    api_id: str
    name: str
    deployment_id: str
    created: float
    updated: float
    description: str = ""
    variables: dict[str, str] = {}
    tracing: bool = False
    tags: dict[str, str] = {}


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Base path of a custom domain to a stage; stage "": the first part of the rest of the path names it."""

    base_path: str  # of one part; API mappings may have several ("orders/v1")
    api_id: str  # of a REST API or an HTTP API
    stage: str = ""
    id: str = ""  # as the second API calls it


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A regional custom domain name."""

    format: int = FORMAT
    name: str
    regional_id: str  # "d-" and ten letters or digits
    certificate_arn: str
    security_policy: str = "TLS_1_2"
    created: float = 0.0
    tags: dict[str, str] = {}
    mappings: dict[str, Mapping] = {}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the account in this Region."""

    format: int = FORMAT
    cloudwatch_role_arn: str = ""


def bad_request(message: str) -> ClientFault:
    return ClientFault("BadRequestException", message)


def not_found(what: str) -> ClientFault:
    """`what`: "API", "Resource", "Method", "stage", ..."""
    return ClientFault("NotFoundException", f"Invalid {what} identifier specified", status=404)


def conflict(message: str) -> ClientFault:
    return ClientFault("ConflictException", message, status=409)
