"""Lambda authorizers of REST APIs (TOKEN, REQUEST), as they are configured. COGNITO_USER_POOLS is refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.apis import page
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.patching import One, patched, whole
from antipodes.services.apigateway.v1.records import Api, Authorizer, bad_request, conflict, missing
from antipodes.services.apigateway.v1.routing import function_of
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

DEFAULT_SOURCE = "method.request.header.Authorization"
TOKEN_SOURCE = re.compile(r"method\.request\.header\.[^\s.,]+")
REQUEST_SOURCE = re.compile(r"method\.request\.(?:header|querystring)\.[^\s,]+|context\.[\w.]+|stageVariables\.\w+")
TABLE = {
    "/name": One("name"),
    "/authorizerUri": One("uri"),
    "/authorizerCredentials": One("credentials", gone=""),
    "/identitySource": One("source", gone=""),
    "/identityValidationExpression": One("validation", gone=""),
    "/authorizerResultTtlInSeconds": One("ttl_s", whole),
    "/type": One("kind"),
    "/authType": One("auth_type", gone=""),
}


async def create_authorizer(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    authorizer = authorizer_of(catalogue.new_id(6), request.params)
    await _save(catalogue, api, authorizer)
    return shown(authorizer)


async def get_authorizer(catalogue: Catalogue, request: Request) -> Result:
    _, authorizer = _found(catalogue, request)
    await catalogue.settled()
    return shown(authorizer)


async def get_authorizers(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    await catalogue.settled()
    return page([shown(api.authorizers[key]) for key in sorted(api.authorizers)], request.params)


async def update_authorizer(catalogue: Catalogue, request: Request) -> Result:
    api, authorizer = _found(catalogue, request)
    after = patched(authorizer, request.params.get("patchOperations"), TABLE, "UpdateAuthorizer")
    authorizer = authorizer_of(after.id, shown(after))
    await _save(catalogue, api, authorizer)
    return shown(authorizer)


async def delete_authorizer(catalogue: Catalogue, request: Request) -> Result:
    api, authorizer = _found(catalogue, request)
    for resource in api.resources.values():
        for method in resource.methods.values():
            if method.authorizer_id == authorizer.id:
                raise conflict(
                    f"Cannot delete authorizer '{authorizer.name}', is referenced in method: "
                    f"{method.verb} {resource.path}"
                )
    kept = {key: one for key, one in api.authorizers.items() if key != authorizer.id}
    await catalogue.save_api(msgspec.structs.replace(api, authorizers=kept))
    return {}


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
    answer: dict[str, Any] = {
        "id": authorizer.id,
        "name": authorizer.name,
        "type": authorizer.kind,
        "authType": authorizer.auth_type,
        "authorizerUri": authorizer.uri,
        "authorizerResultTtlInSeconds": authorizer.ttl_s,
    }
    for key, value in (
        ("authorizerCredentials", authorizer.credentials),
        ("identitySource", authorizer.source),
        ("identityValidationExpression", authorizer.validation),
    ):
        if value:
            answer[key] = value
    return answer


async def _save(catalogue: Catalogue, api: Api, authorizer: Authorizer) -> None:
    if any(one.name == authorizer.name and one.id != authorizer.id for one in api.authorizers.values()):
        raise conflict(f"Authorizer name must be unique. Authorizer {authorizer.name} already exists in this RestApi.")
    changed = {**api.authorizers, authorizer.id: authorizer}
    await catalogue.save_api(msgspec.structs.replace(api, authorizers=changed))


def _found(catalogue: Catalogue, request: Request) -> tuple[Api, Authorizer]:
    api = catalogue.api(request.params["restApiId"])
    authorizer = api.authorizers.get(request.params["authorizerId"])
    if authorizer is None:
        raise missing("Invalid Authorizer identifier specified")
    return api, authorizer
