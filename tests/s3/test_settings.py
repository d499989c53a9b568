"""Settings of buckets: kept, honoured or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antipodes.services.s3.lifecycle import DAY_S
from tests.desk import run
from tests.s3.conftest import Desk

EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::things/*"}
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::things", "arn:aws:s3:::things/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def policy(statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_policy_is_kept_and_one_that_lets_everybody_in_is_not() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.refused("GetBucketPolicy", Bucket=desk.bucket))[0] == "NoSuchBucketPolicy"
        await desk.ask("PutBucketPolicy", Bucket=desk.bucket, Policy=policy(TLS_ONLY))
        code, said = await desk.refused("PutBucketPolicy", Bucket=desk.bucket, Policy=policy(EVERYBODY))
        assert code == "AccessDenied"
        assert "BlockPublicPolicy" in said
        await desk.ask("DeletePublicAccessBlock", Bucket=desk.bucket)
        code, said = await desk.refused("PutBucketPolicy", Bucket=desk.bucket, Policy=policy(EVERYBODY))
        assert code == "UnsupportedOperation"
        other = policy({**TLS_ONLY, "Resource": "arn:aws:s3:::other/*"})
        for text in ("nonsense", "{}", policy({"Effect": "Perhaps"}), other):
            assert (await desk.refused("PutBucketPolicy", Bucket=desk.bucket, Policy=text))[0] == "MalformedPolicy"
        assert json.loads((await desk.ask("GetBucketPolicy", Bucket=desk.bucket))["Policy"])["Statement"] == [TLS_ONLY]

    run(Desk, story)


@pytest.mark.parametrize("algorithm", ["AES256", "aws:kms"])
def test_objects_tell_the_encryption_that_is_the_buckets_default(algorithm: str) -> None:
    async def story(desk: Desk) -> None:
        rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]}
        await desk.ask("PutBucketEncryption", Bucket=desk.bucket, ServerSideEncryptionConfiguration=rules)
        put = await desk.put("k")
        head = await desk.ask("HeadObject", Bucket=desk.bucket, Key="k")
        assert put["ServerSideEncryption"] == head["ServerSideEncryption"] == algorithm

    run(Desk, story)


def test_what_is_not_honoured_is_refused_by_name() -> None:
    async def story(desk: Desk) -> None:
        own_key = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}
        transition = {"Status": "Enabled", "Filter": {}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
        for operation, name, value, word in (
            ("PutBucketEncryption", "ServerSideEncryptionConfiguration", {"Rules": [own_key]}, "KMSMasterKeyID"),
            ("PutBucketLifecycleConfiguration", "LifecycleConfiguration", {"Rules": [transition]}, "Transitions"),
            (
                "PutBucketOwnershipControls",
                "OwnershipControls",
                {"Rules": [{"ObjectOwnership": "ObjectWriter"}]},
                "ObjectWriter",
            ),
        ):
            code, said = await desk.refused(operation, Bucket=desk.bucket, **{name: value})
            assert (code, word in said) == ("UnsupportedOperation", True)
        refused = await desk.refused("PutObject", Bucket=desk.bucket, Key="k", ACL="public-read")
        assert refused[0] == "AccessControlListNotSupported"
        code, said = await desk.refused("PutObject", Bucket=desk.bucket, Key="k", StorageClass="GLACIER")
        assert "StorageClass" in said

    run(Desk, story)


def test_life_cycle_rules_remove_what_has_had_its_time() -> None:
    async def story(desk: Desk) -> None:
        await desk.versioning("Enabled")
        rules = [
            {"ID": "1", "Status": "Enabled", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 2}},
            {
                "ID": "2",
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "NoncurrentVersionExpiration": {"NoncurrentDays": 5},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                "Expiration": {"ExpiredObjectDeleteMarker": True},
            },
        ]
        await desk.ask("PutBucketLifecycleConfiguration", Bucket=desk.bucket, LifecycleConfiguration={"Rules": rules})
        await desk.put("keep", b"1")
        await desk.put("keep", b"2")
        await desk.put("log/1", b"x")
        await desk.ask("CreateMultipartUpload", Bucket=desk.bucket, Key="big")

        async def there() -> tuple[int, int, int]:
            listed = await desk.ask("ListObjectVersions", Bucket=desk.bucket)
            uploads = await desk.ask("ListMultipartUploads", Bucket=desk.bucket)
            return len(listed["Versions"]), len(listed["DeleteMarkers"]), len(uploads["Uploads"])

        assert await there() == (3, 0, 1)
        await desk.here.sleep(0.9 * DAY_S)
        assert await there() == (3, 0, 1)  # a day must be over, and the one in which it is over
        await desk.here.sleep(2.2 * DAY_S)
        assert await there() == (3, 1, 0)
        await desk.here.sleep(7 * DAY_S)
        assert await there() == (1, 0, 0)
        assert await desk.body("keep") == b"2"

    run(Desk, story)
