"""Uploads in parts."""

from __future__ import annotations

import base64
import hashlib
import zlib

from antipodes.services.s3 import checksums
from antipodes.services.s3.multipart import MIN_PART_BYTES
from tests.desk import run
from tests.s3.conftest import Desk

BIG, SMALL = b"a" * MIN_PART_BYTES, b"end"


async def begun(desk: Desk, **more: object) -> dict[str, str]:
    made = await desk.ask("CreateMultipartUpload", Bucket=desk.bucket, Key="k", **more)
    return {"Bucket": desk.bucket, "Key": "k", "UploadId": made["UploadId"]}


def test_the_parts_are_the_object_whole_in_sections_and_one_by_one() -> None:
    async def story(desk: Desk) -> None:
        upload = await begun(desk, Metadata={"m": "1"}, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        await desk.ask("UploadPart", **upload, PartNumber=2, Body=b"replaced")
        parts = [
            {
                "PartNumber": number,
                "ETag": (await desk.ask("UploadPart", **upload, PartNumber=number, Body=body))["ETag"],
            }
            for number, body in ((1, BIG), (2, SMALL))
        ]
        listed = await desk.ask("ListParts", **upload)
        assert [(one["PartNumber"], one["Size"]) for one in listed["Parts"]] == [(1, len(BIG)), (2, len(SMALL))]
        done = await desk.ask("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
        digests = hashlib.md5(BIG).digest() + hashlib.md5(SMALL).digest()
        assert done["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-2"'
        crc = zlib.crc32(BIG + SMALL).to_bytes(4, "big")
        assert done["ChecksumCRC32"] == base64.b64encode(crc).decode()
        await desk.die()
        got = await desk.ask("GetObject", Bucket=desk.bucket, Key="k")
        assert (got["Body"], got["Metadata"]) == (BIG + SMALL, {"m": "1"})
        assert await desk.body("k", Range=f"bytes={len(BIG) - 1}-{len(BIG)}") == b"ae"
        second = await desk.ask("GetObject", Bucket=desk.bucket, Key="k", PartNumber=2)
        assert (second["Body"], second["PartsCount"]) == (SMALL, 2)
        await desk.ask("DeleteObject", Bucket=desk.bucket, Key="k")
        assert not list(desk.store.range(b"s3/data/", b"s3/data0"))
        assert (await desk.refused("ListParts", **upload))[0] == "NoSuchUpload"

    run(Desk, story)


def test_what_does_not_fit_is_refused_and_an_abandoned_upload_leaves_nothing() -> None:
    async def story(desk: Desk) -> None:
        upload = await begun(desk)
        tags = [(await desk.ask("UploadPart", **upload, PartNumber=number, Body=b"x"))["ETag"] for number in (1, 2)]
        both = [{"PartNumber": 1, "ETag": tags[0]}, {"PartNumber": 2, "ETag": tags[1]}]
        for parts, code in (
            (both, "EntityTooSmall"),
            (both[::-1], "InvalidPartOrder"),
            ([{"PartNumber": 3, "ETag": tags[0]}], "InvalidPart"),
            ([{"PartNumber": 1, "ETag": '"0"'}], "InvalidPart"),
            ([], "MalformedXML"),
        ):
            refused = await desk.refused("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
            assert refused[0] == code
        uploads = await desk.ask("ListMultipartUploads", Bucket=desk.bucket)
        assert [one["Key"] for one in uploads["Uploads"]] == ["k"]
        await desk.ask("AbortMultipartUpload", **upload)
        assert not list(desk.store.range(b"s3/data/", b"s3/upload0"))

    run(Desk, story)


def test_checksums_are_those_of_the_catalogue_of_parametrised_crc_algorithms() -> None:
    assert checksums.crc(checksums.CRC32C, b"123456789") == 0xE3069283
    assert checksums.crc(checksums.CRC64NVME, b"123456789") == 0xAE8B14860A799888


def test_a_wrong_checksum_writes_nothing() -> None:
    async def story(desk: Desk) -> None:
        for name in checksums.ALGORITHMS:
            wrong = {f"Checksum{name}": checksums.digest(name, b"other")}
            assert (await desk.refused("PutObject", Bucket=desk.bucket, Key="k", Body=b"x", **wrong))[0] == "BadDigest"
            right = {f"Checksum{name}": checksums.digest(name, b"x")}
            await desk.put(name, b"x", **right)
            head = await desk.ask("HeadObject", Bucket=desk.bucket, Key=name, ChecksumMode="ENABLED")
            assert head.items() >= right.items()
        assert (await desk.refused("HeadObject", Bucket=desk.bucket, Key="k"))[0] == "NoSuchKey"

    run(Desk, story)
