"""A deployed REST API as an OpenAPI document, 2.0 or 3.0: what ImportRestApi and PutRestApi take back. GetExport.

    no extensions      paths, parameters, models, security: what any reader of OpenAPI understands; and documentation
    documentation      what the stage's documentation version says ("by default, documentation parts are included")
    integrations       and how the gateway carries it out: integrations, validators, gateway responses, the policy
    authorizers        and the functions that decide who may pass
    apigateway         all of these

The shape is that of documents exported from AWS; the order of paths and members is ours. What extensions for Postman
look like is not documented: they are refused by name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
import yaml

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.documenting import Documentation, exported
from antipodes.services.apigateway.v1.openapi import DOCUMENTATION, EXTENSION, PLACES
from antipodes.services.apigateway.v1.plan import HEADER
from antipodes.services.apigateway.v1.records import (
    ANY,
    DEFAULT_TIMEOUT_MS,
    Api,
    Authorizer,
    Deployment,
    Integration,
    Method,
    Model,
    Resource,
    Stage,
    bad_request,
)
from antipodes.services.apigateway.v1.validation import REFERENCE
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

KINDS = MappingProxyType({"swagger": False, "oas30": True})
EXTENSIONS = frozenset({"integrations", "authorizers", "documentation", "apigateway"})
DEFAULT_MODELS = frozenset({"Empty", "Error"})  # an API has them unasked: only told where something refers to them
KEY, SIGNED = "api_key", "sigv4"  # AWS's names of these schemes
IN = MappingProxyType({place: kind for kind, place in PLACES.items()})


@dataclass(frozen=True, slots=True)
class _Export:
    """What is exported, and how."""

    deployment: Deployment
    third: bool  # OpenAPI 3.0
    integrations: bool
    authorizers: bool

    def reference(self, model: str) -> dict[str, str]:
        return {"$ref": f"#/{'components/schemas' if self.third else 'definitions'}/{model}"}

    def typed(self, kind: str = "string") -> dict[str, Any]:
        """How a parameter or a header says its type."""
        return {"schema": {"type": kind}} if self.third else {"type": kind}


async def get_export(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    stage = catalogue.stage(params["restApiId"], params["stageName"])
    kind = params["exportType"]
    if kind not in KINDS:
        raise bad_request(f"No API exporter found for type '{kind}'")  # the words are a guess
    extensions = _extensions(params.get("parameters") or {})
    accepted = str(params.get("accepts") or "application/json").lower()
    deployment = catalogue.deployment(stage.api_id, stage.deployment_id)
    await catalogue.settled()
    api = catalogue.api(stage.api_id)
    whole = "apigateway" in extensions
    export = _Export(
        deployment, KINDS[kind], whole or "integrations" in extensions, whole or "authorizers" in extensions
    )
    document = document_of(export, api, stage, catalogue.surroundings.region)
    version = api.documentation_versions.get(stage.documentation_version)
    if version is not None and (not extensions or whole or "documentation" in extensions):
        Documentation(version.parts).put_into(document)
        document[DOCUMENTATION] = {
            "version": version.version,
            "createdDate": _date(version.created),
            "documentationParts": [exported(part) for part in version.parts],
        }
    in_yaml = "yaml" in accepted
    body = yaml.safe_dump(document, sort_keys=False).encode() if in_yaml else orjson.dumps(document)
    return {
        "contentType": "application/octet-stream",
        "contentDisposition": f'attachment; filename="{kind}_{_version(api)}.{"yaml" if in_yaml else "json"}"',
        "body": body,
    }


def document_of(export: _Export, api: Api, stage: Stage, region: str) -> dict[str, Any]:
    """Pure."""
    info = {"title": api.name, "description": api.description, "version": _version(api)}
    document: dict[str, Any] = {
        **({"openapi": "3.0.1"} if export.third else {"swagger": "2.0"}),
        "info": {name: value for name, value in info.items() if value},
        **_address(export, f"{api.id}.execute-api.{region}.amazonaws.com", stage.name),
        "paths": {
            resource.path: dict(_operation(export, resource, method) for method in resource.methods.values())
            for resource in export.deployment.resources
            if resource.methods
        },
    }
    schemas, schemes = _schemas(export), dict(_schemes(export))
    if export.third:
        document["components"] = {
            name: found for name, found in (("schemas", schemas), ("securitySchemes", schemes)) if found
        }
    else:
        named = (("securityDefinitions", schemes), ("definitions", schemas))
        document |= {name: found for name, found in named if found}
    if export.integrations:
        document |= {EXTENSION + name: value for name, value in _settings(export.deployment, api).items() if value}
        if export.deployment.compress_from is not None:
            document[EXTENSION + "minimum-compression-size"] = export.deployment.compress_from
    return document


def _extensions(parameters: Mapping[str, str]) -> frozenset[str]:
    for name in parameters:
        if name != "extensions":
            raise bad_request(f"Invalid export parameter specified: {name}")  # the words are a guess
    given = frozenset(one.strip() for one in (parameters.get("extensions") or "").split(",") if one.strip())
    if "postman" in given:
        raise NotSupported("the extension postman of GetExport")
    if not given <= EXTENSIONS:
        raise bad_request(f"Invalid extensions specified: {', '.join(sorted(given - EXTENSIONS))}")
    return given


def _version(api: Api) -> str:
    return api.version or _date(api.created)


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _address(export: _Export, host: str, stage: str) -> dict[str, Any]:
    if not export.third:
        return {"host": host, "basePath": f"/{stage}", "schemes": ["https"]}
    variables = {"basePath": {"default": stage}}
    return {"servers": [{"url": f"https://{host}/{{basePath}}", "variables": variables}]}


def _operation(export: _Export, resource: Resource, method: Method) -> tuple[str, dict[str, Any]]:
    """Its member of the path, and what stands there."""
    operation: dict[str, Any] = {"operationId": method.operation_name} if method.operation_name else {}
    if not export.third:
        kinds = {kind: None for response in method.responses.values() for kind in response.models}
        operation |= {"consumes": list(method.request_models)} if method.request_models else {}
        operation |= {"produces": list(kinds)} if kinds else {}
    parameters = list(_parameters(export, method))
    if parameters:
        operation["parameters"] = parameters
    if export.third and method.request_models:
        content = {kind: {"schema": export.reference(model)} for kind, model in method.request_models.items()}
        operation["requestBody"] = {"content": content, "required": True}
    operation["responses"] = dict(_responses(export, method))
    security = list(_security(export, method))
    if security:
        operation["security"] = security
    if export.integrations:
        validator = export.deployment.validators.get(method.validator_id)
        if validator is not None:
            operation[EXTENSION + "request-validator"] = validator.name
        if method.integration is not None:
            operation[EXTENSION + "integration"] = dict(_integration(method.integration, resource.id))
    return EXTENSION + "any-method" if method.verb == ANY else method.verb.lower(), operation


def _parameters(export: _Export, method: Method) -> Iterator[dict[str, Any]]:
    for name, required in method.request_parameters.items():
        place, _, rest = name.removeprefix("method.request.").partition(".")
        parameter: dict[str, Any] = {"name": rest, "in": IN[place]}
        if required or place == "path" or not export.third:
            parameter["required"] = required or place == "path"
        yield {**parameter, **export.typed()}
    if not export.third and method.request_models:
        model = next(iter(method.request_models.values()))  # OpenAPI 2.0 has one body for all content types
        yield {"in": "body", "name": model, "required": True, "schema": export.reference(model)}


def _responses(export: _Export, method: Method) -> Iterator[tuple[str, dict[str, Any]]]:
    for status, response in method.responses.items():
        shown: dict[str, Any] = {"description": f"{status} response"}
        headers = {name.removeprefix(HEADER): export.typed() for name in response.parameters}
        if export.third:
            if headers:
                shown["headers"] = headers
            shown["content"] = {kind: {"schema": export.reference(model)} for kind, model in response.models.items()}
        else:
            if response.models:
                shown["schema"] = export.reference(next(iter(response.models.values())))
            if headers:
                shown["headers"] = headers
        yield status, shown


def _security(export: _Export, method: Method) -> Iterator[dict[str, list[str]]]:
    authorizer = export.deployment.authorizers.get(method.authorizer_id)
    if method.authorization == "AWS_IAM":
        yield {SIGNED: []}
    elif authorizer is not None:
        yield {authorizer.name: []}
    if method.key_required:
        yield {KEY: []}


def _schemes(export: _Export) -> Iterator[tuple[str, dict[str, Any]]]:
    methods = [one for resource in export.deployment.resources for one in resource.methods.values()]
    if any(method.key_required for method in methods):
        yield KEY, {"type": "apiKey", "name": "x-api-key", "in": "header"}
    if any(method.authorization == "AWS_IAM" for method in methods):
        kind = {"type": "apiKey", "name": "Authorization", "in": "header"}
        yield SIGNED, {**kind, EXTENSION + "authtype": "awsSigv4"}
    for authorizer in export.deployment.authorizers.values():
        yield authorizer.name, _scheme(export, authorizer)


def _scheme(export: _Export, authorizer: Authorizer) -> dict[str, Any]:
    token = authorizer.kind == "TOKEN"
    name = authorizer.source.removeprefix("method.request.header.") if token else "Unused"
    scheme: dict[str, Any] = {"type": "apiKey", "name": name, "in": "header"}
    if not export.authorizers:
        return scheme
    given = {
        "authorizerUri": authorizer.uri,
        "authorizerCredentials": authorizer.credentials,
        "authorizerResultTtlInSeconds": authorizer.ttl_s,
        "identityValidationExpression": authorizer.validation,
        "identitySource": "" if token else authorizer.source,
        "type": authorizer.kind.lower(),
    }
    kept = {name: value for name, value in given.items() if value != ""}
    return {**scheme, EXTENSION + "authtype": authorizer.auth_type, EXTENSION + "authorizer": kept}


def _integration(integration: Integration, resource_id: str) -> Iterator[tuple[str, Any]]:
    yield "type", integration.kind.lower()
    for name, value in (
        ("httpMethod", integration.http_method),
        ("uri", integration.uri),
        ("credentials", integration.credentials),
        ("responses", _outcomes(integration)),
        ("requestParameters", dict(integration.parameters)),
        ("requestTemplates", dict(integration.templates)),
        ("contentHandling", integration.content_handling),
        ("cacheKeyParameters", list(integration.cache_keys)),
        ("cacheNamespace", integration.cache_namespace if integration.cache_namespace != resource_id else ""),
        ("tlsConfig", {"insecureSkipVerification": True} if integration.any_authority else None),
        ("timeoutInMillis", integration.timeout_ms if integration.timeout_ms != DEFAULT_TIMEOUT_MS else 0),
    ):
        if value:
            yield name, value
    yield "passthroughBehavior", integration.passthrough.lower()


def _outcomes(integration: Integration) -> dict[str, Any]:
    """By pattern; "default" is the one without."""
    outcomes: dict[str, Any] = {}
    for response in integration.responses.values():
        given = {
            "statusCode": response.status,
            "responseParameters": dict(response.parameters),
            "responseTemplates": dict(response.templates),
            "contentHandling": response.content_handling,
        }
        shown = {name: value for name, value in given.items() if value}
        outcomes.setdefault(response.selection_pattern or "default", shown)  # of equal patterns the first counts
    return outcomes


def _schemas(export: _Export) -> dict[str, Any]:
    methods = [one for resource in export.deployment.resources for one in resource.methods.values()]
    used = {model: None for method in methods for model in method.request_models.values()}
    used |= {m: None for method in methods for response in method.responses.values() for m in response.models.values()}
    models = export.deployment.models
    return {
        model.name: _schema(export, model) for model in models.values() if model.name in used or not _is_default(model)
    }


def _is_default(model: Model) -> bool:
    return model.name in DEFAULT_MODELS and model.description.startswith("This is a default")


def _schema(export: _Export, model: Model) -> Any:
    schema = orjson.loads(model.schema) if model.schema else {"type": "object"}
    if isinstance(schema, dict):
        schema.pop("$schema", None)
    return _within(export, schema)


def _within(export: _Export, node: Any) -> Any:
    """With references to models of the API as references within the document."""
    if isinstance(node, list):
        return [_within(export, one) for one in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(REFERENCE):
        return export.reference(reference.rpartition("/")[2])
    return {name: _within(export, one) for name, one in node.items()}


def _settings(deployment: Deployment, api: Api) -> dict[str, Any]:
    """What the document as a whole says of the gateway, without the names' prefix."""
    return {
        "request-validators": {
            one.name: {"validateRequestParameters": one.parameters, "validateRequestBody": one.body}
            for one in deployment.validators.values()
        },
        "gateway-responses": {
            kind: {
                name: value
                for name, value in (
                    ("statusCode", response.status),
                    ("responseParameters", dict(response.parameters)),
                    ("responseTemplates", dict(response.templates)),
                )
                if value
            }
            for kind, response in deployment.gateway_responses.items()
        },
        "binary-media-types": list(deployment.binary_media_types),
        "policy": orjson.loads(deployment.policy) if deployment.policy else None,
        "api-key-source": deployment.key_source if deployment.key_source != "HEADER" else "",
        "endpoint-configuration": {"disableExecuteApiEndpoint": True} if api.endpoint_disabled else None,
    }
