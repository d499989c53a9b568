"""Settings of a bucket: versioning, encryption, public access, ownership, policy, tags, life cycle.

Each is kept with the bucket and told again; what would have to do something that antipodes does not do is refused by
name. Versioning and life cycle rules act. Encryption decides what objects say of themselves, while their bytes lie on
this machine's disk as they came. A policy is checked for its form and against the block of public access, and is not
enforced: as with IAM's, whoever has a key of the planet may do everything, and nobody without one may do anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from antipodes.services.s3 import lifecycle
from antipodes.services.s3.buckets import ALL_BLOCKED
from antipodes.services.s3.records import Bucket
from antipodes.services.s3.stock import Stock, changed, malformed, tags_of, told_tags
from antipodes.wire.errors import AccessDenied, ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

MAX_POLICY_BYTES = 20 * 1024
DEFAULT_ENCRYPTION = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]
}


async def _put(stock: Stock, params: Mapping[str, Any], **settings: Any) -> Result:
    stock.shelves.put_bucket(changed(stock.bucket(params), **settings))
    await stock.durable()
    return {}


async def _bucket(stock: Stock, request: Request) -> Bucket:
    await stock.settled()
    return stock.bucket(request.params)


def _missing(code: str, message: str, bucket: Bucket) -> ClientFault:
    return ClientFault(code, message, status=404, BucketName=bucket.name)


# Versioning


async def put_bucket_versioning(stock: Stock, request: Request) -> Result:
    given = request.params["VersioningConfiguration"]
    if given.get("MFADelete") == "Enabled" or request.params.get("MFA"):
        raise NotSupported("MFA delete of S3")
    if given.get("Status") not in ("Enabled", "Suspended"):
        raise malformed()
    return await _put(stock, request.params, versioning=given["Status"])


async def get_bucket_versioning(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    return {"Status": bucket.versioning} if bucket.versioning else {}


# Encryption


async def put_bucket_encryption(stock: Stock, request: Request) -> Result:
    given = request.params["ServerSideEncryptionConfiguration"]
    if len(given.get("Rules") or ()) != 1:
        raise malformed()
    rule = given["Rules"][0]
    default = rule.get("ApplyServerSideEncryptionByDefault") or {"SSEAlgorithm": "AES256"}
    if default.get("SSEAlgorithm") not in ("AES256", "aws:kms") or rule.get("BlockedEncryptionTypes"):
        raise NotSupported(f"the default encryption {default.get('SSEAlgorithm')} of S3 buckets")
    if default.get("KMSMasterKeyID"):
        raise NotSupported("KMS keys of customers for S3 buckets (KMSMasterKeyID); the key aws/s3 of AWS is")
    return await _put(
        stock,
        request.params,
        encryption={"Rules": [{"BucketKeyEnabled": False, **rule, "ApplyServerSideEncryptionByDefault": default}]},
    )


async def get_bucket_encryption(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    return {"ServerSideEncryptionConfiguration": bucket.encryption or DEFAULT_ENCRYPTION}


async def delete_bucket_encryption(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, encryption={})


# Public access, ownership


async def put_public_access_block(stock: Stock, request: Request) -> Result:
    given = request.params["PublicAccessBlockConfiguration"]
    return await _put(stock, request.params, public_access={name: bool(given.get(name, False)) for name in ALL_BLOCKED})


async def get_public_access_block(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    if bucket.public_access is None:
        raise _missing(
            "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", bucket
        )
    return {"PublicAccessBlockConfiguration": bucket.public_access}


async def delete_public_access_block(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, public_access=None)


async def put_bucket_ownership_controls(stock: Stock, request: Request) -> Result:
    rules = request.params["OwnershipControls"].get("Rules") or []
    if len(rules) != 1:
        raise malformed()
    if rules[0].get("ObjectOwnership") != "BucketOwnerEnforced":
        raise NotSupported(f"the object ownership {rules[0].get('ObjectOwnership')} (ACLs of S3)")
    return await _put(stock, request.params, ownership="BucketOwnerEnforced")


async def get_bucket_ownership_controls(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    if not bucket.ownership:
        raise _missing("OwnershipControlsNotFoundError", "The bucket ownership controls were not found", bucket)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


async def delete_bucket_ownership_controls(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, ownership="")


# Policy


def is_public(document: Mapping[str, Any]) -> bool:
    """Whether a policy lets everybody in: an Allow for any principal that no condition narrows. (AWS weighs which
    conditions narrow; that any does is a guess.) Source: "The meaning of public", S3 User Guide."""
    statements = document.get("Statement") or []
    for one in [statements] if isinstance(statements, Mapping) else statements:
        principal = one.get("Principal")
        named = principal.get("AWS") if isinstance(principal, Mapping) else principal
        everybody = named == "*" or (isinstance(named, list) and "*" in named) or "NotPrincipal" in one
        if one.get("Effect") == "Allow" and everybody and not one.get("Condition"):
            return True
    return False


def policy_of(text: str, bucket: str) -> Mapping[str, Any]:
    """The document. Raises MalformedPolicy."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise ClientFault("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    if len(text.encode()) > MAX_POLICY_BYTES:
        raise ClientFault("InvalidPolicyDocument", "Policy document exceeds maximum allowed size")
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements or not all(isinstance(one, dict) for one in statements):
        raise ClientFault("MalformedPolicy", "Missing required field Statement")
    for one in statements:
        if one.get("Effect") not in ("Allow", "Deny"):
            raise ClientFault("MalformedPolicy", f"Invalid effect: {one.get('Effect')}")
        for names in (("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")):
            if not any(name in one for name in names):
                raise ClientFault("MalformedPolicy", f"Missing required field {names[0]}")
        resources = one.get("Resource") or ()
        for resource in [resources] if isinstance(resources, str) else resources:
            name = str(resource).removeprefix("arn:aws:s3:::").partition("/")[0]
            if resource != "*" and (not str(resource).startswith("arn:aws:s3:::") or name not in (bucket, "*")):
                raise ClientFault("MalformedPolicy", "Policy has invalid resource")
    return document


