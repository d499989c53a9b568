"""What can be said of a WebSocket API: its route selection expression, route keys, integrations, authorizers. Pure.

Integrations are those of REST APIs: functions by proxy and by mapping, JSON services, HTTP servers, MOCK. API keys are
refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from antipodes.services.apigateway.v1 import integrations as rest
from antipodes.services.apigateway.v1.records import bad_request
from antipodes.services.apigateway.v2.records import Authorizer, Integration
from antipodes.services.apigateway.v2.routing import lambda_of
from antipodes.services.apigateway.v2.sockets.behind import SELECTION, as_first, check_selection
from antipodes.wire.errors import NotSupported

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"
TIMEOUT_MS = 29_000  # "50 milliseconds to 29 seconds" (the quotas of WebSocket APIs)
SOURCE = re.compile(r"(route\.request\.(header|querystring)|stageVariables|context)\.[^\s]+")
REFUSED_OF_INTEGRATIONS = ("ConnectionId", "IntegrationSubtype", "ResponseParameters", "TlsConfig")


def selection_of(expression: str) -> str:
    """The path in a message's body that names its route. Raises BadRequestException, UnsupportedOperation."""
    if not expression:
        raise bad_request("Route selection expression is required for WEBSOCKET protocol")  # the words are a guess
    match = SELECTION.fullmatch(expression)
    if match is None:
        raise NotSupported(f"the route selection expression {expression}; only $request.body.<path>")
    return match[1] or match[2]


def check_key(key: str) -> None:
    """Raises BadRequestException."""
    if not key or len(key) > 128 or (key.startswith("$") and key not in {CONNECT, DISCONNECT, DEFAULT}):
        raise bad_request(f"The provided route key is not valid for WEBSOCKET protocol: {key}")  # the words are a guess


def integration_of(params: Mapping[str, Any], integration_id: str) -> Integration:
    """From the parameters of CreateIntegration. Raises BadRequestException, UnsupportedOperation."""
    kind, uri = str(params.get("IntegrationType") or ""), str(params.get("IntegrationUri") or "")
    for name in REFUSED_OF_INTEGRATIONS:
        if params.get(name):
            raise NotSupported(f"{name} of integrations of WebSocket APIs")
    if params.get("ConnectionType") not in (None, "", "INTERNET"):
        raise NotSupported(f"ConnectionType {params['ConnectionType']} (private integrations) of WebSocket APIs")
    if params.get("PayloadFormatVersion") not in (None, "", "1.0"):
        raise bad_request("PayloadFormatVersion of a WebSocket API's integration can only be 1.0")
    timeout_ms = int(params.get("TimeoutInMillis") or TIMEOUT_MS)
    if not 50 <= timeout_ms <= TIMEOUT_MS:
        raise bad_request("Timeout should be between 50 ms and 29000 ms")
    description = str(params.get("Description") or "")
    if kind == "AWS_PROXY":
        if lambda_of(uri) is None:
            raise NotSupported(f"AWS_PROXY to {uri or 'nothing'} in WebSocket APIs; only Lambda functions")
        return Integration(
            id=integration_id, kind=kind, uri=uri, method="POST", timeout_ms=timeout_ms, description=description
        )
    selection = str(params.get("TemplateSelectionExpression") or "")
    check_selection(selection, "TemplateSelectionExpression")
    integration = Integration(
        id=integration_id,
        kind=kind,
        uri=uri,
        method=str(params.get("IntegrationMethod") or ""),
        timeout_ms=timeout_ms,
        description=description,
        request_parameters=dict(params.get("RequestParameters") or {}),
        templates=dict(params.get("RequestTemplates") or {}),
        template_selection=selection,
        passthrough=str(params.get("PassthroughBehavior") or "WHEN_NO_MATCH"),
        content_handling=str(params.get("ContentHandlingStrategy") or ""),
        credentials=str(params.get("CredentialsArn") or ""),
    )
    _check_as_rest(integration)
    return integration


def _check_as_rest(integration: Integration) -> None:
    """Checks what is the same for REST APIs. Raises BadRequestException, UnsupportedOperation."""
    first = as_first(integration)
    rest.integration_of(
        {
            "type": first.kind,
            "uri": first.uri,
            "integrationHttpMethod": first.http_method,
            "timeoutInMillis": first.timeout_ms,
            "passthroughBehavior": first.passthrough,
            "requestTemplates": first.templates,
            "requestParameters": first.parameters,
            "contentHandling": first.content_handling,
        },
        "a WebSocket API's integration",
    )


def authorizer_of(params: Mapping[str, Any], authorizer_id: str) -> Authorizer:
    """From the parameters of CreateAuthorizer. Its answers are not kept: authorizers of WebSocket APIs have no cache.
    Raises BadRequestException, UnsupportedOperation."""
    name, uri = str(params.get("Name") or ""), str(params.get("AuthorizerUri") or "")
    if params.get("AuthorizerType") != "REQUEST":
        raise bad_request("Only REQUEST authorizers are supported for WEBSOCKET protocol")  # the words are a guess
    if params.get("AuthorizerCredentialsArn"):
        raise NotSupported(f"AuthorizerCredentialsArn of authorizers ({name})")
    for http in ("EnableSimpleResponses", "JwtConfiguration", "AuthorizerResultTtlInSeconds"):
        if params.get(http):  # the words are a guess
            raise bad_request(f"{http} is supported only for HTTP API authorizers ({name})")
    if lambda_of(uri) is None:
        raise bad_request(f"Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN")
    sources = tuple(str(one) for one in params.get("IdentitySource") or ())
    for source in sources:
        if SOURCE.fullmatch(source) is None:
            raise bad_request(f"Invalid mapping expression specified: {source}")
    return Authorizer(id=authorizer_id, name=name, uri=uri, payload="1.0", sources=sources)
