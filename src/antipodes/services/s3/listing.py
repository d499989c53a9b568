"""ListObjects, ListObjectsV2, ListObjectVersions: one walk, paged and grouped by a delimiter.

Keys that begin alike, up to the next delimiter behind the prefix, are one entry (a common prefix). A page ends behind
an entry; where it ended is a key, and for the next page a group's end is behind all keys of the group.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from antipodes.services.s3.records import Version
from antipodes.services.s3.stock import Stock
from antipodes.wire.errors import ClientFault
from antipodes.wire.operation import Request, Result

PAGE = 1000
LAST = "\U0010ffff"  # behind every other character


class Walk:
    """One page over the keys of a bucket: what is in it, and where the next one begins."""

    def __init__(self, stock: Stock, params: Mapping[str, Any], after: str | None) -> None:
        self.bucket = stock.bucket(params).name
        self.prefix = params.get("Prefix") or ""
        self.delimiter = params.get("Delimiter") or ""
        self.limit = _limit(params)
        self.groups: list[str] = []
        self.truncated = False
        self.count = 0
        self.last = ""  # the last entry: a key, or a group
        self._shelves = stock.shelves
        self._after = after

    def versions(self) -> Iterator[Version]:
        """The newest version of each key that is an entry of its own, while there is room for it in the page."""
        after = self._after
        if after is not None and self.delimiter and self.group_of(after) == after:
            after += LAST  # the page before ended with this group
        while True:
            group = ""
            for version in self._shelves.keys(self.bucket, self.prefix, after):
                group = self.group_of(version.key)
                if not group:
                    yield version
                    if self.truncated:
                        return
                    continue
                if self._group_is_listed(version):
                    if not self.room():
                        return
                    self.groups.append(group)
                    self.take(group)
                    after = group + LAST  # on behind the group, not through it
                    break
                group = ""
            if not group:
                return

    def _group_is_listed(self, version: Version) -> bool:
        return not version.marker

    def group_of(self, key: str) -> str:
        """The common prefix that stands for the key; "" if the key stands for itself."""
        if not self.delimiter or not key.startswith(self.prefix):
            return ""
        head, found, _ = key[len(self.prefix) :].partition(self.delimiter)
        return self.prefix + head + found if found else ""

    def room(self) -> bool:
        if self.count >= self.limit:
            self.truncated = self.limit > 0
            return False
        return True

    def take(self, entry: str) -> None:
        self.count += 1
        self.last = entry


class WalkOfVersions(Walk):
    """Keys whose newest version is a delete marker count too."""

    def _group_is_listed(self, version: Version) -> bool:
        return True


def _limit(params: Mapping[str, Any]) -> int:
    limit = int(params.get("MaxKeys", PAGE))
    if limit < 0:
        raise ClientFault("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
    return min(limit, PAGE)


def _coded(params: Mapping[str, Any], text: str) -> str:
    return quote(text, safe="/*~") if params.get("EncodingType") == "url" else text


def _listed(params: Mapping[str, Any], version: Version) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Key": _coded(params, version.key),
        "LastModified": version.modified,
        "ETag": version.etag,
        "Size": version.size_bytes,
        "StorageClass": "STANDARD",
    }
    if version.checksums:
        found["ChecksumAlgorithm"] = list(version.checksums)
        found["ChecksumType"] = version.checksum_type
    return found


def _frame(walk: Walk, params: Mapping[str, Any]) -> dict[str, Any]:
    """What all three answers have."""
    found: dict[str, Any] = {
        "Name": walk.bucket,
        "Prefix": _coded(params, walk.prefix),
        "MaxKeys": walk.limit,
        "IsTruncated": walk.truncated,
        "CommonPrefixes": [{"Prefix": _coded(params, one)} for one in walk.groups],
    }
    if walk.delimiter:
        found["Delimiter"] = _coded(params, walk.delimiter)
    if params.get("EncodingType"):
        found["EncodingType"] = params["EncodingType"]
    return found


def _objects(walk: Walk) -> list[Version]:
    found = []
    for version in walk.versions():
        if version.marker:
            continue
        if not walk.room():
            break
        found.append(version)
        walk.take(version.key)
    return found


async def list_objects_v2(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    token = params.get("ContinuationToken")
    walk = Walk(stock, params, _token_key(token) if token else params.get("StartAfter"))
    contents = [_listed(params, one) for one in _objects(walk)]
    if params.get("FetchOwner"):
        contents = [{**one, "Owner": stock.owner()} for one in contents]
    answer = {**_frame(walk, params), "Contents": contents, "KeyCount": walk.count}
    if params.get("StartAfter"):
        answer["StartAfter"] = _coded(params, params["StartAfter"])
    if token:
        answer["ContinuationToken"] = token
    if walk.truncated:
        answer["NextContinuationToken"] = base64.urlsafe_b64encode(walk.last.encode()).decode()
    return answer


async def list_objects(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    walk = Walk(stock, params, params.get("Marker") or None)
    contents = [{**_listed(params, one), "Owner": stock.owner()} for one in _objects(walk)]
    answer = {**_frame(walk, params), "Contents": contents, "Marker": _coded(params, params.get("Marker") or "")}
    if walk.truncated and walk.delimiter:
        answer["NextMarker"] = _coded(params, walk.last)
    return answer


async def list_object_versions(stock: Stock, request: Request) -> Result:
    await stock.settled()
    params = request.params
    marker, behind = params.get("KeyMarker") or None, params.get("VersionIdMarker") or None
    walk = WalkOfVersions(stock, params, marker)
    found = _versions(stock, walk, marker, behind)
    answer = _frame(walk, params)
    answer["Versions"] = [
        {**_listed(params, one), **_as_version(stock, one, top)} for one, top in found if not one.marker
    ]
    answer["DeleteMarkers"] = [
        {"Key": _coded(params, one.key), "LastModified": one.modified, **_as_version(stock, one, top)}
        for one, top in found
        if one.marker
    ]
    answer |= {"KeyMarker": _coded(params, marker or ""), "VersionIdMarker": behind or ""}
    if walk.truncated:
        answer["NextKeyMarker"] = _coded(params, walk.last)
        if found and walk.last == found[-1][0].key:
            answer["NextVersionIdMarker"] = found[-1][0].id
    return answer


def _as_version(stock: Stock, version: Version, newest: bool) -> dict[str, Any]:
    return {"VersionId": version.id, "IsLatest": newest, "Owner": stock.owner()}


def _versions(stock: Stock, walk: Walk, marker: str | None, behind: str | None) -> list[tuple[Version, bool]]:
    """(version, whether it is the newest of its key), as many as the page has room for."""
    found: list[tuple[Version, bool]] = []

    def take(one: Version, newest: bool) -> bool:
        if walk.room():
            found.append((one, newest))
            walk.take(one.key)
        return not walk.truncated

    if marker is not None and behind is not None:  # the page before ended among the versions of one key
        at = stock.shelves.find(walk.bucket, marker, behind)
        if at is None:
            raise ClientFault("InvalidArgument", "Invalid version id specified")
        for one in stock.shelves.past(walk.bucket, marker):
            if one.order < at.order and not take(one, False):
                return found
    for top in walk.versions():
        if not take(top, True) or not all(take(one, False) for one in stock.shelves.past(walk.bucket, top.key)):
            break
    return found


def _token_key(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        raise ClientFault("InvalidArgument", "The continuation token provided is incorrect") from None


OPERATIONS = {
    "ListObjectVersions": list_object_versions,
    "ListObjects": list_objects,
    "ListObjectsV2": list_objects_v2,
}
