"""REST APIs: creating, changing, reading, deleting; account settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.apigateway.throttle import ACCOUNT_BURST, ACCOUNT_RATE
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.compression import least_of
from antipodes.services.apigateway.v1.defaults import default_models
from antipodes.services.apigateway.v1.guard import resource_policy
from antipodes.services.apigateway.v1.kinds import Params, Rooted
from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.patching import Members, One, Own, Patch, Table, flag
from antipodes.services.apigateway.v1.policies import Unreadable
from antipodes.services.apigateway.v1.records import Account, Api, Resource, bad_request
from antipodes.wire.errors import NotSupported

REFUSED = ("cloneFrom", "endpointAccessMode")


def key_source_of(value: str) -> str:
    if value not in {"HEADER", "AUTHORIZER"}:
        raise bad_request(f"Invalid API key source '{value}'; one of HEADER, AUTHORIZER.")
    return value


def _compressed(api: Api, patch: Patch, _: str) -> Api:
    """From another size on; not at all when it is removed, or empty (as Chalice says it)."""
    return msgspec.structs.replace(api, compress_from=None if patch.removes else least_of(patch.value))


def _endpoint(api: Api, patch: Patch, path: str) -> Api:
    """`/endpointConfiguration/types/EDGE`, value REGIONAL: one type in the place of another."""
    name, _, before = path.partition("/")
    if name != "types" or patch.op != "replace":
        raise patch.refused()
    if before and before not in {*api.endpoint_types, "0"}:
        raise bad_request(f"Invalid endpoint type {before}")  # the words are a guess
    return msgspec.structs.replace(api, endpoint_types=endpoint_types({"types": [patch.value]}))


TABLE: Table = {
    "/name": One("name"),
    "/description": One("description", gone=""),
    "/version": One("version", gone=""),
    "/binaryMediaTypes": Members("binary_media_types"),
    "/apiKeySource": One("key_source", key_source_of),
    "/policy": One("policy", gone=""),
    "/disableExecuteApiEndpoint": One("endpoint_disabled", flag),
    "/minimumCompressionSize": Own(_compressed),
    "/endpointConfiguration": Own(_endpoint),
}


def _made(catalogue: Catalogue, params: Params) -> Api:
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
        compress_from=least_of(params.get("minimumCompressionSize")),
    )
    check_policy(catalogue, api)
    return api


def _changed(catalogue: Catalogue, params: Params, before: Api, after: Api) -> Api:
    if not after.name:
        raise bad_request("API name cannot be null or empty.")
    check_policy(catalogue, after)
    return after


def _check_unused(catalogue: Catalogue, params: Params, api: Api) -> None:
    used = sorted(d.name for d in catalogue.domains.values() for m in d.mappings.values() if m.api_id == api.id)
    if used:
        raise bad_request(
            f"Deleting API failed. Please remove all base path mappings related to the API in your domains: {used}"
        )


def shown(api: Api) -> dict[str, Any]:
    return answered(
        {
            "id": api.id,
            "name": api.name,
            "createdDate": api.created,
            "apiKeySource": api.key_source,
            "endpointConfiguration": {"types": list(api.endpoint_types), "ipAddressType": "ipv4"},
            "disableExecuteApiEndpoint": api.endpoint_disabled,
            "rootResourceId": api.root_id,
            **({} if api.compress_from is None else {"minimumCompressionSize": api.compress_from}),
        },
        description=api.description,
        version=api.version,
        binaryMediaTypes=list(api.binary_media_types),
        policy=orjson.dumps(api.policy).decode()[1:-1],  # AWS shows it escaped once more
        tags=api.tags,
    )


APIS = Rooted(
    shown=shown,
    made=_made,
    patches=TABLE,
    changed=_changed,
    check_unused=_check_unused,
    found=lambda catalogue, params: catalogue.api(params["restApiId"]),
    listed=lambda catalogue, params: [catalogue.apis[key] for key in sorted(catalogue.apis)],
    save=Catalogue.save_api,
    remove=Catalogue.delete_api,
)


def _shown_account(account: Account) -> dict[str, Any]:
    limits = {"burstLimit": ACCOUNT_BURST, "rateLimit": ACCOUNT_RATE}
    always = {"throttleSettings": limits, "features": ["UsagePlans"], "apiKeyVersion": "4"}
    return answered(always, cloudwatchRoleArn=account.cloudwatch_role_arn)


ACCOUNT = Rooted(
    shown=_shown_account,
    patches={"/cloudwatchRoleArn": One("cloudwatch_role_arn")},
    found=lambda catalogue, params: catalogue.account,
    listed=lambda catalogue, params: [catalogue.account],
    save=Catalogue.save_account,
)


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
