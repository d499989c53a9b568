"""Buckets, objects, their versions, and uploads in parts, as rows of the store. Pure but for the store.

    s3/bucket/<bucket>                      a bucket and its settings
    s3/object/<bucket>\\0<key>               what is newest under a key: an object, or a delete marker
    s3/past/<bucket>\\0<key>\\0<age>          what was newest before, newest first (age: 2^64 less its order)
    s3/data/<piece>                         bytes: an object has one piece, or one for each part it was uploaded in
    s3/upload/<bucket>\\0<key>\\0<id>         an upload in parts that is under way
    s3/news/...                             events for functions, see news.py
    s3/part/<upload id>\\0<number>           a part of it

A bucket without versions has no `past` rows; a key whose newest version is removed has the one before it as its newest.
So there are past rows only beside an object row, and listing objects reads nothing else. A row is a format digit and
JSON; bytes lie in rows of their own, so that listings do not read them. Format 1 knew neither versions nor pieces.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from antipodes.store.store import Store

FORMAT = b"2"
NULL = "null"  # the version id of what was put while versioning was not enabled
ORDERS = 1 << 64
Rows = list[tuple[bytes, bytes | None]]


class Bucket(msgspec.Struct, frozen=True):
    """A bucket; `created` in epoch seconds. What is not set is empty."""

    name: str
    created: float
    versioning: str = ""  # "", "Enabled", "Suspended"
    encryption: dict[str, Any] = {}  # ServerSideEncryptionConfiguration
    public_access: dict[str, bool] | None = None  # None: removed
    ownership: str = "BucketOwnerEnforced"
    policy: str = ""
    tags: dict[str, str] = {}
    lifecycle: list[dict[str, Any]] = []  # rules
    notifications: list[dict[str, Any]] = []  # LambdaFunctionConfigurations


class Piece(msgspec.Struct, frozen=True):
    """Some of an object's bytes."""

    id: str
    size_bytes: int


class Version(msgspec.Struct, frozen=True):
    """One version of one key: an object, or a delete marker. `modified` in epoch seconds, whole ones as in S3."""

    key: str
    size_bytes: int = 0
    etag: str = ""  # with its quotes
    modified: float = 0.0
    content_type: str = "binary/octet-stream"
    metadata: dict[str, str] = {}
    headers: dict[str, str] = {}  # CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires
    id: str = NULL
    order: int = 0  # hybrid time of the write
    marker: bool = False
    pieces: tuple[Piece, ...] = ()
    parts: bool = False  # uploaded in parts: a piece is a part
    checksums: dict[str, str] = {}  # "CRC32" -> base64
    checksum_type: str = ""  # "FULL_OBJECT", "COMPOSITE"
    tags: dict[str, str] = {}
    kms: bool = False


class Upload(msgspec.Struct, frozen=True):
    """An upload in parts. `draft` has what the object will be told of itself."""

    id: str
    initiated: float
    draft: Version
    algorithm: str = ""  # "CRC32"
    checksum_type: str = ""


class Part(msgspec.Struct, frozen=True):
    """A part that was uploaded."""

    number: int
    etag: str
    modified: float
    piece: Piece
    checksums: dict[str, str] = {}


def version_id(order: int, salt: bytes) -> str:
    """32 characters, as AWS's are long; they tell the order, so that a version is found by its id."""
    return base64.urlsafe_b64encode(order.to_bytes(8, "big") + salt).decode()


def order_of(found_id: str) -> int | None:
    """None: no id of ours."""
    try:
        raw = base64.urlsafe_b64decode(found_id)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw[:8], "big") if len(raw) == 24 else None


