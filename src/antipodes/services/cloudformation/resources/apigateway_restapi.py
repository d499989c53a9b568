"""AWS::ApiGateway::RestApi (by Body, or by resources and methods of their own) and AWS::ApiGateway::Account."""

from __future__ import annotations

from typing import Any

import orjson

from antipodes.services.cloudformation.handler import Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.resources.retagging import retag_api
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import ClientFault

PROPERTIES = frozenset(
    {
        "ApiKeySourceType", "BinaryMediaTypes", "Body", "Description", "DisableExecuteApiEndpoint",
        "EndpointConfiguration", "FailOnWarnings", "MinimumCompressionSize", "Mode", "Name", "Parameters", "Policy",
        "Tags",
    }
)  # fmt: skip


def body_of(properties: Any) -> bytes:
    body = properties["Body"]
    return body.encode() if isinstance(body, str) else orjson.dumps(body)


def policy_of(properties: Any) -> str:
    policy = properties["Policy"]
    return policy if isinstance(policy, str) else orjson.dumps(policy).decode()


def name_of(job: Job) -> str:
    name = job.properties.get("Name")
    if name is None:
        body = job.properties.get("Body")
        name = (body.get("info") or {}).get("title") if isinstance(body, dict) else None
    if name is None:
        raise ClientFault("InvalidRequest", "A RestApi needs a Name, or a Body with a title.")
    return str(name)


def escaped(media_type: Any) -> str:
    """In a patch's path; templates may have escaped it themselves ("image~1png")."""
    return str(media_type).replace("/", "~1")


def endpoint(properties: Any) -> dict[str, Any] | None:
    given = properties.get("EndpointConfiguration")
    kinds = given.get("Types") if isinstance(given, dict) else None
    if kinds is None:
        one = (properties.get("Parameters") or {}).get("endpointConfigurationTypes")
        kinds = [one] if one else None
    return None if kinds is None else {"types": kinds}


async def put_body(job: Job, api: str) -> None:
    params = {
        "restApiId": api,
        "mode": str(job.properties.get("Mode", "overwrite")),
        "failOnWarnings": job.properties.get("FailOnWarnings", False),
        "parameters": {str(key): str(value) for key, value in (job.properties.get("Parameters") or {}).items()},
        "body": body_of(job.properties),
    }
    await job.call("apigateway", "PutRestApi", shaped("apigateway", "PutRestApi", params))


async def made(job: Job, api: str) -> Made:
    found = await job.call("apigateway", "GetResources", {"restApiId": api})
    root = next(one["id"] for one in found["items"] if one["path"] == "/")
    return Made(api, {"RestApiId": api, "RootResourceId": root})


async def create(job: Job) -> Made:
    api = job.physical_id
    if not api:
        given = job.properties
        params: dict[str, Any] = {"name": name_of(job)}
        for name, member in (
            ("Description", "description"), ("BinaryMediaTypes", "binaryMediaTypes"),
            ("MinimumCompressionSize", "minimumCompressionSize"), ("ApiKeySourceType", "apiKeySource"),
            ("DisableExecuteApiEndpoint", "disableExecuteApiEndpoint"),
        ):  # fmt: skip
            if name in given:
                params[member] = given[name]
        if "binaryMediaTypes" in params:  # "image~1png": slashes are escaped there
            params["binaryMediaTypes"] = [str(one).replace("~1", "/") for one in params["binaryMediaTypes"]]
        if "Policy" in given:
            params["policy"] = policy_of(given)
        configuration = endpoint(given)
        if configuration is not None:
            params["endpointConfiguration"] = configuration
        tags = tags_of(given, job.tags)
        if tags:
            params["tags"] = {one["Key"]: one["Value"] for one in tags}
        found = await job.call("apigateway", "CreateRestApi", shaped("apigateway", "CreateRestApi", params))
        api = str(found["id"])
        await job.claim(api)
    if "Body" in job.properties:
        await put_body(job, api)
    return await made(job, api)


async def update(job: Job) -> Made:
    api = job.physical_id
    if "Body" in job.properties and job.changed("Body", "Parameters", "Mode"):
        await put_body(job, api)
    patches = []
    if job.changed("Name", "Description") or "Name" in job.properties:
        patches.append({"op": "replace", "path": "/name", "value": name_of(job)})
    if job.changed("Description"):
        text = str(job.properties.get("Description", ""))
        patches.append({"op": "replace", "path": "/description", "value": text})
    if job.changed("Policy"):
        text = policy_of(job.properties) if "Policy" in job.properties else ""
        patches.append({"op": "replace", "path": "/policy", "value": text})
    if job.changed("ApiKeySourceType"):
        source = str(job.properties.get("ApiKeySourceType", "HEADER"))
        patches.append({"op": "replace", "path": "/apiKeySource", "value": source})
    if job.changed("DisableExecuteApiEndpoint"):
        text = str(job.properties.get("DisableExecuteApiEndpoint", False)).lower()
        patches.append({"op": "replace", "path": "/disableExecuteApiEndpoint", "value": text})
    if job.changed("MinimumCompressionSize"):
        text = str(job.properties.get("MinimumCompressionSize", ""))
        patches.append({"op": "replace", "path": "/minimumCompressionSize", "value": text})
    old, new = job.before.get("BinaryMediaTypes") or (), job.properties.get("BinaryMediaTypes") or ()
    patches += [{"op": "remove", "path": f"/binaryMediaTypes/{escaped(one)}"} for one in old if one not in new]
    patches += [{"op": "add", "path": f"/binaryMediaTypes/{escaped(one)}"} for one in new if one not in old]
    types = [(endpoint(one) or {"types": ["EDGE"]})["types"][0] for one in (job.before, job.properties)]
    if types[0] != types[1]:
        patches.append({"op": "replace", "path": f"/endpointConfiguration/types/{types[0]}", "value": str(types[1])})
    if patches:
        await job.call("apigateway", "UpdateRestApi", {"restApiId": api, "patchOperations": patches})
    await retag_api(job, f"restapis/{api}")
    return await made(job, api)


async def delete(job: Job) -> None:
    await gone(job.call("apigateway", "DeleteRestApi", {"restApiId": job.physical_id}))


async def put_account(job: Job) -> Made:
    role = str(job.properties.get("CloudWatchRoleArn", ""))
    patches = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": role}]
    await job.call("apigateway", "UpdateAccount", {"patchOperations": patches})
    return Made(job.physical_id or job.name("Id"))


async def leave_account(job: Job) -> None:
    """The setting belongs to the account, not to the stack: AWS leaves it as it is."""


HANDLERS = (
    Handler(
        "AWS::ApiGateway::RestApi",
        PROPERTIES,
        create,
        delete,
        update,
    ),
    Handler("AWS::ApiGateway::Account", frozenset({"CloudWatchRoleArn"}), put_account, leave_account, put_account),
)  # fmt: skip
