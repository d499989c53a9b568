"""What CloudWatch Logs keeps, and where: groups and streams in memory and in the store, events in the store alone.

    logs/group/<name>                           Group, JSON
    logs/stream/<group id>/<name>               Stream, JSON
    logs/event/<stream id><time><number>        a lot of events (lots.py), by the place of its first
    logs/gone/<stream id>                       a stream that was deleted: its events are still being removed

Ids are drawn, so that a group or stream that is made again starts from nothing. Times are epoch milliseconds. A
stream's events lie in order of their time, and of one time in order of their coming; `number` is the store's own clock
(and rises by one from event to event of a lot).

Rows of what services say all the time are held in memory at first: one write and one sync of many costs the Region far
less than many of few. `release` writes them; whoever reads or writes anything else here calls it before.

What it refuses to know: operations, and when what it writes is durable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from antipodes.services.logs import lots
from antipodes.services.logs.lots import Event, Place
from antipodes.store.store import Store
from antipodes.world.world import World

GROUP = b"logs/group/"
STREAM = b"logs/stream/"
EVENT = b"logs/event/"
GONE = b"logs/gone/"
ID_BYTES = 8
SWEPT_AT_ONCE = 500
OVERHEAD_BYTES = 26  # of each event: how AWS counts a batch's and a group's size

Row = tuple[bytes, bytes | None]


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A log group. retention_days 0: for ever."""

    name: str
    id: str
    created_ms: int
    retention_days: int = 0
    tags: dict[str, str] = {}


