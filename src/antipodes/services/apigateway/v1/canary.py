"""Canary release deployments: a stage that serves a second deployment to some of its requests. Pure.

    made       by CreateStage or CreateDeployment with canarySettings, or by patches of UpdateStage
    served     percentTraffic of the requests, drawn one by one, see its deployment and its variables, and
               $context.isCanary is true
    promoted   by patches: copy /canarySettings/deploymentId to /deploymentId, copy
               /canarySettings/stageVariableOverrides to /variables, remove /canarySettings

Errors are in the words recorded on AWS. A canary writes to its stage's own logs (on AWS to groups of its own).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.patching import Patch, decimal, flag, unescaped
from antipodes.services.apigateway.v1.records import Canary, Stage, bad_request

PATH = "/canarySettings"
DEPLOYMENT, OVERRIDES = f"{PATH}/deploymentId", f"{PATH}/stageVariableOverrides"
PROMOTIONS = {"/deploymentId": DEPLOYMENT, "/variables": OVERRIDES}


def canary_of(given: Mapping[str, Any], deployment_id: str) -> Canary:
    """From canarySettings. Raises BadRequestException."""
    return Canary(
        deployment_id=str(given.get("deploymentId") or deployment_id),
        percent=_percent(float(given.get("percentTraffic") or 0.0)),
        overrides={str(name): str(value) for name, value in (given.get("stageVariableOverrides") or {}).items()},
        use_stage_cache=bool(given.get("useStageCache")),
    )


def check_stage(name: Any, stage: Stage | None) -> None:
    """Of CreateDeployment with canarySettings. Raises BadRequestException."""
    if not name:
        told = "null" if name is None else name
        raise bad_request(
            "Invalid deployment content specified.Non null and non empty stageName must be provided for canary "
            f"deployment. Provided value is {told}"
        )
    if stage is None:
        raise bad_request(
            f"Invalid deployment content specified.Stage {name} must already be created before making a canary release "
            "deployment"
        )


def changed(stage: Stage, patch: Patch, rest: str) -> Stage:
    """After a patch of its canary. Raises BadRequestException."""
    if patch.removes:
        return _without(stage, patch.path)
    if patch.op == "add" and patch.path == DEPLOYMENT:
        raise bad_request(f"Invalid add operation with path: {DEPLOYMENT}")
    name, _, variable = rest.partition("/")
    canary = stage.canary or Canary(deployment_id=stage.deployment_id)
    match name:
        case "deploymentId":
            canary = msgspec.structs.replace(canary, deployment_id=patch.value)
        case "percentTraffic":
            canary = msgspec.structs.replace(canary, percent=_percent(decimal(patch.value)))
        case "useStageCache":
            canary = msgspec.structs.replace(canary, use_stage_cache=flag(patch.value))
        case "stageVariableOverrides" if variable:
            overrides = {**canary.overrides, unescaped(variable): patch.value}
            canary = msgspec.structs.replace(canary, overrides=overrides)
        case _:
            raise bad_request(f"Invalid method setting path: {patch.path}")  # AWS goes on with all paths that there are
    return msgspec.structs.replace(stage, canary=canary)


def promoted(stage: Stage, patch: Patch, _: str) -> Stage:
    """After a patch that copies. Raises BadRequestException."""
    path, source = patch.path, patch.source
    if PROMOTIONS.get(path) != source:
        raise bad_request(
            f"Invalid copy operation with path: {path} and from {source}. Valid copy:path are [/deploymentId, "
            f"/variables] and valid copy:from are [{DEPLOYMENT}, {OVERRIDES}]"
        )
    if stage.canary is None:
        raise bad_request("Promotion not available. Canary does not exist.")
    if path == "/deploymentId":
        return msgspec.structs.replace(stage, deployment_id=stage.canary.deployment_id)
    return msgspec.structs.replace(stage, variables={**stage.variables, **stage.canary.overrides})


def as_stage(stage: Stage, canary: Canary) -> Stage:
    """What the canary's requests see of their stage."""
    variables = {**stage.variables, **canary.overrides}
    return msgspec.structs.replace(stage, deployment_id=canary.deployment_id, variables=variables, canary=None)


def shown(canary: Canary) -> dict[str, Any]:
    return answered(
        {
            "deploymentId": canary.deployment_id,
            "percentTraffic": canary.percent,
            "useStageCache": canary.use_stage_cache,
        },
        stageVariableOverrides=canary.overrides,
    )


def _without(stage: Stage, path: str) -> Stage:
    canary, name = stage.canary, unescaped(path.removeprefix(f"{OVERRIDES}/"))
    if canary is not None and path == PATH:
        return msgspec.structs.replace(stage, canary=None)
    if canary is not None and (path == OVERRIDES or name in canary.overrides):
        kept = {} if path == OVERRIDES else {key: one for key, one in canary.overrides.items() if key != name}
        return msgspec.structs.replace(stage, canary=msgspec.structs.replace(canary, overrides=kept))
    setting = path.removeprefix("/")
    raise bad_request(f"Cannot remove method setting {setting} because there is no method setting for this method ")


def _percent(given: float) -> float:
    if not 0.0 <= given <= 100.0:
        raise bad_request(f"Canary percentTraffic must be between 0 and 100: {given:g}")  # the words are a guess
    return given
