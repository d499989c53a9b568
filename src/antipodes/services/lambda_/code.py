"""Where the code of functions and layers comes from.

As an archive (`ZipFile`), from S3 (`S3Bucket`, `S3Key`), or, as antipodes' own addition and for functions alone, from a
folder of this machine that is used in place: S3Bucket "antipodes-folder", S3Key the folder's absolute path.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from antipodes.services.lambda_.catalogue import Catalogue
from antipodes.services.lambda_.records import CODE_PREFIX, FOLDER_BUCKET, invalid
from antipodes.wire.errors import ClientFault, NotSupported
from antipodes.world.archive import UNPACKED_LIMIT_BYTES, BadArchive, unpacked_bytes

ZIP_LIMIT_BYTES = 50 * 1024 * 1024


class Code(msgspec.Struct, frozen=True):
    """Where the code went: members of the Configuration, rows for the store."""

    fields: dict[str, Any]
    rows: list[tuple[bytes, bytes | None]]


async def code_of(catalogue: Catalogue, given: Mapping[str, Any]) -> Code:
    """Of a function. Raises InvalidParameterValueException, RequestEntityTooLargeException (413)."""
    if given.get("S3Bucket") == FOLDER_BUCKET:
        folder = str(given.get("S3Key") or "")
        if not folder.startswith("/"):
            raise invalid(f"With S3Bucket {FOLDER_BUCKET}, S3Key is the absolute path of a folder; not {folder!r}.")
        digest = base64.b64encode(hashlib.sha256(folder.encode()).digest()).decode()
        return Code({"folder": folder, "code_key": "", "code_sha256": digest, "code_size": 0, "unpacked_bytes": 0}, [])
    return await archive_of(catalogue, given)


async def archive_of(catalogue: Catalogue, given: Mapping[str, Any]) -> Code:
    """Of an archive. Raises as code_of."""
    archive = given.get("ZipFile")
    if archive is None:
        if given.get("ImageUri"):
            raise NotSupported("Lambda functions of container images")
        if not given.get("S3Bucket") or not given.get("S3Key"):
            raise invalid("Please provide a source for function code.")
        archive = await _from_s3(catalogue, given)
    if not archive:
        raise invalid("Uploaded file must be a non-empty zip")
    if len(archive) > ZIP_LIMIT_BYTES and given.get("ZipFile") is not None:
        raise ClientFault(
            "RequestEntityTooLargeException", f"Zipped size must be smaller than {ZIP_LIMIT_BYTES} bytes", status=413
        )
    try:
        size_bytes = unpacked_bytes(archive)
    except BadArchive as error:
        raise invalid("Could not unzip uploaded file. Please check your file, then try to upload again.") from error
    if size_bytes > UNPACKED_LIMIT_BYTES:
        raise invalid(f"Unzipped size must be smaller than {UNPACKED_LIMIT_BYTES} bytes")
    sha256 = hashlib.sha256(archive).digest()
    fields = {
        "folder": "",
        "code_key": sha256.hex(),
        "code_sha256": base64.b64encode(sha256).decode(),
        "code_size": len(archive),
        "unpacked_bytes": size_bytes,
    }
    return Code(fields, [(CODE_PREFIX + sha256.hex().encode(), bytes(archive))])


async def _from_s3(catalogue: Catalogue, given: Mapping[str, Any]) -> bytes:
    wanted = {"Bucket": given["S3Bucket"], "Key": given["S3Key"]}
    if given.get("S3ObjectVersion"):
        wanted["VersionId"] = given["S3ObjectVersion"]
    try:
        found = await catalogue.surroundings.call("s3", "GetObject", wanted)
    except ClientFault as error:
        raise invalid(
            f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
        ) from error
    return bytes(found["Body"])
