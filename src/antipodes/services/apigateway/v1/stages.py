"""Deployments (immutable snapshots of an API) and the stages that serve them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway.access_logs import BadFormat, format_of, group_of
from antipodes.services.apigateway.throttle import ACCOUNT_BURST, ACCOUNT_RATE
from antipodes.services.apigateway.v1 import canary
from antipodes.services.apigateway.v1.caching import TTL_S, WARN, size_of, strategy_of, ttl_of
from antipodes.services.apigateway.v1.catalogue import Catalogue
from antipodes.services.apigateway.v1.execution_logs import execution_group
from antipodes.services.apigateway.v1.kinds import Params, Rooted
from antipodes.services.apigateway.v1.listing import answered
from antipodes.services.apigateway.v1.patching import (
    COPY,
    OTHER,
    Entries,
    One,
    Own,
    Patch,
    Table,
    decimal,
    flag,
    patched,
    unescaped,
    whole,
)
from antipodes.services.apigateway.v1.records import (
    Api,
    Deployment,
    MethodSetting,
    Stage,
    bad_request,
    conflict,
    missing,
)
from antipodes.wire.operation import Request, Result

METHOD_PATH = re.compile(
    r"(/.*/(?:\*|[A-Z]+))(?:/((?:metrics/enabled)|(?:logging/(?:loglevel|dataTrace))|(?:throttling/\w+)|(?:caching/\w+)))?"
)
VALUE_FORM = "[A-Za-z0-9-._~:/?#&=,]+"
VARIABLE_NAME, VARIABLE_VALUE = re.compile(r"\w+", re.ASCII), re.compile(r"[A-Za-z0-9._~:/?#&=,-]*")
STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


async def create_deployment(catalogue: Catalogue, request: Request) -> Result:
    params = request.params
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
        stage = _with_cache(stage, params)
        _check_variables(stage.variables)
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
        compress_from=api.compress_from,
    )


async def update_stage(catalogue: Catalogue, request: Request) -> Result:
    """Once before its log group is made, which takes its time, and once after it."""
    params = request.params

    def after() -> Stage:
        before = STAGES.find(catalogue, params)
        stage = patched(before, params.get("patchOperations"), TABLE, request.operation)
        return _checked(catalogue, stage)

    if any(one.logging_level not in {"", "OFF"} for one in after().method_settings.values()):
        await catalogue.access_logs.make_group(execution_group(params["restApiId"], params["stageName"]))
    stage = msgspec.structs.replace(after(), updated=catalogue.surroundings.world.now())
    await catalogue.save_stage(stage)
    return shown(stage)


async def flush_stage_cache(catalogue: Catalogue, request: Request) -> Result:
    """Of a stage without a cache there is nothing to forget (that AWS takes it is a guess)."""
    cache = catalogue.caches.of(STAGES.find(catalogue, request.params))
    if cache is not None:
        cache.flush()
    return {}


async def get_stages(catalogue: Catalogue, request: Request) -> Result:
    wanted, stages = request.params.get("deploymentId"), STAGES.every(catalogue, request.params)
    await catalogue.settled()
    return {"item": [shown(stage) for stage in stages if wanted in (None, stage.deployment_id)]}


def shown(stage: Stage) -> dict[str, Any]:
    log = {"destinationArn": stage.log_group_arn, "format": stage.log_format} if stage.log_group_arn else None
    return answered(
        {
            "deploymentId": stage.deployment_id,
            "stageName": stage.name,
            "cacheClusterEnabled": stage.cache_enabled,
            "cacheClusterStatus": "AVAILABLE" if stage.cache_enabled else "NOT_AVAILABLE",
            "methodSettings": {name: _shown_setting(one) for name, one in stage.method_settings.items()},
            "tracingEnabled": stage.tracing,
            "createdDate": stage.created,
            "lastUpdatedDate": stage.updated,
        },
        cacheClusterSize=stage.cache_size if stage.cache_enabled else "",
        description=stage.description,
        documentationVersion=stage.documentation_version,
        clientCertificateId=stage.client_certificate_id,
        variables=stage.variables,
        canarySettings=None if stage.canary is None else canary.shown(stage.canary),
        accessLogSettings=log,
        tags=stage.tags,
    )


def _shown_deployment(deployment: Deployment) -> dict[str, Any]:
    return answered({"id": deployment.id, "createdDate": deployment.created}, description=deployment.description)


def _check_deployment_unused(catalogue: Catalogue, params: Params, deployment: Deployment) -> None:
    stages = STAGES.every(catalogue, params)
    if any(deployment.id in {one.deployment_id, one.canary and one.canary.deployment_id} for one in stages):
        raise bad_request("Active stages pointing to this deployment must be moved or deleted")


def _made(catalogue: Catalogue, params: Params) -> Stage:
    deployment = DEPLOYMENTS.find(catalogue, params)
    name = params["stageName"]
    _check_name(name)
    if (deployment.api_id, name) in catalogue.stages:
        raise conflict("Stage already exists")
    now, settings = catalogue.surroundings.world.now(), params.get("canarySettings")
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
        canary=None if settings is None else canary.canary_of(settings, deployment.id),
        documentation_version=params.get("documentationVersion") or "",
    )
    return _checked(catalogue, _with_cache(stage, params))


def _checked(catalogue: Catalogue, stage: Stage) -> Stage:
    """What it refers to is there, what its log is to say can be read. Raises BadRequestException, NotFoundException."""
    catalogue.deployment(stage.api_id, stage.deployment_id)
    _check_variables({**stage.variables, **(stage.canary.overrides if stage.canary else {})})
    if stage.canary is not None and (stage.api_id, stage.canary.deployment_id) not in catalogue.deployments:
        raise bad_request("Deployment id does not exist")
    if stage.client_certificate_id:
        catalogue.chest.certificate(stage.client_certificate_id)
    version = stage.documentation_version
    if version and version not in catalogue.api(stage.api_id).documentation_versions:
        raise missing("Invalid Documentation version specified")
    if stage.log_group_arn:
        try:
            group_of(stage.log_group_arn, catalogue.surroundings.region)
            format_of(stage.log_format)
        except BadFormat as error:
            raise bad_request(str(error)) from error
    return stage


def _with_cache(stage: Stage, params: Params) -> Stage:
    """As CreateStage and CreateDeployment want it."""
    enabled, size = params.get("cacheClusterEnabled"), params.get("cacheClusterSize")
    return msgspec.structs.replace(
        stage,
        cache_enabled=stage.cache_enabled if enabled is None else bool(enabled),
        cache_size=size_of(size) if size else stage.cache_size,
    )


def _check_unmapped(catalogue: Catalogue, params: Params, stage: Stage) -> None:
    used = sorted(
        domain.name
        for domain in catalogue.domains.values()
        for mapping in domain.mappings.values()
        if (mapping.api_id, mapping.stage) == (stage.api_id, stage.name)
    )
    if used:
        raise bad_request(f"Please remove all base path mappings related to the stage in your domains: {used}")


def _patched_method(stage: Stage, patch: Patch, path: str) -> Stage:
    """`/{resource path}/{verb}/throttling/rateLimit`; `/*/*/...` for all methods."""
    match = METHOD_PATH.fullmatch(f"/{path}")
    if match is None:
        raise patch.refused()
    name, member = unescaped(match[1].removeprefix("/")).removeprefix("/"), match[2]
    settings = dict(stage.method_settings)
    if patch.removes:
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
    before = settings.get(name) or MethodSetting()
    below = {"op": patch.op, "path": f"/{member}", "value": patch.value}
    settings[name] = patched(before, [below], METHOD_TABLE, patch.operation)
    return msgspec.structs.replace(stage, method_settings=settings)


def _shown_setting(setting: MethodSetting) -> dict[str, Any]:
    return {
        "metricsEnabled": bool(setting.metrics),
        "loggingLevel": setting.logging_level or "OFF",
        "dataTraceEnabled": bool(setting.data_trace),
        "throttlingBurstLimit": ACCOUNT_BURST if setting.burst is None else setting.burst,
        "throttlingRateLimit": ACCOUNT_RATE if setting.rate is None else setting.rate,
        "cachingEnabled": bool(setting.caching),
        "cacheTtlInSeconds": TTL_S if setting.cache_ttl_s is None else setting.cache_ttl_s,
        "cacheDataEncrypted": bool(setting.cache_encrypted),
        "requireAuthorizationForCacheControl": setting.cache_control_authorized is not False,
        "unauthorizedCacheControlHeaderStrategy": setting.cache_control_strategy or WARN,
    }


def _level(value: str) -> str:
    if value not in {"OFF", "ERROR", "INFO"}:
        raise bad_request(f"Invalid logging level '{value}'; one of OFF, ERROR, INFO.")
    return value


TABLE: Table = {
    "/deploymentId": One("deployment_id"),
    "/description": One("description", gone=""),
    "/clientCertificateId": One("client_certificate_id", gone=""),
    "/documentationVersion": One("documentation_version", gone=""),
    "/tracingEnabled": One("tracing", flag),
    "/variables": Entries("variables"),
    "/accessLogSettings": One("log_group_arn", gone=""),
    "/accessLogSettings/destinationArn": One("log_group_arn", lambda arn: arn.removesuffix(":*"), gone=""),
    "/accessLogSettings/format": One("log_format", gone=""),
    "/cacheClusterEnabled": One("cache_enabled", flag),
    "/cacheClusterSize": One("cache_size", size_of),
    canary.PATH: Own(canary.changed),
    COPY: Own(canary.promoted),
    OTHER: Own(_patched_method),
}
METHOD_TABLE: Table = {
    "/metrics/enabled": One("metrics", flag),
    "/logging/loglevel": One("logging_level", _level),
    "/logging/dataTrace": One("data_trace", flag),
    "/throttling/rateLimit": One("rate", decimal),
    "/throttling/burstLimit": One("burst", whole),
    "/caching/enabled": One("caching", flag),
    "/caching/ttlInSeconds": One("cache_ttl_s", ttl_of),
    "/caching/dataEncrypted": One("cache_encrypted", flag),
    "/caching/requireAuthorizationForCacheControl": One("cache_control_authorized", flag),
    "/caching/unauthorizedCacheControlHeaderStrategy": One("cache_control_strategy", strategy_of),
}


def _check_variables(variables: Mapping[str, str]) -> None:
    """As the API Reference has them; the words are guesses, and that a value may be empty."""
    for name, value in variables.items():
        if not VARIABLE_NAME.fullmatch(name):
            raise bad_request(f"Invalid stage variable name: {name}. It may have letters, digits and underscores")
        if not VARIABLE_VALUE.fullmatch(value):
            raise bad_request(f"Invalid stage variable value of {name}: {value}. It must match {VALUE_FORM}")


def _check_name(name: str) -> None:
    if not STAGE_NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


DEPLOYMENTS = Rooted(
    shown=_shown_deployment,
    patches={"/description": One("description", gone="")},
    check_unused=_check_deployment_unused,
    found=lambda catalogue, params: catalogue.deployment(params["restApiId"], params["deploymentId"]),
    listed=lambda catalogue, params: sorted(
        catalogue.deployments_of(params["restApiId"]), key=lambda deployment: (deployment.created, deployment.id)
    ),
    save=Catalogue.save_deployment,
    remove=Catalogue.delete_deployment,
)
STAGES = Rooted(
    shown=shown,
    made=_made,
    check_unused=_check_unmapped,
    patches=TABLE,
    found=lambda catalogue, params: catalogue.stage(params["restApiId"], params["stageName"]),
    listed=lambda catalogue, params: catalogue.stages_of(params["restApiId"]),
    save=Catalogue.save_stage,
    remove=Catalogue.delete_stage,
)
