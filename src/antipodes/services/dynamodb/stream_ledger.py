"""Which streams a Region has: rows in the store, written with what causes them.

    dynamodb/stream/<table>/<label>      a Stream (shards.py), JSON

A stream begins, ends and begins anew with its table's description: `followed` says what else a changed description
writes, so both are one transaction and no way of changing a table can forget the stream.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from antipodes.services.dynamodb import shards
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.schema import Description
from antipodes.services.dynamodb.shards import Stream
from antipodes.store.ages import position_at
from antipodes.store.store import Store

PREFIX = b"dynamodb/stream/"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Stream).decode

Row = tuple[bytes, bytes | None]


def stream_label(now: float) -> str:
    """As AWS labels streams: 2026-11-23T08:00:00.000."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def followed(
    store: Store, now: float, old: Description | None, new: Description, topic: str
) -> tuple[Description, list[Row]]:
    """The description with its stream's label, and the rows of streams that end or begin with it.

    Must be written in the same turn of the loop: the log's position is taken here.
    """
    before, after = _view(old), _view(new)
    running = find(store, new.shared.name, new.stream_label)
    known = running is not None
    if running is not None and before and before == after and running.topic != topic:
        return new, [_row(shards.moved(running, topic, store.write(()), now))]
    if before == after and (not after or known):
        return new, []
    position = store.write(())  # where the log stands, what is not yet durable included
    rows: list[Row] = []
    if old is not None and before:
        stream = find(store, old.shared.name, old.stream_label)
        if stream is not None:
            rows.append(_row(shards.ended(stream, position, now)))
    if after:
        label = "" if known or (before and before != after) else new.stream_label
        when = now
        while not label or store.get(_key(new.shared.name, label)) is not None:
            label = stream_label(when)
            when += 0.001
        new = msgspec.structs.replace(new, stream_label=label)
        rows.append(_row(shards.opened(new, topic, label, position, now)))
    return new, rows


def _view(description: Description | None) -> str:
    """The view type of a stream that is on; a table that is going has none."""
    if description is None or description.status == "DELETING":
        return ""
    return description.stream_view


def find(store: Store, table: str, label: str) -> Stream | None:
    raw = store.get(_key(table, label))
    return None if raw is None else _decode(raw)


def streams(store: Store, table: str | None = None) -> list[Stream]:
    """All streams, or those of one table, by table name and label."""
    prefix = PREFIX if table is None else _key(table, "")
    found = [_decode(raw) for _, raw in store.range(prefix, after_prefix(prefix))]
    return sorted(found, key=lambda stream: (stream.table, stream.label))


def upkeep(store: Store, now: float, shard_s: float, retention_s: float) -> None:
    """Rolls shards over and forgets what is too old. The caller awaits `durable`."""
    changed: list[Row] = []
    position = store.end
    for stream in streams(store):
        kept = shards.pruned(shards.rolled(stream, position, now, shard_s), now, retention_s)
        if kept is None:
            changed.append((_key(stream.table, stream.label), None))
        elif kept != stream:
            changed.append(_row(kept))
    if changed:
        store.write(changed)


def horizon(store: Store, now: float, retention_s: float) -> int:
    """Log entries up to this position are gone, or too old to be shown."""
    return max(store.begin, position_at(store, now - retention_s))


def _key(table: str, label: str) -> bytes:
    return PREFIX + table.encode() + b"/" + label.encode()


def _row(stream: Stream) -> Row:
    return _key(stream.table, stream.label), _encode(stream)
