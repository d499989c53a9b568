"""S3 of one Region, alone, in simulated time."""

from __future__ import annotations

from antipodes.services.contract import Service, Surroundings
from antipodes.services.s3.service import S3
from tests.desk import ServiceDesk


class Desk(ServiceDesk):
    site = "us-east-1"
    bucket = "things"

    def made(self, around: Surroundings) -> Service:
        return S3(around)

    async def boot(self) -> None:
        await super().boot()
        await self.ask("CreateBucket", Bucket=self.bucket)  # in us-east-1 no error when it is there

    async def put(self, key: str, body: bytes = b"", **more: object) -> dict[str, object]:
        return await self.ask("PutObject", Bucket=self.bucket, Key=key, Body=body, **more)

    async def body(self, key: str, **more: object) -> object:
        return (await self.ask("GetObject", Bucket=self.bucket, Key=key, **more))["Body"]

    async def versioning(self, status: str) -> None:
        await self.ask("PutBucketVersioning", Bucket=self.bucket, VersioningConfiguration={"Status": status})
