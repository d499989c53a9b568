"""What API Gateway keeps. Pure values.

In the store: `apigateway/api/<id>` an Api with its resources as they are being edited,
`apigateway/deployment/<api>/<id>` an immutable snapshot of them, `apigateway/stage/<api>/<name>` a Stage that points at
a snapshot, `apigateway/domain/<name>` a Domain with its mappings, `apigateway/account` the account's settings.
"""

from __future__ import annotations

from collections.abc import Iterator

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
    """What becomes of an answer that its pattern matches. `parameters`: method.response.header.Name to a mapping."""

    status: str
    selection_pattern: str = ""
    parameters: dict[str, str] = {}
    templates: dict[str, str] = {}
    content_handling: str = ""


class Integration(msgspec.Struct, frozen=True, kw_only=True):
    """What stands behind a method."""

    kind: str  # AWS_PROXY, AWS, HTTP_PROXY, HTTP, MOCK
    uri: str = ""
    http_method: str = ""
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    passthrough: str = "WHEN_NO_MATCH"
    cache_namespace: str = ""
    cache_keys: tuple[str, ...] = ()
    templates: dict[str, str] = {}
    responses: dict[str, IntegrationResponse] = {}
    parameters: dict[str, str] = {}  # integration.request.{header,path,querystring}.Name to a mapping
    content_handling: str = ""
    credentials: str = ""
    any_authority: bool = False  # insecureSkipVerification of tlsConfig


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
    authorization: str = "NONE"  # NONE, AWS_IAM, CUSTOM
    authorizer_id: str = ""
    key_required: bool = False
    validator_id: str = ""
    request_models: dict[str, str] = {}


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON schema (draft 4) with a name."""

    id: str
    name: str
    content_type: str
    schema: str = ""
    description: str = ""


class Validator(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request is validated."""

    id: str
    name: str
    body: bool = False
    parameters: bool = False


class Authorizer(msgspec.Struct, frozen=True, kw_only=True):
    """A Lambda function that is asked whether a request may pass."""

    id: str
    name: str
    kind: str  # TOKEN, REQUEST
    uri: str
    auth_type: str = ""
    credentials: str = ""
    source: str = ""  # method.request.header.Authorization,...
    validation: str = ""  # a regular expression for the token
    ttl_s: int = 300


class GatewayResponse(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer of the gateway's own is dressed. status "": as it is by default."""

    kind: str
    status: str = ""
    parameters: dict[str, str] = {}
    templates: dict[str, str] = {}


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One path."""

    id: str
    parent_id: str = ""  # "" for the root
    part: str = ""
    path: str = "/"
    methods: dict[str, Method] = {}


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """What a documentation part is of. "": a field that this kind does not have."""

    kind: str  # API, RESOURCE, METHOD, ...
    path: str = ""
    method: str = ""
    status: str = ""
    name: str = ""


class DocumentationPart(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one thing of an API."""

    id: str
    location: Location
    properties: str  # a JSON object


class DocumentationVersion(msgspec.Struct, frozen=True, kw_only=True):
    """All parts as they were."""

    version: str
    created: float
    description: str = ""
    parts: tuple[DocumentationPart, ...] = ()


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
    models: dict[str, Model] = {}  # by name
    validators: dict[str, Validator] = {}
    authorizers: dict[str, Authorizer] = {}
    gateway_responses: dict[str, GatewayResponse] = {}  # by kind
    key_source: str = "HEADER"  # or AUTHORIZER
    policy: str = ""  # a resource policy, JSON
    endpoint_disabled: bool = False
    compress_from: int | None = None  # bytes of an answer; None: nothing is compressed
    documentation: dict[str, DocumentationPart] = {}  # by id
    documentation_versions: dict[str, DocumentationVersion] = {}


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable snapshot of an API."""

    format: int = FORMAT
    id: str
    api_id: str
    created: float
    description: str = ""
    binary_media_types: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()
    models: dict[str, Model] = {}
    validators: dict[str, Validator] = {}
    authorizers: dict[str, Authorizer] = {}
    gateway_responses: dict[str, GatewayResponse] = {}
    key_source: str = "HEADER"
    policy: str = ""
    compress_from: int | None = None


class MethodSetting(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a stage for one method, or for all of them. None: not set here."""

    metrics: bool | None = None
    rate: float | None = None  # requests a second
    burst: int | None = None
    logging_level: str = ""
    data_trace: bool | None = None
    caching: bool | None = None
    cache_ttl_s: int | None = None
    cache_encrypted: bool | None = None
    cache_control_authorized: bool | None = None  # requireAuthorizationForCacheControl
    cache_control_strategy: str = ""  # unauthorizedCacheControlHeaderStrategy


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A second deployment of a stage, for some of its requests."""

    deployment_id: str
    percent: float = 0.0  # of the requests
    overrides: dict[str, str] = {}  # of the stage's variables
    use_stage_cache: bool = False


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
    method_settings: dict[str, MethodSetting] = {}  # by "*/*" or "path~1of~1resource/GET"
    log_group_arn: str = ""
    log_format: str = ""
    canary: Canary | None = None
    cache_enabled: bool = False
    cache_size: str = "0.5"  # GB
    documentation_version: str = ""  # "": none
    client_certificate_id: str = ""  # "": none


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Base path of a custom domain to a stage; stage "": the first part of the rest of the path names it."""

    base_path: str  # of one part; API mappings may have several ("orders/v1")
    api_id: str  # of a REST API or an HTTP API
    stage: str = ""
    id: str = ""  # as the second API calls it


class Truststore(msgspec.Struct, frozen=True, kw_only=True):
    """Whose certificates clients of a domain may show."""

    uri: str  # s3://bucket/key, where it was read
    version: str = ""
    pem: bytes
    warnings: tuple[str, ...] = ()


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
    truststore: Truststore | None = None  # of mutual TLS
    ownership_arn: str = ""  # of a certificate that proves the name, beside the one that is served


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the account in this Region."""

    format: int = FORMAT
    cloudwatch_role_arn: str = ""


def methods_of(api: Api) -> Iterator[tuple[Resource, Method]]:
    return ((resource, method) for resource in api.resources.values() for method in resource.methods.values())


def bad_request(message: str) -> ClientFault:
    return ClientFault("BadRequestException", message)


def not_found(what: str) -> ClientFault:
    """`what`: "API", "Resource", "Method", "stage", ..."""
    return ClientFault("NotFoundException", f"Invalid {what} identifier specified", status=404)


def missing(message: str) -> ClientFault:
    return ClientFault("NotFoundException", message, status=404)


def conflict(message: str) -> ClientFault:
    return ClientFault("ConflictException", message, status=409)
