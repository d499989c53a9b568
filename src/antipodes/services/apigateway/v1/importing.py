"""APIs from OpenAPI documents: ImportRestApi and PutRestApi.

An API is put together in memory and saved when all of it was found to be right: a document that is refused leaves
nothing behind.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.apigateway.v1 import documentation, openapi
from antipodes.services.apigateway.v1.apis import check_policy, endpoint_types, key_source_of, shown
from antipodes.services.apigateway.v1.authorizers import authorizer_of
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.compression import least_of
from antipodes.services.apigateway.v1.defaults import default_models
from antipodes.services.apigateway.v1.methods import check_method
from antipodes.services.apigateway.v1.models import model_of
from antipodes.services.apigateway.v1.records import (
    Api,
    Authorizer,
    Integration,
    Method,
    MethodResponse,
    Resource,
    Validator,
    bad_request,
)
from antipodes.services.apigateway.v1.resources import check_part, check_sibling
from antipodes.wire.operation import Request, Result

BASE_PATHS = ("ignore", "prepend", "split")


async def import_rest_api(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    document = openapi.imported(openapi.parse(bytes(params["body"])))
    options = params.get("parameters") or {}
    root = Resource(id=catalogue.new_id(10))
    types = options.get("endpointConfigurationTypes")
    api = Api(
        id=catalogue.new_id(10),
        name=document.name or "API",
        root_id=root.id,
        created=catalogue.surroundings.world.now(),
        endpoint_types=endpoint_types({"types": [types]} if types else None),
        resources={root.id: root},
        models=default_models(catalogue.new_id),
    )
    api = _filled(catalogue, api, document, options)
    await catalogue.save_api(api)
    return shown(api)


async def put_rest_api(catalogue: Catalogue, request: Request) -> Result:
    """Mode overwrite throws the old definition away; merge (AWS's default) keeps what the document does not name."""
    params = request.params
    api = catalogue.api(params["restApiId"])
    document = openapi.imported(openapi.parse(bytes(params["body"])))
    before = api
    if params.get("mode") == "overwrite":
        root = Resource(id=api.root_id)
        api = msgspec.structs.replace(
            api,
            resources={root.id: root},
            name=document.name or api.name,
            models=default_models(catalogue.new_id),
            validators={},
            authorizers={},
            gateway_responses={},
            documentation={},
        )
    api = _filled(catalogue, api, document, params.get("parameters") or {}, before)
    await catalogue.save_api(api)
    return shown(api)


def _filled(catalogue: Catalogue, api: Api, document: openapi.Imported, options: Any, before: Api | None = None) -> Api:
    """The API with what the document says. What had a name before keeps its id."""
    before = before or api
    models = dict(api.models)
    for name, schema in document.models.items():
        text = schema.replace(openapi.API, api.id)
        known = before.models.get(name)
        models[name] = model_of(known.id if known else catalogue.new_id(6), name, text, None, None)
    validators = {one.name: one for one in api.validators.values()}
    known_validators = {one.name: one for one in before.validators.values()}
    for name, validator in document.validators.items():
        old = known_validators.get(name)
        validators[name] = msgspec.structs.replace(validator, id=old.id if old else catalogue.new_id(6))
    authorizers = {one.name: one for one in api.authorizers.values()}
    known_authorizers = {one.name: one for one in before.authorizers.values()}
    for name, given in document.authorizers.items():
        found = known_authorizers.get(name)
        authorizers[name] = authorizer_of(found.id if found else catalogue.new_id(6), given)
    api = msgspec.structs.replace(
        api,
        description=document.description or api.description,
        version=document.version or api.version,
        binary_media_types=tuple(dict.fromkeys((*api.binary_media_types, *document.binary_media_types))),
        models=models,
        validators={one.id: one for one in validators.values()},
        authorizers={one.id: one for one in authorizers.values()},
        gateway_responses={**api.gateway_responses, **document.gateway_responses},
        key_source=key_source_of(document.key_source) if document.key_source else api.key_source,
        policy=document.policy or api.policy,
        compress_from=api.compress_from if document.compress_from is None else least_of(document.compress_from),
        endpoint_disabled=api.endpoint_disabled if document.endpoint_disabled is None else document.endpoint_disabled,
    )
    check_policy(catalogue, api)
    if options.get("ignore") != "documentation":
        parts, wrong = documentation.imported(catalogue, document.documentation)
        if wrong:
            raise bad_request(f"Errors found during import:\n\t{wrong[0]}")
        api, _ = documentation.with_parts(api, parts, overwrite=False)
    return _with_paths(catalogue, api, document, _base(document, options), validators, authorizers)


def _with_paths(
    catalogue: Catalogue,
    api: Api,
    document: openapi.Imported,
    base: str,
    validators: dict[str, Validator],
    authorizers: dict[str, Authorizer],
) -> Api:
    """Missing resources on the way are created."""
    resources = dict(api.resources)
    by_path = {resource.path: resource for resource in resources.values()}
    for path in sorted(document.paths):
        resource = by_path["/"]
        for part in [part for part in (base + path).split("/") if part]:
            below = f"{resource.path.rstrip('/')}/{part}"
            if below not in by_path:
                check_part(part, resource.path)
                check_sibling(part, [one for one in resources.values() if one.parent_id == resource.id])
                made = Resource(id=catalogue.new_id(6), parent_id=resource.id, part=part, path=below)
                by_path[below] = resources[made.id] = made
            resource = by_path[below]
        methods: dict[str, Method] = dict(resource.methods)
        for verb, method in document.paths[path].items():
            validator = validators.get(method.validator_id)
            if method.validator_id and validator is None:
                raise bad_request(f"Unknown request validator {method.validator_id} of {verb} {path}")
            methods[verb] = msgspec.structs.replace(
                method,
                validator_id=validator.id if validator else "",
                authorizer_id=authorizers[method.authorizer_id].id if method.authorizer_id else "",
                request_models={k: n for k, n in method.request_models.items() if n in api.models},
                responses={status: _with_known_models(api, one) for status, one in method.responses.items()},
                integration=_with_namespace(method.integration, resource),
            )
            check_method(api, methods[verb])
        resource = msgspec.structs.replace(resource, methods=methods)
        by_path[resource.path] = resources[resource.id] = resource
    return msgspec.structs.replace(api, resources=resources)


def _with_known_models(api: Api, response: MethodResponse) -> MethodResponse:
    return msgspec.structs.replace(response, models={k: n for k, n in response.models.items() if n in api.models})


def _with_namespace(integration: Integration | None, resource: Resource) -> Integration | None:
    """A cache's namespace is the resource, unless told (as PutIntegration has it)."""
    if integration is None or integration.cache_namespace:
        return integration
    return msgspec.structs.replace(integration, cache_namespace=resource.id)


def _base(document: openapi.Imported, options: Any) -> str:
    """What of Swagger's basePath goes before the paths: nothing, all of it, or all but its first part."""
    mode = str(options.get("basepath") or "ignore").lower()
    if mode not in BASE_PATHS:
        raise bad_request(f"Invalid basepath mode '{mode}'; one of {', '.join(BASE_PATHS)}.")
    parts = [part for part in document.base_path.split("/") if part]
    if mode == "ignore" or not parts:
        return ""
    return "".join(f"/{part}" for part in (parts if mode == "prepend" else parts[1:]))
