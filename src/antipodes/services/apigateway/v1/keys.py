"""API keys, as they are configured. Importing them from a file is refused."""

from __future__ import annotations

from typing import Any

import msgspec

from antipodes.services.apigateway.v1.apis import page
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.keyring import ApiKey
from antipodes.services.apigateway.v1.patching import One, flag, patched
from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.wire.operation import Request, Result

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TABLE = {
    "/name": One("name"),
    "/description": One("description", gone=""),
    "/enabled": One("enabled", flag),
    "/customerId": One("customer_id", gone=""),
}


async def create_api_key(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    value = params.get("value") or ""
    if value and len(value) < 20:
        raise bad_request("API Key value should be at least 20 characters")
    if len(value) > 128:
        raise bad_request("API Key value exceeds maximum size of 128 characters")
    if value and catalogue.keyring.taken(value):
        raise conflict("API Key already exists")
    chance, now = catalogue.surroundings.world.chance, catalogue.surroundings.world.now()
    key = ApiKey(
        id=catalogue.new_id(10),
        value=value or "".join(chance.choice(LETTERS) for _ in range(40)),
        name=params.get("name") or "",
        created=now,
        updated=now,
        description=params.get("description") or "",
        customer_id=params.get("customerId") or "",
        enabled=bool(params.get("enabled")),
        stage_keys=tuple(
            f"{one.get('restApiId') or ''}/{one.get('stageName') or ''}" for one in params.get("stageKeys") or ()
        ),
        tags=dict(params.get("tags") or {}),
    )
    await catalogue.keyring.save_key(key)
    return shown(key, value=True)


async def get_api_key(catalogue: Catalogue, request: Request) -> Result:
    key = catalogue.keyring.key(request.params["apiKey"])
    await catalogue.settled()
    return shown(key, value=bool(request.params.get("includeValue")))


async def get_api_keys(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    query, customer = params.get("nameQuery") or "", params.get("customerId")
    keys = [
        key
        for key in sorted(catalogue.keyring.keys.values(), key=lambda key: key.id)
        if key.name.startswith(query) and customer in (None, key.customer_id)
    ]
    await catalogue.settled()
    return page([shown(key, value=bool(params.get("includeValues"))) for key in keys], params)


async def update_api_key(catalogue: Catalogue, request: Request) -> Result:
    key = catalogue.keyring.key(request.params["apiKey"])
    key = patched(key, request.params.get("patchOperations"), TABLE, "UpdateApiKey")
    key = msgspec.structs.replace(key, updated=catalogue.surroundings.world.now())
    await catalogue.keyring.save_key(key)
    return shown(key, value=False)


async def delete_api_key(catalogue: Catalogue, request: Request) -> Result:
    await catalogue.keyring.delete_key(catalogue.keyring.key(request.params["apiKey"]))
    return {}


def shown(key: ApiKey, *, value: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "enabled": key.enabled,
        "createdDate": key.created,
        "lastUpdatedDate": key.updated,
        "stageKeys": list(key.stage_keys),
    }
    if value:
        answer["value"] = key.value
    if key.description:
        answer["description"] = key.description
    if key.customer_id:
        answer["customerId"] = key.customer_id
    if key.tags:
        answer["tags"] = dict(key.tags)
    return answer
