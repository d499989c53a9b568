"""Lambda authorizers of HTTP APIs (AuthorizerType REQUEST), as they are configured. JWT is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.records import bad_request, conflict
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import Authorizer, HttpApi, missing
from antipodes.services.apigateway.v2.routing import lambda_of
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

SOURCE = re.compile(r"\$request\.(header|querystring)\.[^.\s]+|\$context\.routeKey|\$stageVariables\.\w+")
REFUSED = ("AuthorizerCredentialsArn", "IdentityValidationExpression", "JwtConfiguration")


async def create_authorizer(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    authorizer = authorizer_of(request.params, catalogue.shared.new_id(6))
    await _save(catalogue, api, authorizer)
    return shown(authorizer)


async def update_authorizer(catalogue: HttpCatalogue, request: Request) -> Result:
    api, before = _found(catalogue, request.params)
    changed = {key: value for key, value in request.params.items() if value is not None}
    authorizer = authorizer_of({**shown(before), **changed}, before.id)
    await _save(catalogue, api, authorizer)
    return shown(authorizer)


async def get_authorizer(catalogue: HttpCatalogue, request: Request) -> Result:
    _, authorizer = _found(catalogue, request.params)
    await catalogue.shared.settled()
    return shown(authorizer)


async def get_authorizers(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    await catalogue.shared.settled()
    return page([shown(api.authorizers[key]) for key in sorted(api.authorizers)], request.params)


async def delete_authorizer(catalogue: HttpCatalogue, request: Request) -> Result:
    api, authorizer = _found(catalogue, request.params)
    used = [route.key for route in api.routes.values() if route.authorizer_id == authorizer.id]
    if used:  # the words are a guess
        raise conflict(f"Cannot delete authorizer '{authorizer.name}', is referenced in route: {used[0]}")
    kept = {key: one for key, one in api.authorizers.items() if key != authorizer.id}
    await catalogue.save_api(msgspec.structs.replace(api, authorizers=kept))
    return {}


def authorizer_of(params: Mapping[str, Any], authorizer_id: str) -> Authorizer:
    """From the parameters of CreateAuthorizer. Raises BadRequestException, UnsupportedOperation."""
    name, kind = str(params.get("Name") or ""), params.get("AuthorizerType")
    if kind != "REQUEST":
        raise NotSupported(f"authorizers of type {kind} ({name})")
    for refused in REFUSED:
        if params.get(refused):
            raise NotSupported(f"{refused} of authorizers ({name})")
    uri = str(params.get("AuthorizerUri") or "")
    if lambda_of(uri) is None:
        raise bad_request(f"Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN")
    payload = str(params.get("AuthorizerPayloadFormatVersion") or "")
    if payload not in {"1.0", "2.0"}:
        raise bad_request("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
    simple = bool(params.get("EnableSimpleResponses"))
    if simple and payload != "2.0":
        raise bad_request("EnableSimpleResponses needs AuthorizerPayloadFormatVersion 2.0")  # the words are a guess
    sources = tuple(str(one) for one in params.get("IdentitySource") or ())
    for source in sources:
        if SOURCE.fullmatch(source) is None:
            raise bad_request(f"Invalid mapping expression specified: {source}")
    ttl_s = int(params.get("AuthorizerResultTtlInSeconds") or 0)  # without a word no caching (unverified)
    if ttl_s and not sources:
        raise bad_request("Identity source is required when caching is enabled")  # the words are a guess
    return Authorizer(
        id=authorizer_id, name=name, uri=uri, payload=payload, simple=simple, sources=sources, ttl_s=ttl_s
    )


def shown(authorizer: Authorizer) -> dict[str, Any]:
    return {
        "AuthorizerId": authorizer.id,
        "AuthorizerPayloadFormatVersion": authorizer.payload,
        "AuthorizerResultTtlInSeconds": authorizer.ttl_s,
        "AuthorizerType": "REQUEST",
        "AuthorizerUri": authorizer.uri,
        "EnableSimpleResponses": authorizer.simple,
        "IdentitySource": list(authorizer.sources),
        "Name": authorizer.name,
    }


async def _save(catalogue: HttpCatalogue, api: HttpApi, authorizer: Authorizer) -> None:
    if any(one.name == authorizer.name and one.id != authorizer.id for one in api.authorizers.values()):
        raise conflict(f"Authorizer name must be unique. Authorizer {authorizer.name} already exists in this API.")
    changed = {**api.authorizers, authorizer.id: authorizer}
    await catalogue.save_api(msgspec.structs.replace(api, authorizers=changed))


def _found(catalogue: HttpCatalogue, params: Mapping[str, Any]) -> tuple[HttpApi, Authorizer]:
    api = catalogue.api(params["ApiId"])
    authorizer = api.authorizers.get(params["AuthorizerId"])
    if authorizer is None:
        raise missing("Authorizer", params["AuthorizerId"])
    return api, authorizer
