"""AWS::ApiGatewayV2::Api: an HTTP API, by Body (an OpenAPI document) or by routes and integrations of their own."""

from __future__ import annotations

from typing import Any

import orjson

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped

SERVICE = "apigatewayv2"
SETTINGS = ("CorsConfiguration", "Description", "DisableExecuteApiEndpoint", "Name", "RouteKey", "Target", "Version")
FIXED = ("ApiKeySelectionExpression", "CredentialsArn", "DisableSchemaValidation", "ProtocolType",
         "RouteSelectionExpression")  # fmt: skip
# Of an API with a Body these alone count beside it: the rest stands in the document.
BESIDE_BODY = ("CorsConfiguration", "Description", "DisableExecuteApiEndpoint", "Name", "Version")


def document_of(job: Job) -> dict[str, Any]:
    body = job.properties["Body"]
    return {"Body": body if isinstance(body, str) else orjson.dumps(body).decode()}


def tags(job: Job) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}


async def made(job: Job, api: str) -> Made:
    found = await job.call(SERVICE, "GetApi", {"ApiId": api})
    return Made(api, {"ApiId": api, "ApiEndpoint": found["ApiEndpoint"]})


async def put_beside(job: Job, api: str) -> None:
    """What a template says beside the Body, and the tags."""
    beside = chosen(job.properties, *BESIDE_BODY)
    if beside:
        await job.call(SERVICE, "UpdateApi", shaped(SERVICE, "UpdateApi", {"ApiId": api, **beside}))
    await put_tags(job, api)


async def put_tags(job: Job, api: str) -> None:
    arn = f"arn:aws:apigateway:{job.region}::/apis/{api}"
    wanted = tags(job)
    before = job.before.get("Tags") or {}
    dropped = [key for key in before if key not in wanted]
    if dropped:
        await job.call(SERVICE, "UntagResource", {"ResourceArn": arn, "TagKeys": dropped})
    if wanted:
        await job.call(SERVICE, "TagResource", {"ResourceArn": arn, "Tags": wanted})


async def create(job: Job) -> Made:
    api = job.physical_id
    if "Body" in job.properties:
        if not api:
            params = shaped(SERVICE, "ImportApi", {**document_of(job), **chosen(job.properties, "FailOnWarnings")})
            api = str((await job.call(SERVICE, "ImportApi", params))["ApiId"])
            await job.claim(api)
        await put_beside(job, api)
    elif not api:
        params = {**chosen(job.properties, *SETTINGS, *FIXED), "Tags": tags(job)}
        api = str((await job.call(SERVICE, "CreateApi", shaped(SERVICE, "CreateApi", params)))["ApiId"])
        await job.claim(api)
    return await made(job, api)


async def update(job: Job) -> Made:
    api = job.physical_id
    if "Body" in job.properties:
        if job.changed("Body", *BESIDE_BODY):
            await job.call(SERVICE, "ReimportApi", shaped(SERVICE, "ReimportApi", {"ApiId": api, **document_of(job)}))
        await put_beside(job, api)
        return await made(job, api)
    if job.before.get("CorsConfiguration") and "CorsConfiguration" not in job.properties:
        await job.call(SERVICE, "DeleteCorsConfiguration", {"ApiId": api})
    emptied = {name: "" for name in ("Description", "Version") if job.changed(name)}
    changed = {name: job.properties[name] for name in SETTINGS if job.changed(name) and name in job.properties}
    if emptied or changed:
        params = shaped(SERVICE, "UpdateApi", {"ApiId": api, **emptied, **changed})
        await job.call(SERVICE, "UpdateApi", params)
    await put_tags(job, api)
    return await made(job, api)


async def delete(job: Job) -> None:
    await gone(job.call(SERVICE, "DeleteApi", {"ApiId": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::ApiGatewayV2::Api",
        frozenset({*SETTINGS, *FIXED, "Body", "FailOnWarnings", "Tags"}),
        create,
        delete,
        update,
        replaced_by=frozenset(FIXED),
        replaced_when=lambda old, new: ("Body" in old) != ("Body" in new),
    ),
)
