"""AWS::ApiGateway::DocumentationPart and DocumentationVersion."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone
from antipodes.services.cloudformation.resources.apigateway_guards import ask
from antipodes.wire.errors import AwsError


async def create_part(job: Job) -> Made:
    location = job.properties["Location"]
    params = {
        "restApiId": job.properties["RestApiId"],
        "location": {name[:1].lower() + name[1:]: value for name, value in location.items()},
        "properties": job.properties["Properties"],
    }
    found = await ask(job, "CreateDocumentationPart", params)
    return Made(found["id"], {"DocumentationPartId": found["id"]})


async def update_part(job: Job) -> Made:
    where = {"restApiId": job.properties["RestApiId"], "documentationPartId": job.physical_id}
    patch = {"op": "replace", "path": "/properties", "value": str(job.properties["Properties"])}
    await ask(job, "UpdateDocumentationPart", {**where, "patchOperations": [patch]})
    return Made(job.physical_id, job.attributes)


async def delete_part(job: Job) -> None:
    where = {"restApiId": job.properties["RestApiId"], "documentationPartId": job.physical_id}
    await gone(job.call("apigateway", "DeleteDocumentationPart", where))


async def create_version(job: Job) -> Made:
    given, name = job.properties, str(job.properties["DocumentationVersion"])
    params = {"restApiId": given["RestApiId"], "documentationVersion": name}
    if "Description" in given:
        params["description"] = given["Description"]
    try:
        await ask(job, "CreateDocumentationVersion", params)
    except AwsError as error:
        if not (job.resumed and error.code in EXISTS_CODES):
            raise
    return Made(name)


async def update_version(job: Job) -> Made:
    where = {"restApiId": job.properties["RestApiId"], "documentationVersion": job.physical_id}
    patch = {"op": "replace", "path": "/description", "value": str(job.properties.get("Description", ""))}
    await ask(job, "UpdateDocumentationVersion", {**where, "patchOperations": [patch]})
    return Made(job.physical_id)


async def delete_version(job: Job) -> None:
    where = {"restApiId": job.properties["RestApiId"], "documentationVersion": job.physical_id}
    await gone(job.call("apigateway", "DeleteDocumentationVersion", where))


HANDLERS = (
    Handler(
        "AWS::ApiGateway::DocumentationPart",
        frozenset({"Location", "Properties", "RestApiId"}),
        create_part,
        delete_part,
        update_part,
        replaced_by=frozenset({"Location", "RestApiId"}),
        required=("Location", "Properties", "RestApiId"),
    ),
    Handler(
        "AWS::ApiGateway::DocumentationVersion",
        frozenset({"Description", "DocumentationVersion", "RestApiId"}),
        create_version,
        delete_version,
        update_version,
        replaced_by=frozenset({"DocumentationVersion", "RestApiId"}),
        required=("DocumentationVersion", "RestApiId"),
    ),
)