class Stream(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A log stream. first_ms -1: it has had no event."""

    name: str
    id: str
    created_ms: int
    first_ms: int = -1
    last_ms: int = -1
    ingested_ms: int = -1
    size_bytes: int = 0


_encode = msgspec.json.Encoder().encode
_decode_group = msgspec.json.Decoder(Group).decode
_decode_stream = msgspec.json.Decoder(Stream).decode
FIRST, LAST = Place(0, 0), Place(2**64 - 1, 2**64 - 1)


class Ledger:
    """The groups of one Region."""

    def __init__(
        self,
        world: World,
        store: Store,
        saw: Callable[[Group, Stream, Sequence[tuple[int, str]]], None] = lambda group, stream, events: None,
    ) -> None:
        """saw: is told what is added."""
        self._world = world
        self._saw = saw
        self._store = store
        self.groups: dict[str, Group] = {}
        self._last_number = 0
        self._held: dict[bytes, bytes | None] = {}
        self._streams: dict[str, dict[str, Stream]] = {}  # group id -> name -> stream
        for _, raw in list(store.range(GROUP, GROUP + b"\xff")):
            group = _decode_group(raw)
            self.groups[group.name] = group
            prefix = STREAM + group.id.encode() + b"/"
            found = [_decode_stream(row) for _, row in store.range(prefix, prefix + b"\xff")]
            self._streams[group.id] = {stream.name: stream for stream in found}

    def streams(self, group: Group) -> Mapping[str, Stream]:
        return self._streams[group.id]

    def new_group(self, name: str, tags: Mapping[str, str]) -> Group:
        group = Group(name=name, id=self._id(), created_ms=self.now_ms(), tags=dict(tags))
        self._streams[group.id] = {}
        self.keep_group(group)
        return group

    def keep_group(self, group: Group) -> None:
        self.groups[group.name] = group
        self._store.write([(GROUP + group.name.encode(), _encode(group))])

    def new_stream(self, group: Group, name: str) -> Stream:
        stream = Stream(name=name, id=self._id(), created_ms=self.now_ms())
        self._streams[group.id][name] = stream
        self._store.write([_stream_row(group, stream)])
        return stream

    def remove_group(self, group: Group) -> None:
        """Its events go later (`sweep`)."""
        rows: list[Row] = [(GROUP + group.name.encode(), None)]
        for stream in self._streams.pop(group.id).values():
            rows += _leaving(group, stream)
        del self.groups[group.name]
        self._store.write(rows)

    def remove_stream(self, group: Group, stream: Stream) -> None:
        """Its events go later (`sweep`)."""
        del self._streams[group.id][stream.name]
        self._store.write(_leaving(group, stream))

    @property
    def held_bytes(self) -> int:
        """How much there is to release; 0: nothing."""
        return sum(len(value or b"") for value in self._held.values())

    def release(self, enough_bytes: float = math.inf) -> None:
        """Writes the rows that are held, the oldest first; enough_bytes: then the rest stays held. A stream's own row
        goes before its events: who looks for some passes over streams that say they have none so young."""
        rows: list[Row] = []
        while self._held and enough_bytes > 0:
            key = next(iter(self._held))
            value = self._held.pop(key)
            rows.append((key, value))
            enough_bytes -= len(value or b"")
        if rows:
            self._store.write(rows)

    def add(self, group: Group, stream: Stream, events: Sequence[tuple[int, str]]) -> None:
        """Appends events, (time in ms, message), in order of their coming. Their rows are held."""
        if not events:
            return
        now_ms = self.now_ms()
        times = [time_ms for time_ms, _ in events]
        texts = [message.encode("utf-8", "surrogatepass") for _, message in events]
        first_ms, last_ms = min(times), max(times)
        stream = msgspec.structs.replace(
            stream,
            first_ms=first_ms if stream.first_ms < 0 else min(stream.first_ms, first_ms),
            last_ms=max(stream.last_ms, last_ms),
            ingested_ms=now_ms,
            size_bytes=stream.size_bytes + sum(map(len, texts)) + len(texts) * OVERHEAD_BYTES,
        )
        self._streams[group.id][stream.name] = stream
        self._held.update([_stream_row(group, stream)])
        for lot in lots.split(list(zip(times, texts, strict=True))):
            number = self._numbers(len(lot))
            self._held[_event_key(stream, Place(lot[0][0], number))] = lots.packed(number, now_ms, lot)
        self._saw(group, stream, events)

    def events(self, stream: Stream, after: Place, before: Place, *, reverse: bool = False) -> Iterator[Event]:
        """after < place < before, in order (or reversed). Lazy; not valid across a write."""
        start = _event_key(stream, Place(max(after.time_ms - lots.SPAN_MS, 0), 0))
        rows = self._store.range(start, _event_key(stream, before), reverse=reverse)
        found = (lots.events_of(_place_of(key), value) for key, value in rows)
        for event in lots.in_order(found, reverse=reverse):
            if after < event.place < before:
                yield event
            elif reverse and event.place <= after:
                return

    def sweep(self) -> bool:
        """Removes some events that nobody can see any more: of streams that were deleted, or older than their group
        keeps them. False: there are none left."""
        self.release()
        for key, _ in self._store.range(GONE, GONE + b"\xff"):
            identity = key.removeprefix(GONE)
            rows: list[Row] = [
                (row, None) for row, _ in _first(self._store.range(EVENT + identity, EVENT + identity + b"\xff"))
            ]
            self._store.write(rows or [(key, None)])
            return True
        for name in sorted(self.groups):
            group = self.groups[name]
            oldest = Place(self.kept_from_ms(group), 0)
            for stream in list(self._streams[group.id].values()):
                if group.retention_days and 0 <= stream.first_ms < oldest.time_ms:
                    # A row's last event is at most so much younger than its first.
                    last = Place(max(oldest.time_ms - lots.SPAN_MS, 0), 0)
                    start, end = _event_key(stream, Place(0, 0)), _event_key(stream, last)
                    rows = [(row, None) for row, _ in _first(self._store.range(start, end))]
                    if not rows:
                        aged = msgspec.structs.replace(stream, first_ms=max(stream.first_ms, oldest.time_ms))
                        self._streams[group.id][stream.name] = aged
                        rows = [_stream_row(group, aged)]
                    self._store.write(rows)
                    return True
        return False

    def kept_from_ms(self, group: Group) -> int:
        """Events before this time are not shown any more."""
        return max(0, self.now_ms() - group.retention_days * 86_400_000) if group.retention_days else 0

    def now_ms(self) -> int:
        return int(self._world.now() * 1000)

    def _id(self) -> str:
        return f"{self._world.chance.getrandbits(ID_BYTES * 8):0{ID_BYTES * 2}x}"

    def _numbers(self, count: int) -> int:
        """The first of so many: above all that were ever given, whatever the clock does."""
        number = max(self._store.stamp().time, self._last_number + 1)
        self._last_number = number + count - 1
        return number


def _first(found: Iterator[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [row for row, _ in zip(found, range(SWEPT_AT_ONCE), strict=False)]


def _leaving(group: Group, stream: Stream) -> list[Row]:
    return [(_stream_key(group, stream), None), (GONE + stream.id.encode(), b"")]


def _stream_key(group: Group, stream: Stream) -> bytes:
    return STREAM + group.id.encode() + b"/" + stream.name.encode()


def _stream_row(group: Group, stream: Stream) -> Row:
    return _stream_key(group, stream), _encode(stream)


def _place_of(key: bytes) -> Place:
    at = len(EVENT) + ID_BYTES * 2
    return Place(int.from_bytes(key[at : at + 8], "big"), int.from_bytes(key[at + 8 :], "big"))


def _event_key(stream: Stream, place: Place) -> bytes:
    return EVENT + stream.id.encode() + place.time_ms.to_bytes(8, "big") + place.number.to_bytes(8, "big")
