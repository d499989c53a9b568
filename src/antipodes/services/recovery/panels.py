"""Control panels: create, describe, list, update, delete. The default one goes with its cluster only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.recovery.ledger import PANELS
from antipodes.services.recovery.records import Panel, pack, panel_arn, panel_shape
from antipodes.services.recovery.register import Register, fault, page
from antipodes.wire.operation import Request

MAX_PANELS = 50  # a cluster


async def create_control_panel(register: Register, request: Request) -> Mapping[str, Any]:
    params = request.params
    cluster, token = register.cluster(params["ClusterArn"]), params.get("ClientToken") or ""
    known = next((one for one in register.panels() if token and one.token == token), None)
    if known is None:
        if len(register.panels(cluster.arn)) >= MAX_PANELS:
            raise fault("ServiceQuotaExceededException", f"The quota of {MAX_PANELS} control panels has been reached.")
        arn = panel_arn(request.account, register.around.world.chance.getrandbits(128))
        tags = dict(params.get("Tags") or {})
        known = Panel(arn, params["ControlPanelName"], cluster.arn, token=token, tags=tags)
        await register.write([(PANELS, arn.encode(), pack(known))])
    elif (known.name, known.cluster) != (params["ControlPanelName"], cluster.arn):
        raise fault("ConflictException", "The ClientToken was used before, with other parameters.")
    await register.settle()
    return {"ControlPanel": panel_shape(known, "PENDING", len(register.controls(known.arn)))}


async def describe_control_panel(register: Register, request: Request) -> Mapping[str, Any]:
    (shape,) = await _shapes(register, [register.panel(request.params["ControlPanelArn"])])
    return {"ControlPanel": shape}


async def list_control_panels(register: Register, request: Request) -> Mapping[str, Any]:
    cluster = request.params.get("ClusterArn")
    if cluster is not None:
        register.cluster(cluster)
    found, more = page(register.panels(cluster), request.params)
    return {"ControlPanels": await _shapes(register, found), **more}


async def update_control_panel(register: Register, request: Request) -> Mapping[str, Any]:
    panel = register.panel(request.params["ControlPanelArn"])
    panel = msgspec.structs.replace(panel, name=request.params["ControlPanelName"])
    await register.write([(PANELS, panel.arn.encode(), pack(panel))])
    return {"ControlPanel": panel_shape(panel, "PENDING", len(register.controls(panel.arn)))}


async def delete_control_panel(register: Register, request: Request) -> Mapping[str, Any]:
    panel = register.panel(request.params["ControlPanelArn"])
    if panel.default:
        raise fault("ConflictException", "The default control panel cannot be deleted.")
    if register.controls(panel.arn):
        raise fault("ConflictException", "The control panel has routing controls: delete them first.")
    await register.write([(PANELS, panel.arn.encode(), None)])
    return {}


async def _shapes(register: Register, panels: list[Panel]) -> list[dict[str, Any]]:
    statuses = await register.statuses(PANELS, [one.arn for one in panels])
    await register.settle()
    return [
        panel_shape(one, status, len(register.controls(one.arn))) for one, status in zip(panels, statuses, strict=True)
    ]
