"""One service on a store, in both worlds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from antipodes.services.contract import Service, Settings, Surroundings
from antipodes.store.store import Store
from antipodes.wire.errors import AwsError, NotSupported
from antipodes.wire.operation import Payload, Request
from antipodes.world.world import World

REGION = "eu-west-1"


async def nobody(
    service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
) -> Mapping[str, Any]:
    raise NotSupported(f"{service} {operation}")


def surroundings(world: World, **settings: Any) -> Surroundings:
    return Surroundings(
        world.site, world, Store.open(world, "region"), nobody, Settings(("us-east-1", REGION), **settings)
    )


async def ask(service: Service, operation: str, /, **params: Any) -> Mapping[str, Any]:
    result = await service.operations[operation](Request(service.name, operation, params, REGION))
    assert not isinstance(result, Payload)
    return result


async def refused(service: Service, operation: str, /, **params: Any) -> AwsError:
    with pytest.raises(AwsError) as raised:
        await ask(service, operation, **params)
    return raised.value
