"""Resources, methods and integrations of an API that is being edited."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.integrations import integration_of, integration_response_of, method_response_of
from antipodes.services.apigateway.v1.records import (
    ANY,
    Api,
    Integration,
    IntegrationResponse,
    Method,
    MethodResponse,
    Resource,
    bad_request,
    conflict,
    not_found,
)
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

VERBS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", ANY})
PART = re.compile(r"[a-zA-Z0-9._\-:]+|\{[a-zA-Z0-9._\-:]+\+?\}")


async def create_resource(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    api, parent = catalogue.resource(params["restApiId"], params["parentId"])
    part = params["pathPart"]
    check_part(part, parent.path)
    siblings = [r for r in api.resources.values() if r.parent_id == parent.id]
    if any(sibling.part == part for sibling in siblings):
        raise conflict(f"Another resource with the same parent already has this name: {part}")
    check_sibling(part, siblings)
    path = f"{parent.path.rstrip('/')}/{part}"
    resource = Resource(id=catalogue.new_id(6), parent_id=parent.id, part=part, path=path)
    await catalogue.save_resource(api, resource)
    return shown(resource)


async def get_resource(catalogue: Catalogue, request: Request) -> Result:
    _, resource = catalogue.resource(request.params["restApiId"], request.params["resourceId"])
    await catalogue.settled()
    return shown(resource, embed="methods" in (request.params.get("embed") or ()))


async def get_resources(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["restApiId"])
    embed = "methods" in (params.get("embed") or ())
    limit, start = min(int(params.get("limit") or 25), 500), int(params.get("position") or 0)
    every = sorted(api.resources.values(), key=lambda resource: resource.path)
    await catalogue.settled()
    answer: dict[str, Any] = {"items": [shown(r, embed=embed) for r in every[start : start + limit]]}
    if start + limit < len(every):
        answer["position"] = str(start + limit)
    return answer


async def delete_resource(catalogue: Catalogue, request: Request) -> Result:
    api, resource = catalogue.resource(request.params["restApiId"], request.params["resourceId"])
    if resource.id == api.root_id:
        raise bad_request("Cannot delete root resource.")
    gone = {r.id for r in api.resources.values() if r is resource or r.path.startswith(resource.path + "/")}
    kept = {key: value for key, value in api.resources.items() if key not in gone}
    await catalogue.save_api(msgspec.structs.replace(api, resources=kept))
    return {}


async def put_method(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    api, resource = catalogue.resource(params["restApiId"], params["resourceId"])
    verb = params["httpMethod"]
    if verb not in VERBS:
        raise bad_request("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
    if verb in resource.methods:
        raise conflict("Method already exists for this resource")
    if params.get("authorizationScopes"):
        raise NotSupported("authorizationScopes of methods")
    method = Method(
        verb=verb,
        operation_name=params.get("operationName") or "",
        request_parameters={k: bool(v) for k, v in (params.get("requestParameters") or {}).items()},
        authorization=params["authorizationType"],
        authorizer_id=params.get("authorizerId") or "",
        key_required=bool(params.get("apiKeyRequired")),
        validator_id=params.get("requestValidatorId") or "",
        request_models=dict(params.get("requestModels") or {}),
    )
    check_method(api, method)
    await catalogue.save_method(api, resource, method)
    return shown_method(method)


async def get_method(catalogue: Catalogue, request: Request) -> Result:
    _, _, method = method_named(catalogue, request)
    await catalogue.settled()
    return shown_method(method)


async def delete_method(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method = method_named(catalogue, request)
    methods = {verb: kept for verb, kept in resource.methods.items() if verb != method.verb}
    await catalogue.save_resource(api, msgspec.structs.replace(resource, methods=methods))
    return {}


async def put_method_response(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method = method_named(catalogue, request)
    response = method_response_of(request.params)
    if response.status in method.responses:
        raise conflict("Response already exists for this resource")
    responses = {**method.responses, response.status: response}
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, responses=responses))
    return shown_method_response(response)


async def put_integration(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method = method_named(catalogue, request)
    integration = integration_of({**request.params, "integrationResponses": None}, f"{method.verb} {resource.path}")
    integration = msgspec.structs.replace(integration, cache_namespace=integration.cache_namespace or resource.id)
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, integration=integration))
    return shown_integration(integration)


async def get_integration(catalogue: Catalogue, request: Request) -> Result:
    _, _, _, integration = integration_named(catalogue, request)
    await catalogue.settled()
    return shown_integration(integration)


async def delete_integration(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, _ = integration_named(catalogue, request)
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, integration=None))
    return {}


async def put_integration_response(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, integration = integration_named(catalogue, request)
    response = integration_response_of(request.params, f"{method.verb} {resource.path}")
    declared = method.responses.get(response.status)
    if declared is None:
        raise not_found("Response status code")
    unknown = sorted(set(response.parameters) - set(declared.parameters))
    if unknown:
        raise bad_request(f"Invalid mapping expression parameter specified: {unknown[0]}")
    responses = {**integration.responses, response.status: response}
    integration = msgspec.structs.replace(integration, responses=responses)
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, integration=integration))
    return shown_integration_response(response)


def check_method(api: Api, method: Method) -> None:
    """Raises BadRequestException, UnsupportedOperation for what a method refers to."""
    kind = method.authorization
    if kind == "COGNITO_USER_POOLS":
        raise NotSupported("authorizationType COGNITO_USER_POOLS of methods")
    if kind not in {"NONE", "AWS_IAM", "CUSTOM"}:
        raise bad_request(f"Invalid authorization type '{kind}'; one of NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS.")
    if kind == "CUSTOM" and method.authorizer_id not in api.authorizers:
        raise bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or "
            "COGNITO_USER_POOLS requires a valid authorizer."
        )
    if method.validator_id and method.validator_id not in api.validators:
        raise bad_request("Invalid Request Validator identifier specified")
    for name in method.request_models.values():
        if name not in api.models and name not in {"Empty", "Error"}:
            raise bad_request(f"Invalid model identifier specified: {name}")
    names = [name.removeprefix("method.request.").partition(".")[2] for name in method.request_parameters]
    if len(names) != len(set(names)):
        raise bad_request("Parameter names must be unique across querystring, header and path")
    for name in method.request_parameters:
        place, _, rest = name.removeprefix("method.request.").partition(".")
        if not name.startswith("method.request.") or place not in {"header", "path", "querystring"} or not rest:
            raise bad_request(f"Invalid mapping expression parameter specified: {name}")


def check_sibling(part: str, siblings: Iterable[Resource]) -> None:
    """Raises BadRequestException for a second variable among the children of one resource."""
    other = next((one.part for one in siblings if part.startswith("{") and one.part.startswith("{")), None)
    if other is not None:
        raise bad_request(
            f"A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
        )


def check_part(part: str, parent_path: str) -> None:
    """Raises BadRequestException for a path part that cannot be."""
    if not PART.fullmatch(part):
        raise bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the "
            "beginning and the end."
        )
    if parent_path.endswith("+}"):
        greedy = parent_path.rpartition("/")[2]
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {greedy}")


def shown(resource: Resource, *, embed: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": resource.id, "path": resource.path}
    if resource.parent_id:
        answer |= {"parentId": resource.parent_id, "pathPart": resource.part}
    if resource.methods:
        answer["resourceMethods"] = {
            verb: shown_method(method) if embed else {} for verb, method in sorted(resource.methods.items())
        }
    return answer


def shown_method(method: Method) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "httpMethod": method.verb,
        "authorizationType": method.authorization,
        "apiKeyRequired": method.key_required,
    }
    if method.authorizer_id:
        answer["authorizerId"] = method.authorizer_id
    if method.validator_id:
        answer["requestValidatorId"] = method.validator_id
    if method.request_models:
        answer["requestModels"] = dict(method.request_models)
    if method.operation_name:
        answer["operationName"] = method.operation_name
    if method.request_parameters:
        answer["requestParameters"] = dict(method.request_parameters)
    if method.responses:
        answer["methodResponses"] = {s: shown_method_response(r) for s, r in method.responses.items()}
    if method.integration is not None:
        answer["methodIntegration"] = shown_integration(method.integration)
    return answer


def shown_integration(integration: Integration) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "type": integration.kind,
        "passthroughBehavior": integration.passthrough,
        "timeoutInMillis": integration.timeout_ms,
        "cacheNamespace": integration.cache_namespace,
        "cacheKeyParameters": list(integration.cache_keys),
    }
    if integration.http_method:
        answer["httpMethod"] = integration.http_method
    if integration.uri:
        answer["uri"] = integration.uri
    if integration.parameters:
        answer["requestParameters"] = dict(integration.parameters)
    if integration.content_handling:
        answer["contentHandling"] = integration.content_handling
    if integration.credentials:
        answer["credentials"] = integration.credentials
    if integration.templates:
        answer["requestTemplates"] = dict(integration.templates)
    if integration.responses:
        answer["integrationResponses"] = {s: shown_integration_response(r) for s, r in integration.responses.items()}
    return answer


def shown_method_response(response: MethodResponse) -> dict[str, Any]:
    answer: dict[str, Any] = {"statusCode": response.status}
    if response.parameters:
        answer["responseParameters"] = dict(response.parameters)
    if response.models:
        answer["responseModels"] = dict(response.models)
    return answer


def shown_integration_response(response: IntegrationResponse) -> dict[str, Any]:
    answer: dict[str, Any] = {"statusCode": response.status, "responseTemplates": dict(response.templates)}
    if response.selection_pattern:
        answer["selectionPattern"] = response.selection_pattern
    if response.parameters:
        answer["responseParameters"] = dict(response.parameters)
    if response.content_handling:
        answer["contentHandling"] = response.content_handling
    return answer


def method_named(catalogue: Catalogue, request: Request) -> tuple[Api, Resource, Method]:
    params = request.params
    return catalogue.method(params["restApiId"], params["resourceId"], params["httpMethod"])


def integration_named(catalogue: Catalogue, request: Request) -> tuple[Api, Resource, Method, Integration]:
    api, resource, method = method_named(catalogue, request)
    if method.integration is None:
        raise not_found("Integration")
    return api, resource, method, method.integration
