"""API keys, as they are configured."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.keyring import ApiKey
from antipodes.services.apigateway.v1.kinds import Params, Rooted
from antipodes.services.apigateway.v1.listing import answered, page
from antipodes.services.apigateway.v1.patching import One, Table, flag
from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.wire.operation import Request, Result

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
TABLE: Table = {
    "/name": One("name"),
    "/description": One("description", gone=""),
    "/enabled": One("enabled", flag),
    "/customerId": One("customer_id", gone=""),
}


async def create_api_key(catalogue: Catalogue, request: Request) -> Result:
    key = _made(catalogue, request.params)
    await catalogue.keyring.save_key(key)
    return shown(key, value=True)


async def get_api_key(catalogue: Catalogue, request: Request) -> Result:
    return shown(await KEYS.read(catalogue, request.params), value=bool(request.params.get("includeValue")))


async def get_api_keys(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    keys = KEYS.every(catalogue, params)
    await catalogue.settled()
    return page([shown(key, value=bool(params.get("includeValues"))) for key in keys], params)


def shown(key: ApiKey, *, value: bool) -> dict[str, Any]:
    return answered(
        {
            "id": key.id,
            "name": key.name,
            "enabled": key.enabled,
            "createdDate": key.created,
            "lastUpdatedDate": key.updated,
            "stageKeys": list(key.stage_keys),
        },
        value=key.value if value else "",
        description=key.description,
        customerId=key.customer_id,
        tags=key.tags,
    )


def _made(catalogue: Catalogue, params: Params) -> ApiKey:
    value = params.get("value") or ""
    if value and len(value) < 20:
        raise bad_request("API Key value should be at least 20 characters")
    if len(value) > 128:
        raise bad_request("API Key value exceeds maximum size of 128 characters")
    if value and catalogue.keyring.valued(value) is not None:
        raise conflict("API Key already exists")
    chance, now = catalogue.surroundings.world.chance, catalogue.surroundings.world.now()
    return ApiKey(
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


def _listed(catalogue: Catalogue, params: Params) -> list[ApiKey]:
    query, customer = params.get("nameQuery") or "", params.get("customerId")
    return [
        key
        for key in sorted(catalogue.keyring.keys.values(), key=lambda key: key.id)
        if key.name.startswith(query) and customer in (None, key.customer_id)
    ]


KEYS = Rooted(
    shown=partial(shown, value=False),
    made=_made,
    patches=TABLE,
    changed=lambda catalogue, params, _, after: msgspec.structs.replace(
        after, updated=catalogue.surroundings.world.now()
    ),
    found=lambda catalogue, params: catalogue.keyring.key(params["apiKey"]),
    listed=_listed,
    save=lambda catalogue, key: catalogue.keyring.save_key(key),
    remove=lambda catalogue, key: catalogue.keyring.delete_key(key),
)
