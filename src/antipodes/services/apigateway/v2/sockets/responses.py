"""Route responses: a route of a WebSocket API that has one sends what its function answers back to the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.services.apigateway.v2 import routes
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import HttpApi, Route, missing
from antipodes.services.apigateway.v2.routes import with_route
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

KEY = "$default"
REFUSED = ("ModelSelectionExpression", "ResponseModels", "ResponseParameters")


async def create_route_response(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api, route = routes.PART.found(catalogue, params)
    if api.protocol != "WEBSOCKET":
        raise bad_request("Route responses are not supported on protocolType HTTP")  # the words are a guess
    _check(params)
    if params["RouteResponseKey"] != KEY:
        raise bad_request(f"Route response key can only be {KEY}")
    if route.response_id:
        raise conflict(f"Route response with key {KEY} already exists for this route")
    route = msgspec.structs.replace(route, response_id=catalogue.shared.new_id(7))
    await catalogue.save_api(with_route(api, route))
    return _shown(route)


async def update_route_response(catalogue: HttpCatalogue, request: Request) -> Result:
    _, route = _found(catalogue, request.params)
    _check(request.params)
    return _shown(route)


async def get_route_response(catalogue: HttpCatalogue, request: Request) -> Result:
    _, route = _found(catalogue, request.params)
    await catalogue.shared.settled()
    return _shown(route)


async def get_route_responses(catalogue: HttpCatalogue, request: Request) -> Result:
    _, route = routes.PART.found(catalogue, request.params)
    await catalogue.shared.settled()
    return page([_shown(route)] if route.response_id else [], request.params)


async def delete_route_response(catalogue: HttpCatalogue, request: Request) -> Result:
    api, route = _found(catalogue, request.params)
    await catalogue.save_api(with_route(api, msgspec.structs.replace(route, response_id="")))
    return {}


def _check(params: Mapping[str, Any]) -> None:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of route responses")


def _shown(route: Route) -> dict[str, Any]:
    return {"RouteResponseId": route.response_id, "RouteResponseKey": KEY}


def _found(catalogue: HttpCatalogue, params: Mapping[str, Any]) -> tuple[HttpApi, Route]:
    api, route = routes.PART.found(catalogue, params)
    if not route.response_id or route.response_id != params["RouteResponseId"]:
        raise missing("RouteResponse", params["RouteResponseId"])
    return api, route
