"""From a log entry to a stream record, as GetRecords answers it. Pure.

The images are spliced from the stored rows. A change that left the item as it was makes no record (as on AWS), and
neither does the deletion of what was not there.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.shards import Stream, sequence
from antipodes.services.dynamodb.values import Item, measure_item
from antipodes.store.records import Change

BY_TTL = "ttl"  # Change.by of an expired item's deletion
_TTL_IDENTITY = b',"userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}'
_SETS = ("SS", "NS", "BS")
_SET = b'S":['  # what every set's JSON has: most items have none, and need no sorting


def record_of(change: Change, position: int, stream: Stream, region: str) -> bytes | None:
    """The record's JSON; None: there is nothing to tell."""
    new, old = change.value, change.before
    if new is None and old is None:
        return None
    shown = new if new is not None else old
    assert shown is not None
    item = rows.item_of(shown)
    if new is not None and old is not None and _same(new, old, item):
        return None
    keys = {part.name: item[part.name] for part in (stream.hash, stream.range) if part is not None}
    name = b"REMOVE" if new is None else b"INSERT" if old is None else b"MODIFY"
    size = measure_item(keys)
    images = b""
    if new is not None and stream.view in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
        images += b'"NewImage":%b,' % rows.body_of(new)
        size += rows.size_of(new)
    if old is not None and stream.view in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}:
        images += b'"OldImage":%b,' % rows.body_of(old)
        size += rows.size_of(old)
    identifier = blake2b(f"{region}/{stream.topic}/{stream.label}/{position}".encode(), digest_size=16).hexdigest()
    return (
        b'{"eventID":"%b","eventName":"%b","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"%b",'
        b'"dynamodb":{"ApproximateCreationDateTime":%d,"Keys":%b,%b"SequenceNumber":"%b","SizeBytes":%d,'
        b'"StreamViewType":"%b"}%b}'
    ) % (
        identifier.encode(),
        name,
        region.encode(),
        int(change.version.seconds),
        orjson.dumps(keys),
        images,
        sequence(position).encode(),
        size,
        stream.view.encode(),
        _TTL_IDENTITY if change.by == BY_TTL else b"",
    )


def _same(new: bytes, old: bytes, item: Item) -> bool:
    """Whether both rows hold the same item. Sets have no order, nor have attributes."""
    if rows.size_of(new) != rows.size_of(old):
        return False
    if rows.body_of(new) == rows.body_of(old):
        return True
    before = rows.item_of(old)
    return item == before or (_SET in new and _sorted(item) == _sorted(before))


def _sorted(value: Any) -> Any:
    """An attribute value, or a map of them, with its sets in order."""
    if isinstance(value, dict):
        return {name: sorted(one) if name in _SETS and _is_set(one) else _sorted(one) for name, one in value.items()}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _is_set(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
