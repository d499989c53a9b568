"""AWS::Lambda::LayerVersion and LayerVersionPermission. Immutable: another content is another layer version."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone

PARAMS = ("CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LicenseInfo")
PERMISSION = ("Action", "OrganizationId", "Principal")


async def create(job: Job) -> Made:
    params = {**chosen(job.properties, *PARAMS), "LayerName": job.name("LayerName")}
    found = await job.call("lambda", "PublishLayerVersion", params)
    return Made(found["LayerVersionArn"], {"LayerVersionArn": found["LayerVersionArn"]})


async def delete(job: Job) -> None:
    arn, _, version = job.physical_id.rpartition(":")
    await gone(job.call("lambda", "DeleteLayerVersion", {"LayerName": arn, "VersionNumber": int(version)}))


async def permit(job: Job) -> Made:
    arn, _, version = str(job.properties["LayerVersionArn"]).rpartition(":")
    sid = job.name("StatementId")
    params = {**chosen(job.properties, *PERMISSION), "LayerName": arn, "VersionNumber": int(version)}
    await job.call("lambda", "AddLayerVersionPermission", {**params, "StatementId": sid})
    return Made(f"{job.properties['LayerVersionArn']}#{sid}")


async def forbid(job: Job) -> None:
    arn, _, sid = job.physical_id.partition("#")
    name, _, version = arn.rpartition(":")
    params = {"LayerName": name, "VersionNumber": int(version), "StatementId": sid}
    await gone(job.call("lambda", "RemoveLayerVersionPermission", params))


HANDLERS = (
    Handler(
        "AWS::Lambda::LayerVersion",
        frozenset({*PARAMS, "LayerName"}),
        create,
        delete,
        required=("Content",),
    ),
    Handler(
        "AWS::Lambda::LayerVersionPermission",
        frozenset({*PERMISSION, "LayerVersionArn"}),
        permit,
        forbid,
        required=("Action", "LayerVersionArn", "Principal"),
    ),
)
