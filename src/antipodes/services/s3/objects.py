"""Objects as they are written and removed: PutObject, CopyObject, DeleteObject(s), tags. Reading is in reading.py.

An object is at most MAX_OBJECT_BYTES, since it is held in memory while it is written or read; one request's body is
limited by the listener (64 MiB), what is larger comes in parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from antipodes.services.s3 import checksums
from antipodes.services.s3.conditions import check_read, check_write
from antipodes.services.s3.notifications import notes
from antipodes.services.s3.records import Bucket, Rows, Version
from antipodes.services.s3.stock import Stock, changed, check_key, malformed, tags_of, told_tags, told_version
from antipodes.wire.errors import AwsError, ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

MAX_OBJECT_BYTES = 1024 * 1024 * 1024
KEPT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
MAX_TAGS = 10
# What a write may not ask for; a value that changes nothing is let through.
REFUSED: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "SSECustomerAlgorithm": (),
        "SSECustomerKey": (),
        "SSEKMSKeyId": (),
        "SSEKMSEncryptionContext": (),
        "CopySourceSSECustomerKey": (),
        "ObjectLockMode": (),
        "ObjectLockRetainUntilDate": (),
        "ObjectLockLegalHoldStatus": (),
        "ObjectLockEventHold": (),
        "WebsiteRedirectLocation": (),
        "WriteOffsetBytes": (),
        "StorageClass": ("STANDARD",),
    }
)


def refuse(operation: str, params: Mapping[str, Any]) -> None:
    """Raises NotSupported; AccessControlListNotSupported: buckets here never have ACLs, as new ones on AWS."""
    for name, harmless in REFUSED.items():
        if params.get(name) not in (None, "", *harmless):
            raise NotSupported(f"the parameter {name} of {operation}")
    grants = any(params.get(f"Grant{name}") for name in ("FullControl", "Read", "ReadACP", "WriteACP"))
    if grants or params.get("ACL") not in (None, "", "private", "bucket-owner-full-control"):
        raise ClientFault("AccessControlListNotSupported", "The bucket does not allow ACLs")


def draft_of(bucket: Bucket, params: Mapping[str, Any]) -> Version:
    """What a request says of the object that it writes; no bytes yet."""
    check_key(params["Key"])
    headers = {name: str(params[name]) for name in KEPT_HEADERS if params.get(name)}
    if params.get("Expires") is not None:
        headers["Expires"] = str(params["Expires"])
    tags = dict(parse_qsl(str(params.get("Tagging") or ""), keep_blank_values=True))
    if len(tags) > MAX_TAGS:
        raise ClientFault("BadRequest", "Object tags cannot be greater than 10")
    return Version(
        key=params["Key"],
        content_type=params.get("ContentType") or "binary/octet-stream",
        metadata={str(name): str(value) for name, value in (params.get("Metadata") or {}).items()},
        headers=headers,
        tags=tags,
        kms=(params.get("ServerSideEncryption") or default_encryption(bucket)) == "aws:kms",
    )


def default_encryption(bucket: Bucket) -> str:
    for rule in bucket.encryption.get("Rules") or ():
        return str(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])
    return "AES256"


def told_encryption(stock: Stock, version: Version) -> dict[str, Any]:
    """As AWS tells it. On this machine's disk objects lie as they are."""
    if not version.kms:
        return {"ServerSideEncryption": "AES256"}
    digest = hashlib.md5(f"aws/s3 {stock.region}".encode(), usedforsecurity=False).hexdigest()
    ident = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:]}"
    return {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": f"arn:aws:kms:{stock.region}:{stock.account}:key/{ident}",
    }


def md5_etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


async def put_object(stock: Stock, request: Request) -> Result:
    params = request.params
    bucket = stock.bucket(params)
    refuse("PutObject", params)
    draft = draft_of(bucket, params)
    body = bytes(params.get("Body") or b"")
    sums = checksums.verified(params, body)
    check_write(stock.shelves.newest(bucket.name, draft.key), params)
    version, rows = _laid_down(stock, bucket, changed(draft, checksums=sums), body)
    await stock.commit([*rows, *notes(stock, request, bucket, "ObjectCreated:Put", version)])
    return {
        "ETag": version.etag,
        **told_version(bucket, version),
        **told_encryption(stock, version),
        **checksums.told(sums, checksums.FULL),
    }


