"""What the Regions' disks say of one table: its rows, and the log of its changes. The auditor's own eyes.

It reads the store's engine, not DynamoDB's API, and decodes the rows by itself: what judges replication shares no code
with what it judges, except the formats below (dynamodb/rows.py and store/records.py; a test holds them together).

    dynamodb/table/<name>          JSON: space, shared.group
    dynamodb/item/<space>/<key>    a row
    row                            format (2), flags (1: tombstone), size (4 bytes), time (8), length of what follows:
                                   the Region's name, and after a zero byte what its writer knew; JSON
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from antipodes.store.engine import Engine
from antipodes.store.records import Change

_HEADER = struct.Struct(">BBIQB")
_TOMBSTONE = 1
WRITE = "w"  # the attribute with the id of the write that made the item
KEY = "pk"

Version = tuple[int, str]  # hybrid time, Region: compared as last writer wins says

_change = msgspec.msgpack.Decoder(Change)


@dataclass(frozen=True, slots=True)
class State:
    """One item as a replica has it. `raw` is the row as it lies on the disk; `item` is None where it was deleted."""

    version: Version
    raw: bytes
    item: Mapping[str, Any] | None

    @property
    def write(self) -> str:
        """The id of the write that made it; "" for a deletion."""
        return str(self.item[WRITE]["S"]) if self.item is not None and WRITE in self.item else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a Region's log. `item` is None for a deletion, `before` is None where there was no item."""

    position: int
    key: bytes
    version: Version
    raw: bytes | None
    item: Mapping[str, Any] | None
    before: Mapping[str, Any] | None
    by: str

    @property
    def write(self) -> str:
        return str(self.item[WRITE]["S"]) if self.item is not None and WRITE in self.item else ""

    @property
    def replaced(self) -> str:
        """The id of the write whose item it replaced or deleted."""
        return str(self.before[WRITE]["S"]) if self.before is not None and WRITE in self.before else ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One Region's copy of the table."""

    region: str
    rows: Mapping[bytes, State]
    log: Sequence[Entry] = field(default=())  # all there ever was, in order, of whatever origin

    @property
    def own(self) -> list[Entry]:
        """What was written in this Region."""
        return [entry for entry in self.log if entry.version[1] == self.region]


def read_rows(engine: Engine, table: str) -> dict[bytes, State] | None:
    """The rows of a Region's copy, tombstones too; None: it holds no copy."""
    space = _described(engine, table, "space")
    if space is None:
        return None
    prefix = b"dynamodb/item/" + space.encode() + b"/"
    return {key[len(prefix) :]: state_of(raw) for key, raw in engine.range(prefix, prefix[:-1] + b"0", False)}


def read(engine: Engine, region: str, table: str, records: Sequence[tuple[int, Change]] | None = None) -> Evidence:
    """One Region's evidence. records: its log, where it was noted while the planet ran (else what the disk has)."""
    group = _described(engine, table, "shared", "group")
    if records is None:
        kept = engine.records(0, 1 << 62, 1 << 62)
        records = [(position, _change.decode(record)) for position, record in kept]
    topic = f"dynamodb/{table}/{group}"
    log = [_entry(position, change) for position, change in records if change.topic == topic]
    return Evidence(region, read_rows(engine, table) or {}, log)


def state_of(raw: bytes) -> State:
    """Decodes a row."""
    form, flags, _, time, length = _HEADER.unpack_from(raw)
    assert form == 2, f"a row of format {form}"
    at = _HEADER.size + length
    region = raw[_HEADER.size : at].partition(b"\0")[0].decode()
    return State((time, region), raw, None if flags & _TOMBSTONE else orjson.loads(raw[at:]))


def _entry(position: int, change: Change) -> Entry:
    version = (change.version.time, change.version.region)
    item = None if change.value is None else state_of(change.value).item
    before = None if change.before is None else state_of(change.before).item
    return Entry(position, change.key, version, change.value, item, before, change.by)


def _described(engine: Engine, table: str, *path: str) -> str | None:
    found = engine.get(b"dynamodb/table/" + table.encode())
    if found is None:
        return None
    described: Any = orjson.loads(found)
    for name in path:
        described = described[name]
    return str(described)
