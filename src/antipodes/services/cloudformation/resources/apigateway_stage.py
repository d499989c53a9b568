"""AWS::ApiGateway::Deployment and AWS::ApiGateway::Stage."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, exists, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError


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


async def create_stage(job: Job) -> Made:
    given = job.properties
    params: dict[str, Any] = {
        "restApiId": given["RestApiId"],
        "stageName": given["StageName"],
        "deploymentId": given["DeploymentId"],
    }
    for name, member in (
        ("Description", "description"),
        ("Variables", "variables"),
        ("TracingEnabled", "tracingEnabled"),
    ):
        if name in given:
            params[member] = given[name]
    tags = tags_of(given, job.tags)
    if tags:
        params["tags"] = {one["Key"]: one["Value"] for one in tags}
    try:
        await job.call("apigateway", "CreateStage", shaped("apigateway", "CreateStage", params))
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    return Made(str(given["StageName"]))


async def update_stage(job: Job) -> Made:
    patches = []
    if job.changed("DeploymentId"):
        patches.append({"op": "replace", "path": "/deploymentId", "value": str(job.properties["DeploymentId"])})
    if job.changed("Description"):
        text = str(job.properties.get("Description", ""))
        patches.append({"op": "replace", "path": "/description", "value": text})
    old, new = job.before.get("Variables") or {}, job.properties.get("Variables") or {}
    patches += [{"op": "remove", "path": f"/variables/{name}"} for name in old if name not in new]
    patches += [
        {"op": "replace", "path": f"/variables/{name}", "value": str(value)}
        for name, value in new.items()
        if old.get(name) != value
    ]
    if patches:
        params = {
            "restApiId": job.properties["RestApiId"],
            "stageName": job.physical_id,
            "patchOperations": patches,
        }
        await job.call("apigateway", "UpdateStage", params)
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
        frozenset({"DeploymentId", "Description", "RestApiId", "StageName", "Tags", "TracingEnabled", "Variables"}),
        create_stage,
        delete_stage,
        update_stage,
        replaced_by=frozenset({"RestApiId", "StageName", "Tags", "TracingEnabled"}),
        name_property="StageName",
        required=("DeploymentId", "RestApiId", "StageName"),
    ),
)
