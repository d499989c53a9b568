"""What is kept of HTTP APIs. Pure values.

In the store: `apigateway/http-api/<id>` an HttpApi with its routes, integrations and authorizers as they are edited,
`apigateway/http-deployment/<api>/<id>` an immutable snapshot of them, `apigateway/http-stage/<api>/<name>` a HttpStage
that points at a snapshot.
"""

from __future__ import annotations

import msgspec

from antipodes.services.apigateway.v1.records import Model
from antipodes.wire.cors import Cors
from antipodes.wire.errors import ClientFault

FORMAT = 1  # of the records in the store
API_PREFIX = b"apigateway/http-api/"
DEPLOYMENT_PREFIX = b"apigateway/http-deployment/"
STAGE_PREFIX = b"apigateway/http-stage/"

WEBSOCKET = "WEBSOCKET"
DEFAULT = "$default"  # a stage without a place in the path; the route that takes what no other one does
TIMEOUT_MS = 30_000  # facts 3.1: hard


class IntegrationResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of an integration's answer, in WebSocket APIs."""

    id: str
    key: str  # "$default", or "/a pattern/" of its status or its error
    templates: dict[str, str] = {}
    template_selection: str = ""
    content_handling: str = ""


class Integration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What routes lead to."""

    id: str
    kind: str  # "AWS_PROXY" (a Lambda function), "HTTP_PROXY"; of WebSocket APIs "AWS", "HTTP", "MOCK" too
    uri: str = ""
    method: str = ""
    payload: str = "1.0"
    timeout_ms: int = TIMEOUT_MS
    description: str = ""
    managed: bool = False  # by quick create
    request_parameters: dict[str, str] = {}  # "append:header.x" -> "$request.path" (mapping.py)
    response_parameters: dict[str, dict[str, str]] = {}  # the same by the integration's status, "200"
    # of WebSocket APIs
    templates: dict[str, str] = {}
    template_selection: str = ""
    passthrough: str = "WHEN_NO_MATCH"
    content_handling: str = ""
    credentials: str = ""
    responses: dict[str, IntegrationResponse] = {}  # by id


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One route: "GET /items/{id}", "ANY /{proxy+}", "$default"."""

    id: str
    key: str
    integration_id: str = ""  # "": none yet
    operation_name: str = ""
    authorizer_id: str = ""  # "": open to all
    iam: bool = False  # AWS_IAM: open to those who sign
    scopes: tuple[str, ...] = ()  # a token must have one of them
    managed: bool = False
    # of WebSocket APIs: its function's answer goes back to the client if it has both
    response_id: str = ""
    response_selection: str = ""
    model_selection: str = ""
    request_models: dict[str, str] = {}  # what the selection may find, to a model's name


class Authorizer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function that is asked before a route's own; or, with an issuer, what a token must be."""

    id: str
    name: str
    uri: str = ""
    payload: str = ""
    issuer: str = ""  # of JSON web tokens; "": a function is asked
    audience: tuple[str, ...] = ()
    simple: bool = False  # answers isAuthorized, not a policy
    sources: tuple[str, ...] = ()  # of identity: "$request.header.Authorization"
    ttl_s: int = 0  # how long its answers are kept


class HttpApi(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An API as it is edited."""

    format: int = FORMAT
    id: str
    protocol: str = "HTTP"  # or WEBSOCKET
    selection: str = ""  # RouteSelectionExpression of a WebSocket API
    name: str
    created: float  # epoch seconds
    description: str = ""
    version: str = ""
    cors: Cors | None = None
    endpoint_disabled: bool = False  # DisableExecuteApiEndpoint
    managed: bool = False
    tags: dict[str, str] = {}
    routes: dict[str, Route] = {}
    integrations: dict[str, Integration] = {}
    authorizers: dict[str, Authorizer] = {}
    models: dict[str, Model] = {}  # of WebSocket APIs, by id


class HttpDeployment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An immutable snapshot: what a stage serves."""

    format: int = FORMAT
    id: str
    api_id: str
    created: float
    description: str = ""
    automatic: bool = False
    cors: Cors | None = None
    routes: tuple[Route, ...] = ()
    integrations: dict[str, Integration] = {}
    authorizers: dict[str, Authorizer] = {}
    models: dict[str, Model] = {}


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a stage says of its routes, or of one."""

    detailed: bool = False  # metrics of the route too
    burst: int | None = None  # requests
    rate: float | None = None  # requests a second
    logging_level: str = ""  # of WebSocket APIs' execution logs: "", "OFF", "ERROR", "INFO"
    data_trace: bool = False


class HttpStage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name under which a deployment is served."""

    format: int = FORMAT
    api_id: str
    name: str
    created: float
    updated: float
    deployment_id: str = ""  # "": nothing yet
    auto_deploy: bool = False
    description: str = ""
    variables: dict[str, str] = {}
    tags: dict[str, str] = {}
    managed: bool = False
    log_arn: str = ""  # of access logs; "": none
    log_format: str = ""
    settings: RouteSettings = RouteSettings()
    route_settings: dict[str, RouteSettings] = {}  # by route key


def missing(what: str, name: str) -> ClientFault:
    """`what`: "API", "Route", "Integration", "Stage", ... The words are from AWS's answers for an API; the others are
    formed after them."""
    return ClientFault("NotFoundException", f"Invalid {what} identifier specified {name}", status=404)
