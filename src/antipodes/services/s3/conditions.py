"""Conditions of requests, and ranges. Pure.

A condition on an ETag goes before one on a time, as RFC 9110 has it and S3 documents for GetObject: with If-Match
fulfilled, If-Unmodified-Since does not count; with If-None-Match given, If-Modified-Since does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from antipodes.services.s3.records import Version
from antipodes.wire.errors import ClientFault

FAILED = "At least one of the pre-conditions you specified did not hold"


def failed(condition: str) -> ClientFault:
    return ClientFault("PreconditionFailed", FAILED, status=412, Condition=condition)


def etag_in(version: Version, text: str) -> bool:
    """Whether a list of entity tags names the version's."""
    tags = [one.strip().removeprefix("W/").strip('"') for one in text.split(",")]
    return "*" in tags or version.etag.strip('"') in tags


def check_read(version: Version, params: Mapping[str, Any], prefix: str = "") -> None:
    """Raises PreconditionFailed, or NotModified (304); for a copy's source (prefix "CopySource") always the former."""
    match, none_match = params.get(f"{prefix}IfMatch"), params.get(f"{prefix}IfNoneMatch")
    since, unmodified = params.get(f"{prefix}IfModifiedSince"), params.get(f"{prefix}IfUnmodifiedSince")
    if match is not None:
        if not etag_in(version, match):
            raise failed("If-Match")
    elif unmodified is not None and version.modified > float(unmodified):
        raise failed("If-Unmodified-Since")
    unchanged = None
    if none_match is not None:
        unchanged = "If-None-Match" if etag_in(version, none_match) else None
    elif since is not None and version.modified <= float(since):
        unchanged = "If-Modified-Since"
    if unchanged is not None:
        raise failed(unchanged) if prefix else ClientFault("NotModified", "Not Modified", status=304, ETag=version.etag)


def check_write(there: Version | None, params: Mapping[str, Any]) -> None:
    """If-None-Match: * and If-Match of a write. Raises PreconditionFailed, NoSuchKey, NotImplemented."""
    match, none_match = params.get("IfMatch"), params.get("IfNoneMatch")
    found = there if there is not None and not there.marker else None
    if none_match is not None:
        if none_match.strip() != "*":
            raise ClientFault(
                "NotImplemented", "A header you provided implies functionality that is not implemented", status=501
            )
        if found is not None:
            raise failed("If-None-Match")
    if match is not None:
        if found is None:
            raise ClientFault("NoSuchKey", "The specified key does not exist.", status=404)
        if not etag_in(found, match):
            raise failed("If-Match")


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
