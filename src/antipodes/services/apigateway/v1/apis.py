"""REST APIs: creating, changing, reading, deleting; account settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.defaults import default_models
from antipodes.services.apigateway.v1.guard import resource_policy
from antipodes.services.apigateway.v1.patching import Members, One, Table, flag, patched
from antipodes.services.apigateway.v1.policies import Unreadable
from antipodes.services.apigateway.v1.records import Account, Api, Resource, bad_request
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

REFUSED = ("cloneFrom", "minimumCompressionSize", "endpointAccessMode")


def key_source_of(value: str) -> str:
    if value not in {"HEADER", "AUTHORIZER"}:
        raise bad_request(f"Invalid API key source '{value}'; one of HEADER, AUTHORIZER.")
    return value


TABLE: Table = {
    "/name": One("name"),
    "/description": One("description", gone=""),
    "/version": One("version", gone=""),
    "/binaryMediaTypes": Members("binary_media_types"),
    "/apiKeySource": One("key_source", key_source_of),
    "/policy": One("policy", gone=""),
    "/disableExecuteApiEndpoint": One("endpoint_disabled", flag),
}


async def create_rest_api(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    _refuse(params)
    if not params.get("name"):
        raise bad_request("API name cannot be null or empty.")
    if params.get("description") == "":
        raise bad_request("Description cannot be an empty string")
    root = Resource(id=catalogue.new_id(10))
    api = Api(
        id=catalogue.new_id(10),
        name=params["name"],
        root_id=root.id,
        created=catalogue.surroundings.world.now(),
        description=params.get("description") or "",
        version=params.get("version") or "",
        endpoint_types=endpoint_types(params.get("endpointConfiguration")),
        binary_media_types=tuple(params.get("binaryMediaTypes") or ()),
        tags=dict(params.get("tags") or {}),
        resources={root.id: root},
        models=default_models(catalogue.new_id),
        key_source=key_source_of(params.get("apiKeySource") or "HEADER"),
        policy=params.get("policy") or "",
        endpoint_disabled=bool(params.get("disableExecuteApiEndpoint")),
    )
    check_policy(catalogue, api)
    await catalogue.save_api(api)
    return shown(api)


async def update_rest_api(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    api = patched(api, request.params.get("patchOperations"), TABLE, "UpdateRestApi")
    if not api.name:
        raise bad_request("API name cannot be null or empty.")
    check_policy(catalogue, api)
    await catalogue.save_api(api)
    return shown(api)


async def get_rest_api(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    await catalogue.settled()
    return shown(api)


async def get_rest_apis(catalogue: Catalogue, request: Request) -> Result:
    await catalogue.settled()
    return page([shown(catalogue.apis[key]) for key in sorted(catalogue.apis)], request.params)


async def delete_rest_api(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    used = sorted(d.name for d in catalogue.domains.values() for m in d.mappings.values() if m.api_id == api.id)
    if used:
        raise bad_request(
            f"Deleting API failed. Please remove all base path mappings related to the API in your domains: {used}"
        )
    await catalogue.delete_api(api)
    return {}


async def get_account(catalogue: Catalogue, request: Request) -> Result:
    await catalogue.settled()
    return _account(catalogue.account)


async def update_account(catalogue: Catalogue, request: Request) -> Result:
    account = catalogue.account
    for change in request.params.get("patchOperations") or ():
        if change.get("path") != "/cloudwatchRoleArn" or change.get("op") not in {"replace", "add"}:
            raise NotSupported(f"{change.get('op')} {change.get('path')} of UpdateAccount")
        account = msgspec.structs.replace(account, cloudwatch_role_arn=change.get("value") or "")
    await catalogue.save_account(account)
    return _account(account)


def page(items: list[dict[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a listing: `limit` (25 unless told, at most 500) items from `position` on."""
    limit = min(int(params.get("limit") or 25), 500)
    position = str(params.get("position") or "0")
    if not position.isdigit() or limit < 1:
        raise bad_request("Invalid position parameter")
    start = int(position)
    answer: dict[str, Any] = {"items": items[start : start + limit]}
    if start + limit < len(items):
        answer["position"] = str(start + limit)
    return answer


def shown(api: Api) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": api.id,
        "name": api.name,
        "createdDate": api.created,
        "apiKeySource": api.key_source,
        "endpointConfiguration": {"types": list(api.endpoint_types), "ipAddressType": "ipv4"},
        "disableExecuteApiEndpoint": api.endpoint_disabled,
        "rootResourceId": api.root_id,
    }
    if api.description:
        answer["description"] = api.description
    if api.version:
        answer["version"] = api.version
    if api.binary_media_types:
        answer["binaryMediaTypes"] = list(api.binary_media_types)
    if api.policy:
        answer["policy"] = orjson.dumps(api.policy).decode()[1:-1]  # AWS shows it escaped once more
    if api.tags:
        answer["tags"] = dict(api.tags)
    return answer


def check_policy(catalogue: Catalogue, api: Api) -> None:
    """Raises BadRequestException for a resource policy that cannot be read."""
    if not api.policy:
        return
    around = catalogue.surroundings
    try:
        resource_policy(api.policy, around.settings.account, around.region, api.id)
    except (Unreadable, orjson.JSONDecodeError) as error:
        raise bad_request(
            f"Invalid policy document. Please check the policy syntax and ensure that Principals are valid: {error}"
        ) from error


def endpoint_types(configuration: Mapping[str, Any] | None) -> tuple[str, ...]:
    types = tuple((configuration or {}).get("types") or ("EDGE",))
    if len(types) > 1:
        raise bad_request("Cannot create an api with multiple Endpoint Types.")
    for kind in types:
        if kind == "PRIVATE":
            raise NotSupported("PRIVATE REST APIs")
        if kind not in {"EDGE", "REGIONAL"}:
            raise bad_request(f"Invalid endpoint type {kind}")
    # An EDGE API is served like a REGIONAL one: there is no CloudFront in front of it.
    return types


def _refuse(params: Mapping[str, Any]) -> None:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of REST APIs")


def _account(account: Account) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0},
        "features": ["UsagePlans"],
        "apiKeyVersion": "4",
    }
    if account.cloudwatch_role_arn:
        answer["cloudwatchRoleArn"] = account.cloudwatch_role_arn
    return answer
