"""Changes of resources, methods and integrations by patch operations; their responses, read and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.integrations import integration_of, integration_response_of, method_response_of
from antipodes.services.apigateway.v1.patching import Entries, Members, One, Table, flag, patched, whole
from antipodes.services.apigateway.v1.records import (
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
from antipodes.services.apigateway.v1.resources import (
    check_method,
    check_part,
    integration_named,
    method_named,
    shown,
    shown_integration,
    shown_integration_response,
    shown_method,
    shown_method_response,
)
from antipodes.wire.operation import Request, Result

RESOURCE: Table = {"/pathPart": One("part"), "/parentId": One("parent_id")}
METHOD: Table = {
    "/authorizationType": One("authorization"),
    "/authorizerId": One("authorizer_id", gone=""),
    "/apiKeyRequired": One("key_required", flag),
    "/operationName": One("operation_name", gone=""),
    "/requestValidatorId": One("validator_id", gone=""),
    "/requestModels": Entries("request_models"),
    "/requestParameters": Entries("request_parameters", flag),
}
METHOD_RESPONSE: Table = {"/responseModels": Entries("models"), "/responseParameters": Entries("parameters", flag)}
INTEGRATION: Table = {
    "/type": One("kind"),
    "/uri": One("uri"),
    "/httpMethod": One("http_method"),
    "/timeoutInMillis": One("timeout_ms", whole),
    "/passthroughBehavior": One("passthrough"),
    "/cacheNamespace": One("cache_namespace", gone=""),
    "/cacheKeyParameters": Members("cache_keys"),
    "/credentials": One("credentials", gone=""),
    "/contentHandling": One("content_handling", gone=""),
    "/requestTemplates": Entries("templates"),
    "/requestParameters": Entries("parameters"),
}
INTEGRATION_RESPONSE: Table = {
    "/selectionPattern": One("selection_pattern", gone=""),
    "/contentHandling": One("content_handling", gone=""),
    "/responseTemplates": Entries("templates"),
    "/responseParameters": Entries("parameters"),
}


async def update_resource(catalogue: Catalogue, request: Request) -> Result:
    """What lies below moves with it."""
    params = request.params
    api, before = catalogue.resource(params["restApiId"], params["resourceId"])
    after = patched(before, params.get("patchOperations"), RESOURCE, "UpdateResource")
    if before.id == api.root_id and after != before:
        raise bad_request(f"Root resource cannot update its {'pathPart' if after.part != before.part else 'parentId'}.")
    if after == before:
        return shown(before)
    parent = api.resources.get(after.parent_id)
    if parent is None:
        raise not_found("Resource")
    if parent.id == before.id or parent.path.startswith(before.path + "/"):
        raise bad_request("Resources cannot be cyclical.")
    check_part(after.part, parent.path)
    if any(r.parent_id == parent.id and r.part == after.part and r.id != after.id for r in api.resources.values()):
        raise conflict(f"Another resource with the same parent already has this name: {after.part}")
    after = msgspec.structs.replace(after, path=f"{parent.path.rstrip('/')}/{after.part}")
    moved = [
        msgspec.structs.replace(one, path=after.path + one.path.removeprefix(before.path))
        for one in api.resources.values()
        if one.path.startswith(before.path + "/")
    ]
    await catalogue.save_resource(api, after, *moved)
    return shown(after)


async def update_method(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method = method_named(catalogue, request)
    method = patched(method, request.params.get("patchOperations"), METHOD, "UpdateMethod")
    check_method(api, method)
    await catalogue.save_method(api, resource, method)
    return shown_method(method)


async def update_integration(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, integration = integration_named(catalogue, request)
    after = patched(integration, request.params.get("patchOperations"), INTEGRATION, "UpdateIntegration")
    where = f"{method.verb} {resource.path}"
    checked = integration_of(_as_given(after), where)
    after = msgspec.structs.replace(checked, responses=integration.responses)
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, integration=after))
    return shown_integration(after)


async def get_integration_response(catalogue: Catalogue, request: Request) -> Result:
    _, _, _, _, response = _integration_response(catalogue, request)
    await catalogue.settled()
    return shown_integration_response(response)


async def update_integration_response(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, integration, before = _integration_response(catalogue, request)
    patches = request.params.get("patchOperations")
    after = patched(before, patches, INTEGRATION_RESPONSE, "UpdateIntegrationResponse")
    given = {**shown_integration_response(after), "statusCode": before.status}
    after = integration_response_of(given, f"{method.verb} {resource.path}")
    changed = msgspec.structs.replace(integration, responses={**integration.responses, after.status: after})
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, integration=changed))
    return shown_integration_response(after)


async def delete_integration_response(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, integration, response = _integration_response(catalogue, request)
    kept = {status: one for status, one in integration.responses.items() if status != response.status}
    changed = msgspec.structs.replace(integration, responses=kept)
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, integration=changed))
    return {}


async def get_method_response(catalogue: Catalogue, request: Request) -> Result:
    _, _, _, response = _method_response(catalogue, request)
    await catalogue.settled()
    return shown_method_response(response)


async def update_method_response(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, before = _method_response(catalogue, request)
    after = patched(before, request.params.get("patchOperations"), METHOD_RESPONSE, "UpdateMethodResponse")
    after = method_response_of({**shown_method_response(after), "statusCode": before.status})
    changed = msgspec.structs.replace(method, responses={**method.responses, after.status: after})
    await catalogue.save_method(api, resource, changed)
    return shown_method_response(after)


async def delete_method_response(catalogue: Catalogue, request: Request) -> Result:
    api, resource, method, response = _method_response(catalogue, request)
    kept = {status: one for status, one in method.responses.items() if status != response.status}
    await catalogue.save_method(api, resource, msgspec.structs.replace(method, responses=kept))
    return {}


def _as_given(integration: Integration) -> Mapping[str, Any]:
    """In the shape of PutIntegration's parameters."""
    given = {key: value for key, value in shown_integration(integration).items() if key != "httpMethod"}
    return {
        **given,
        "integrationHttpMethod": integration.http_method,
        "integrationResponses": None,
        "timeoutInMillis": integration.timeout_ms or 1,
    }


def _integration_response(
    catalogue: Catalogue, request: Request
) -> tuple[Api, Resource, Method, Integration, IntegrationResponse]:
    api, resource, method, integration = integration_named(catalogue, request)
    response = integration.responses.get(str(request.params["statusCode"]))
    if response is None:
        raise not_found("Response status code")
    return api, resource, method, integration, response


def _method_response(catalogue: Catalogue, request: Request) -> tuple[Api, Resource, Method, MethodResponse]:
    api, resource, method = method_named(catalogue, request)
    response = method.responses.get(str(request.params["statusCode"]))
    if response is None:
        raise not_found("Response status code")
    return api, resource, method, response
