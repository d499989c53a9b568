"""HTTP and WebSocket APIs: creating (quick create too), importing, reading, changing, deleting; CORS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.records import bad_request
from antipodes.services.apigateway.v2 import openapi
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.integrations import integration_of
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import DEFAULT, WEBSOCKET, HttpApi, HttpStage, Integration, Route
from antipodes.services.apigateway.v2.routes import check_key
from antipodes.services.apigateway.v2.routing import lambda_of
from antipodes.services.apigateway.v2.sockets.settings import selection_of
from antipodes.wire import cors
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

SELECTION = "${request.method} ${request.path}"
KEY_SELECTION = "$request.header.x-api-key"
HTTP_ONLY = ("CorsConfiguration", "RouteKey", "Target")
REFUSED = ("CredentialsArn", "DisableSchemaValidation")


async def create_api(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    protocol, selection = params["ProtocolType"], str(params.get("RouteSelectionExpression") or "")
    if protocol not in {"HTTP", WEBSOCKET}:
        raise bad_request(f"Invalid protocol type {protocol}: HTTP or WEBSOCKET")
    _refuse(params, protocol)
    if not params["Name"]:
        raise bad_request("Name must not be empty")
    if protocol == WEBSOCKET:
        selection_of(selection)
    api = HttpApi(
        id=catalogue.shared.new_id(10),
        name=params["Name"],
        created=catalogue.surroundings.world.now(),
        description=params.get("Description") or "",
        version=params.get("Version") or "",
        protocol=protocol,
        selection=selection if protocol == WEBSOCKET else "",
        cors=_cors(params.get("CorsConfiguration")),
        endpoint_disabled=bool(params.get("DisableExecuteApiEndpoint")),
        tags=dict(params.get("Tags") or {}),
    )
    if not params.get("Target"):
        if params.get("RouteKey"):
            raise bad_request("RouteKey is a part of quick create; it needs a Target")
        await catalogue.save_api(api)
        return shown(catalogue, api)
    api = _target(catalogue, api, str(params["Target"]), str(params.get("RouteKey") or DEFAULT))
    now = api.created
    stage = HttpStage(api_id=api.id, name=DEFAULT, created=now, updated=now, auto_deploy=True, managed=True)
    await catalogue.save_api(api, stages=(stage,))
    return shown(catalogue, api)


async def update_api(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["ApiId"])
    _refuse(params, api.protocol)
    if api.protocol == WEBSOCKET and params.get("RouteSelectionExpression"):
        selection_of(params["RouteSelectionExpression"])
        api = msgspec.structs.replace(api, selection=params["RouteSelectionExpression"])
    for name, attribute in (("Name", "name"), ("Description", "description"), ("Version", "version")):
        if params.get(name) is not None:
            api = msgspec.structs.replace(api, **{attribute: params[name]})
    if params.get("DisableExecuteApiEndpoint") is not None:
        api = msgspec.structs.replace(api, endpoint_disabled=bool(params["DisableExecuteApiEndpoint"]))
    if params.get("CorsConfiguration") is not None:
        api = msgspec.structs.replace(api, cors=_cors(params["CorsConfiguration"]))
    if params.get("Target") or params.get("RouteKey"):
        managed = next((route for route in api.routes.values() if route.managed), None)
        if managed is None:
            raise bad_request("Target and RouteKey can only be changed for APIs created with quick create")
        uri = params.get("Target") or api.integrations[managed.integration_id].uri
        kept = {key: route for key, route in api.routes.items() if key != managed.id}
        rest = {key: one for key, one in api.integrations.items() if key != managed.integration_id}
        api = msgspec.structs.replace(api, routes=kept, integrations=rest)
        api = _target(catalogue, api, str(uri), str(params.get("RouteKey") or managed.key))
    await catalogue.save_api(api)
    return shown(catalogue, api)


async def import_api(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    if params.get("Basepath") not in (None, "", "ignore"):
        raise NotSupported(f"Basepath {params['Basepath']} of ImportApi")
    bare = HttpApi(id=catalogue.shared.new_id(10), name="", created=catalogue.surroundings.world.now())
    api = openapi.imported(bare, str(params["Body"]), catalogue.shared.new_id)
    await catalogue.save_api(api)
    return shown(catalogue, api)


async def reimport_api(catalogue: HttpCatalogue, request: Request) -> Result:
    """The document takes the place of all routes, integrations and settings; stages stay."""
    params = request.params
    if params.get("Basepath") not in (None, "", "ignore"):
        raise NotSupported(f"Basepath {params['Basepath']} of ReimportApi")
    before = catalogue.api(params["ApiId"])
    if before.protocol == WEBSOCKET:
        raise NotSupported("ReimportApi of WebSocket APIs")  # AWS imports HTTP APIs alone, too
    bare = HttpApi(id=before.id, name=before.name, created=before.created, tags=before.tags)
    api = openapi.imported(bare, str(params["Body"]), catalogue.shared.new_id)
    await catalogue.save_api(api)
    return shown(catalogue, api)


async def get_api(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    await catalogue.shared.settled()
    return shown(catalogue, api)


async def get_apis(catalogue: HttpCatalogue, request: Request) -> Result:
    await catalogue.shared.settled()
    return page([shown(catalogue, catalogue.apis[key]) for key in sorted(catalogue.apis)], request.params)


async def delete_api(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    used = catalogue.mapped(api.id)
    if used:  # the words are a guess
        raise bad_request(f"Please remove all API mappings related to the API in your domains: {', '.join(used)}")
    await catalogue.delete_api(api)
    return {}


async def delete_cors_configuration(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    await catalogue.save_api(msgspec.structs.replace(api, cors=None))
    return {}


def shown(catalogue: HttpCatalogue, api: HttpApi) -> dict[str, Any]:
    region = catalogue.surroundings.region
    answer: dict[str, Any] = {
        "ApiEndpoint": f"{'wss' if api.protocol == WEBSOCKET else 'https'}://{api.id}.execute-api.{region}.amazonaws.com",
        "ApiId": api.id,
        "ApiKeySelectionExpression": KEY_SELECTION,
        "CreatedDate": api.created,
        "DisableExecuteApiEndpoint": api.endpoint_disabled,
        "IpAddressType": "ipv4",
        "Name": api.name,
        "ProtocolType": api.protocol,
        "RouteSelectionExpression": api.selection or SELECTION,
        "Tags": dict(api.tags),
    }
    if api.cors is not None:
        answer["CorsConfiguration"] = cors.shown(api.cors)
    if api.description:
        answer["Description"] = api.description
    if api.version:
        answer["Version"] = api.version
    return answer


def _cors(given: Mapping[str, Any] | None) -> cors.Cors | None:
    if given is None:
        return None
    found = cors.cors_of(given)
    if found.credentials and "*" in found.origins:  # the words are a guess
        raise bad_request("allowCredentials cannot be true when allowOrigins is *")
    return found


def _target(catalogue: HttpCatalogue, api: HttpApi, target: str, key: str) -> HttpApi:
    """The API with quick create's integration and route."""
    check_key(key)
    if any(route.key == key for route in api.routes.values()):
        raise bad_request(f"Route with key {key} already exists")
    kind = {"IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0"}
    if lambda_of(target) is None:
        kind = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "PayloadFormatVersion": "1.0"}
    one = integration_of({**kind, "IntegrationUri": target}, catalogue.shared.new_id(7))
    integration: Integration = msgspec.structs.replace(one, managed=True)
    route = Route(id=catalogue.shared.new_id(7), key=key, integration_id=integration.id, managed=True)
    return msgspec.structs.replace(
        api,
        routes={**api.routes, route.id: route},
        integrations={**api.integrations, integration.id: integration},
    )


def _refuse(params: Mapping[str, Any], protocol: str) -> None:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of {protocol} APIs")
    if protocol == WEBSOCKET:
        for name in HTTP_ONLY:
            if params.get(name):  # the words are a guess
                raise bad_request(f"{name} is not supported on protocolType WEBSOCKET")
    elif params.get("RouteSelectionExpression") not in (None, "", SELECTION):
        raise bad_request(f"RouteSelectionExpression of an HTTP API can only be {SELECTION}")
    if params.get("ApiKeySelectionExpression") not in (None, "", KEY_SELECTION):
        raise NotSupported(f"ApiKeySelectionExpression of {protocol} APIs")
    if params.get("IpAddressType") not in (None, "", "ipv4"):
        raise NotSupported(f"IpAddressType {params['IpAddressType']} of {protocol} APIs")
