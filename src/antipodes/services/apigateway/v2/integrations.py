"""Integrations of HTTP APIs: Lambda functions by proxy, payload 1.0 or 2.0, and HTTP servers.

What else AWS has is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.services.apigateway.v2 import mapping
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.http_proxy import check_uri
from antipodes.services.apigateway.v2.parts import Part
from antipodes.services.apigateway.v2.records import TIMEOUT_MS, WEBSOCKET, HttpApi, Integration
from antipodes.services.apigateway.v2.routing import lambda_of
from antipodes.services.apigateway.v2.sockets import settings
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

REFUSED = (
    "ConnectionId", "ContentHandlingStrategy", "CredentialsArn", "PassthroughBehavior", "RequestTemplates",
    "TemplateSelectionExpression", "TlsConfig",
)  # fmt: skip


METHODS = frozenset({"ANY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def create_integration(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    integration = _of(api, request.params, catalogue.shared.new_id(7))
    return await PART.save(catalogue, api, integration.id, integration)


async def update_integration(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api, before = PART.found(catalogue, params)
    given = {key: value for key, value in shown(api, before).items() if key not in {"IntegrationId", "ConnectionType"}}
    changed = {key: value for key, value in params.items() if value is not None}
    integration = _of(api, {**given, **changed}, before.id)
    integration = msgspec.structs.replace(integration, managed=before.managed, responses=before.responses)
    return await PART.save(catalogue, api, integration.id, integration)


def integration_of(params: Mapping[str, Any], integration_id: str) -> Integration:
    """From the parameters of CreateIntegration. Raises BadRequestException, UnsupportedOperation."""
    kind = str(params.get("IntegrationType") or "")
    if params.get("IntegrationSubtype"):
        raise NotSupported(f"the service integration {params['IntegrationSubtype']} of HTTP APIs")
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of integrations of HTTP APIs")
    if params.get("ConnectionType") not in (None, "", "INTERNET"):
        raise NotSupported(f"ConnectionType {params['ConnectionType']} (private integrations) of HTTP APIs")
    if kind in {"AWS", "HTTP", "MOCK"}:
        raise bad_request(f"IntegrationType {kind} is not supported for HTTP APIs")  # the words are a guess
    uri, payload = str(params.get("IntegrationUri") or ""), params.get("PayloadFormatVersion")
    method = str(params.get("IntegrationMethod") or "")
    if kind == "AWS_PROXY":
        if lambda_of(uri) is None:
            raise NotSupported(f"AWS_PROXY to {uri or 'nothing'} in HTTP APIs; only Lambda functions")
        if payload not in {"1.0", "2.0"}:
            raise bad_request("PayloadFormatVersion is a required parameter for AWS_PROXY integration: 1.0 or 2.0")
        method = method or "POST"
    elif kind == "HTTP_PROXY":
        check_uri(uri)
        if payload not in (None, "", "1.0"):
            raise bad_request("PayloadFormatVersion of an HTTP_PROXY integration can only be 1.0")
        if method not in METHODS:
            raise bad_request("IntegrationMethod is a required parameter for HTTP_PROXY integration")
        payload = "1.0"
    else:
        raise NotSupported(f"IntegrationType {kind} of HTTP APIs")
    timeout_ms = int(params.get("TimeoutInMillis") or TIMEOUT_MS)
    if not 50 <= timeout_ms <= TIMEOUT_MS:
        raise bad_request("Timeout should be between 50 ms and 30000 ms")
    # An empty value removes what an update does not want any longer (a guess).
    asked = {key: value for key, value in (params.get("RequestParameters") or {}).items() if value != ""}
    answered = {key: dict(value) for key, value in (params.get("ResponseParameters") or {}).items() if value}
    mapping.changes_of(asked)
    mapping.check_statuses(answered)
    return Integration(
        id=integration_id,
        request_parameters=asked,
        response_parameters=answered,
        kind=kind,
        uri=uri,
        method=method,
        payload=str(payload),
        timeout_ms=timeout_ms,
        description=str(params.get("Description") or ""),
    )


def shown(api: HttpApi, integration: Integration) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "ConnectionType": "INTERNET",
        "IntegrationId": integration.id,
        "IntegrationType": integration.kind,
        **({"IntegrationMethod": integration.method} if integration.method else {}),
        **({"IntegrationUri": integration.uri} if integration.uri else {}),
        "PayloadFormatVersion": integration.payload,
        "TimeoutInMillis": integration.timeout_ms,
    }
    if integration.request_parameters:
        answer["RequestParameters"] = dict(integration.request_parameters)
    if integration.response_parameters:
        answer["ResponseParameters"] = {key: dict(one) for key, one in integration.response_parameters.items()}
    for name, value in (
        ("RequestTemplates", dict(integration.templates)),
        ("TemplateSelectionExpression", integration.template_selection),
        ("ContentHandlingStrategy", integration.content_handling),
        ("CredentialsArn", integration.credentials),
    ):
        if value:
            answer[name] = value
    if api.protocol == WEBSOCKET:
        lambdas = lambda_of(integration.uri) is not None
        answer["PassthroughBehavior"] = integration.passthrough
        answer["IntegrationResponseSelectionExpression"] = (
            "${integration.response.body.errorMessage}" if lambdas else "${integration.response.statuscode}"
        )
    if integration.description:
        answer["Description"] = integration.description
    if integration.managed:
        answer["ApiGatewayManaged"] = True
    return answer


def _of(api: HttpApi, params: Mapping[str, Any], integration_id: str) -> Integration:
    of = settings.integration_of if api.protocol == WEBSOCKET else integration_of
    return of(params, integration_id)


def _check_unused(api: HttpApi, integration: Integration) -> None:
    used = [route.key for route in api.routes.values() if route.integration_id == integration.id]
    if used:
        raise conflict(f"Cannot delete Integration '{integration.id}' due to being referenced by route '{used[0]}'.")


PART: Part[Integration] = Part("Integration", "integrations", shown, _check_unused)
