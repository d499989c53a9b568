"""Deployments (immutable snapshots of an API) and the stages that serve them."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import msgspec

from antipodes.services.apigateway.access_logs import BadFormat, format_of, group_of
from antipodes.services.apigateway.throttle import ACCOUNT_BURST, ACCOUNT_RATE
from antipodes.services.apigateway.v1 import canary
from antipodes.services.apigateway.v1.apis import page
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.execution_logs import execution_group
from antipodes.services.apigateway.v1.patching import Entries, One, Table, decimal, flag, patched, unescaped, whole
from antipodes.services.apigateway.v1.records import Api, Deployment, MethodSetting, Stage, bad_request, conflict
from antipodes.wire.errors import NotSupported
from antipodes.wire.operation import Request, Result

METHOD_PATH = re.compile(
    r"(/.*/(?:\*|[A-Z]+))(?:/((?:metrics/enabled)|(?:logging/(?:loglevel|dataTrace))|(?:throttling/\w+)|(?:caching/\w+)))?"
)
STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
REFUSED = ("cacheClusterEnabled", "documentationVersion")


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
    deployment = snapshot(api, catalogue.new_id(6), now, params.get("description") or "")
    stage: Stage | None = None
    name, settings = params.get("stageName"), params.get("canarySettings")
    if settings is not None:
        stage = catalogue.stages.get((api.id, name or ""))
        canary.check_stage(name, stage)
        assert stage is not None
        made = canary.canary_of(settings, deployment.id)
        stage = msgspec.structs.replace(stage, canary=made, updated=now)
    elif name:
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


def snapshot(api: Api, deployment_id: str, now: float, description: str = "") -> Deployment:
    """The API as it is now."""
    return Deployment(
        id=deployment_id,
        api_id=api.id,
        created=now,
        description=description,
        binary_media_types=api.binary_media_types,
        resources=tuple(sorted(api.resources.values(), key=lambda resource: resource.path)),
        models=api.models,
        validators=api.validators,
        authorizers=api.authorizers,
        gateway_responses=api.gateway_responses,
        key_source=api.key_source,
        policy=api.policy,
    )


async def get_deployment(catalogue: Catalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["restApiId"], request.params["deploymentId"])
    await catalogue.settled()
    return _shown_deployment(deployment)


async def get_deployments(catalogue: Catalogue, request: Request) -> Result:
    api = catalogue.api(request.params["restApiId"])
    every = sorted((d for key, d in catalogue.deployments.items() if key[0] == api.id), key=lambda d: (d.created, d.id))
    await catalogue.settled()
    return page([_shown_deployment(deployment) for deployment in every], request.params)


async def update_deployment(catalogue: Catalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["restApiId"], request.params["deploymentId"])
    table: Table = {"/description": One("description", gone="")}
    deployment = patched(deployment, request.params.get("patchOperations"), table, "UpdateDeployment")
    await catalogue.save_deployment(deployment, None)
    return _shown_deployment(deployment)


async def delete_deployment(catalogue: Catalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["restApiId"], request.params["deploymentId"])
    stages = [stage for stage in catalogue.stages.values() if stage.api_id == deployment.api_id]
    if any(deployment.id in {one.deployment_id, one.canary and one.canary.deployment_id} for one in stages):
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
    settings = params.get("canarySettings")
    if settings is not None:
        made = canary.canary_of(settings, deployment.id)
        _check_deployment(catalogue, stage, made.deployment_id)
        stage = msgspec.structs.replace(stage, canary=made)
    await catalogue.save_stage(stage)
    return shown(stage)


async def update_stage(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
    stage = catalogue.stage(params["restApiId"], params["stageName"])
    stage = _settled(catalogue, stage, params.get("patchOperations") or ())
    await _make_log_group(catalogue, stage)
    stage = _settled(catalogue, catalogue.stage(stage.api_id, stage.name), params.get("patchOperations") or ())
    stage = msgspec.structs.replace(stage, updated=catalogue.surroundings.world.now())
    await catalogue.save_stage(stage)
    return shown(stage)


async def _make_log_group(catalogue: Catalogue, stage: Stage) -> None:
    if any(one.logging_level not in {"", "OFF"} for one in stage.method_settings.values()):
        await catalogue.access_logs.make_group(execution_group(stage.api_id, stage.name))


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
        "methodSettings": {name: _shown_setting(one) for name, one in stage.method_settings.items()},
        "tracingEnabled": stage.tracing,
        "createdDate": stage.created,
        "lastUpdatedDate": stage.updated,
    }
    if stage.description:
        answer["description"] = stage.description
    if stage.variables:
        answer["variables"] = dict(stage.variables)
    if stage.canary is not None:
        answer["canarySettings"] = canary.shown(stage.canary)
    if stage.log_group_arn:
        answer["accessLogSettings"] = {"destinationArn": stage.log_group_arn, "format": stage.log_format}
    if stage.tags:
        answer["tags"] = dict(stage.tags)
    return answer


def _shown_deployment(deployment: Deployment) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": deployment.id, "createdDate": deployment.created}
    if deployment.description:
        answer["description"] = deployment.description
    return answer


def _settled(catalogue: Catalogue, stage: Stage, patches: Any) -> Stage:
    """The stage after patches of UpdateStage."""
    for one in patches:
        if canary.is_patch(one):
            stage = canary.patched(stage, one, partial(_check_deployment, catalogue, stage))
        elif _of_method(one):
            stage = _patched_method(stage, str(one.get("op")), str(one.get("path")), one.get("value"))
        else:
            stage = patched(stage, [one], TABLE, "UpdateStage")
    catalogue.deployment(stage.api_id, stage.deployment_id)
    _check_log(catalogue, stage)
    return stage


def _check_deployment(catalogue: Catalogue, stage: Stage, deployment_id: str) -> None:
    """Of a canary. Raises BadRequestException."""
    if (stage.api_id, deployment_id) not in catalogue.deployments:
        raise bad_request("Deployment id does not exist")


def _of_method(patch: Any) -> bool:
    path = str(patch.get("path") or "")
    return METHOD_PATH.fullmatch(path) is not None and not path.startswith("/variables/")


def _patched_method(stage: Stage, op: str, path: str, value: Any) -> Stage:
    """`/{resource path}/{verb}/throttling/rateLimit`; `/*/*/...` for all methods."""
    match = METHOD_PATH.fullmatch(path)
    assert match is not None
    name, member = unescaped(match[1].removeprefix("/")).removeprefix("/"), match[2]
    settings = dict(stage.method_settings)
    if op == "remove":
        if member is None:
            settings.pop(name, None)
            return msgspec.structs.replace(stage, method_settings=settings)
        field = METHOD_TABLE.get(f"/{member}")
        assert field is None or isinstance(field, One)
        before = settings.get(name)
        if field is not None and before is not None:
            unset = getattr(MethodSetting(), field.field)
            settings[name] = msgspec.structs.replace(before, **{field.field: unset})
        return msgspec.structs.replace(stage, method_settings=settings)
    given = str(value if value is not None else "")
    if member is not None and member.startswith("caching/") and given.lower() != "true" and member != "caching/enabled":
        return stage  # how a cache would behave; none is switched on
    if member == "caching/enabled" and given.lower() == "false":
        return stage
    before = settings.get(name) or MethodSetting()
    settings[name] = patched(before, [{"op": op, "path": f"/{member}", "value": given}], METHOD_TABLE, "UpdateStage")
    return msgspec.structs.replace(stage, method_settings=settings)


def _check_log(catalogue: Catalogue, stage: Stage) -> None:
    if not stage.log_group_arn:
        return
    try:
        group_of(stage.log_group_arn, catalogue.surroundings.region)
        format_of(stage.log_format)
    except BadFormat as error:
        raise bad_request(str(error)) from error


def _shown_setting(setting: MethodSetting) -> dict[str, Any]:
    return {
        "metricsEnabled": bool(setting.metrics),
        "loggingLevel": setting.logging_level or "OFF",
        "dataTraceEnabled": bool(setting.data_trace),
        "throttlingBurstLimit": ACCOUNT_BURST if setting.burst is None else setting.burst,
        "throttlingRateLimit": ACCOUNT_RATE if setting.rate is None else setting.rate,
        "cachingEnabled": False,
        "cacheTtlInSeconds": 300,
        "cacheDataEncrypted": False,
        "requireAuthorizationForCacheControl": True,
        "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
    }


def _level(value: str) -> str:
    if value not in {"OFF", "ERROR", "INFO"}:
        raise bad_request(f"Invalid logging level '{value}'; one of OFF, ERROR, INFO.")
    return value


TABLE: Table = {
    "/deploymentId": One("deployment_id"),
    "/description": One("description", gone=""),
    "/tracingEnabled": One("tracing", flag),
    "/variables": Entries("variables"),
    "/accessLogSettings": One("log_group_arn", gone=""),
    "/accessLogSettings/destinationArn": One("log_group_arn", lambda arn: arn.removesuffix(":*"), gone=""),
    "/accessLogSettings/format": One("log_format", gone=""),
}
METHOD_TABLE: Table = {
    "/metrics/enabled": One("metrics", flag),
    "/logging/loglevel": One("logging_level", _level),
    "/logging/dataTrace": One("data_trace", flag),
    "/throttling/rateLimit": One("rate", decimal),
    "/throttling/burstLimit": One("burst", whole),
}


def _check_name(name: str) -> None:
    if not STAGE_NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


def _refuse(params: Any) -> None:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of stages")
