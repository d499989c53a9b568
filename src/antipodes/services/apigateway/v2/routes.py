"""Routes of HTTP and WebSocket APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.parts import Part
from antipodes.services.apigateway.v2.records import DEFAULT, WEBSOCKET, HttpApi, Route
from antipodes.services.apigateway.v2.routing import is_route_key
from antipodes.services.apigateway.v2.sockets import settings
from antipodes.services.apigateway.v2.sockets.behind import check_selection
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

REFUSED = ("ApiKeyRequired", "RequestParameters")
SOCKETS_ONLY = ("ModelSelectionExpression", "RequestModels")


async def create_route(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    route = _changed(api, Route(id=catalogue.shared.new_id(7), key=""), request.params)
    return await PART.save(catalogue, api, route.id, route)


async def update_route(catalogue: HttpCatalogue, request: Request) -> Result:
    api, before = PART.found(catalogue, request.params)
    route = _changed(api, before, request.params)
    return await PART.save(catalogue, api, route.id, route)


def with_route(api: HttpApi, route: Route) -> HttpApi:
    return msgspec.structs.replace(api, routes={**api.routes, route.id: route})


def check_key(key: str) -> None:
    """Raises BadRequestException."""
    if not is_route_key(key):
        raise bad_request(
            "The provided route key is not formatted properly for HTTP protocol. Format should be "
            f'"<HTTP METHOD> /<RESOURCE PATH>" or "$default"; it is {key}'
        )


def authorization_of(api: HttpApi, route: Route) -> str:
    """ "NONE", "AWS_IAM", "JWT" or "CUSTOM"."""
    if route.iam:
        return "AWS_IAM"
    authorizer = api.authorizers.get(route.authorizer_id)
    return "NONE" if authorizer is None else "JWT" if authorizer.issuer else "CUSTOM"


def shown(api: HttpApi, route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "ApiKeyRequired": False,
        "AuthorizationType": authorization_of(api, route),
        "RouteId": route.id,
        "RouteKey": route.key,
    }
    if route.integration_id:
        answer["Target"] = f"integrations/{route.integration_id}"
    if route.authorizer_id:
        answer["AuthorizerId"] = route.authorizer_id
    if route.response_selection:
        answer["RouteResponseSelectionExpression"] = route.response_selection
    if route.model_selection:
        answer["ModelSelectionExpression"] = route.model_selection
    if route.request_models:
        answer["RequestModels"] = dict(route.request_models)
    if route.scopes:
        answer["AuthorizationScopes"] = list(route.scopes)
    if route.operation_name:
        answer["OperationName"] = route.operation_name
    if route.managed:
        answer["ApiGatewayManaged"] = True
    return answer


def _changed(api: HttpApi, route: Route, params: Mapping[str, Any]) -> Route:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of routes of {api.protocol} APIs")
    for name in SOCKETS_ONLY:
        if params.get(name) and api.protocol != WEBSOCKET:  # the words are a guess
            raise bad_request(f"{name} is not supported on protocolType HTTP")
    route = _modelled(api, route, params)
    answers = params.get("RouteResponseSelectionExpression")
    if answers:
        if api.protocol != WEBSOCKET or answers != DEFAULT:
            raise NotSupported(f"RouteResponseSelectionExpression {answers} of {api.protocol} APIs")
        route = msgspec.structs.replace(route, response_selection=answers)
    route = _authorized(api, route, params)
    key = params.get("RouteKey")
    if key is not None:
        if api.protocol == WEBSOCKET:
            settings.check_key(key)
        else:
            check_key(key)
        if any(other.key == key and other.id != route.id for other in api.routes.values()):
            raise conflict(f"Route with key {key} already exists for this API")
        route = msgspec.structs.replace(route, key=key)
    target = params.get("Target")
    if target is not None:
        kind, _, integration_id = str(target).partition("/")
        if kind != "integrations" or integration_id not in api.integrations:
            raise bad_request(f"Invalid route target {target}: it names no integration of this API")
        route = msgspec.structs.replace(route, integration_id=integration_id)
    if params.get("OperationName") is not None:
        route = msgspec.structs.replace(route, operation_name=params["OperationName"])
    return route


def _modelled(api: HttpApi, route: Route, params: Mapping[str, Any]) -> Route:
    """The route with the models by which messages are checked."""
    selection, models = params.get("ModelSelectionExpression"), params.get("RequestModels")
    if selection is not None:
        check_selection(selection, "ModelSelectionExpression")
        route = msgspec.structs.replace(route, model_selection=selection)
    if models is not None:
        known = {model.name for model in api.models.values()}
        for name in models.values():
            if name not in known:  # the words are a guess
                raise bad_request(f"Invalid model name specified: {name}")
        route = msgspec.structs.replace(route, request_models=dict(models))
    return route


def _authorized(api: HttpApi, route: Route, params: Mapping[str, Any]) -> Route:
    kind, named = params.get("AuthorizationType"), params.get("AuthorizerId") or ""
    if api.protocol == WEBSOCKET and kind not in (None, "", "NONE"):
        key = params.get("RouteKey") or route.key
        if key != settings.CONNECT:  # the words are a guess
            raise bad_request(f"Currently, authorization is only supported for the $connect route, not for {key}")
    if kind or named:
        route = authorized(api, route, kind or "", named or ("" if kind == "AWS_IAM" else route.authorizer_id))
    scopes = params.get("AuthorizationScopes")
    if scopes is not None:
        route = msgspec.structs.replace(route, scopes=tuple(str(one) for one in scopes))
    if route.scopes and authorization_of(api, route) != "JWT":
        if scopes:
            raise bad_request("Authorization scopes are only allowed for JWT authorizers")  # the words are a guess
        route = msgspec.structs.replace(route, scopes=())
    return route


def authorized(api: HttpApi, route: Route, kind: str, authorizer_id: str) -> Route:
    """The route with an authorization of this AuthorizationType ("": whatever the authorizer is). Raises
    BadRequestException."""
    if kind in {"NONE", "AWS_IAM"}:
        return msgspec.structs.replace(route, authorizer_id="", iam=kind == "AWS_IAM")
    authorizer = api.authorizers.get(authorizer_id)
    if authorizer is None:
        raise bad_request(
            f"Invalid authorizer ID specified. It names no authorizer of this API: {authorizer_id or '(none)'}"
        )
    if kind and (kind == "JWT") != bool(authorizer.issuer):  # the words are a guess
        raise bad_request(f"Authorizer {authorizer_id} is not of the type that AuthorizationType {kind} needs")
    return msgspec.structs.replace(route, authorizer_id=authorizer_id, iam=False)


PART: Part[Route] = Part("Route", "routes", shown)
