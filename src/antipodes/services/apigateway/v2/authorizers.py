"""Authorizers of HTTP APIs, as they are configured: Lambda functions (REQUEST) and JSON web tokens (JWT)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.parts import Part
from antipodes.services.apigateway.v2.records import WEBSOCKET, Authorizer, HttpApi
from antipodes.services.apigateway.v2.routing import lambda_of
from antipodes.services.apigateway.v2.sockets import settings
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

SOURCE = re.compile(r"\$request\.(header|querystring)\.[^.\s]+|\$context\.routeKey|\$stageVariables\.\w+")
REFUSED = ("AuthorizerCredentialsArn", "IdentityValidationExpression")
# Of functions alone, and of tokens alone.
FUNCTIONS = ("AuthorizerUri", "AuthorizerPayloadFormatVersion", "AuthorizerResultTtlInSeconds", "EnableSimpleResponses")
TOKEN_SOURCE = re.compile(r"\$request\.(header|querystring)\.[^.\s]+")
ISSUER = re.compile(r"https?://[^\s?#]+")


async def create_authorizer(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    authorizer = _of(api, request.params, catalogue.shared.new_id(6))
    return await _save(catalogue, api, authorizer)


async def update_authorizer(catalogue: HttpCatalogue, request: Request) -> Result:
    api, before = PART.found(catalogue, request.params)
    changed = {key: value for key, value in request.params.items() if value is not None}
    authorizer = _of(api, {**shown(api, before), **changed}, before.id)
    return await _save(catalogue, api, authorizer)


def authorizer_of(params: Mapping[str, Any], authorizer_id: str) -> Authorizer:
    """From the parameters of CreateAuthorizer. Raises BadRequestException, UnsupportedOperation."""
    name, kind = str(params.get("Name") or ""), params.get("AuthorizerType")
    for refused in REFUSED:
        if params.get(refused):
            raise NotSupported(f"{refused} of authorizers ({name})")
    if kind == "JWT":
        return _token_authorizer(params, authorizer_id, name)
    if kind != "REQUEST":
        raise bad_request(f"Invalid authorizer type {kind} ({name})")
    if params.get("JwtConfiguration"):
        raise bad_request("JwtConfiguration is not allowed for REQUEST authorizers")  # the words are a guess
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


def _token_authorizer(params: Mapping[str, Any], authorizer_id: str, name: str) -> Authorizer:
    for refused in FUNCTIONS:
        if params.get(refused):
            raise bad_request(f"{refused} is not allowed for JWT authorizers")  # the words are a guess
    sources = tuple(str(one) for one in params.get("IdentitySource") or ())
    if len(sources) != 1:
        raise bad_request("Identity source is required for JWT authorizers: exactly one")  # the words are a guess
    if TOKEN_SOURCE.fullmatch(sources[0]) is None:
        raise bad_request(f"Invalid mapping expression specified: {sources[0]}")
    configuration = params.get("JwtConfiguration") or {}
    issuer, audience = str(configuration.get("Issuer") or ""), configuration.get("Audience")
    if ISSUER.fullmatch(issuer) is None:
        raise bad_request(
            f"Invalid issuer: {issuer or '(none)'}. Issuer must have a valid URL."
        )  # after AWS's, a guess
    if not isinstance(audience, list | tuple) or not audience:
        raise bad_request("Audience list must have at least 1 item for JWT Authorizer")
    return Authorizer(id=authorizer_id, name=name, sources=sources, issuer=issuer, audience=tuple(audience))


def shown(_: HttpApi, authorizer: Authorizer) -> dict[str, Any]:
    if authorizer.issuer:
        return {
            "AuthorizerId": authorizer.id,
            "AuthorizerType": "JWT",
            "IdentitySource": list(authorizer.sources),
            "JwtConfiguration": {"Audience": list(authorizer.audience), "Issuer": authorizer.issuer},
            "Name": authorizer.name,
        }
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


def _of(api: HttpApi, params: Mapping[str, Any], authorizer_id: str) -> Authorizer:
    of = settings.authorizer_of if api.protocol == WEBSOCKET else authorizer_of
    return of(params, authorizer_id)


async def _save(catalogue: HttpCatalogue, api: HttpApi, authorizer: Authorizer) -> dict[str, Any]:
    if any(one.name == authorizer.name and one.id != authorizer.id for one in api.authorizers.values()):
        raise conflict(f"Authorizer name must be unique. Authorizer {authorizer.name} already exists in this API.")
    return await PART.save(catalogue, api, authorizer.id, authorizer)


def _check_unused(api: HttpApi, authorizer: Authorizer) -> None:
    used = [route.key for route in api.routes.values() if route.authorizer_id == authorizer.id]
    if used:  # the words are a guess
        raise conflict(f"Cannot delete authorizer '{authorizer.name}', is referenced in route: {used[0]}")


PART: Part[Authorizer] = Part("Authorizer", "authorizers", shown, _check_unused)
