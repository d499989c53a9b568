"""Buckets: made, found, listed, removed. Their settings are in settings.py.

A bucket belongs to the Region that made it; that a name is taken in another Region is not known here (on AWS names are
global).
"""

from __future__ import annotations

import re

from antipodes.services.s3.objects import told_acl
from antipodes.services.s3.records import Bucket
from antipodes.services.s3.stock import Stock
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
MAX_BUCKETS = 10_000  # of an answer
ALL_BLOCKED = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


async def create_bucket(stock: Stock, request: Request) -> Result:
    """A new bucket blocks public access and has no ACLs, as those made since April 2023 on AWS."""
    params, name, region = request.params, request.params["Bucket"], stock.region
    if not BUCKET_NAME.fullmatch(name) or ".." in name:
        raise ClientFault("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
    for refused in ("ObjectLockEnabledForBucket", "BucketNamespace"):
        if params.get(refused):
            raise NotSupported(f"the parameter {refused} of CreateBucket")
    grants = any(params.get(f"Grant{kind}") for kind in ("Read", "Write", "FullControl", "ReadACP", "WriteACP"))
    if grants or params.get("ACL") not in (None, "private"):
        raise ClientFault(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )
    if params.get("ObjectOwnership") not in (None, "BucketOwnerEnforced"):
        raise NotSupported(f"the object ownership {params['ObjectOwnership']} (ACLs of S3)")
    given = params.get("CreateBucketConfiguration") or {}
    place = given.get("LocationConstraint")
    for refused in ("Location", "Bucket"):
        if given.get(refused):
            raise NotSupported("directory buckets of S3")
    if (place or "us-east-1") != region:
        raise ClientFault(
            "IllegalLocationConstraintException",
            f"The {place or 'unspecified'} location constraint is incompatible for the region specific endpoint "
            "this request was sent to.",
        )
    if stock.shelves.bucket(name) is not None:
        if region != "us-east-1":  # there, and only there, S3 answers 200
            raise ClientFault(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
                status=409,
                BucketName=name,
            )
    else:
        tags = {one["Key"]: one["Value"] for one in given.get("Tags") or ()}
        stock.shelves.put_bucket(Bucket(name, stock.now(), public_access=dict.fromkeys(ALL_BLOCKED, True), tags=tags))
    await stock.durable()
    return {"Location": f"/{name}", "BucketArn": f"arn:aws:s3:::{name}"}


async def head_bucket(stock: Stock, request: Request) -> Result:
    await stock.settled()
    stock.bucket(request.params)
    return {"BucketRegion": stock.region, "AccessPointAlias": False}


async def get_bucket_location(stock: Stock, request: Request) -> Result:
    await stock.settled()
    stock.bucket(request.params)
    return {} if stock.region == "us-east-1" else {"LocationConstraint": stock.region}


async def list_buckets(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    prefix, after = params.get("Prefix") or "", params.get("ContinuationToken") or ""
    region = params.get("BucketRegion") or stock.region
    found = [one for one in stock.shelves.buckets() if one.name.startswith(prefix) and one.name > after]
    found = found if region == stock.region else []
    most = int(params.get("MaxBuckets") or MAX_BUCKETS)
    if not 1 <= most <= MAX_BUCKETS:  # the words are a guess
        raise ClientFault("InvalidArgument", f"Argument max-buckets must be an integer between 1 and {MAX_BUCKETS}")
    page = found[:most]
    return {
        "Buckets": [
            {
                "Name": one.name,
                "CreationDate": one.created,
                "BucketRegion": stock.region,
                "BucketArn": f"arn:aws:s3:::{one.name}",
            }
            for one in page
        ],
        "Owner": stock.owner(),
        **({"Prefix": prefix} if prefix else {}),
        **({"ContinuationToken": page[-1].name} if len(page) < len(found) else {}),
    }


async def delete_bucket(stock: Stock, request: Request) -> Result:
    """Only an empty one: no objects, no versions, no delete markers. Uploads under way go with it."""
    bucket = stock.bucket(request.params)
    there = next(stock.shelves.keys(bucket.name, ""), None)
    if there is not None:
        hint = " You must delete all versions in the bucket." if bucket.versioning else ""
        raise ClientFault(
            "BucketNotEmpty",
            "The bucket you tried to delete is not empty" + ("." + hint if hint else ""),
            status=409,
            BucketName=bucket.name,
        )
    stock.shelves.drop_bucket(bucket.name)
    await stock.durable()
    return {}


async def get_bucket_acl(stock: Stock, request: Request) -> Result:
    await stock.settled()
    stock.bucket(request.params)
    return told_acl(stock)


async def put_bucket_acl(stock: Stock, request: Request) -> Result:
    """Buckets here have none."""
    stock.bucket(request.params)
    if request.params.get("ACL") != "private":
        raise ClientFault("AccessControlListNotSupported", "The bucket does not allow ACLs")
    return {}


OPERATIONS = {
    "CreateBucket": create_bucket,
    "DeleteBucket": delete_bucket,
    "GetBucketAcl": get_bucket_acl,
    "GetBucketLocation": get_bucket_location,
    "HeadBucket": head_bucket,
    "ListBuckets": list_buckets,
    "PutBucketAcl": put_bucket_acl,
}
