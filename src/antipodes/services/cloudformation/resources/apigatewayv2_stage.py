"""AWS::ApiGatewayV2::Stage and AWS::ApiGatewayV2::Deployment."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError

SERVICE = "apigatewayv2"
STAGE = (
    "AccessLogSettings", "ApiId", "AutoDeploy", "ClientCertificateId", "DefaultRouteSettings", "DeploymentId",
    "Description", "RouteSettings", "StageName", "StageVariables",
)  # fmt: skip


async def create_stage(job: Job) -> Made:
    tags = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
    params: dict[str, Any] = {**chosen(job.properties, *STAGE), "Tags": tags}
    try:
        await job.call(SERVICE, "CreateStage", shaped(SERVICE, "CreateStage", params))
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    return Made(str(job.properties["StageName"]))


async def update_stage(job: Job) -> Made:
    params: dict[str, Any] = {"Description": "", **chosen(job.properties, *STAGE)}
    old, new = job.before.get("StageVariables") or {}, job.properties.get("StageVariables") or {}
    params["StageVariables"] = {**dict.fromkeys(old, ""), **new}  # an empty value removes
    named = {"ApiId": job.properties["ApiId"], "StageName": job.physical_id}
    if job.before.get("AccessLogSettings") and not job.properties.get("AccessLogSettings"):
        await job.call(SERVICE, "DeleteAccessLogSettings", named)
    for key in job.before.get("RouteSettings") or {}:
        if key not in (job.properties.get("RouteSettings") or {}):
            await gone(job.call(SERVICE, "DeleteRouteSettings", {**named, "RouteKey": key}))
    await job.call(SERVICE, "UpdateStage", shaped(SERVICE, "UpdateStage", params))
    return Made(job.physical_id)


async def delete_stage(job: Job) -> None:
    params = {"ApiId": job.properties["ApiId"], "StageName": job.physical_id}
    await gone(job.call(SERVICE, "DeleteStage", params))


async def create_deployment(job: Job) -> Made:
    deployment = job.physical_id
    if not deployment:
        params = chosen(job.properties, "ApiId", "Description", "StageName")
        deployment = str((await job.call(SERVICE, "CreateDeployment", params))["DeploymentId"])
        await job.claim(deployment)
    return Made(deployment, {"DeploymentId": deployment})


async def update_deployment(job: Job) -> Made:
    params = {"DeploymentId": job.physical_id, "ApiId": job.properties["ApiId"]}
    params["Description"] = str(job.properties.get("Description", ""))
    await job.call(SERVICE, "UpdateDeployment", params)
    return Made(job.physical_id, job.attributes)


async def delete_deployment(job: Job) -> None:
    params = {"ApiId": job.properties["ApiId"], "DeploymentId": job.physical_id}
    await gone(job.call(SERVICE, "DeleteDeployment", params))


HANDLERS = (
    Handler(
        "AWS::ApiGatewayV2::Stage",
        frozenset({*STAGE, "Tags"}),
        create_stage,
        delete_stage,
        update_stage,
        replaced_by=frozenset({"ApiId", "StageName", "Tags"}),
        name_property="StageName",
        required=("ApiId", "StageName"),
    ),
    Handler(
        "AWS::ApiGatewayV2::Deployment",
        frozenset({"ApiId", "Description", "StageName"}),
        create_deployment,
        delete_deployment,
        update_deployment,
        replaced_by=frozenset({"ApiId", "StageName"}),
        required=("ApiId",),
    ),
)
