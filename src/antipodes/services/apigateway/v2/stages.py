"""Stages and deployments of HTTP APIs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.apigateway import access_logs
from antipodes.services.apigateway.v1.records import bad_request, conflict
from antipodes.services.apigateway.v2.catalogue import HttpCatalogue
from antipodes.services.apigateway.v2.listing import page
from antipodes.services.apigateway.v2.records import (
    DEFAULT,
    WEBSOCKET,
    HttpDeployment,
    HttpStage,
    RouteSettings,
    missing,
)
from antipodes.services.apigateway.v2.sockets.behind import execution_group
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

STAGE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
REFUSED = ("ClientCertificateId",)
SETTINGS = {"DetailedMetricsEnabled": "detailed", "ThrottlingBurstLimit": "burst", "ThrottlingRateLimit": "rate"}
WEBSOCKETS_ONLY: Mapping[str, str] = {"DataTraceEnabled": "data_trace", "LoggingLevel": "logging_level"}
LEVELS = frozenset({"OFF", "ERROR", "INFO"})
AUTOMATIC = "Deployment ID and auto-deploy cannot both be set"  # the words are a guess


async def create_stage(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["ApiId"])
    name = params["StageName"]
    if name != DEFAULT and not STAGE_NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_- and $default")
    if (api.id, name) in catalogue.stages:
        raise conflict("Stage already exists")
    if name == DEFAULT and api.protocol == WEBSOCKET:
        raise bad_request("Stage name only allows a-zA-Z0-9_-")  # the words are a guess
    now = catalogue.surroundings.world.now()
    tags = dict(params.get("Tags") or {})
    stage = _changed(catalogue, HttpStage(api_id=api.id, name=name, created=now, updated=now, tags=tags), params)
    await _make_log_group(catalogue, stage)
    if (api.id, name) in catalogue.stages:  # the log group took its time
        raise conflict("Stage already exists")
    await catalogue.save_stage(stage)
    return shown(catalogue.stages[api.id, name])


async def update_stage(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    await _make_log_group(catalogue, _changed(catalogue, catalogue.stage(params["ApiId"], params["StageName"]), params))
    stage = _changed(catalogue, catalogue.stage(params["ApiId"], params["StageName"]), params)
    await catalogue.save_stage(msgspec.structs.replace(stage, updated=catalogue.surroundings.world.now()))
    return shown(catalogue.stages[stage.api_id, stage.name])


async def _make_log_group(catalogue: HttpCatalogue, stage: HttpStage) -> None:
    if any(one.logging_level in {"ERROR", "INFO"} for one in (stage.settings, *stage.route_settings.values())):
        await catalogue.shared.access_logs.make_group(execution_group(stage.api_id, stage.name))


async def get_stage(catalogue: HttpCatalogue, request: Request) -> Result:
    stage = catalogue.stage(request.params["ApiId"], request.params["StageName"])
    await catalogue.shared.settled()
    return shown(stage)


async def get_stages(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    await catalogue.shared.settled()
    return page([shown(stage) for stage in catalogue.stages_of(api.id)], request.params)


async def delete_stage(catalogue: HttpCatalogue, request: Request) -> Result:
    stage = catalogue.stage(request.params["ApiId"], request.params["StageName"])
    used = catalogue.mapped(stage.api_id, stage.name)
    if used:  # the words are a guess
        raise bad_request(f"Please remove all API mappings related to the stage in your domains: {', '.join(used)}")
    await catalogue.delete_stage(stage)
    return {}


async def create_deployment(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    api = catalogue.api(params["ApiId"])
    if not api.routes:
        raise bad_request("At least one route is required before deploying the Api.")
    stage = catalogue.stage(api.id, params["StageName"]) if params.get("StageName") else None
    if stage is not None and stage.auto_deploy:
        raise bad_request("Cannot deploy to a stage that has auto-deploy enabled")  # the words are a guess
    deployment = catalogue.snapshot(api, description=params.get("Description") or "")
    await catalogue.save_deployment(deployment, stage)
    return _shown_deployment(deployment)


async def update_deployment(catalogue: HttpCatalogue, request: Request) -> Result:
    params = request.params
    deployment = catalogue.deployment(params["ApiId"], params["DeploymentId"])
    if params.get("Description") is not None:
        deployment = msgspec.structs.replace(deployment, description=params["Description"])
        await catalogue.save_deployment(deployment)
    return _shown_deployment(deployment)


async def get_deployment(catalogue: HttpCatalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["ApiId"], request.params["DeploymentId"])
    await catalogue.shared.settled()
    return _shown_deployment(deployment)


async def get_deployments(catalogue: HttpCatalogue, request: Request) -> Result:
    api = catalogue.api(request.params["ApiId"])
    every = sorted((d for key, d in catalogue.deployments.items() if key[0] == api.id), key=lambda d: (d.created, d.id))
    await catalogue.shared.settled()
    return page([_shown_deployment(deployment) for deployment in every], request.params)


async def delete_deployment(catalogue: HttpCatalogue, request: Request) -> Result:
    deployment = catalogue.deployment(request.params["ApiId"], request.params["DeploymentId"])
    if any(stage.deployment_id == deployment.id for stage in catalogue.stages_of(deployment.api_id)):
        raise bad_request("Active stages pointing to this deployment must be moved or deleted")
    await catalogue.delete_deployment(deployment)
    return {}


async def delete_access_log_settings(catalogue: HttpCatalogue, request: Request) -> Result:
    stage = catalogue.stage(request.params["ApiId"], request.params["StageName"])
    await catalogue.put_stage(msgspec.structs.replace(stage, log_arn="", log_format=""))
    return {}


async def delete_route_settings(catalogue: HttpCatalogue, request: Request) -> Result:
    """Of one route: the stage's own hold for it again."""
    stage = catalogue.stage(request.params["ApiId"], request.params["StageName"])
    key = request.params["RouteKey"]
    if key not in stage.route_settings:
        raise missing("RouteSettings", key)
    kept = {name: one for name, one in stage.route_settings.items() if name != key}
    await catalogue.put_stage(msgspec.structs.replace(stage, route_settings=kept))
    return {}


