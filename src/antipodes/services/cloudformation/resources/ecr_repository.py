"""AWS::ECR::Repository: a repository, with its policies and tags; it stays empty."""

from __future__ import annotations

from typing import Any

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone, tags_of
from antipodes.services.cloudformation.resources.iam_role import document
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError


async def create(job: Job) -> Made:
    name = job.name("RepositoryName", limit=256).lower()
    given = job.properties
    params: dict[str, Any] = {"repositoryName": name, "tags": tags_of(given, job.tags)}
    if "ImageTagMutability" in given:
        params["imageTagMutability"] = given["ImageTagMutability"]
    if "ImageScanningConfiguration" in given:
        params["imageScanningConfiguration"] = {"scanOnPush": given["ImageScanningConfiguration"].get("ScanOnPush")}
    if "EncryptionConfiguration" in given:
        params["encryptionConfiguration"] = {"encryptionType": given["EncryptionConfiguration"]["EncryptionType"]}
    try:
        await job.call("ecr", "CreateRepository", shaped("ecr", "CreateRepository", params))
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
    await job.claim(name)
    job.physical_id = name
    return await _with_policies(job)


async def update(job: Job) -> Made:
    whose = {"repositoryName": job.physical_id}
    if job.changed("ImageTagMutability"):
        mutability = job.properties.get("ImageTagMutability", "MUTABLE")
        await job.call("ecr", "PutImageTagMutability", {**whose, "imageTagMutability": mutability})
    if job.changed("Tags"):
        arn = f"arn:aws:ecr:{job.region}:{job.account}:repository/{job.physical_id}"
        new = tags_of(job.properties, job.tags)
        kept = [one["Key"] for one in new]
        dropped = [one["Key"] for one in tags_of(job.before, {}) if one["Key"] not in kept]
        if dropped:
            await job.call("ecr", "UntagResource", {"resourceArn": arn, "tagKeys": dropped})
        await job.call("ecr", "TagResource", {"resourceArn": arn, "tags": new})
    return await _with_policies(job)


async def _with_policies(job: Job) -> Made:
    whose = {"repositoryName": job.physical_id}
    lifecycle = (job.properties.get("LifecyclePolicy") or {}).get("LifecyclePolicyText")
    if lifecycle:
        await job.call("ecr", "PutLifecyclePolicy", {**whose, "lifecyclePolicyText": lifecycle})
    elif job.before.get("LifecyclePolicy"):
        await gone(job.call("ecr", "DeleteLifecyclePolicy", whose))
    if "RepositoryPolicyText" in job.properties:
        text = document(job.properties["RepositoryPolicyText"])
        await job.call("ecr", "SetRepositoryPolicy", {**whose, "policyText": text})
    elif "RepositoryPolicyText" in job.before:
        await gone(job.call("ecr", "DeleteRepositoryPolicy", whose))
    found = (await job.call("ecr", "DescribeRepositories", {"repositoryNames": [job.physical_id]}))["repositories"][0]
    return Made(job.physical_id, {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]})


async def delete(job: Job) -> None:
    await gone(job.call("ecr", "DeleteRepository", {"repositoryName": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::ECR::Repository",
        frozenset(
            {
                "EmptyOnDelete", "EncryptionConfiguration", "ImageScanningConfiguration", "ImageTagMutability",
                "LifecyclePolicy", "RepositoryName", "RepositoryPolicyText", "Tags",
            }
        ),
        create,
        delete,
        update,
        replaced_by=frozenset({"RepositoryName", "EncryptionConfiguration", "ImageScanningConfiguration"}),
        name_property="RepositoryName",
    ),
)  # fmt: skip
