"""Buckets and objects in the store.

Keys: `s3/bucket/<name>`, `s3/object/<bucket>\\0<key>` (what is known of the object), `s3/data/<bucket>\\0<key>`
(its bytes, a row of their own so that listing does not read them). A description is a format digit and JSON.
"""

from __future__ import annotations

import msgspec

from antipodes.store.store import Store

FORMAT = b"1"


class Bucket(msgspec.Struct, frozen=True):
    """A bucket; `created` in epoch seconds."""

    name: str
    created: float


class ObjectRecord(msgspec.Struct, frozen=True):
    """What is known of an object. `modified` in epoch seconds, whole ones as S3 keeps them."""

    key: str
    size_bytes: int
    etag: str  # with its quotes
    modified: float
    content_type: str = "binary/octet-stream"
    metadata: dict[str, str] = {}
    headers: dict[str, str] = {}  # CacheControl, ContentDisposition, ContentEncoding, ContentLanguage


class Shelves:
    """Typed access to the rows."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def bucket(self, name: str) -> Bucket | None:
        found = self.store.get(b"s3/bucket/" + name.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Bucket)

    def buckets(self) -> list[Bucket]:
        rows = self.store.range(b"s3/bucket/", b"s3/bucket0")
        return [msgspec.json.decode(value[1:], type=Bucket) for _, value in rows]

    def put_bucket(self, bucket: Bucket) -> None:
        self.store.write([(b"s3/bucket/" + bucket.name.encode(), FORMAT + msgspec.json.encode(bucket))])

    def drop_bucket(self, name: str) -> None:
        self.store.write([(b"s3/bucket/" + name.encode(), None)])

    def object(self, bucket: str, key: str) -> ObjectRecord | None:
        found = self.store.get(_key("object", bucket, key))
        return None if found is None else msgspec.json.decode(found[1:], type=ObjectRecord)

    def data(self, bucket: str, key: str) -> bytes:
        return self.store.get(_key("data", bucket, key)) or b""

    def objects(self, bucket: str, after: str, prefix: str, limit: int) -> list[ObjectRecord]:
        """Up to `limit` objects with key > after that begin with the prefix, in key order (of their UTF-8 bytes)."""
        start = max(_key("object", bucket, after) + b"\0" if after else _key("object", bucket, ""),
                    _key("object", bucket, prefix))  # fmt: skip
        end = _key("object", bucket, prefix) + b"\xff"
        found: list[ObjectRecord] = []
        for _, value in self.store.range(start, end):
            if len(found) >= limit:
                break
            found.append(msgspec.json.decode(value[1:], type=ObjectRecord))
        return found

    def put_object(self, bucket: str, record: ObjectRecord, body: bytes) -> None:
        self.store.write(
            [
                (_key("object", bucket, record.key), FORMAT + msgspec.json.encode(record)),
                (_key("data", bucket, record.key), body),
            ]
        )

    def drop_object(self, bucket: str, key: str) -> None:
        self.store.write([(_key("object", bucket, key), None), (_key("data", bucket, key), None)])


def _key(kind: str, bucket: str, key: str) -> bytes:
    return f"s3/{kind}/{bucket}\0".encode() + key.encode()
