"""Lambda authorizers of REST APIs (TOKEN, REQUEST), as they are configured. COGNITO_USER_POOLS is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from antipodes.services.apigateway.v1.apis import APIS
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.kinds import Nested, Params
from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.patching import One, Table, whole
from antipodes.services.apigateway.v1.records import Authorizer, bad_request, conflict, methods_of, missing
from antipodes.services.apigateway.v1.routing import function_of
from antipodes.wire.errors import NotSupported

DEFAULT_SOURCE = "method.request.header.Authorization"
TOKEN_SOURCE = re.compile(r"method\.request\.header\.[^\s.,]+")
REQUEST_SOURCE = re.compile(r"method\.request\.(?:header|querystring)\.[^\s,]+|context\.[\w.]+|stageVariables\.\w+")
TABLE: Table = {
    "/name": One("name"),
    "/authorizerUri": One("uri"),
    "/authorizerCredentials": One("credentials", gone=""),
    "/identitySource": One("source", gone=""),
    "/identityValidationExpression": One("validation", gone=""),
    "/authorizerResultTtlInSeconds": One("ttl_s", whole),
    "/type": One("kind"),
    "/authType": One("auth_type", gone=""),
}


def authorizer_of(authorizer_id: str, params: Mapping[str, Any]) -> Authorizer:
    """From CreateAuthorizer's parameters. Raises BadRequestException, UnsupportedOperation."""
    name, kind = str(params.get("name") or ""), str(params.get("type") or "")
    if kind == "COGNITO_USER_POOLS":
        raise NotSupported(f"authorizers of type COGNITO_USER_POOLS ({name})")
    if kind not in {"TOKEN", "REQUEST"}:
        raise bad_request(f"Invalid authorizer type '{kind}'; one of TOKEN, REQUEST, COGNITO_USER_POOLS.")
    if not name:
        raise bad_request("Authorizer name cannot be empty")
    uri = str(params.get("authorizerUri") or "")
    if function_of(uri) is None:
        raise bad_request(f"Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN")
    ttl = params.get("authorizerResultTtlInSeconds")
    try:
        ttl_s = 300 if ttl is None else int(ttl)
    except (TypeError, ValueError) as error:
        raise bad_request(f"Invalid authorizerResultTtlInSeconds: {ttl}") from error
    if not 0 <= ttl_s <= 3600:
        raise bad_request("Authorizer result TTL must be between 0 and 3600 seconds")
    source = str(params.get("identitySource") or "")
    if kind == "TOKEN":
        source = source or DEFAULT_SOURCE
    elif ttl_s and not source:
        raise bad_request("Identity source is required when authorizer caching is enabled")  # the words are a guess
    form = TOKEN_SOURCE if kind == "TOKEN" else REQUEST_SOURCE
    for one in [one.strip() for one in source.split(",")] if source else ():
        if form.fullmatch(one) is None:
            raise bad_request(f"Invalid mapping expression specified: {one}")
    validation = str(params.get("identityValidationExpression") or "")
    try:
        re.compile(validation)
    except re.error as error:
        raise bad_request(f"Invalid identity validation expression: {validation}") from error
    return Authorizer(
        id=authorizer_id,
        name=name,
        kind=kind,
        uri=uri,
        auth_type=str(params.get("authType") or "custom"),
        credentials=str(params.get("authorizerCredentials") or ""),
        source=source,
        validation=validation,
        ttl_s=ttl_s,
    )


def shown(authorizer: Authorizer) -> dict[str, Any]:
    return answered(
        {
            "id": authorizer.id,
            "name": authorizer.name,
            "type": authorizer.kind,
            "authType": authorizer.auth_type,
            "authorizerUri": authorizer.uri,
            "authorizerResultTtlInSeconds": authorizer.ttl_s,
        },
        authorizerCredentials=authorizer.credentials,
        identitySource=authorizer.source,
        identityValidationExpression=authorizer.validation,
    )


def _unique(catalogue: Catalogue, params: Params, authorizer: Authorizer) -> Authorizer:
    there = APIS.find(catalogue, params).authorizers.values()
    if any(one.name == authorizer.name and one.id != authorizer.id for one in there):
        raise conflict(f"Authorizer name must be unique. Authorizer {authorizer.name} already exists in this RestApi.")
    return authorizer


def _check_unused(catalogue: Catalogue, params: Params, authorizer: Authorizer) -> None:
    for resource, method in methods_of(APIS.find(catalogue, params)):
        if method.authorizer_id == authorizer.id:
            where = f"{method.verb} {resource.path}"
            raise conflict(f"Cannot delete authorizer '{authorizer.name}', is referenced in method: {where}")


AUTHORIZERS = Nested(
    owner=APIS,
    attribute="authorizers",
    key="id",
    asked=itemgetter("authorizerId"),
    absent=lambda _: missing("Invalid Authorizer identifier specified"),
    shown=shown,
    made=lambda catalogue, params: _unique(catalogue, params, authorizer_of(catalogue.new_id(6), params)),
    patches=TABLE,
    changed=lambda catalogue, params, _, after: _unique(catalogue, params, authorizer_of(after.id, shown(after))),
    check_unused=_check_unused,
)