class Shelves:
    """Typed access to the rows. What changes something returns rows for the caller to write in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # Buckets

    def bucket(self, name: str) -> Bucket | None:
        found = self.store.get(b"s3/bucket/" + name.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Bucket)

    def buckets(self) -> list[Bucket]:
        rows = self.store.range(b"s3/bucket/", b"s3/bucket0")
        return [msgspec.json.decode(value[1:], type=Bucket) for _, value in rows]

    def put_bucket(self, bucket: Bucket) -> None:
        self.store.write([(b"s3/bucket/" + bucket.name.encode(), _packed(bucket))])

    def drop_bucket(self, name: str) -> None:
        rows: Rows = [(b"s3/bucket/" + name.encode(), None)]
        for upload in list(self.uploads(name)):
            rows += self.without_upload(name, upload)
        self.store.write(rows)

    # Objects and their versions

    def newest(self, bucket: str, key: str) -> Version | None:
        """What is newest under the key, a delete marker too."""
        found = self.store.get(_key("object", bucket, key))
        return None if found is None else _version(bucket, found)

    def find(self, bucket: str, key: str, wanted: str) -> Version | None:
        """The version of that id ("null" is one)."""
        newest = self.newest(bucket, key)
        if newest is None or newest.id == wanted:
            return newest
        if wanted == NULL:
            return next((one for one in self.past(bucket, key) if one.id == NULL), None)
        order = order_of(wanted)
        found = None if order is None else self.store.get(_past_key(bucket, key, order))
        version = None if found is None else _version(bucket, found)
        return version if version is not None and version.id == wanted else None

    def past(self, bucket: str, key: str) -> Iterator[Version]:
        """The versions before the newest, newest first."""
        start = _key("past", bucket, key) + b"\0"
        for _, value in self.store.range(start, start[:-1] + b"\1"):
            yield _version(bucket, value)

    def keys(self, bucket: str, prefix: str, after: str | None = None) -> Iterator[Version]:
        """The newest version of each key that begins with the prefix and is > after, in order of UTF-8 bytes."""
        start = _key("object", bucket, prefix)
        if after is not None:
            start = max(start, _key("object", bucket, after) + b"\0")
        for _, value in self.store.range(start, _key("object", bucket, prefix) + b"\xff"):
            yield _version(bucket, value)

    def data(self, pieces: tuple[Piece, ...]) -> bytes:
        found = [self.store.get(_data_key(piece)) or b"" for piece in pieces]
        return found[0] if len(found) == 1 else b"".join(found)

    def with_version(self, bucket: str, new: Version) -> Rows:
        """`new` becomes the newest. Of the id "null" there is one version only: an older one goes."""
        rows: Rows = []
        newest = self.newest(bucket, new.key)
        if newest is not None and new.id == NULL == newest.id:
            rows += _without_data(newest)
        elif newest is not None:
            if new.id == NULL:
                older = self.find(bucket, new.key, NULL)
                if older is not None:
                    rows += [(_past_key(bucket, new.key, older.order), None), *_without_data(older)]
            rows.append((_past_key(bucket, new.key, newest.order), _packed(newest)))
        rows.append((_key("object", bucket, new.key), _packed(new)))
        return rows

    def without_version(self, bucket: str, old: Version) -> Rows:
        """`old` is gone; if it was the newest, the one before it is."""
        rows = _without_data(old)
        newest = self.newest(bucket, old.key)
        assert newest is not None
        if newest.id != old.id:
            return [*rows, (_past_key(bucket, old.key, old.order), None)]
        before = next(self.past(bucket, old.key), None)
        if before is None:
            return [*rows, (_key("object", bucket, old.key), None)]
        return [
            *rows,
            (_key("object", bucket, old.key), _packed(before)),
            (_past_key(bucket, old.key, before.order), None),
        ]

    def changed_version(self, bucket: str, version: Version) -> Rows:
        """The same version, told otherwise (its tags)."""
        newest = self.newest(bucket, version.key)
        at_top = newest is not None and newest.id == version.id
        place = _key("object", bucket, version.key) if at_top else _past_key(bucket, version.key, version.order)
        return [(place, _packed(version))]

    def with_data(self, piece: Piece, body: bytes) -> Rows:
        return [(_data_key(piece), body)]

    # Uploads in parts

    def uploads(self, bucket: str, prefix: str = "") -> Iterator[Upload]:
        """By key, then in the order of their beginnings."""
        start = _key("upload", bucket, prefix)
        for _, value in self.store.range(start, start + b"\xff"):
            yield msgspec.json.decode(value[1:], type=Upload)

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload | None:
        found = self.store.get(_key("upload", bucket, key) + b"\0" + upload_id.encode())
        return None if found is None else msgspec.json.decode(found[1:], type=Upload)

    def with_upload(self, bucket: str, upload: Upload) -> Rows:
        return [(_key("upload", bucket, upload.draft.key) + b"\0" + upload.id.encode(), _packed(upload))]

    def parts(self, upload_id: str) -> Iterator[Part]:
        start = f"s3/part/{upload_id}\0".encode()
        for _, value in self.store.range(start, start + b"\xff"):
            yield msgspec.json.decode(value[1:], type=Part)

    def with_part(self, upload_id: str, part: Part, body: bytes) -> Rows:
        """In the place of one of the same number."""
        place = f"s3/part/{upload_id}\0{part.number:05d}".encode()
        before = self.store.get(place)
        rows: Rows = []
        if before is not None:
            rows.append((_data_key(msgspec.json.decode(before[1:], type=Part).piece), None))
        return [*rows, (place, _packed(part)), (_data_key(part.piece), body)]

    def without_upload(self, bucket: str, upload: Upload, kept: Mapping[str, Piece] | None = None) -> Rows:
        """The upload and its parts are gone, and their bytes but for the pieces kept (by id)."""
        rows: Rows = [(_key("upload", bucket, upload.draft.key) + b"\0" + upload.id.encode(), None)]
        for part in self.parts(upload.id):
            rows.append((f"s3/part/{upload.id}\0{part.number:05d}".encode(), None))
            if part.piece.id not in (kept or {}):
                rows.append((_data_key(part.piece), None))
        return rows


def _packed(record: Bucket | Version | Upload | Part) -> bytes:
    return FORMAT + msgspec.json.encode(record)


def _version(bucket: str, value: bytes) -> Version:
    found = msgspec.json.decode(value[1:], type=Version)
    if value[:1] == b"1":
        found = msgspec.structs.replace(found, pieces=(Piece(f"{bucket}\0{found.key}", found.size_bytes),))
    return found


def _without_data(version: Version) -> Rows:
    return [(_data_key(piece), None) for piece in version.pieces]


def _data_key(piece: Piece) -> bytes:
    return b"s3/data/" + piece.id.encode()


def _past_key(bucket: str, key: str, order: int) -> bytes:
    return _key("past", bucket, key) + f"\0{ORDERS - 1 - order:016x}".encode()


def _key(kind: str, bucket: str, key: str) -> bytes:
    return f"s3/{kind}/{bucket}\0".encode() + key.encode()