def shown(stage: HttpStage) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "AutoDeploy": stage.auto_deploy,
        "CreatedDate": stage.created,
        "DefaultRouteSettings": _shown_settings(stage.settings),
        "LastUpdatedDate": stage.updated,
        "RouteSettings": {key: _shown_settings(one) for key, one in stage.route_settings.items()},
        "StageName": stage.name,
        "StageVariables": dict(stage.variables),
        "Tags": dict(stage.tags),
    }
    if stage.deployment_id:
        answer["DeploymentId"] = stage.deployment_id
    if stage.auto_deploy:
        answer["LastDeploymentStatusMessage"] = (
            f"Successfully deployed stage with deployment ID '{stage.deployment_id}'"
        )
    if stage.log_arn:
        answer["AccessLogSettings"] = {"DestinationArn": stage.log_arn, "Format": stage.log_format}
    if stage.description:
        answer["Description"] = stage.description
    if stage.managed:
        answer["ApiGatewayManaged"] = True
    return answer


def _shown_deployment(deployment: HttpDeployment) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "AutoDeployed": deployment.automatic,
        "CreatedDate": deployment.created,
        "DeploymentId": deployment.id,
        "DeploymentStatus": "DEPLOYED",
    }
    if deployment.description:
        answer["Description"] = deployment.description
    return answer


def _shown_settings(settings: RouteSettings) -> dict[str, Any]:
    every = {name: getattr(settings, field) for name, field in {**SETTINGS, **WEBSOCKETS_ONLY}.items()}
    logged = settings.data_trace or settings.logging_level
    return {
        name: value for name, value in every.items() if value is not None and (logged or name not in WEBSOCKETS_ONLY)
    }


def _settings(before: RouteSettings, given: Mapping[str, Any], protocol: str) -> RouteSettings:
    """What is not given stays. Raises BadRequestException, UnsupportedOperation."""
    for name in WEBSOCKETS_ONLY:
        if protocol != WEBSOCKET and given.get(name) not in (None, False, "OFF"):  # the words are a guess
            raise bad_request(f"Execution logs are not supported on protocolType HTTP: {name}")
    if given.get("LoggingLevel") not in (None, *LEVELS):
        raise bad_request(f"Invalid logging level '{given['LoggingLevel']}'; one of OFF, ERROR, INFO.")
    members = {**SETTINGS, **WEBSOCKETS_ONLY} if protocol == WEBSOCKET else SETTINGS
    found = {field: given[name] for name, field in members.items() if given.get(name) is not None}
    if found.get("burst", 0) < 0 or found.get("rate", 0.0) < 0:
        raise bad_request("Throttling limits must not be negative")  # the words are a guess
    return msgspec.structs.replace(before, **found)


def _logged(region: str, stage: HttpStage, given: Mapping[str, Any]) -> HttpStage:
    arn = given.get("DestinationArn") or stage.log_arn
    text = given.get("Format") or stage.log_format
    if not arn or not text:  # the words are a guess
        raise bad_request("AccessLogSettings need both a DestinationArn and a Format")
    try:
        access_logs.group_of(arn, region)
        access_logs.format_of(text)
    except access_logs.BadFormat as error:
        raise bad_request(str(error)) from error
    return msgspec.structs.replace(stage, log_arn=arn, log_format=text)


def _changed(catalogue: HttpCatalogue, stage: HttpStage, params: Mapping[str, Any]) -> HttpStage:
    for name in REFUSED:
        if params.get(name):
            raise NotSupported(f"{name} of stages of HTTP APIs")
    protocol = catalogue.apis[stage.api_id].protocol
    if params.get("AccessLogSettings"):
        stage = _logged(catalogue.surroundings.region, stage, params["AccessLogSettings"])
    if params.get("DefaultRouteSettings"):
        settings = _settings(stage.settings, params["DefaultRouteSettings"], protocol)
        stage = msgspec.structs.replace(stage, settings=settings)
    if params.get("RouteSettings"):
        routes = dict(stage.route_settings)
        for key, given in params["RouteSettings"].items():
            if not any(route.key == key for route in catalogue.apis[stage.api_id].routes.values()):
                raise ClientFault(
                    "NotFoundException",
                    f"Unable to find Route by key {key} within the provided RouteSettings",
                    status=404,
                )
            routes[key] = _settings(routes.get(key, stage.settings), given, protocol)
        stage = msgspec.structs.replace(stage, route_settings=routes)
    if params.get("AutoDeploy") is not None:
        stage = msgspec.structs.replace(stage, auto_deploy=bool(params["AutoDeploy"]))
    if params.get("DeploymentId"):
        if stage.auto_deploy:
            raise bad_request(AUTOMATIC)
        deployment = catalogue.deployment(stage.api_id, params["DeploymentId"])
        stage = msgspec.structs.replace(stage, deployment_id=deployment.id)
    if params.get("Description") is not None:
        stage = msgspec.structs.replace(stage, description=params["Description"])
    if params.get("StageVariables") is not None:
        # On an update what is not named stays, and an empty value removes (a guess, after the console).
        merged = {**stage.variables, **params["StageVariables"]}
        stage = msgspec.structs.replace(stage, variables={key: value for key, value in merged.items() if value != ""})
    return stage