async def put_bucket_policy(stock: Stock, request: Request) -> Result:
    bucket, text = stock.bucket(request.params), str(request.params["Policy"])
    if is_public(policy_of(text, bucket.name)):
        if (bucket.public_access or {}).get("BlockPublicPolicy"):
            raise AccessDenied(
                "AccessDenied",
                f"User: arn:aws:iam::{stock.account}:root is not authorized to perform: s3:PutBucketPolicy on "
                f'resource: "arn:aws:s3:::{bucket.name}" because public policies are prevented by the '
                "BlockPublicPolicy setting in S3 Block Public Access.",
            )
        raise NotSupported("bucket policies that let in everybody (requests without a signature)")
    return await _put(stock, request.params, policy=text)


async def get_bucket_policy(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    if not bucket.policy:
        raise _missing("NoSuchBucketPolicy", "The bucket policy does not exist", bucket)
    return {"Policy": bucket.policy}


async def get_bucket_policy_status(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    if not bucket.policy:
        raise _missing("NoSuchBucketPolicy", "The bucket policy does not exist", bucket)
    return {"PolicyStatus": {"IsPublic": False}}


async def delete_bucket_policy(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, policy="")


# Tags


async def put_bucket_tagging(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, tags=tags_of(request.params["Tagging"]))


async def get_bucket_tagging(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    if not bucket.tags:
        raise _missing("NoSuchTagSet", "The TagSet does not exist", bucket)
    return told_tags(bucket.tags)


async def delete_bucket_tagging(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, tags={})


# Life cycle


async def put_bucket_lifecycle_configuration(stock: Stock, request: Request) -> Result:
    rules = (request.params.get("LifecycleConfiguration") or {}).get("Rules") or ()
    kept = [msgspec.to_builtins(one) for one in lifecycle.checked(rules)]
    await _put(stock, request.params, lifecycle=kept)
    return {"TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}


async def get_bucket_lifecycle_configuration(stock: Stock, request: Request) -> Result:
    bucket = await _bucket(stock, request)
    if not bucket.lifecycle:
        raise _missing("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist", bucket)
    return {"Rules": bucket.lifecycle, "TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"}


async def delete_bucket_lifecycle(stock: Stock, request: Request) -> Result:
    return await _put(stock, request.params, lifecycle=[])


# What nothing was ever set of: AWS's answer to who asks.


def _never(code: str, message: str) -> Any:
    async def get(stock: Stock, request: Request) -> Result:
        raise _missing(code, message, await _bucket(stock, request))

    return get


async def get_nothing(stock: Stock, request: Request) -> Result:
    """Of access logs AWS answers an empty configuration."""
    await _bucket(stock, request)
    return {}


OPERATIONS = {
    "DeleteBucketEncryption": delete_bucket_encryption,
    "DeleteBucketLifecycle": delete_bucket_lifecycle,
    "DeleteBucketOwnershipControls": delete_bucket_ownership_controls,
    "DeleteBucketPolicy": delete_bucket_policy,
    "DeleteBucketTagging": delete_bucket_tagging,
    "DeletePublicAccessBlock": delete_public_access_block,
    "GetBucketCors": _never("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "GetBucketEncryption": get_bucket_encryption,
    "GetBucketLifecycleConfiguration": get_bucket_lifecycle_configuration,
    "GetBucketLogging": get_nothing,
    "GetBucketOwnershipControls": get_bucket_ownership_controls,
    "GetBucketPolicy": get_bucket_policy,
    "GetBucketPolicyStatus": get_bucket_policy_status,
    "GetBucketReplication": _never(
        "ReplicationConfigurationNotFoundError", "The replication configuration was not found"
    ),
    "GetBucketTagging": get_bucket_tagging,
    "GetBucketVersioning": get_bucket_versioning,
    "GetBucketWebsite": _never(
        "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"
    ),
    "GetObjectLockConfiguration": _never(
        "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"
    ),
    "GetPublicAccessBlock": get_public_access_block,
    "PutBucketEncryption": put_bucket_encryption,
    "PutBucketLifecycleConfiguration": put_bucket_lifecycle_configuration,
    "PutBucketOwnershipControls": put_bucket_ownership_controls,
    "PutBucketPolicy": put_bucket_policy,
    "PutBucketTagging": put_bucket_tagging,
    "PutBucketVersioning": put_bucket_versioning,
    "PutPublicAccessBlock": put_public_access_block,
}
