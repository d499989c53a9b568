"""AWS::S3::Bucket: a bucket with its settings, each by the S3 operation of its own; and AWS::S3::BucketPolicy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from antipodes.services.cloudformation.handler import EXISTS_CODES, Handler, Job, Made, chosen, gone, tags_of
from antipodes.services.cloudformation.resources.iam_role import document
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, NotSupported


class Setting(NamedTuple):
    """A property of the bucket: the operation that sets it, its member, and what takes it back."""

    put: str
    member: str
    value: Callable[[Any], Any]
    removed: str  # an operation that takes the bucket alone; "": by putting `absent`
    absent: Any = None


def _as_it_is(value: Any) -> Any:
    return value


def _rules(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"Rules": list(value.get("Rules") or ())}


def _encryption(value: Mapping[str, Any]) -> dict[str, Any]:
    """CloudFormation's names for S3's members."""
    rules = []
    for one in value.get("ServerSideEncryptionConfiguration") or ():
        rule = chosen(one, "BucketKeyEnabled")
        if "ServerSideEncryptionByDefault" in one:
            rule["ApplyServerSideEncryptionByDefault"] = one["ServerSideEncryptionByDefault"]
        rules.append(rule)
    return {"Rules": rules}


# Of a life cycle rule: what S3 calls the same; what it does not.
_RULE_SAME = (
    "Status", "AbortIncompleteMultipartUpload", "Transitions", "Transition", "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions", "NoncurrentVersionTransition",
)  # fmt: skip
_RULE_OTHER = (
    "Id", "Prefix", "ExpirationInDays", "ExpirationDate", "ExpiredObjectDeleteMarker", "ObjectSizeGreaterThan",
    "NoncurrentVersionExpirationInDays", "ObjectSizeLessThan", "TagFilters",
)  # fmt: skip


def _lifecycle(value: Mapping[str, Any]) -> dict[str, Any]:
    rules = []
    for one in value.get("Rules") or ():
        unknown = sorted(name for name in one if name not in (*_RULE_SAME, *_RULE_OTHER))
        if unknown:
            raise NotSupported(f"{unknown[0]} of a life cycle rule of AWS::S3::Bucket")
        rule = chosen(one, *_RULE_SAME)
        if "Id" in one:
            rule["ID"] = one["Id"]
        expiration: dict[str, Any] = chosen(one, "ExpiredObjectDeleteMarker")
        if "ExpirationInDays" in one:
            expiration["Days"] = one["ExpirationInDays"]
        if "ExpirationDate" in one:
            expiration["Date"] = one["ExpirationDate"]
        if expiration:
            rule["Expiration"] = expiration
        if "NoncurrentVersionExpirationInDays" in one:
            rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": one["NoncurrentVersionExpirationInDays"]}
        tags = [chosen(tag, "Key", "Value") for tag in one.get("TagFilters") or ()]
        sizes = chosen(one, "ObjectSizeGreaterThan", "ObjectSizeLessThan")
        prefix = {"Prefix": one.get("Prefix", "")}
        rule["Filter"] = {"And": {**prefix, **sizes, "Tags": tags}} if tags or sizes else prefix
        rules.append(rule)
    return {"Rules": rules}


def _notifications(value: Mapping[str, Any]) -> dict[str, Any]:
    for name in value:
        if name != "LambdaConfigurations":
            raise NotSupported(f"{name} of the NotificationConfiguration of AWS::S3::Bucket")
    found = []
    for one in value.get("LambdaConfigurations") or ():
        told: dict[str, Any] = {"LambdaFunctionArn": one["Function"], "Events": [one["Event"]]}
        rules = ((one.get("Filter") or {}).get("S3Key") or {}).get("Rules")
        if rules:
            told["Filter"] = {"Key": {"FilterRules": rules}}
        found.append(told)
    return {"LambdaFunctionConfigurations": found}


SETTINGS: Mapping[str, Setting] = {
    "VersioningConfiguration": Setting(
        "PutBucketVersioning", "VersioningConfiguration", _as_it_is, "", {"Status": "Suspended"}
    ),
    "BucketEncryption": Setting(
        "PutBucketEncryption", "ServerSideEncryptionConfiguration", _encryption, "DeleteBucketEncryption"
    ),
    "PublicAccessBlockConfiguration": Setting(
        "PutPublicAccessBlock", "PublicAccessBlockConfiguration", _as_it_is, "DeletePublicAccessBlock"
    ),
    "NotificationConfiguration": Setting(
        "PutBucketNotificationConfiguration", "NotificationConfiguration", _notifications, "", {}
    ),
    "OwnershipControls": Setting(
        "PutBucketOwnershipControls", "OwnershipControls", _rules, "DeleteBucketOwnershipControls"
    ),
    "LifecycleConfiguration": Setting(
        "PutBucketLifecycleConfiguration", "LifecycleConfiguration", _lifecycle, "DeleteBucketLifecycle"
    ),
}


async def _set(job: Job) -> None:
    """The settings that the template has, or had before."""
    bucket = {"Bucket": job.physical_id}
    for name, setting in SETTINGS.items():
        if not job.changed(name):
            continue
        if name in job.properties:
            params = {**bucket, setting.member: setting.value(job.properties[name])}
            await job.call("s3", setting.put, shaped("s3", setting.put, params))
        elif setting.removed:
            await job.call("s3", setting.removed, bucket)
        else:
            await job.call("s3", setting.put, {**bucket, setting.member: setting.absent})
    tags = tags_of(job.properties, job.tags)
    if tags:
        await job.call("s3", "PutBucketTagging", {**bucket, "Tagging": {"TagSet": tags}})
    elif job.before.get("Tags"):
        await job.call("s3", "DeleteBucketTagging", bucket)


def _made(job: Job) -> Made:
    name = job.physical_id
    return Made(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "DualStackDomainName": f"{name}.s3.dualstack.{job.region}.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{job.region}.amazonaws.com",
        },
    )


async def create(job: Job) -> Made:
    name = job.name("BucketName", limit=63).lower()
    place = {} if job.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": job.region}}
    access = chosen(job.properties, "AccessControl")
    if access.get("AccessControl") not in (None, "Private"):
        raise NotSupported(f"AccessControl {access['AccessControl']} of AWS::S3::Bucket (ACLs of S3)")
    try:
        await job.call("s3", "CreateBucket", {"Bucket": name, **place})
    except AwsError as error:
        if not (job.may_exist and error.code in EXISTS_CODES):
            raise
    await job.claim(name)
    job.physical_id = name
    await _set(job)
    return _made(job)


async def update(job: Job) -> Made:
    await _set(job)
    return _made(job)


async def delete(job: Job) -> None:
    await gone(job.call("s3", "DeleteBucket", {"Bucket": job.physical_id}))


async def put_policy(job: Job) -> Made:
    bucket = str(job.properties["Bucket"])
    text = document(job.properties["PolicyDocument"])
    await job.call("s3", "PutBucketPolicy", {"Bucket": bucket, "Policy": text})
    return Made(bucket)


async def delete_policy(job: Job) -> None:
    await gone(job.call("s3", "DeleteBucketPolicy", {"Bucket": job.physical_id}))


HANDLERS = (
    Handler(
        "AWS::S3::Bucket",
        frozenset({"AccessControl", "BucketName", "Tags", *SETTINGS}),
        create,
        delete,
        update,
        replaced_by=frozenset({"BucketName"}),
        name_property="BucketName",
    ),
    Handler(
        "AWS::S3::BucketPolicy",
        frozenset({"Bucket", "PolicyDocument"}),
        put_policy,
        delete_policy,
        put_policy,
        replaced_by=frozenset({"Bucket"}),
        required=("Bucket", "PolicyDocument"),
    ),
)
