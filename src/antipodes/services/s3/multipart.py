"""Uploads in parts. A part's bytes are a piece; the finished object is the list of its pieces: nothing is copied."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from antipodes.services.s3 import checksums
from antipodes.services.s3.conditions import byte_range, check_write
from antipodes.services.s3.notifications import notes
from antipodes.services.s3.objects import (
    MAX_OBJECT_BYTES,
    draft_of,
    md5_etag,
    refuse,
    source_of,
    told_encryption,
)
from antipodes.services.s3.records import Bucket, Part, Upload
from antipodes.services.s3.stock import Stock, changed, malformed, told_version
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

MIN_PART_BYTES = 5 * 1024 * 1024  # of all but the last
MAX_PARTS = 10_000
LIST_LIMIT = 1000


def _upload(stock: Stock, params: Mapping[str, Any]) -> tuple[Bucket, Upload]:
    bucket = stock.bucket(params)
    found = stock.shelves.upload(bucket.name, params["Key"], params["UploadId"])
    if found is None:
        raise ClientFault(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed.",
            status=404,
            UploadId=params["UploadId"],
        )
    return bucket, found


async def create_multipart_upload(stock: Stock, request: Request) -> Result:
    params = request.params
    bucket = stock.bucket(params)
    refuse("CreateMultipartUpload", params)
    draft = draft_of(bucket, params)
    algorithm = checksums.algorithm_of(params)
    kind = checksums.type_of(algorithm, params.get("ChecksumType"))
    order = stock.shelves.store.stamp().time
    ident = base64.urlsafe_b64encode(
        order.to_bytes(8, "big") + stock.surroundings.world.chance.getrandbits(256).to_bytes(34, "big")
    ).decode()
    upload = Upload(ident, float(int(stock.now())), draft, algorithm, kind)
    await stock.commit(stock.shelves.with_upload(bucket.name, upload))
    told = {"ChecksumAlgorithm": algorithm, "ChecksumType": kind} if algorithm else {}
    return {"Bucket": bucket.name, "Key": draft.key, "UploadId": ident, **told, **told_encryption(stock, draft)}


def _part_number(params: Mapping[str, Any]) -> int:
    number = int(params["PartNumber"])
    if not 1 <= number <= MAX_PARTS:
        raise ClientFault("InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive")
    return number


async def upload_part(stock: Stock, request: Request) -> Result:
    params = request.params
    number = _part_number(params)
    _, upload = _upload(stock, params)
    refuse("UploadPart", params)
    body = bytes(params.get("Body") or b"")
    sums = checksums.verified(params, body)
    if upload.algorithm and upload.algorithm not in sums:
        sums[upload.algorithm] = checksums.digest(upload.algorithm, body)
    part = Part(number, md5_etag(body), float(int(stock.now())), stock.piece(len(body)), sums)
    await stock.commit(stock.shelves.with_part(upload.id, part, body))
    return {"ETag": part.etag, **checksums.told(sums, ""), **told_encryption(stock, upload.draft)}


async def upload_part_copy(stock: Stock, request: Request) -> Result:
    params = request.params
    number = _part_number(params)
    _, upload = _upload(stock, params)
    refuse("UploadPartCopy", params)
    from_bucket, source = source_of(stock, params)
    body = stock.shelves.data(source.pieces)
    if params.get("CopySourceRange"):
        section = byte_range(params["CopySourceRange"], len(body))
        if section is None:
            raise ClientFault(
                "InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last"
            )
        body = body[section[0] : section[1] + 1]
    sums = {upload.algorithm: checksums.digest(upload.algorithm, body)} if upload.algorithm else {}
    part = Part(number, md5_etag(body), float(int(stock.now())), stock.piece(len(body)), sums)
    await stock.commit(stock.shelves.with_part(upload.id, part, body))
    return {
        "CopyPartResult": {"ETag": part.etag, "LastModified": part.modified, **checksums.told(sums, "")},
        **({"CopySourceVersionId": source.id} if from_bucket.versioning else {}),
        **told_encryption(stock, upload.draft),
    }


def _chosen(stock: Stock, upload: Upload, params: Mapping[str, Any]) -> list[Part]:
    """The parts that the request lists. Raises MalformedXML, InvalidPartOrder, InvalidPart, EntityTooSmall,
    EntityTooLarge."""
    listed = (params.get("MultipartUpload") or {}).get("Parts") or ()
    if not listed:
        raise malformed()
    there = {part.number: part for part in stock.shelves.parts(upload.id)}
    chosen: list[Part] = []
    for one in listed:
        number = int(one["PartNumber"])
        if chosen and number <= chosen[-1].number:
            raise ClientFault(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. The parts list must be specified in order by part "
                "number.",
            )
        part = there.get(number)
        sums = checksums.given_in(one)
        wrong = part is None or str(one.get("ETag", "")).strip('"') != part.etag.strip('"')
        if part is None or wrong or any(part.checksums.get(name, value) != value for name, value in sums.items()):
            raise ClientFault(
                "InvalidPart",
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag.",
                UploadId=upload.id,
                PartNumber=str(number),
            )
        chosen.append(part)
    if any(part.piece.size_bytes < MIN_PART_BYTES for part in chosen[:-1]):
        raise ClientFault("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    size_bytes = sum(part.piece.size_bytes for part in chosen)
    if size_bytes > MAX_OBJECT_BYTES:
        raise ClientFault(
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            MaxSizeAllowed=str(MAX_OBJECT_BYTES),
            ProposedSize=str(size_bytes),
        )
    expected = params.get("MpuObjectSize")
    if expected is not None and int(expected) != size_bytes:
        raise ClientFault(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: "
            f"{size_bytes}",
        )
    return chosen


def _sum_of(stock: Stock, upload: Upload, chosen: Sequence[Part], params: Mapping[str, Any]) -> dict[str, str]:
    """The object's checksum. Raises BadDigest."""
    if not upload.algorithm:
        return {}
    if upload.checksum_type == checksums.COMPOSITE:
        found = checksums.composite(upload.algorithm, (part.checksums[upload.algorithm] for part in chosen))
    else:
        found = checksums.digest(upload.algorithm, stock.shelves.data(tuple(part.piece for part in chosen)))
    given = checksums.given_in(params).get(upload.algorithm)
    if given is not None and given not in (found, found.partition("-")[0]):
        raise ClientFault("BadDigest", f"The {upload.algorithm} you specified did not match the calculated checksum.")
    return {upload.algorithm: found}


