"""What every S3 operation needs: the shelves, the clock, the bucket and the version that a request means."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from antipodes.services.contract import Surroundings
from antipodes.services.s3.news import Sender
from antipodes.services.s3.records import NULL, Bucket, Piece, Rows, Shelves, Version, version_id
from antipodes.wire.errors import AccessDenied, ClientFault

changed = msgspec.structs.replace
MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Stock:
    """One Region's S3."""

    surroundings: Surroundings
    shelves: Shelves
    sender: Sender

    @property
    def region(self) -> str:
        return self.surroundings.region

    @property
    def account(self) -> str:
        return self.surroundings.settings.account

    def now(self) -> float:
        return self.surroundings.world.now()

    def owner(self) -> dict[str, str]:
        """The account, by the canonical id that S3 knows it by."""
        return {"ID": hashlib.sha256(self.account.encode()).hexdigest()}

    def bucket(self, params: Mapping[str, Any], *, name: str = "Bucket", owner: str = "ExpectedBucketOwner") -> Bucket:
        """Raises NoSuchBucket; AccessDenied if another owner was expected."""
        found = self.shelves.bucket(params[name])
        if found is None:
            raise no_such_bucket(params[name])
        if params.get(owner) not in (None, self.account):
            raise AccessDenied("AccessDenied", "Access Denied")
        return found

    def version(self, bucket: str, key: str, wanted: str | None) -> Version:
        """What GET means: the newest, or the version of that id. Raises NoSuchKey, NoSuchVersion, MethodNotAllowed."""
        if wanted is None:
            found = self.shelves.newest(bucket, key)
            if found is None or found.marker:
                raise ClientFault("NoSuchKey", "The specified key does not exist.", status=404, Key=key)
            return found
        found = self.shelves.find(bucket, key, wanted)
        if found is None:
            raise no_such_version(key, wanted)
        if found.marker:
            raise ClientFault(
                "MethodNotAllowed", "The specified method is not allowed against this resource.", status=405
            )
        return found

    def piece(self, size_bytes: int) -> Piece:
        """A name for new bytes."""
        return Piece(f"{self.surroundings.world.chance.getrandbits(128):032x}", size_bytes)

    def stamped(self, bucket: Bucket, draft: Version) -> Version:
        """The draft as a version of its own: its id, its place in the order, its time."""
        order = self.shelves.store.stamp().time
        salt = self.surroundings.world.chance.getrandbits(128).to_bytes(16, "big")
        found_id = version_id(order, salt) if bucket.versioning == "Enabled" else NULL
        return changed(draft, id=found_id, order=order, modified=float(int(self.now())))

    async def commit(self, rows: Rows) -> None:
        self.shelves.store.write(rows)
        await self.durable()

    async def durable(self) -> None:
        await self.shelves.store.durable()
        self.sender.wake()

    async def settled(self) -> None:
        """Before answering a read."""
        if not self.shelves.store.settled:
            await self.shelves.store.durable()


def told_version(bucket: Bucket, version: Version) -> dict[str, str]:
    """VersionId, as answers about objects have it: never in a bucket that never had versions."""
    return {"VersionId": version.id} if bucket.versioning else {}


def malformed() -> ClientFault:
    return ClientFault(
        "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"
    )


def no_such_bucket(name: str) -> ClientFault:
    return ClientFault("NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=name)


def no_such_version(key: str, wanted: str) -> ClientFault:
    return ClientFault("NoSuchVersion", "The specified version does not exist.", status=404, Key=key, VersionId=wanted)


def check_key(key: str) -> None:
    if not 0 < len(key.encode()) <= MAX_KEY_BYTES:
        raise ClientFault("KeyTooLongError", "Your key is too long")
    if "\0" in key:  # AWS takes it (a guess); here it separates the parts of a row's key
        raise ClientFault("InvalidArgument", "antipodes does not support keys of S3 objects with a null character.")


def tags_of(given: Any) -> dict[str, str]:
    """Tags of a Tagging structure. Raises InvalidTag."""
    found: dict[str, str] = {}
    for one in given.get("TagSet") or ():
        key, value = str(one.get("Key", "")), str(one.get("Value", ""))
        if key in found:
            raise ClientFault("InvalidTag", "Cannot provide multiple Tags with the same key")
        if not 0 < len(key) <= 128:
            raise ClientFault("InvalidTag", "The TagKey you have provided is invalid")
        if len(value) > 256:
            raise ClientFault("InvalidTag", "The TagValue you have provided is invalid")
        found[key] = value
    return found


def told_tags(tags: Mapping[str, str]) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
