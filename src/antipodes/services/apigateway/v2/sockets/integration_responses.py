"""Integration responses of WebSocket APIs: what becomes of the answers of integrations by mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.integrations import handling_of, templates_of
from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.services.apigateway.v2 import integrations
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import (
    DEFAULT,
    WEBSOCKET,
    HttpApi,
    Integration,
    IntegrationResponse,
    missing,
)
from antipodes.services.apigateway.v2.sockets.behind import pattern_of
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result


async def create_integration_response(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api, integration = integrations.PART.found(catalogue, params)
    if api.protocol != WEBSOCKET:  # the words are a guess
        raise bad_request("Integration responses are not supported on protocolType HTTP")
    response = _of(params, catalogue.shared.new_id(7))
    await _save(catalogue, api, integration, response)
    return _shown(response)


async def update_integration_response(catalogue: HttpCatalogue, request: Request) -> Result:
    api, integration, before = _found(catalogue, request.params)
    changed = {name: value for name, value in request.params.items() if value is not None}
    response = _of({**_shown(before), **changed}, before.id)
    await _save(catalogue, api, integration, response)
    return _shown(response)


async def get_integration_response(catalogue: HttpCatalogue, request: Request) -> Result:
    _, _, response = _found(catalogue, request.params)
    await catalogue.shared.settled()
    return _shown(response)


async def get_integration_responses(catalogue: HttpCatalogue, request: Request) -> Result:
    _, integration = integrations.PART.found(catalogue, request.params)
    await catalogue.shared.settled()
    return page([_shown(one) for one in integration.responses.values()], request.params)


async def delete_integration_response(catalogue: HttpCatalogue, request: Request) -> Result:
    api, integration, response = _found(catalogue, request.params)
    kept = {key: one for key, one in integration.responses.items() if key != response.id}
    changed = msgspec.structs.replace(integration, responses=kept)
    await integrations.PART.save(catalogue, api, integration.id, changed)
    return {}


def _of(params: Mapping[str, Any], response_id: str) -> IntegrationResponse:
    """Raises BadRequestException, UnsupportedOperation."""
    key = str(params["IntegrationResponseKey"])
    pattern_of(key)
    if params.get("ResponseParameters"):
        raise NotSupported("ResponseParameters of integration responses")
    selection = str(params.get("TemplateSelectionExpression") or "")
    if selection.lstrip("\\") not in {"", DEFAULT}:
        raise NotSupported(f"TemplateSelectionExpression {selection} of integration responses; only $default")
    return IntegrationResponse(
        id=response_id,
        key=key,
        templates=templates_of(params.get("ResponseTemplates"), f"integration response {key}"),
        template_selection=selection,
        content_handling=handling_of(params.get("ContentHandlingStrategy")),
    )


def _shown(response: IntegrationResponse) -> dict[str, Any]:
    answer: dict[str, Any] = {"IntegrationResponseId": response.id, "IntegrationResponseKey": response.key}
    for name, value in (
        ("ResponseTemplates", dict(response.templates)),
        ("TemplateSelectionExpression", response.template_selection),
        ("ContentHandlingStrategy", response.content_handling),
    ):
        if value:
            answer[name] = value
    return answer


def _found(catalogue: HttpCatalogue, params: Mapping[str, Any]) -> tuple[HttpApi, Integration, IntegrationResponse]:
    api, integration = integrations.PART.found(catalogue, params)
    response = integration.responses.get(params["IntegrationResponseId"])
    if response is None:
        raise missing("IntegrationResponse", params["IntegrationResponseId"])
    return api, integration, response


async def _save(
    catalogue: HttpCatalogue, api: HttpApi, integration: Integration, response: IntegrationResponse
) -> None:
    if any(one.key == response.key and one.id != response.id for one in integration.responses.values()):
        raise conflict(f"IntegrationResponse with key {response.key} already exists for this integration")
    responses = {**integration.responses, response.id: response}
    changed = msgspec.structs.replace(integration, responses=responses)
    await integrations.PART.save(catalogue, api, integration.id, changed)
