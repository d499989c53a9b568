"""OpenAPI 3 documents with AWS's extensions, to an HTTP API's routes and integrations. Pure, but for the ids it draws.

What stands in a document and is not carried out is refused by name, never dropped in silence: authorizers by JWT,
integrations other than aws_proxy and http_proxy, policies. Schemas change nothing: HTTP APIs do not validate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.openapi import EXTENSION, VERBS, parse
from antipodes.services.apigateway.records import ANY, bad_request
from antipodes.services.apigateway.v2.authorizers import authorizer_of
from antipodes.services.apigateway.v2.integrations import integration_of
from antipodes.services.apigateway.v2.records import DEFAULT, Authorizer, HttpApi, Integration, Route
from antipodes.services.apigateway.v2.routes import check_key
from antipodes.wire import cors
from antipodes.wire.errors import NotSupported

NewId = Callable[[int], str]
ANY_METHOD = EXTENSION + "any-method"
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
    if document.get("security"):
        raise NotSupported("security (authorizers) in OpenAPI documents of HTTP APIs")
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
    by_name = {one.name: one.id for one in authorizers.values()}
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
            authorizer_id=_authorizer_of(operation, key, by_name),
        )
        routes[route.id] = route
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
        sources = params.get("IdentitySource")
        if isinstance(sources, str):
            params["IdentitySource"] = [one.strip() for one in sources.split(",")]
        authorizer = authorizer_of(params, new_id(6))
        found[authorizer.id] = authorizer
    return found


def _authorizer_of(operation: Mapping[str, Any], key: str, by_name: Mapping[str, str]) -> str:
    required = operation.get("security") or ()
    names = [name for one in required for name in one]
    if not names:
        return ""
    if len(names) > 1 or names[0] not in by_name or any(one[names[0]] for one in required):
        raise NotSupported(f"security {names} of {key} in HTTP APIs; only one Lambda authorizer, without scopes")
    return by_name[names[0]]


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
