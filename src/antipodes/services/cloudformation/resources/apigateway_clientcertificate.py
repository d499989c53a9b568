"""AWS::ApiGateway::ClientCertificate."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.resources.apigateway_guards import ask
from antipodes.services.cloudformation.resources.retagging import retag_api


async def create_certificate(job: Job) -> Made:
    params = {"description": str(job.properties.get("Description", ""))}
    tags = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
    found = await ask(job, "GenerateClientCertificate", {**params, **({"tags": tags} if tags else {})})
    return Made(found["clientCertificateId"], {"ClientCertificateId": found["clientCertificateId"]})


async def update_certificate(job: Job) -> Made:
    patch = {"op": "replace", "path": "/description", "value": str(job.properties.get("Description", ""))}
    params = {"clientCertificateId": job.physical_id, "patchOperations": [patch]}
    await ask(job, "UpdateClientCertificate", params)
    await retag_api(job, f"clientcertificates/{job.physical_id}")
    return Made(job.physical_id, job.attributes)


async def delete_certificate(job: Job) -> None:
    await gone(job.call("apigateway", "DeleteClientCertificate", {"clientCertificateId": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::ApiGateway::ClientCertificate",
        frozenset({"Description", "Tags"}),
        create_certificate,
        delete_certificate,
        update_certificate,
    ),
)
