"""Tags of clusters and control panels. Routing controls have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.recovery.ledger import CLUSTERS, PANELS
from antipodes.services.recovery.records import Cluster, Panel, is_cluster, pack
from antipodes.services.recovery.register import Register
from antipodes.wire.operation import Request


async def list_tags_for_resource(register: Register, request: Request) -> Mapping[str, Any]:
    found = _tagged(register, request)
    await register.settle()
    return {"Tags": found.tags}


async def tag_resource(register: Register, request: Request) -> Mapping[str, Any]:
    found = _tagged(register, request)
    return await _write(register, found, {**found.tags, **request.params["Tags"]})


async def untag_resource(register: Register, request: Request) -> Mapping[str, Any]:
    found, gone = _tagged(register, request), request.params["TagKeys"]
    return await _write(register, found, {key: value for key, value in found.tags.items() if key not in gone})


def _tagged(register: Register, request: Request) -> Cluster | Panel:
    arn = request.params["ResourceArn"]
    return register.cluster(arn) if is_cluster(arn) else register.panel(arn)


async def _write(register: Register, found: Cluster | Panel, tags: dict[str, str]) -> Mapping[str, Any]:
    topic = CLUSTERS if isinstance(found, Cluster) else PANELS
    await register.write([(topic, found.arn.encode(), pack(msgspec.structs.replace(found, tags=tags)))])
    return {}
