"""AWS::Lambda::Function. Code comes from S3, or inline (ZipFile: source text, which becomes index.py or index.js)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone, tags_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, ClientFault

CONFIGURATION = (
    "DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "FileSystemConfigs", "Handler",
    "ImageConfig", "Layers", "LoggingConfig", "MemorySize", "Role", "Runtime", "SnapStart", "Timeout",
    "TracingConfig", "VpcConfig",
)  # fmt: skip
EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment a zip archive can name: the same source, the same bytes


def code_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The Code property in the shape of the API."""
    code = properties.get("Code")
    if not isinstance(code, Mapping):
        raise ClientFault("InvalidRequest", "Code must be an object")
    found = chosen(code, "S3Bucket", "S3Key", "S3ObjectVersion", "ImageUri")
    if "ZipFile" in code:
        name = "index.js" if str(properties.get("Runtime", "")).startswith("nodejs") else "index.py"
        found["ZipFile"] = zip_of(name, str(code["ZipFile"]))
    return found


def zip_of(name: str, source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, EARLIEST)
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, source)
    return buffer.getvalue()


async def settled(job: Job, name: str) -> Made:
    """Waits until the function is Active and its last update Successful."""
    found: dict[str, Any] = {}

    async def ready() -> bool:
        answer = await job.call("lambda", "GetFunction", {"FunctionName": name})
        found.update(answer["Configuration"])
        if found.get("State") == "Failed" or found.get("LastUpdateStatus") == "Failed":
            reason = found.get("StateReason") or found.get("LastUpdateStatusReason") or "unknown"
            raise ClientFault("NotStabilized", f"Function {name}: {reason}")
        state = (found.get("State", "Active"), found.get("LastUpdateStatus", "Successful"))
        return state == ("Active", "Successful")

    await job.until(f"Function {name}", ready, every_s=0.2)
    return Made(name, {"Arn": found["FunctionArn"]})


async def put_concurrency(job: Job, name: str) -> None:
    if not job.changed("ReservedConcurrentExecutions"):
        return
    value = job.properties.get("ReservedConcurrentExecutions")
    if value is None:
        await job.call("lambda", "DeleteFunctionConcurrency", {"FunctionName": name})
    else:
        params = {"FunctionName": name, "ReservedConcurrentExecutions": int(value)}
        await job.call("lambda", "PutFunctionConcurrency", params)


async def put_recursion(job: Job, name: str) -> None:
    if job.changed("RecursiveLoop"):
        wanted = job.properties.get("RecursiveLoop", "Terminate")
        await job.call("lambda", "PutFunctionRecursionConfig", {"FunctionName": name, "RecursiveLoop": wanted})


async def create(job: Job) -> Made:
    name = job.name("FunctionName")
    params = {
        **chosen(job.properties, *CONFIGURATION, "Architectures", "PackageType", "KmsKeyArn"),
        "FunctionName": name,
        "Code": code_of(job.properties),
    }
    if "KmsKeyArn" in params:
        params["KMSKeyArn"] = params.pop("KmsKeyArn")
    tags = tags_of(job.properties, job.tags)
    if tags:
        params["Tags"] = {one["Key"]: one["Value"] for one in tags}
    try:
        await job.call("lambda", "CreateFunction", shaped("lambda", "CreateFunction", params))
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
    await job.claim(name)
    await put_concurrency(job, name)
    await put_recursion(job, name)
    return await settled(job, name)


async def update(job: Job) -> Made:
    name = job.physical_id
    if job.changed("Code", "Architectures"):
        params = {"FunctionName": name, **code_of(job.properties), **chosen(job.properties, "Architectures")}
        await job.call("lambda", "UpdateFunctionCode", shaped("lambda", "UpdateFunctionCode", params))
        await settled(job, name)
    if job.changed(*CONFIGURATION):
        params = {"FunctionName": name, **chosen(job.properties, *CONFIGURATION), **reset(job)}
        params = shaped("lambda", "UpdateFunctionConfiguration", params)
        await job.call("lambda", "UpdateFunctionConfiguration", params)
        await settled(job, name)
    if job.changed("Tags"):
        await put_tags(job)
    await put_concurrency(job, name)
    await put_recursion(job, name)
    return await settled(job, name)


def reset(job: Job) -> dict[str, Any]:
    """Properties that the template no longer has go back to AWS's defaults."""
    defaults: dict[str, Any] = {
        "Description": "", "Environment": {"Variables": {}}, "MemorySize": 128, "Timeout": 3, "Layers": [],
        "EphemeralStorage": {"Size": 512}, "TracingConfig": {"Mode": "PassThrough"},
        "LoggingConfig": {"LogFormat": "Text"},
    }  # fmt: skip
    return {key: value for key, value in defaults.items() if key in job.before and key not in job.properties}


async def put_tags(job: Job) -> None:
    arn = str(job.attributes["Arn"])
    new = {one["Key"]: one["Value"] for one in tags_of(job.properties, job.tags)}
    old = [one["Key"] for one in tags_of(job.before, job.tags) if one["Key"] not in new]
    if old:
        await job.call("lambda", "UntagResource", {"Resource": arn, "TagKeys": old})
    if new:
        await job.call("lambda", "TagResource", {"Resource": arn, "Tags": new})


async def delete(job: Job) -> None:
    await gone(job.call("lambda", "DeleteFunction", {"FunctionName": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::Lambda::Function",
        frozenset(
            {
                *CONFIGURATION, "Architectures", "Code", "FunctionName", "KmsKeyArn", "PackageType",
                "RecursiveLoop", "ReservedConcurrentExecutions", "Tags",
            }
        ),
        create,
        delete,
        update,
        replaced_by=frozenset({"FunctionName", "PackageType", "KmsKeyArn"}),
        name_property="FunctionName",
        required=("Code", "Role"),
    ),
)  # fmt: skip