async def complete_multipart_upload(stock: Stock, request: Request) -> Result:
    params = request.params
    bucket, upload = _upload(stock, params)
    chosen = _chosen(stock, upload, params)
    sums = _sum_of(stock, upload, chosen, params)
    check_write(stock.shelves.newest(bucket.name, upload.draft.key), params)
    digests = b"".join(bytes.fromhex(part.etag.strip('"')) for part in chosen)
    version = changed(
        stock.stamped(bucket, upload.draft),
        size_bytes=sum(part.piece.size_bytes for part in chosen),
        etag=f'"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(chosen)}"',
        pieces=tuple(part.piece for part in chosen),
        parts=True,
        checksums=sums,
        checksum_type=upload.checksum_type,
    )
    kept = {part.piece.id: part.piece for part in chosen}
    await stock.commit(
        [
            *stock.shelves.with_version(bucket.name, version),
            *stock.shelves.without_upload(bucket.name, upload, kept),
            *notes(stock, request, bucket, "ObjectCreated:CompleteMultipartUpload", version),
        ]
    )
    return {
        "Location": f"http://{request.host or 's3.amazonaws.com'}/{bucket.name}/{version.key}",
        "Bucket": bucket.name,
        "Key": version.key,
        "ETag": version.etag,
        **checksums.told(sums, version.checksum_type),
        **told_version(bucket, version),
        **told_encryption(stock, version),
    }


async def abort_multipart_upload(stock: Stock, request: Request) -> Result:
    bucket, upload = _upload(stock, request.params)
    await stock.commit(stock.shelves.without_upload(bucket.name, upload))
    return {}


async def list_parts(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    bucket, upload = _upload(stock, params)
    limit, after = min(int(params.get("MaxParts", LIST_LIMIT)), LIST_LIMIT), int(params.get("PartNumberMarker") or 0)
    rest = [part for part in stock.shelves.parts(upload.id) if part.number > after]
    page = rest[:limit]
    answer: dict[str, Any] = {
        "Bucket": bucket.name,
        "Key": upload.draft.key,
        "UploadId": upload.id,
        "PartNumberMarker": str(after),
        "MaxParts": limit,
        "IsTruncated": len(rest) > len(page),
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": part.modified,
                "ETag": part.etag,
                "Size": part.piece.size_bytes,
                **checksums.told(part.checksums, ""),
            }
            for part in page
        ],
        "Initiator": stock.owner(),
        "Owner": stock.owner(),
        "StorageClass": "STANDARD",
    }
    if page:
        answer["NextPartNumberMarker"] = str(page[-1].number)
    if upload.algorithm:
        answer |= {"ChecksumAlgorithm": upload.algorithm, "ChecksumType": upload.checksum_type}
    return answer


async def list_multipart_uploads(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    bucket = stock.bucket(params)
    if params.get("Delimiter"):
        raise NotSupported("the parameter Delimiter of ListMultipartUploads")
    limit = min(int(params.get("MaxUploads", LIST_LIMIT)), LIST_LIMIT)
    key, ident = params.get("KeyMarker") or "", params.get("UploadIdMarker") or ""
    prefix = params.get("Prefix") or ""

    def is_behind(one: Upload) -> bool:
        return one.draft.key > key or bool(ident and one.draft.key == key and one.id > ident)

    rest = [one for one in stock.shelves.uploads(bucket.name, prefix) if not key or is_behind(one)]
    page = rest[:limit]
    answer: dict[str, Any] = {
        "Bucket": bucket.name,
        "KeyMarker": key,
        "UploadIdMarker": ident,
        "Prefix": prefix,
        "MaxUploads": limit,
        "IsTruncated": len(rest) > len(page),
        "Uploads": [
            {
                "UploadId": one.id,
                "Key": one.draft.key,
                "Initiated": one.initiated,
                "StorageClass": "STANDARD",
                "Owner": stock.owner(),
                "Initiator": stock.owner(),
            }
            for one in page
        ],
    }
    if answer["IsTruncated"]:
        answer |= {"NextKeyMarker": page[-1].draft.key, "NextUploadIdMarker": page[-1].id}
    return answer


OPERATIONS = {
    "AbortMultipartUpload": abort_multipart_upload,
    "CompleteMultipartUpload": complete_multipart_upload,
    "CreateMultipartUpload": create_multipart_upload,
    "ListMultipartUploads": list_multipart_uploads,
    "ListParts": list_parts,
    "UploadPart": upload_part,
    "UploadPartCopy": upload_part_copy,
}
