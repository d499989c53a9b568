"""Buckets and objects."""

from __future__ import annotations

import base64
import hashlib

import pytest

from antipodes.services.s3.conditions import byte_range
from antipodes.services.s3.service import S3
from antipodes.wire.errors import AwsError
from tests.control.conftest import REGION, ask, refused, surroundings
from tests.worlds import Worlds

HERE = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}


def test_an_object_comes_back_as_it_went(both_worlds: Worlds) -> None:
    async def story() -> None:
        s3 = S3(surroundings(both_worlds.world(REGION)))
        await ask(s3, "CreateBucket", Bucket="things", **HERE)
        put = await ask(
            s3, "PutObject", Bucket="things", Key="a/b", Body=b"data", Metadata={"k": "v"}, ContentType="x/y"
        )
        assert put["ETag"] == f'"{hashlib.md5(b"data").hexdigest()}"'
        got = await ask(s3, "GetObject", Bucket="things", Key="a/b")
        assert (got["Body"], got["ContentType"], got["Metadata"], got["ETag"]) == (
            b"data",
            "x/y",
            {"k": "v"},
            put["ETag"],
        )
        assert "Body" not in await ask(s3, "HeadObject", Bucket="things", Key="a/b")
        part = await ask(s3, "GetObject", Bucket="things", Key="a/b", Range="bytes=1-2")
        assert (part["Body"], part["ContentRange"]) == (b"at", "bytes 1-2/4")
        await ask(s3, "DeleteObject", Bucket="things", Key="a/b")
        assert (await refused(s3, "GetObject", Bucket="things", Key="a/b")).code == "NoSuchKey"

    both_worlds.run(story)


def test_buckets_refuse_what_s3_refuses(both_worlds: Worlds) -> None:
    async def story() -> None:
        s3 = S3(surroundings(both_worlds.world(REGION)))
        assert (await refused(s3, "CreateBucket", Bucket="Bad_Name", **HERE)).code == "InvalidBucketName"
        assert (await refused(s3, "CreateBucket", Bucket="things")).code == "IllegalLocationConstraintException"
        await ask(s3, "CreateBucket", Bucket="things", **HERE)
        assert (await refused(s3, "CreateBucket", Bucket="things", **HERE)).code == "BucketAlreadyOwnedByYou"
        assert (await refused(s3, "PutObject", Bucket="none", Key="k")).code == "NoSuchBucket"
        await ask(s3, "PutObject", Bucket="things", Key="k", Body=b"")
        assert (await refused(s3, "DeleteBucket", Bucket="things")).code == "BucketNotEmpty"
        wrong = base64.b64encode(b"0" * 16).decode()
        error = await refused(s3, "PutObject", Bucket="things", Key="k", Body=b"new", ContentMD5=wrong)
        assert error.code == "BadDigest"
        assert (await ask(s3, "GetObject", Bucket="things", Key="k"))["Body"] == b""

    both_worlds.run(story)


def test_listing_pages_and_groups(both_worlds: Worlds) -> None:
    async def story() -> None:
        s3 = S3(surroundings(both_worlds.world(REGION)))
        await ask(s3, "CreateBucket", Bucket="things", **HERE)
        await ask(s3, "CreateBucket", Bucket="things2", **HERE)
        await ask(s3, "PutObject", Bucket="things2", Key="elsewhere", Body=b"")
        for key in ("a", "b/1", "b/2", "c", "d/1"):
            await ask(s3, "PutObject", Bucket="things", Key=key, Body=b"")
        found: list[str] = []
        token: dict[str, str] = {}
        rounds = 0
        while True:
            page = await ask(s3, "ListObjectsV2", Bucket="things", Delimiter="/", MaxKeys=2, **token)
            found += [one["Key"] for one in page["Contents"]] + [one["Prefix"] for one in page["CommonPrefixes"]]
            rounds += 1
            if not page["IsTruncated"]:
                break
            token = {"ContinuationToken": page["NextContinuationToken"]}
        assert (sorted(found), rounds) == (["a", "b/", "c", "d/"], 2)
        page = await ask(s3, "ListObjectsV2", Bucket="things", Prefix="b/")
        assert [one["Key"] for one in page["Contents"]] == ["b/1", "b/2"]

    both_worlds.run(story)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=5-", (5, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=2-99", (2, 9)),
        ("lines=1-2", None),
        ("bytes=-", None),
    ],
)
def test_byte_ranges(text: str, expected: tuple[int, int] | None) -> None:
    assert byte_range(text, 10) == expected


def test_a_range_beyond_the_end_is_refused() -> None:
    with pytest.raises(AwsError, match="InvalidRange"):
        byte_range("bytes=10-", 10)
