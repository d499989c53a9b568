"""S3 of one Region: enough for deployment artifacts and simple objects. Every other operation is refused by name.

Buckets belong to the Region that made them; that a name is taken in another Region is not known here (on AWS names are
global). An object is at most MAX_OBJECT_BYTES; there are no multipart uploads, versions, policies or listings of them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.s3.records import Bucket, ObjectRecord, Shelves
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Operation, Request, Result

MAX_OBJECT_BYTES = 64 * 1024 * 1024
MAX_KEY_BYTES = 1024
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
KEPT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
REFUSED_ON_PUT = (
    "ACL",
    "SSECustomerKey",
    "SSEKMSKeyId",
    "ObjectLockMode",
    "Tagging",
    "WebsiteRedirectLocation",
    "WriteOffsetBytes",
)
# What an object may be written under: If-None-Match: * and If-Match.
CONDITION_FAILED = "At least one of the pre-conditions you specified did not hold"
ENCRYPTION = "AES256"  # S3 encrypts every object since 2023, and says so


class S3:
    """The service."""

    name = "s3"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._store = surroundings.store
        self._shelves = Shelves(surroundings.store)
        self.operations: dict[str, Operation] = {
            "CreateBucket": self.create_bucket,
            "DeleteBucket": self.delete_bucket,
            "DeleteObject": self.delete_object,
            "GetBucketLocation": self.get_bucket_location,
            "GetObject": self.get_object,
            "HeadBucket": self.head_bucket,
            "HeadObject": self.head_object,
            "ListBuckets": self.list_buckets,
            "ListObjectsV2": self.list_objects_v2,
            "PutObject": self.put_object,
        }

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    def _bucket(self, params: Mapping[str, Any]) -> Bucket:
        found = self._shelves.bucket(params["Bucket"])
        if found is None:
            raise ClientFault(
                "NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=params["Bucket"]
            )
        return found

    def _object(self, params: Mapping[str, Any]) -> ObjectRecord:
        self._bucket(params)
        if params.get("VersionId"):
            raise NotSupported("versions of S3 objects")
        found = self._shelves.object(params["Bucket"], params["Key"])
        if found is None:
            raise ClientFault("NoSuchKey", "The specified key does not exist.", status=404, Key=params["Key"])
        wanted, unwanted = params.get("IfMatch"), params.get("IfNoneMatch")
        if wanted and wanted.strip('"') != found.etag.strip('"'):
            raise ClientFault("PreconditionFailed", CONDITION_FAILED, status=412)
        if unwanted and unwanted.strip('"') == found.etag.strip('"'):
            raise ClientFault("NotModified", "Not Modified", status=304)
        return found

    async def _settled(self) -> None:
        if not self._store.settled:
            await self._store.durable()

    # Buckets

    async def create_bucket(self, request: Request) -> Result:
        name, region = request.params["Bucket"], self._surroundings.region
        if not BUCKET_NAME.fullmatch(name) or ".." in name:
            raise ClientFault("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)
        for refused in ("ACL", "ObjectLockEnabledForBucket", "GrantRead", "GrantWrite", "GrantFullControl"):
            if request.params.get(refused) not in (None, False, "private"):
                raise NotSupported(f"the parameter {refused} of CreateBucket")
        place = (request.params.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
        if (place or "us-east-1") != region:
            raise ClientFault(
                "IllegalLocationConstraintException",
                f"The {place or 'unspecified'} location constraint is incompatible for the region specific endpoint "
                "this request was sent to.",
            )
        if self._shelves.bucket(name) is not None:
            if region != "us-east-1":  # there, and only there, S3 answers 200
                raise ClientFault(
                    "BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already own it.",
                    status=409,
                    BucketName=name,
                )
        else:
            self._shelves.put_bucket(Bucket(name, self._surroundings.world.now()))
        await self._store.durable()
        return {"Location": f"/{name}"}

    async def head_bucket(self, request: Request) -> Result:
        await self._settled()
        self._bucket(request.params)
        return {"BucketRegion": self._surroundings.region}

    async def get_bucket_location(self, request: Request) -> Result:
        await self._settled()
        self._bucket(request.params)
        region = self._surroundings.region
        return {} if region == "us-east-1" else {"LocationConstraint": region}

    async def list_buckets(self, request: Request) -> Result:
        await self._settled()
        account = self._surroundings.settings.account
        return {
            "Buckets": [{"Name": one.name, "CreationDate": one.created} for one in self._shelves.buckets()],
            "Owner": {"ID": hashlib.sha256(account.encode()).hexdigest(), "DisplayName": account},
        }

    async def delete_bucket(self, request: Request) -> Result:
        self._bucket(request.params)
        name = request.params["Bucket"]
        if self._shelves.objects(name, "", "", 1):
            raise ClientFault(
                "BucketNotEmpty", "The bucket you tried to delete is not empty", status=409, BucketName=name
            )
        self._shelves.drop_bucket(name)
        await self._store.durable()
        return {}

    # Objects

    async def put_object(self, request: Request) -> Result:
        params = request.params
        self._bucket(params)
        for name in REFUSED_ON_PUT:
            if params.get(name) not in (None, "", "private"):
                raise NotSupported(f"the parameter {name} of PutObject")
        bucket, key = params["Bucket"], params["Key"]
        if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
            raise ClientFault("KeyTooLongError", "Your key is too long")
        body = bytes(params.get("Body") or b"")
        encoding = str(params.get("ContentEncoding") or "")
        if "aws-chunked" in encoding:
            body = unchunked(body)
            encoding = ",".join(one for one in encoding.split(",") if one.strip() != "aws-chunked")
        if len(body) > MAX_OBJECT_BYTES:
            raise ClientFault("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size.")
        digest = hashlib.md5(body, usedforsecurity=False)
        if params.get("ContentMD5") and params["ContentMD5"] != base64.b64encode(digest.digest()).decode():
            raise ClientFault("BadDigest", "The Content-MD5 you specified did not match what we received.")
        there = self._shelves.object(bucket, key)
        if params.get("IfNoneMatch") == "*" and there is not None:
            raise ClientFault("PreconditionFailed", CONDITION_FAILED, status=412)
        if params.get("IfMatch") and (there is None or there.etag.strip('"') != params["IfMatch"].strip('"')):
            raise ClientFault("PreconditionFailed", CONDITION_FAILED, status=412)
        headers = {name: str(params[name]) for name in KEPT_HEADERS if params.get(name)}
        headers["ContentEncoding"] = encoding
        record = ObjectRecord(
            key=key,
            size_bytes=len(body),
            etag=f'"{digest.hexdigest()}"',
            modified=float(int(self._surroundings.world.now())),
            content_type=params.get("ContentType") or "binary/octet-stream",
            metadata={str(name): str(value) for name, value in (params.get("Metadata") or {}).items()},
            headers={name: value for name, value in headers.items() if value},
        )
        self._shelves.put_object(bucket, record, body)
        await self._store.durable()
        return {"ETag": record.etag, "ServerSideEncryption": ENCRYPTION}

    def _described(self, record: ObjectRecord) -> dict[str, Any]:
        return {
            "AcceptRanges": "bytes",
            "ContentLength": record.size_bytes,
            "ContentType": record.content_type,
            "ETag": record.etag,
            "LastModified": record.modified,
            "Metadata": record.metadata,
            "ServerSideEncryption": ENCRYPTION,
            **record.headers,
        }

    async def head_object(self, request: Request) -> Result:
        await self._settled()
        return self._described(self._object(request.params))

    async def get_object(self, request: Request) -> Result:
        await self._settled()
        record = self._object(request.params)
        body = self._shelves.data(request.params["Bucket"], record.key)
        answer = {**self._described(record), "Body": body}
        wanted = request.params.get("Range")
        if wanted:
            found = byte_range(wanted, len(body))
            if found is not None:
                start, end = found
                answer["Body"] = body[start : end + 1]
                answer["ContentLength"] = end + 1 - start
                answer["ContentRange"] = f"bytes {start}-{end}/{len(body)}"
        return answer

    async def delete_object(self, request: Request) -> Result:
        """Deleting what is not there succeeds, as on AWS."""
        self._bucket(request.params)
        if request.params.get("VersionId"):
            raise NotSupported("versions of S3 objects")
        self._shelves.drop_object(request.params["Bucket"], request.params["Key"])
        await self._store.durable()
        return {}

    async def list_objects_v2(self, request: Request) -> Result:
        await self._settled()
        params = request.params
        self._bucket(params)
        bucket, prefix, delimiter = params["Bucket"], params.get("Prefix") or "", params.get("Delimiter") or ""
        limit = min(int(params.get("MaxKeys", 1000)), 1000)
        after = _token_key(params.get("ContinuationToken")) or params.get("StartAfter") or ""
        contents: list[dict[str, Any]] = []
        groups: list[str] = []
        more = False
        while True:
            page = self._shelves.objects(bucket, after, prefix, 200)
            for record in page:
                rest = record.key[len(prefix) :]
                group = (
                    prefix + rest[: rest.index(delimiter) + len(delimiter)] if delimiter and delimiter in rest else ""
                )
                if group and groups and groups[-1] == group:
                    after = record.key
                    continue
                if len(contents) + len(groups) >= limit:
                    more = True
                    break
                if group:
                    groups.append(group)
                else:
                    contents.append(_listed(record))
                after = record.key
            if more or not page:
                break
        answer: dict[str, Any] = {
            "Name": bucket,
            "Prefix": prefix,
            "MaxKeys": limit,
            "KeyCount": len(contents) + len(groups),
            "IsTruncated": more,
            "Contents": contents,
            "CommonPrefixes": [{"Prefix": one} for one in groups],
        }
        for name in ("Delimiter", "StartAfter", "ContinuationToken"):
            if params.get(name):
                answer[name] = params[name]
        if more:
            answer["NextContinuationToken"] = base64.urlsafe_b64encode(after.encode()).decode()
        return answer


def _listed(record: ObjectRecord) -> dict[str, Any]:
    return {
        "Key": record.key,
        "LastModified": record.modified,
        "ETag": record.etag,
        "Size": record.size_bytes,
        "StorageClass": "STANDARD",
    }


def _token_key(token: str | None) -> str:
    if not token:
        return ""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise ClientFault("InvalidArgument", "The continuation token provided is incorrect") from None


def byte_range(text: str, size_bytes: int) -> tuple[int, int] | None:
    """(first, last) of a Range header; None: to be ignored (RFC 9110). Raises InvalidRange."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", text.strip())
    if match is None or not (match.group(1) or match.group(2)):
        return None
    first, last = match.groups()
    if first:
        start, end = int(first), int(last) if last else size_bytes - 1
    else:
        start, end = max(0, size_bytes - int(last)), size_bytes - 1
    if first and last and start > end:
        return None
    if start >= size_bytes:
        raise ClientFault("InvalidRange", "The requested range is not satisfiable", status=416)
    return start, min(end, size_bytes - 1)


def unchunked(body: bytes) -> bytes:
    """The payload of an aws-chunked body: chunks of `size;signature`, line end, bytes; one of size 0; trailers."""
    found: list[bytes] = []
    at = 0
    while True:
        line_end = body.find(b"\r\n", at)
        head = body[at:line_end].partition(b";")[0] if line_end >= 0 else b""
        try:
            size = int(head, 16)
        except ValueError:
            raise ClientFault("IncompleteBody", "The request body terminated unexpectedly") from None
        if size == 0:
            return b"".join(found)
        start = line_end + 2
        if start + size > len(body):
            raise ClientFault("IncompleteBody", "The request body terminated unexpectedly")
        found.append(body[start : start + size])
        at = start + size + 2
