"""The switches: read, flip one, flip several at once. In every Region, of what that Region holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.recovery.ledger import PANELS, STATES
from antipodes.services.recovery.records import Control, Panel, account_of, is_control, is_panel, unpack
from antipodes.services.recovery.register import Register, page
from antipodes.store.records import Version
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request


async def get_routing_control_state(register: Register, request: Request) -> Mapping[str, Any]:
    control = _control(register, request.params["RoutingControlArn"])
    state = register.ledger.state(control.arn)
    await register.settle()
    return {
        "RoutingControlArn": control.arn,
        "RoutingControlName": control.name,
        "RoutingControlState": state,
    }


async def update_routing_control_state(register: Register, request: Request) -> Mapping[str, Any]:
    return await _update(register, request.params, [request.params])


async def update_routing_control_states(register: Register, request: Request) -> Mapping[str, Any]:
    return await _update(register, request.params, request.params["UpdateRoutingControlStateEntries"])


async def list_routing_controls(register: Register, request: Request) -> Mapping[str, Any]:
    panel = request.params.get("ControlPanelArn")
    if panel is not None:
        if not is_panel(panel):
            raise _malformed("controlPanelArn", panel)
        if register.ledger.get(PANELS, panel.encode()) is None:
            raise _not_found("control panel", "ControlPanel", panel)
    found, more = page(register.controls(panel), request.params)
    await register.settle()
    return {"RoutingControls": [_shape(register, one) for one in found], **more}


async def holds(register: Register, request: Request) -> Mapping[str, Any]:
    """Not AWS's: whether this Region durably has these versions of rows, or later ones."""
    topic = request.params["Topic"]
    held = [register.ledger.holds(topic, key, Version(time, by)) for key, time, by in request.params["Rows"]]
    await register.settle()
    return {"Held": held}


async def _update(
    register: Register, params: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """All or none, as one commit."""
    if params.get("SafetyRulesToOverride"):
        raise NotSupported("safety rules of ARC (SafetyRulesToOverride)")
    wanted = {_control(register, one["RoutingControlArn"]).arn: one["RoutingControlState"] for one in entries}
    if len(wanted) < len(entries):
        raise _invalid("A routing control is named twice.")  # what AWS does is not documented: a guess
    if wanted:
        await register.write([(STATES, arn.encode(), state.encode()) for arn, state in wanted.items()])
    return {}


def _control(register: Register, arn: str) -> Control:
    if not is_control(arn):
        raise _malformed("routingControlArn", arn)
    found = register.ledger.control(arn)
    if found is None:
        raise _not_found("routing control", "RoutingControl", arn)
    return found


def _shape(register: Register, control: Control) -> dict[str, Any]:
    # The panel's row may come later than the control's.
    panel = register.ledger.get(PANELS, control.panel.encode())
    named = {} if panel is None else {"ControlPanelName": unpack(panel, Panel).name}
    return named | {
        "ControlPanelArn": control.panel,
        "RoutingControlArn": control.arn,
        "RoutingControlName": control.name,
        "RoutingControlState": register.ledger.state(control.arn),
        "Owner": account_of(control.arn),
    }


def _malformed(member: str, arn: str) -> ClientFault:
    message = f"{arn} is not a valid ARN."
    fields = [{"name": member, "message": message}]
    return ClientFault("ValidationException", message, reason="fieldValidationFailed", fields=fields)


def _invalid(message: str) -> ClientFault:
    return ClientFault("ValidationException", message, reason="other")


def _not_found(noun: str, kind: str, arn: str) -> ClientFault:
    return ClientFault(
        "ResourceNotFoundException", f"The {noun} {arn} does not exist.", resourceId=arn, resourceType=kind
    )
