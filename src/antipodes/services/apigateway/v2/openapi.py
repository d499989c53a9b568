"""OpenAPI 3 documents with AWS's extensions, to an HTTP API's routes and integrations. Pure, but for the ids it draws.

What stands in a document and is not carried out is refused by name, never dropped in silence: integrations other than
aws_proxy and http_proxy, policies. Schemas change nothing: HTTP APIs do not validate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.openapi import EXTENSION, VERBS, parse
from antipodes.services.apigateway.v1.records import ANY, bad_request
from antipodes.services.apigateway.v2.authorizers import authorizer_of
from antipodes.services.apigateway.v2.integrations import integration_of
from antipodes.services.apigateway.v2.records import DEFAULT, Authorizer, HttpApi, Integration, Route
from antipodes.services.apigateway.v2.routes import authorized, check_key
from antipodes.wire import cors
from antipodes.wire.errors import NotSupported

NewId = Callable[[int], str]
ANY_METHOD = EXTENSION + "any-method"
AUTH = EXTENSION + "auth"
OPEN = "NONE"
# An integration's members in a document, and as CreateIntegration calls them.
MEMBERS = {
    "type": "IntegrationType",
    "uri": "IntegrationUri",
    "httpMethod": "IntegrationMethod",
    "payloadFormatVersion": "PayloadFormatVersion",
    "timeoutInMillis": "TimeoutInMillis",
    "connectionType": "ConnectionType",
    "connectionId": "ConnectionId",
    "credentials": "CredentialsArn",
    "requestParameters": "RequestParameters",
    "responseParameters": "ResponseParameters",
    "integrationSubtype": "IntegrationSubtype",
    "tlsConfig": "TlsConfig",
    "description": "Description",
}


def imported(api: HttpApi, text: str, new_id: NewId) -> HttpApi:
    """The (bare) API with what the document says. Raises BadRequestException, UnsupportedOperation."""
    try:
        found = _imported(api, text, new_id)
        # What does not read back as it was written must not be written.
        return msgspec.msgpack.decode(msgspec.msgpack.encode(found), type=HttpApi)
    except (AttributeError, KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        # The document is read as if each part had the shape that OpenAPI gives it; one that has not ends up here.
        raise bad_request(
            f"Invalid OpenAPI input: a part has another shape than OpenAPI gives it ({error})."
        ) from error


def _imported(api: HttpApi, text: str, new_id: NewId) -> HttpApi:
    document = parse(text.encode())
    if "openapi" not in document:
        raise bad_request("HTTP APIs are imported from OpenAPI 3.0 documents only.")
    info = document.get("info") or {}
    if document.get(EXTENSION + "policy"):
        raise NotSupported(f"{EXTENSION}policy in OpenAPI documents of HTTP APIs")
    given = document.get(EXTENSION + "cors")
    tags = {
        str(tag["name"]): str(tag[EXTENSION + "tag-value"])
        for tag in document.get("tags") or ()
        if isinstance(tag, dict) and EXTENSION + "tag-value" in tag
    }
    api = msgspec.structs.replace(
        api,
        name=str(info.get("title") or api.name or "API"),
        description=str(info.get("description") or ""),
        version=str(info.get("version") or ""),
        cors=_cors(given) if given else None,
        tags={**api.tags, **tags},
        endpoint_disabled=_endpoint_disabled(document),
    )
    authorizers = _authorizers(document, new_id)
    guarded = msgspec.structs.replace(api, authorizers=authorizers)
    routes: dict[str, Route] = {}
    integrations: dict[str, Integration] = {}
    for key, operation in _operations(document):
        check_key(key)
        integration = _integration(document, operation, key, new_id)
        if integration is not None:
            integrations[integration.id] = integration
        route = Route(
            id=new_id(7),
            key=key,
            integration_id=integration.id if integration is not None else "",
            operation_name=str(operation.get("operationId") or ""),
        )
        routes[route.id] = _secured(guarded, route, document, operation)
    return msgspec.structs.replace(api, routes=routes, integrations=integrations, authorizers=authorizers)


def _operations(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Route key and operation, in the document's order."""
    found = []
    for path, item in (document.get("paths") or {}).items():
        if not isinstance(item, dict):
            raise bad_request(f"Invalid path '{path}' in the OpenAPI document.")
        for member, operation in item.items():
            if member != ANY_METHOD and member not in VERBS:
                continue
            verb = ANY if member == ANY_METHOD else member.upper()
            whole = str(path).removeprefix("/") == DEFAULT  # SAM writes "$default", exports "/$default"
            found.append((DEFAULT if whole else f"{verb} {path}", operation or {}))
    return found


