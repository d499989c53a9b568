"""AWS::S3::Bucket: a bucket, and nothing yet of what can be configured on one."""

from __future__ import annotations

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, gone
from antipodes.wire.errors import AwsError


async def create(job: Job) -> Made:
    name = job.name("BucketName", limit=63).lower()
    place = {} if job.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": job.region}}
    try:
        await job.call("s3", "CreateBucket", {"Bucket": name, **place})
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
    return Made(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{job.region}.amazonaws.com",
        },
    )


async def delete(job: Job) -> None:
    await gone(job.call("s3", "DeleteBucket", {"Bucket": job.physical_id}))


HANDLERS = (Handler("AWS::S3::Bucket", frozenset({"BucketName"}), create, delete, name_property="BucketName"),)
