"""Routing controls: create, describe, list, update, delete, and which health checks follow one.

A new routing control is Off. One that health checks follow can be deleted (whether AWS allows it is not documented: a
guess); the checks then count as unhealthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.recovery.ledger import CONTROLS, OFF, STATES
from antipodes.services.recovery.records import Control, control_arn, control_shape, pack
from antipodes.services.recovery.register import MAX_PAGE, Register, fault, page
from antipodes.wire.operation import Request

MAX_CONTROLS, MAX_OF_CLUSTER = 100, 300  # a control panel, a cluster


async def create_routing_control(register: Register, request: Request) -> Mapping[str, Any]:
    params = request.params
    cluster, token = register.cluster(params["ClusterArn"]), params.get("ClientToken") or ""
    panels = register.panels(cluster.arn)
    arn = params.get("ControlPanelArn") or next(one.arn for one in panels if one.default)
    panel = register.panel(arn)
    if panel.cluster != cluster.arn:
        raise fault("ValidationException", f"The control panel {arn} does not belong to the cluster {cluster.arn}.")
    known = next((one for one in register.controls() if token and one.token == token), None)
    if known is None:
        of_cluster = sum(len(register.controls(one.arn)) for one in panels)
        if len(register.controls(arn)) >= MAX_CONTROLS or of_cluster >= MAX_OF_CLUSTER:
            raise fault(
                "ServiceQuotaExceededException",
                f"The quota of {MAX_CONTROLS} routing controls a control panel, {MAX_OF_CLUSTER} a cluster, has been "
                "reached.",
            )
        made = control_arn(arn, register.around.world.chance.getrandbits(64))
        known = Control(made, params["RoutingControlName"], token)
        await register.write(
            [(CONTROLS, made.encode(), pack(known)), (STATES, made.encode(), OFF.encode())],
        )
    elif (known.name, known.panel) != (params["RoutingControlName"], arn):
        raise fault("ConflictException", "The ClientToken was used before, with other parameters.")
    await register.settle()
    return {"RoutingControl": control_shape(known, "PENDING")}


async def describe_routing_control(register: Register, request: Request) -> Mapping[str, Any]:
    (shape,) = await _shapes(register, [register.control(request.params["RoutingControlArn"])])
    return {"RoutingControl": shape}


async def list_routing_controls(register: Register, request: Request) -> Mapping[str, Any]:
    panel = register.panel(request.params["ControlPanelArn"])
    found, more = page(register.controls(panel.arn), request.params)
    return {"RoutingControls": await _shapes(register, found), **more}


async def update_routing_control(register: Register, request: Request) -> Mapping[str, Any]:
    control = register.control(request.params["RoutingControlArn"])
    control = msgspec.structs.replace(control, name=request.params["RoutingControlName"])
    await register.write([(CONTROLS, control.arn.encode(), pack(control))])
    return {"RoutingControl": control_shape(control, "PENDING")}


async def delete_routing_control(register: Register, request: Request) -> Mapping[str, Any]:
    key = register.control(request.params["RoutingControlArn"]).arn.encode()
    await register.write([(CONTROLS, key, None), (STATES, key, None)])
    return {}


async def list_associated_route53_health_checks(register: Register, request: Request) -> Mapping[str, Any]:
    params = request.params
    control = register.control(params["RoutingControlArn"])
    settings, found, marker = register.around.settings, [], ""
    home = settings.options.get("home") or ("us-east-1" if "us-east-1" in settings.regions else settings.regions[0])
    while True:
        asked = {"Marker": marker} if marker else {}
        answer = await register.around.call("route53", "ListHealthChecks", asked, region=home)
        checks = answer["HealthChecks"]
        found += [one["Id"] for one in checks if one["HealthCheckConfig"].get("RoutingControlArn") == control.arn]
        marker = answer.get("NextMarker", "")
        if not marker:
            break
    size, token = int(params.get("MaxResults") or MAX_PAGE), params.get("NextToken") or ""
    left = [one for one in found if one > token]
    more = {"NextToken": left[size - 1]} if len(left) > size else {}
    return {"HealthCheckIds": left[:size], **more}


async def _shapes(register: Register, controls: list[Control]) -> list[dict[str, Any]]:
    statuses = await register.statuses(CONTROLS, [one.arn for one in controls])
    await register.settle()
    return [control_shape(one, status) for one, status in zip(controls, statuses, strict=True)]