def _authorizers(document: Mapping[str, Any], new_id: NewId) -> dict[str, Authorizer]:
    """The security schemes that are authorizers."""
    found: dict[str, Authorizer] = {}
    for name, scheme in ((document.get("components") or {}).get("securitySchemes") or {}).items():
        given = scheme.get(EXTENSION + "authorizer") if isinstance(scheme, dict) else None
        if given is None:
            continue
        params: dict[str, Any] = {"Name": name}
        for member, value in given.items():
            params[member[:1].upper() + member[1:]] = value
        params["AuthorizerType"] = str(params.pop("Type", "")).upper()
        tokens = params.get("JwtConfiguration")
        if tokens is not None:
            params["JwtConfiguration"] = {"Issuer": tokens.get("issuer"), "Audience": tokens.get("audience")}
        sources = params.get("IdentitySource")
        if isinstance(sources, str):
            params["IdentitySource"] = [one.strip() for one in sources.split(",")]
        authorizer = authorizer_of(params, new_id(6))
        found[authorizer.id] = authorizer
    return found


def _secured(api: HttpApi, route: Route, document: Mapping[str, Any], operation: Mapping[str, Any]) -> Route:
    """The route with the authorization that its operation, or else the document, asks for."""
    kind = operation.get(AUTH, document.get(AUTH))
    if kind is not None:
        name = str(kind.get("type") or "").upper()
        if name not in {"NONE", "AWS_IAM"}:
            raise NotSupported(f"{AUTH} of type {name or '(none)'} of {route.key} in HTTP APIs")
        return authorized(api, route, name, "")
    required = operation.get("security", document.get("security")) or ()
    # SAM writes NONE, a scheme that no document has, for a route that is open in spite of a default authorizer.
    wanted = [(name, scopes) for one in required for name, scopes in one.items() if name != OPEN]
    if not wanted:
        return route
    by_name = {one.name: one for one in api.authorizers.values()}
    if len(wanted) > 1 or wanted[0][0] not in by_name:
        names = [name for name, _ in wanted]
        raise NotSupported(f"security {names} of {route.key} in HTTP APIs; only one authorizer of the document")
    authorizer, scopes = by_name[wanted[0][0]], tuple(str(one) for one in wanted[0][1] or ())
    if scopes and not authorizer.issuer:
        raise bad_request(f"Authorization scopes of {route.key} are only allowed for JWT authorizers")
    return msgspec.structs.replace(authorized(api, route, "", authorizer.id), scopes=scopes)


def _integration(
    document: Mapping[str, Any], operation: Mapping[str, Any], key: str, new_id: NewId
) -> Integration | None:
    given = operation.get(EXTENSION + "integration")
    if not given:
        return None
    reference = given.get("$ref")
    if reference is not None:
        shared = (document.get("components") or {}).get(EXTENSION + "integrations") or {}
        given = shared.get(str(reference).rpartition("/")[2])
        if given is None:
            raise bad_request(f"Unable to resolve the integration {reference} of {key}")
    params: dict[str, Any] = {}
    for member, value in given.items():
        if member == "passthroughBehavior":  # of no meaning for proxies
            continue
        if member not in MEMBERS:
            raise NotSupported(f"{member} of the integration of {key} in HTTP APIs")
        params[MEMBERS[member]] = value
    params["IntegrationType"] = str(given.get("type") or "").upper()
    if params.get("IntegrationType") == "AWS_PROXY":
        params.setdefault("PayloadFormatVersion", "1.0")
    return integration_of(params, new_id(7))


def _cors(given: Mapping[str, Any]) -> cors.Cors:
    if given.get("allowCredentials") and "*" in (given.get("allowOrigins") or ()):
        raise bad_request("allowCredentials cannot be true when allowOrigins is *")  # the words are a guess
    members = {name[:1].lower() + name[1:]: name for name in cors.MEMBERS}
    for name in given:
        if name not in members:
            raise bad_request(f"Invalid member {name} of {EXTENSION}cors")
    return cors.cors_of({members[name]: value for name, value in given.items()})


def _endpoint_disabled(document: Mapping[str, Any]) -> bool:
    for server in document.get("servers") or ():
        if isinstance(server, dict):
            configuration = server.get(EXTENSION + "endpoint-configuration") or {}
            if configuration.get("disableExecuteApiEndpoint"):
                return True
    return False
