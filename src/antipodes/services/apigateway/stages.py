"""Deployments (immutable snapshots of an API) and the stages that serve them."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from antipodes.services.apigateway.apis import page
from antipodes.services.apigateway.catalogue import Catalogue
from antipodes.services.apigateway.records import Deployment, Stage, bad_request, conflict
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
REFUSED = ("canarySettings", "cacheClusterEnabled", "cacheClusterSize", "documentationVersion")


async def create_deployment(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    _refuse(params)
    api = catalogue.api(params["restApiId"])
    methods = [method for resource in api.resources.values() for method in resource.methods.values()]
    if not methods:
        raise bad_request("The REST API doesn't contain any methods")
    if any(method.integration is None for method in methods):
        raise bad_request("No integration defined for method")
    now = catalogue.surroundings.world.now()
    deployment = Deployment(
        id=catalogue.new_id(6),
        api_id=api.id,
        created=now,
        description=params.get("description") or "",
        binary_media_types=api.binary_media_types,
        resources=tuple(sorted(api.resources.values(), key=lambda resource: resource.path)),
    )
    stage: Stage | None = None
    name = params.get("stageName")
    if name:
        _check_name(name)
        stage = catalogue.stages.get((api.id, name))
        if stage is None:
            stage = Stage(api_id=api.id, name=name, deployment_id=deployment.id, created=now, updated=now)
        stage = msgspec.structs.replace(
            stage,
            deployment_id=deployment.id,
            updated=now,
            description=params.get("stageDescription") or stage.description,
            variables={**stage.variables, **(params.get("variables") or {})},
            tracing=bool(params.get("tracingEnabled") or stage.tracing),
        )
    await catalogue.save_deployment(deployment, stage)
    return _shown_deployment(deployment)


async def get_deployment(catalogue: Catalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["restApiId"], request.params["deploymentId"])
    await catalogue.settled()
    return _shown_deployment(deployment)


async def get_deployments(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    every = sorted((d for key, d in catalogue.deployments.items() if key[0] == api.id), key=lambda d: (d.created, d.id))
    await catalogue.settled()
    return page([_shown_deployment(deployment) for deployment in every], request.params)


async def delete_deployment(catalogue: Catalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["restApiId"], request.params["deploymentId"])
    if any(s.api_id == deployment.api_id and s.deployment_id == deployment.id for s in catalogue.stages.values()):
        raise bad_request("Active stages pointing to this deployment must be moved or deleted")
    await catalogue.delete_deployment(deployment)
    return {}


async def create_stage(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    _refuse(params)
    deployment = catalogue.deployment(params["restApiId"], params["deploymentId"])
    name = params["stageName"]
    _check_name(name)
    if (deployment.api_id, name) in catalogue.stages:
        raise conflict("Stage already exists")
    now = catalogue.surroundings.world.now()
    stage = Stage(
        api_id=deployment.api_id,
        name=name,
        deployment_id=deployment.id,
        created=now,
        updated=now,
        description=params.get("description") or "",
        variables=dict(params.get("variables") or {}),
        tracing=bool(params.get("tracingEnabled")),
        tags=dict(params.get("tags") or {}),
    )
    await catalogue.save_stage(stage)
    return shown(stage)


async def update_stage(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    stage = catalogue.stage(params["restApiId"], params["stageName"])
    for change in params.get("patchOperations") or ():
        stage = _patched(catalogue, stage, change.get("op"), change.get("path") or "", change.get("value"))
    stage = msgspec.structs.replace(stage, updated=catalogue.surroundings.world.now())
    await catalogue.save_stage(stage)
    return shown(stage)


async def get_stage(catalogue: Catalogue, request: Request) -> Result:
    stage = catalogue.stage(request.params["restApiId"], request.params["stageName"])
    await catalogue.settled()
    return shown(stage)


async def get_stages(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    wanted = request.params.get("deploymentId")
    every = [stage for key, stage in sorted(catalogue.stages.items()) if key[0] == api.id]
    await catalogue.settled()
    return {"item": [shown(stage) for stage in every if wanted in (None, stage.deployment_id)]}


async def delete_stage(catalogue: Catalogue, request: Request) -> Result:
    stage = catalogue.stage(request.params["restApiId"], request.params["stageName"])
    used = sorted(
        domain.name
        for domain in catalogue.domains.values()
        for mapping in domain.mappings.values()
        if (mapping.api_id, mapping.stage) == (stage.api_id, stage.name)
    )
    if used:
        raise bad_request(f"Please remove all base path mappings related to the stage in your domains: {used}")
    await catalogue.delete_stage(stage)
    return {}


def shown(stage: Stage) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "deploymentId": stage.deployment_id,
        "stageName": stage.name,
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": stage.tracing,
        "createdDate": stage.created,
        "lastUpdatedDate": stage.updated,
    }
    if stage.description:
        answer["description"] = stage.description
    if stage.variables:
        answer["variables"] = dict(stage.variables)
    if stage.tags:
        answer["tags"] = dict(stage.tags)
    return answer


def _shown_deployment(deployment: Deployment) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": deployment.id, "createdDate": deployment.created}
    if deployment.description:
        answer["description"] = deployment.description
    return answer


def _patched(catalogue: Catalogue, stage: Stage, op: Any, path: str, value: Any) -> Stage:
    if path == "/deploymentId" and op == "replace":
        deployment = catalogue.deployment(stage.api_id, value or "")
        return msgspec.structs.replace(stage, deployment_id=deployment.id)
    if path == "/description" and op in {"replace", "add"}:
        return msgspec.structs.replace(stage, description=value or "")
    if path == "/tracingEnabled" and op in {"replace", "add"}:
        return msgspec.structs.replace(stage, tracing=str(value).lower() == "true")
    if path.startswith("/variables/"):
        name = path.removeprefix("/variables/")
        variables = {k: v for k, v in stage.variables.items() if k != name}
        if op in {"replace", "add"}:
            variables[name] = value or ""
        elif op != "remove":
            raise bad_request(f"Invalid patch operation {op} specified.")
        return msgspec.structs.replace(stage, variables=variables)
    raise NotSupported(f"{op} {path} of UpdateStage")


def _check_name(name: str) -> None:
    if not STAGE_NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


def _refuse(params: Any) -> None:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of stages")
