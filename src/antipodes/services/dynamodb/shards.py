"""Streams and their shards: pure values, and what becomes of them.

A stream belongs to one Region's copy of a table and has a label of its own for every time it was enabled. Its records
are the entries of the Region's one change log that carry the table's topic; a shard is a span of log positions:

    open ──(4 hours, if anything was written)──▶ closed, and an open child
      │                                            └─(24 hours)──▶ forgotten
      └──(stream disabled, table deleted)──▶ closed, without a child; after 24 hours the stream is forgotten

AWS closes shards after about four hours too, and splits them under load; here one shard is enough, so order holds for
the whole stream, not only per item. A sequence number is a log position in 21 digits: it rises across shards.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from antipodes.services.dynamodb.schema import Description, KeyPart

_FIRST_SEQUENCE = 10**20  # sequence numbers have at least 21 digits (SequenceNumber in the service model)
_DIGITS = len(str(_FIRST_SEQUENCE))


class Shard(msgspec.Struct, frozen=True):
    """The log entries with after < position <= upto. upto None: open."""

    id: str
    after: int
    opened: float  # epoch seconds
    upto: int | None = None
    closed: float = 0.0
    parent: str = ""
    topic: str = ""  # of its entries, where that is not the stream's any more


class Stream(msgspec.Struct, frozen=True):
    """One stream, as persisted. shards: oldest first; the last one may be open."""

    table: str
    topic: str
    label: str
    view: str  # KEYS_ONLY, NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES
    hash: KeyPart
    range: KeyPart | None
    created: float
    shards: tuple[Shard, ...]
    ended: float = 0.0  # when it was disabled; 0: it is enabled
    format: int = 1


def opened(description: Description, topic: str, label: str, position: int, now: float) -> Stream:
    """A new stream, of the changes after `position`."""
    shared = description.shared
    return Stream(
        shared.name,
        topic,
        label,
        description.stream_view,
        shared.hash,
        shared.range,
        now,
        (_shard(shared.name + label, position, now, None),),
    )


def ended(stream: Stream, position: int, now: float) -> Stream:
    """Disabled: nothing after `position` belongs to it."""
    if stream.ended:
        return stream
    return msgspec.structs.replace(stream, ended=now, shards=_closed(stream.shards, position, now))


def moved(stream: Stream, topic: str, position: int, now: float) -> Stream:
    """The stream goes on with changes of another topic: the table has become, or is no longer, part of a global table
    of version 2017.11.29. What is before `position` keeps its topic; a child of the open shard goes on."""
    old = tuple(
        msgspec.structs.replace(one, topic=one.topic or stream.topic) for one in _closed(stream.shards, position, now)
    )
    child = _shard(stream.table + stream.label, position, now, old[-1])
    return msgspec.structs.replace(stream, topic=topic, shards=(*old, child))


def rolled(stream: Stream, position: int, now: float, shard_s: float) -> Stream:
    """Closes an open shard that is old enough and has seen the log grow; its child goes on."""
    last = stream.shards[-1]
    if stream.ended or last.upto is not None or now - last.opened < shard_s or position <= last.after:
        return stream
    child = _shard(stream.table + stream.label, position, now, last)
    return msgspec.structs.replace(stream, shards=(*_closed(stream.shards, position, now), child))


def pruned(stream: Stream, now: float, retention_s: float) -> Stream | None:
    """Without the shards whose records are all too old; None: the stream is to be forgotten."""
    kept = tuple(one for one in stream.shards if one.upto is None or now - one.closed < retention_s)
    if stream.ended and not kept:
        return None
    return stream if len(kept) == len(stream.shards) else msgspec.structs.replace(stream, shards=kept)


def _closed(shards: tuple[Shard, ...], position: int, now: float) -> tuple[Shard, ...]:
    return (*shards[:-1], msgspec.structs.replace(shards[-1], upto=position, closed=now))


def _shard(seed: str, position: int, now: float, parent: Shard | None) -> Shard:
    """Ids sort as shards were opened, whatever the clock does: some clients rely on it."""
    number = int(now * 1000)
    if parent is not None:
        number = max(number, number_of(parent) + 1)
    mark = blake2b(f"{seed}/{position}".encode(), digest_size=4).hexdigest()
    return Shard(f"shardId-{number:020d}-{mark}", position, now, parent=parent.id if parent is not None else "")


def number_of(shard: Shard) -> int:
    """The number in a shard's id: the millisecond in which it was opened, or a little more."""
    return int(shard.id.split("-")[1])


def sequence(position: int) -> str:
    """The sequence number of a log position."""
    return str(_FIRST_SEQUENCE + position)


def position_of(number: str) -> int | None:
    """The log position of a sequence number; None: it is none of ours."""
    if not (number.isascii() and number.isdecimal() and len(number) == _DIGITS):
        return None
    position = int(number) - _FIRST_SEQUENCE
    return position if position >= 0 else None


def bounds(shard: Shard, horizon: int) -> dict[str, str]:
    """SequenceNumberRange, of what is not trimmed (positions up to `horizon` are)."""
    first = max(shard.after, min(horizon, shard.upto if shard.upto is not None else horizon)) + 1
    found = {"StartingSequenceNumber": sequence(first)}
    if shard.upto is not None:
        found["EndingSequenceNumber"] = sequence(max(shard.upto, first))
    return found
