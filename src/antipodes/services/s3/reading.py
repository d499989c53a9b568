"""GetObject, HeadObject, GetObjectAttributes: versions, conditions, ranges, parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.s3 import checksums
from antipodes.services.s3.conditions import byte_range, check_read
from antipodes.services.s3.objects import told_encryption
from antipodes.services.s3.records import Bucket, Version
from antipodes.services.s3.stock import Stock, told_version
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

# A presigned URL's way to say how a browser is to take the object.
OVERRIDES = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Expires")


def _wanted(stock: Stock, params: Mapping[str, Any]) -> tuple[Bucket, Version]:
    bucket = stock.bucket(params)
    if params.get("SSECustomerKey"):
        raise NotSupported("keys of customers (SSE-C) for S3 objects")
    version = stock.version(bucket.name, params["Key"], params.get("VersionId"))
    check_read(version, params)
    return bucket, version


def _told(stock: Stock, bucket: Bucket, version: Version, params: Mapping[str, Any]) -> dict[str, Any]:
    headers: dict[str, Any] = dict(version.headers)
    if "Expires" in headers:
        headers["Expires"] = _expires(headers["Expires"])
    found: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "ContentLength": version.size_bytes,
        "ContentType": version.content_type,
        "ETag": version.etag,
        "LastModified": version.modified,
        "Metadata": version.metadata,
        **told_encryption(stock, version),
        **told_version(bucket, version),
        **headers,
    }
    if version.tags:
        found["TagCount"] = len(version.tags)
    for name in OVERRIDES:
        if params.get(f"Response{name}") is not None:
            found[name] = params[f"Response{name}"]
    return found


def _expires(text: str) -> Any:
    """A moment, as clients send it; else the text as it came."""
    try:
        return float(text)
    except ValueError:
        return text


def _section(version: Version, params: Mapping[str, Any]) -> tuple[int, int] | None:
    """(first, last) byte that a Range or a part number asks for; None: all. Raises InvalidRange, InvalidPartNumber."""
    number, wanted = params.get("PartNumber"), params.get("Range")
    if number is not None:
        if wanted:
            raise ClientFault("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
        sizes = [one.size_bytes for one in version.pieces] if version.parts else [version.size_bytes]
        if not 1 <= int(number) <= len(sizes):
            raise ClientFault("InvalidPartNumber", "The requested partnumber is not satisfiable", status=416)
        start = sum(sizes[: int(number) - 1])
        return (start, start + sizes[int(number) - 1] - 1) if version.size_bytes else None
    return byte_range(wanted, version.size_bytes) if wanted else None


def _answer(stock: Stock, params: Mapping[str, Any]) -> tuple[dict[str, Any], Version, tuple[int, int] | None]:
    bucket, version = _wanted(stock, params)
    found = _told(stock, bucket, version, params)
    section = _section(version, params)
    if section is not None:
        start, end = section
        found["ContentLength"] = end + 1 - start
        found["ContentRange"] = f"bytes {start}-{end}/{version.size_bytes}"
    elif params.get("ChecksumMode") == "ENABLED":  # those of the whole: of no use with a section
        found |= checksums.told(version.checksums, version.checksum_type)
    if params.get("PartNumber") is not None and version.parts:
        found["PartsCount"] = len(version.pieces)
    return found, version, section


async def head_object(stock: Stock, request: Request) -> Result:
    await stock.settled()
    return _answer(stock, request.params)[0]


async def get_object(stock: Stock, request: Request) -> Result:
    await stock.settled()
    found, version, section = _answer(stock, request.params)
    if section is None:
        return {**found, "Body": stock.shelves.data(version.pieces)}
    return {**found, "Body": _cut(stock, version, *section)}


def _cut(stock: Stock, version: Version, first: int, last: int) -> bytes:
    """Bytes first to last, of the pieces that have them."""
    found, at = [], 0
    for piece in version.pieces:
        if at <= last and at + piece.size_bytes > first:
            data = stock.shelves.data((piece,))
            found.append(data[max(first - at, 0) : last + 1 - at])
        at += piece.size_bytes
    return b"".join(found)


async def get_object_attributes(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    bucket, version = _wanted(stock, params)
    asked = params.get("ObjectAttributes") or ()
    found: dict[str, Any] = {"LastModified": version.modified, **told_version(bucket, version)}
    if "ETag" in asked:
        found["ETag"] = version.etag.strip('"')
    if "Checksum" in asked and version.checksums:
        found["Checksum"] = checksums.told(version.checksums, version.checksum_type)
    if "ObjectParts" in asked and version.parts:
        found["ObjectParts"] = {"TotalPartsCount": len(version.pieces)}
    if "StorageClass" in asked:
        found["StorageClass"] = "STANDARD"
    if "ObjectSize" in asked:
        found["ObjectSize"] = version.size_bytes
    return found


OPERATIONS = {
    "GetObject": get_object,
    "GetObjectAttributes": get_object_attributes,
    "HeadObject": head_object,
}
