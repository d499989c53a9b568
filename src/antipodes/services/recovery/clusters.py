"""Clusters: create, describe, list, delete. Each has a default control panel from the beginning, and to its end.

Quotas are ARC's published ones (2 clusters an account).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.recovery.ledger import CLUSTERS, PANELS
from antipodes.services.recovery.records import Cluster, Panel, cluster_arn, cluster_shape, pack, panel_arn
from antipodes.services.recovery.register import Register, fault, page
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request

MAX_CLUSTERS = 2
DEFAULT_PANEL = "DefaultControlPanel"


async def create_cluster(register: Register, request: Request) -> Mapping[str, Any]:
    params = request.params
    if params.get("NetworkType") == "DUALSTACK":
        raise NotSupported("NetworkType DUALSTACK of ARC's clusters")
    token, tags = params.get("ClientToken") or "", dict(params.get("Tags") or {})
    known = next((one for one in register.clusters() if token and one.token == token), None)
    if known is None:
        if len(register.clusters()) >= MAX_CLUSTERS:
            raise fault("ServiceQuotaExceededException", f"The quota of {MAX_CLUSTERS} clusters has been reached.")
        draw = register.around.world.chance.getrandbits
        known = Cluster(cluster_arn(request.account, draw(128)), params["ClusterName"], token, tags)
        panel = Panel(panel_arn(request.account, draw(128)), DEFAULT_PANEL, known.arn, default=True)
        await register.write([(CLUSTERS, known.arn.encode(), pack(known)), (PANELS, panel.arn.encode(), pack(panel))])
    elif known.name != params["ClusterName"]:
        raise fault("ConflictException", "The ClientToken was used before, with other parameters.")
    await register.settle()
    return {"Cluster": cluster_shape(known, "PENDING", register.around.settings.regions)}


async def describe_cluster(register: Register, request: Request) -> Mapping[str, Any]:
    cluster = register.cluster(request.params["ClusterArn"])
    (shape,) = await _shapes(register, [cluster])
    return {"Cluster": shape}


async def list_clusters(register: Register, request: Request) -> Mapping[str, Any]:
    found, more = page(register.clusters(), request.params)
    return {"Clusters": await _shapes(register, found), **more}


async def delete_cluster(register: Register, request: Request) -> Mapping[str, Any]:
    cluster = register.cluster(request.params["ClusterArn"])
    panels = register.panels(cluster.arn)
    if any(not one.default or register.controls(one.arn) for one in panels):
        raise fault("ConflictException", "The cluster has control panels or routing controls: delete them first.")
    await register.write(
        [(CLUSTERS, cluster.arn.encode(), None), *((PANELS, one.arn.encode(), None) for one in panels)]
    )
    return {}


async def _shapes(register: Register, clusters: list[Cluster]) -> list[dict[str, Any]]:
    statuses = await register.statuses(CLUSTERS, [one.arn for one in clusters])
    await register.settle()
    regions = register.around.settings.regions
    return [cluster_shape(one, status, regions) for one, status in zip(clusters, statuses, strict=True)]
