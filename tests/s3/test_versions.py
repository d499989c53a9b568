"""Versions and delete markers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.desk import run
from tests.s3.conftest import Desk


async def versions(desk: Desk, **more: Any) -> list[tuple[str, str, bool, bool]]:
    """(key, id, newest?, marker?) over all pages of two, as a client collects them."""
    found: list[tuple[str, str, bool, bool]] = []
    where: dict[str, str] = {}
    while True:
        page = await desk.ask("ListObjectVersions", Bucket=desk.bucket, MaxKeys=2, **where, **more)
        listed = [(one, False) for one in page["Versions"]] + [(one, True) for one in page["DeleteMarkers"]]
        assert len(listed) + len(page["CommonPrefixes"]) <= 2
        found += [(one["Key"], one["VersionId"], one["IsLatest"], marker) for one, marker in listed]
        if not page["IsTruncated"]:
            return found
        where = {"KeyMarker": page["NextKeyMarker"]}
        if "NextVersionIdMarker" in page:
            where["VersionIdMarker"] = page["NextVersionIdMarker"]


def test_a_key_has_all_its_versions_and_each_is_found_by_its_id() -> None:
    async def story(desk: Desk) -> None:
        await desk.put("a", b"before")
        await desk.versioning("Enabled")
        first = (await desk.put("a", b"1"))["VersionId"]
        second = (await desk.put("a", b"2"))["VersionId"]
        await desk.put("b", b"other")
        removed = await desk.ask("DeleteObject", Bucket=desk.bucket, Key="a")
        assert removed["DeleteMarker"]
        assert (await desk.refused("GetObject", Bucket=desk.bucket, Key="a"))[0] == "NoSuchKey"
        bodies = [await desk.body("a", VersionId=one) for one in (first, second, "null")]
        assert bodies == [b"1", b"2", b"before"]
        assert (await desk.refused("GetObject", Bucket=desk.bucket, Key="a", VersionId=removed["VersionId"]))[
            0
        ] == "MethodNotAllowed"
        listed = await versions(desk)
        assert {one for one in listed if one[0] == "a"} == {
            ("a", removed["VersionId"], True, True),
            ("a", second, False, False),
            ("a", first, False, False),
            ("a", "null", False, False),
        }
        assert len(listed) == 5
        keys = await desk.ask("ListObjectsV2", Bucket=desk.bucket)
        assert [one["Key"] for one in keys["Contents"]] == ["b"]

    run(Desk, story)


def test_the_version_before_comes_back_when_the_newest_is_removed_also_after_a_crash() -> None:
    async def story(desk: Desk) -> None:
        await desk.versioning("Enabled")
        first = (await desk.put("a", b"1"))["VersionId"]
        second = (await desk.put("a", b"2"))["VersionId"]
        marker = (await desk.ask("DeleteObject", Bucket=desk.bucket, Key="a"))["VersionId"]
        await desk.ask("DeleteObject", Bucket=desk.bucket, Key="a", VersionId=marker)
        assert await desk.body("a") == b"2"
        await desk.ask("DeleteObject", Bucket=desk.bucket, Key="a", VersionId=second)
        await desk.die()
        assert await desk.body("a") == b"1"
        assert (await desk.refused("DeleteBucket", Bucket=desk.bucket))[0] == "BucketNotEmpty"
        await desk.ask("DeleteObjects", Bucket=desk.bucket, Delete={"Objects": [{"Key": "a", "VersionId": first}]})
        await desk.ask("DeleteBucket", Bucket=desk.bucket)
        assert not list(desk.store.range(b"s3/", b"s30"))  # no bytes are left behind

    run(Desk, story)


def test_suspended_versioning_replaces_only_the_version_null() -> None:
    async def story(desk: Desk) -> None:
        await desk.versioning("Enabled")
        kept = (await desk.put("a", b"kept"))["VersionId"]
        await desk.versioning("Suspended")
        assert (await desk.put("a", b"1"))["VersionId"] == "null"
        await desk.put("a", b"2")
        await desk.ask("DeleteObject", Bucket=desk.bucket, Key="a")
        assert await versions(desk) == [("a", kept, False, False), ("a", "null", True, True)]

    run(Desk, story)


@pytest.mark.parametrize("delimiter", ["/", ""])
def test_groups_and_versions_share_pages(delimiter: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.versioning("Enabled")
        for key in ("a", "b/1", "b/2", "c", "c"):
            await desk.put(key)
        found = [one[0] for one in await versions(desk, **({"Delimiter": delimiter} if delimiter else {}))]
        assert found == (["a", "c", "c"] if delimiter else ["a", "b/1", "b/2", "c", "c"])

    run(Desk, story)
