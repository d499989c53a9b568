"""An HTTP API as an OpenAPI 3.0 document, with AWS's extensions or without: what ImportApi takes back. ExportApi.

The shape is that of documents exported from AWS; the order of members is ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import yaml

from antipodes.services.apigateway.v1.openapi import EXTENSION
from antipodes.services.apigateway.v1.records import ANY, bad_request
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.records import DEFAULT, Authorizer, HttpApi, Integration, Route
from antipodes.wire import cors
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result


async def export_api(catalogue: HttpCatalogue, request: Request) -> Result:
    """As the stage serves it, or without a stage as it is edited."""
    params = request.params
    api, server = catalogue.api(params["ApiId"]), ""
    if params.get("ExportVersion") not in (None, "", "1.0"):
        raise bad_request(f"Unsupported export version {params['ExportVersion']}; the only one is 1.0")
    if params["Specification"] != "OAS30":
        raise bad_request(f"Unsupported specification {params['Specification']}; the only one is OAS30")
    if params["OutputType"] not in {"JSON", "YAML"}:
        raise bad_request(f"Unsupported output type {params['OutputType']}: JSON or YAML")
    if api.protocol != "HTTP":
        raise NotSupported("ExportApi of WebSocket APIs")  # AWS exports HTTP APIs alone, too
    if params.get("StageName"):
        stage = catalogue.stage(api.id, params["StageName"])
        deployment = catalogue.deployment(api.id, stage.deployment_id)
        server = stage.name
        routes: Iterable[Route] = deployment.routes
        integrations, authorizers, shared = deployment.integrations, deployment.authorizers, deployment.cors
    else:
        routes, integrations, authorizers, shared = api.routes.values(), api.integrations, api.authorizers, api.cors
    await catalogue.shared.settled()
    extended = params.get("IncludeExtensions") is not False
    document = document_of(api, routes, integrations, authorizers, extended=extended)
    address = f"https://{api.id}.execute-api.{catalogue.surroundings.region}.amazonaws.com"
    document["servers"] = [_server(address, server, api, extended=extended)]
    if shared is not None and extended:
        given = cors.shown(shared)
        document[EXTENSION + "cors"] = {name[:1].lower() + name[1:]: value for name, value in given.items()}
    if params["OutputType"] == "YAML":
        return {"body": yaml.safe_dump(document, sort_keys=False).encode()}
    return {"body": orjson.dumps(document)}


def document_of(
    api: HttpApi,
    routes: Iterable[Route],
    integrations: Mapping[str, Integration],
    authorizers: Mapping[str, Authorizer],
    *,
    extended: bool,
) -> dict[str, Any]:
    """The document without its server and CORS. Pure."""
    info = {"title": api.name, "description": api.description, "version": api.version or "1.0"}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        verb, _, path = route.key.partition(" ")
        member = EXTENSION + "any-method" if verb in {ANY, DEFAULT} else verb.lower()
        operation: dict[str, Any] = {"responses": {"default": {"description": f"Default response for {route.key}"}}}
        if route.operation_name:
            operation["operationId"] = route.operation_name
        if route.authorizer_id:
            operation["security"] = [{authorizers[route.authorizer_id].name: list(route.scopes)}]
        if path.count("{"):
            names = [part.strip("{}+") for part in path.split("/") if part.startswith("{")]
            operation["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ]
        if extended:
            if route.iam:
                operation[EXTENSION + "auth"] = {"type": "AWS_IAM"}
            if route.integration_id:
                operation[EXTENSION + "integration"] = _integration(integrations[route.integration_id])
        paths.setdefault(path or f"/{DEFAULT}", {})[member] = operation
    document: dict[str, Any] = {
        "openapi": "3.0.1",
        "info": {name: value for name, value in info.items() if value},
        "paths": paths,
    }
    if api.tags:
        document["tags"] = [
            {"name": name, EXTENSION + "tag-value": value} if extended else {"name": name}
            for name, value in api.tags.items()
        ]
    if authorizers:
        schemes = {one.name: _scheme(one, extended=extended) for one in authorizers.values()}
        document["components"] = {"securitySchemes": schemes}
    if extended:
        document[EXTENSION + "importexport-version"] = "1.0"
    return document


def _server(address: str, stage: str, api: HttpApi, *, extended: bool) -> dict[str, Any]:
    server: dict[str, Any] = {"url": address}
    if stage and stage != DEFAULT:
        server = {"url": address + "/{basePath}", "variables": {"basePath": {"default": stage}}}
    if api.endpoint_disabled and extended:
        server[EXTENSION + "endpoint-configuration"] = {"disableExecuteApiEndpoint": True}
    return server


def _integration(integration: Integration) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "type": integration.kind.lower(),
        "httpMethod": integration.method,
        "uri": integration.uri,
        "connectionType": "INTERNET",
        "payloadFormatVersion": integration.payload,
        "timeoutInMillis": integration.timeout_ms,
    }
    if integration.request_parameters:
        shown["requestParameters"] = dict(integration.request_parameters)
    if integration.response_parameters:
        shown["responseParameters"] = {key: dict(one) for key, one in integration.response_parameters.items()}
    if integration.description:
        shown["description"] = integration.description
    return shown


def _scheme(authorizer: Authorizer, *, extended: bool) -> dict[str, Any]:
    if authorizer.issuer:
        scheme: dict[str, Any] = {"type": "oauth2", "flows": {}}
        given: dict[str, Any] = {
            "type": "jwt",
            "identitySource": authorizer.sources[0],
            "jwtConfiguration": {"issuer": authorizer.issuer, "audience": list(authorizer.audience)},
        }
    else:
        scheme = {"type": "apiKey", "name": "Unused", "in": "header"}
        given = {
            "type": "request",
            "authorizerUri": authorizer.uri,
            "authorizerPayloadFormatVersion": authorizer.payload,
            "authorizerResultTtlInSeconds": authorizer.ttl_s,
            "enableSimpleResponses": authorizer.simple,
            "identitySource": ",".join(authorizer.sources),
        }
    return {**scheme, EXTENSION + "authorizer": given} if extended else scheme