def _laid_down(stock: Stock, bucket: Bucket, draft: Version, body: bytes) -> tuple[Version, Rows]:
    piece = stock.piece(len(body))
    version = changed(
        stock.stamped(bucket, draft),
        size_bytes=len(body),
        etag=md5_etag(body),
        pieces=(piece,),
        parts=False,
        checksum_type=checksums.FULL if draft.checksums else "",
    )
    return version, [*stock.shelves.with_version(bucket.name, version), *stock.shelves.with_data(piece, body)]


def copy_source(text: str) -> tuple[str, str, str | None]:
    """(bucket, key, version id) of x-amz-copy-source. Raises InvalidArgument."""
    path, _, query = text.partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if bucket.startswith("arn:"):
        raise NotSupported("access points as the source of a copy")
    if not bucket or not key:
        raise ClientFault(
            "InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        )
    return bucket, key, query or None


def source_of(stock: Stock, params: Mapping[str, Any]) -> tuple[Bucket, Version]:
    """What is to be copied. Raises NoSuchKey, PreconditionFailed."""
    name, key, wanted = copy_source(str(params["CopySource"]))
    bucket = stock.bucket({**params, "Bucket": name}, owner="ExpectedSourceBucketOwner")
    version = stock.version(name, key, wanted)
    check_read(version, params, "CopySource")
    return bucket, version


async def copy_object(stock: Stock, request: Request) -> Result:
    params = request.params
    bucket = stock.bucket(params)
    refuse("CopyObject", params)
    draft = draft_of(bucket, params)
    from_bucket, source = source_of(stock, params)
    replaced = params.get("MetadataDirective") == "REPLACE"
    if from_bucket.name == bucket.name and source.key == draft.key and not replaced:
        wanted = copy_source(str(params["CopySource"]))[2]
        if wanted is None and not params.get("ServerSideEncryption"):
            raise ClientFault(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes.",
            )
    if not replaced:
        draft = changed(draft, content_type=source.content_type, metadata=source.metadata, headers=source.headers)
    if params.get("TaggingDirective") != "REPLACE":
        draft = changed(draft, tags=source.tags)
    check_write(stock.shelves.newest(bucket.name, draft.key), params)
    body = stock.shelves.data(source.pieces)
    asked = checksums.algorithm_of(params)
    kept = asked or next(iter(source.checksums), "")
    sums = {kept: checksums.digest(kept, body)} if kept else {}
    version, rows = _laid_down(stock, bucket, changed(draft, checksums=sums), body)
    await stock.commit([*rows, *notes(stock, request, bucket, "ObjectCreated:Copy", version)])
    told = {
        "ETag": version.etag,
        "LastModified": version.modified,
        **checksums.told(version.checksums, version.checksum_type),
    }
    return {
        "CopyObjectResult": told,
        **told_version(bucket, version),
        **({"CopySourceVersionId": source.id} if from_bucket.versioning else {}),
        **told_encryption(stock, version),
    }


async def delete_object(stock: Stock, request: Request) -> Result:
    params = request.params
    bucket = stock.bucket(params)
    rows, told = _removal(stock, request, bucket, params)
    await stock.commit(rows)
    return told


def _removal(stock: Stock, request: Request, bucket: Bucket, params: Mapping[str, Any]) -> tuple[Rows, dict[str, Any]]:
    """What removes a key or a version of it, and the answer. Removing what is not there succeeds, as on AWS."""
    key, wanted = params["Key"], params.get("VersionId")
    check_key(key)
    newest = stock.shelves.newest(bucket.name, key)
    told: dict[str, Any]
    for name in ("IfMatchLastModifiedTime", "IfMatchSize"):
        if params.get(name) is not None:
            raise NotSupported(f"the parameter {name} of DeleteObject")
    if params.get("IfMatch") is not None:
        check_write(newest, {"IfMatch": params["IfMatch"]})
    if wanted is None and bucket.versioning:
        marker = stock.stamped(bucket, Version(key=key, marker=True))
        rows = notes(stock, request, bucket, "ObjectRemoved:DeleteMarkerCreated", marker)
        told = {"DeleteMarker": True, "VersionId": marker.id}
        return [*stock.shelves.with_version(bucket.name, marker), *rows], told
    found = newest if wanted is None else stock.shelves.find(bucket.name, key, wanted)
    told = {} if wanted is None else {"VersionId": wanted}
    if found is None:
        return [], told
    if found.marker:
        told["DeleteMarker"] = True
    rows = notes(stock, request, bucket, "ObjectRemoved:Delete", found)
    return [*stock.shelves.without_version(bucket.name, found), *rows], told


async def delete_objects(stock: Stock, request: Request) -> Result:
    """Each for itself, in their order; what fails is told and stops nothing."""
    params = request.params
    bucket = stock.bucket(params)
    wanted = params["Delete"].get("Objects") or ()
    if not 0 < len(wanted) <= 1000:
        raise malformed()
    deleted: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for one in wanted:
        try:
            rows, told = _removal(stock, request, bucket, {"IfMatch": one.get("ETag"), **one})
        except AwsError as error:
            errors.append({"Key": one["Key"], "Code": error.code, "Message": error.message})
            continue
        stock.shelves.store.write(rows)
        entry: dict[str, Any] = {"Key": one["Key"]}
        if one.get("VersionId"):
            entry["VersionId"] = one["VersionId"]
        if told.get("DeleteMarker"):
            entry |= {"DeleteMarker": True, "DeleteMarkerVersionId": told["VersionId"]}
        deleted.append(entry)
    await stock.durable()
    return {**({} if params["Delete"].get("Quiet") else {"Deleted": deleted}), **({"Errors": errors} if errors else {})}


# Tags


def _tagged(stock: Stock, params: Mapping[str, Any]) -> tuple[Bucket, Version]:
    bucket = stock.bucket(params)
    return bucket, stock.version(bucket.name, params["Key"], params.get("VersionId"))


async def put_object_tagging(stock: Stock, request: Request) -> Result:
    bucket, version = _tagged(stock, request.params)
    tags = tags_of(request.params["Tagging"])
    if len(tags) > MAX_TAGS:
        raise ClientFault("BadRequest", "Object tags cannot be greater than 10")
    await stock.commit(stock.shelves.changed_version(bucket.name, changed(version, tags=tags)))
    return told_version(bucket, version)


async def get_object_tagging(stock: Stock, request: Request) -> Result:
    await stock.settled()
    bucket, version = _tagged(stock, request.params)
    return {**told_tags(version.tags), **told_version(bucket, version)}


async def delete_object_tagging(stock: Stock, request: Request) -> Result:
    bucket, version = _tagged(stock, request.params)
    await stock.commit(stock.shelves.changed_version(bucket.name, changed(version, tags={})))
    return told_version(bucket, version)


async def get_object_acl(stock: Stock, request: Request) -> Result:
    """The only ACL there is: the owner may do everything."""
    await stock.settled()
    _tagged(stock, request.params)
    return told_acl(stock)


def told_acl(stock: Stock) -> dict[str, Any]:
    owner = stock.owner()
    return {
        "Owner": owner,
        "Grants": [{"Grantee": {"Type": "CanonicalUser", **owner}, "Permission": "FULL_CONTROL"}],
    }


OPERATIONS = {
    "CopyObject": copy_object,
    "DeleteObject": delete_object,
    "DeleteObjectTagging": delete_object_tagging,
    "DeleteObjects": delete_objects,
    "GetObjectAcl": get_object_acl,
    "GetObjectTagging": get_object_tagging,
    "PutObject": put_object,
    "PutObjectTagging": put_object_tagging,
}
