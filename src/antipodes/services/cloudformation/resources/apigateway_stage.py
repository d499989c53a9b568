"""AWS::ApiGateway::Deployment and AWS::ApiGateway::Stage."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, exists, gone, tags_of
from antipodes.services.cloudformation.resources.retagging import retag_api
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, NotSupported

METHOD_SETTINGS = MappingProxyType(
    {
        "CacheDataEncrypted": "caching/dataEncrypted",
        "CacheTtlInSeconds": "caching/ttlInSeconds",
        "CachingEnabled": "caching/enabled",
        "DataTraceEnabled": "logging/dataTrace",
        "LoggingLevel": "logging/loglevel",
        "MetricsEnabled": "metrics/enabled",
        "ThrottlingBurstLimit": "throttling/burstLimit",
        "ThrottlingRateLimit": "throttling/rateLimit",
    }
)

# Settings of one value: what CreateStage and UpdateStage's paths call them, and what stands for one that is not given.
SETTINGS = MappingProxyType(
    {
        "CacheClusterEnabled": ("cacheClusterEnabled", "false"),
        "CacheClusterSize": ("cacheClusterSize", "0.5"),
        "ClientCertificateId": ("clientCertificateId", ""),
        "DeploymentId": ("deploymentId", ""),
        "Description": ("description", ""),
        "DocumentationVersion": ("documentationVersion", ""),
        "TracingEnabled": ("tracingEnabled", "false"),
    }
)


async def create_deployment(job: Job) -> Made:
    params = {"restApiId": job.properties["RestApiId"]}
    for name, member in (("StageName", "stageName"), ("Description", "description")):
        if name in job.properties:
            params[member] = job.properties[name]
    found = await job.call("apigateway", "CreateDeployment", params)
    return Made(found["id"], {"DeploymentId": found["id"]})


async def update_deployment(job: Job) -> Made:
    patches = [{"op": "replace", "path": "/description", "value": str(job.properties.get("Description", ""))}]
    params = {"restApiId": job.properties["RestApiId"], "deploymentId": job.physical_id, "patchOperations": patches}
    await job.call("apigateway", "UpdateDeployment", params)
    return Made(job.physical_id, job.attributes)


async def delete_deployment(job: Job) -> None:
    api, name = job.properties["RestApiId"], job.properties.get("StageName")
    if name is not None:
        # The deployment made this stage; unless a later one has taken it over it goes too, or the deletion is refused.
        stage = await exists(job.call("apigateway", "GetStage", {"restApiId": api, "stageName": name}))
        if stage is not None and stage.get("deploymentId") == job.physical_id:
            await gone(job.call("apigateway", "DeleteStage", {"restApiId": api, "stageName": name}))
    await gone(job.call("apigateway", "DeleteDeployment", {"restApiId": api, "deploymentId": job.physical_id}))


def settings_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """Patch paths of UpdateStage, and values: MethodSettings, AccessLogSetting."""
    found: dict[str, str] = {}
    for setting in properties.get("MethodSettings") or ():
        resource = str(setting.get("ResourcePath") or "/*").replace("~1", "/")
        verb = str(setting.get("HttpMethod") or "*")
        name = (
            "/*/*" if (resource, verb) == ("/*", "*") else f"/{resource.replace('~', '~0').replace('/', '~1')}/{verb}"
        )
        for key, value in setting.items():
            if key in METHOD_SETTINGS:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                found[f"{name}/{METHOD_SETTINGS[key]}"] = text
            elif key not in {"ResourcePath", "HttpMethod"}:
                raise NotSupported(f"property {key} of MethodSettings")
    log = properties.get("AccessLogSetting") or {}
    for key, path in (("DestinationArn", "destinationArn"), ("Format", "format")):
        if key in log:
            found[f"/accessLogSettings/{path}"] = str(log[key])
    return found


def settings_patches(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, str]]:
    old, new = settings_of(before), settings_of(after)
    gone = [{"op": "remove", "path": path} for path in old if path not in new and not path.startswith("/access")]
    if old.keys() - new.keys() >= {"/accessLogSettings/destinationArn"}:
        gone.append({"op": "remove", "path": "/accessLogSettings"})
    changed = [{"op": "replace", "path": path, "value": value} for path, value in new.items() if old.get(path) != value]
    return gone + changed


def canary_patches(before: Any, after: Any) -> list[dict[str, str]]:
    """From one CanarySetting to another."""
    patches = [{"op": "remove", "path": "/canarySettings"}] if before else []
    for name, path in (("DeploymentId", "deploymentId"), ("PercentTraffic", "percentTraffic"),
                       ("UseStageCache", "useStageCache")):  # fmt: skip
        if after and name in after:
            text = str(after[name]).lower() if isinstance(after[name], bool) else str(after[name])
            patches.append({"op": "replace", "path": f"/canarySettings/{path}", "value": text})
    for name, value in ((after or {}).get("StageVariableOverrides") or {}).items():
        path = f"/canarySettings/stageVariableOverrides/{name}"
        patches.append({"op": "replace", "path": path, "value": str(value)})
    return patches


async def create_stage(job: Job) -> Made:
    given = job.properties
    params: dict[str, Any] = {"restApiId": given["RestApiId"], "stageName": given["StageName"]}
    params |= {member: given[name] for name, (member, _) in SETTINGS.items() if name in given}
    certificate = params.pop("clientCertificateId", None)  # which only UpdateStage knows
    if "Variables" in given:
        params["variables"] = given["Variables"]
    canary = given.get("CanarySetting")
    if canary:
        params["canarySettings"] = {name[:1].lower() + name[1:]: value for name, value in canary.items()}
    tags = tags_of(given, job.tags)
    if tags:
        params["tags"] = {one["Key"]: one["Value"] for one in tags}
    try:
        await job.call("apigateway", "CreateStage", shaped("apigateway", "CreateStage", params))
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    await job.claim(str(given["StageName"]))
    settings = settings_patches({}, given)
    if certificate:
        settings.append({"op": "replace", "path": "/clientCertificateId", "value": str(certificate)})
    if settings:
        where = {"restApiId": given["RestApiId"], "stageName": given["StageName"]}
        await job.call("apigateway", "UpdateStage", {**where, "patchOperations": settings})
    return Made(str(given["StageName"]))


async def update_stage(job: Job) -> Made:
    patches = []
    for name, (member, unset) in SETTINGS.items():
        if job.changed(name):
            value = job.properties.get(name, unset)
            text = str(value).lower() if isinstance(value, bool) else str(value)
            patches.append({"op": "replace", "path": f"/{member}", "value": text})
    old, new = job.before.get("Variables") or {}, job.properties.get("Variables") or {}
    patches += [{"op": "remove", "path": f"/variables/{name}"} for name in old if name not in new]
    patches += [
        {"op": "replace", "path": f"/variables/{name}", "value": str(value)}
        for name, value in new.items()
        if old.get(name) != value
    ]
    patches += settings_patches(job.before, job.properties)
    if job.changed("CanarySetting"):
        patches += canary_patches(job.before.get("CanarySetting"), job.properties.get("CanarySetting"))
    if patches:
        params = {
            "restApiId": job.properties["RestApiId"],
            "stageName": job.physical_id,
            "patchOperations": patches,
        }
        await job.call("apigateway", "UpdateStage", params)
    await retag_api(job, f"restapis/{job.properties['RestApiId']}/stages/{job.physical_id}")
    return Made(job.physical_id)


async def delete_stage(job: Job) -> None:
    params = {"restApiId": job.properties["RestApiId"], "stageName": job.physical_id}
    await gone(job.call("apigateway", "DeleteStage", params))


HANDLERS = (
    Handler(
        "AWS::ApiGateway::Deployment",
        frozenset({"Description", "RestApiId", "StageName"}),
        create_deployment,
        delete_deployment,
        update_deployment,
        replaced_by=frozenset({"RestApiId", "StageName"}),
        required=("RestApiId",),
    ),
    Handler(
        "AWS::ApiGateway::Stage",
        frozenset(
            {
                *SETTINGS, "AccessLogSetting", "CanarySetting", "MethodSettings", "RestApiId", "StageName", "Tags",
                "Variables",
            }
        ),
        create_stage,
        delete_stage,
        update_stage,
        replaced_by=frozenset({"RestApiId", "StageName"}),
        name_property="StageName",
        required=("DeploymentId", "RestApiId", "StageName"),
    ),
)  # fmt: skip
