"""How events of a stream lie in rows: many together, a lot: a row costs more than the lines of an invocation. Pure.

    lot      msgpack: time of ingestion, number of the first event, [(time, message), ...]; the numbers rise by one
    single   time of ingestion (8 bytes, the first of them 0) and the message: one event, as rows were once written

A row's key has the place of its first event. A lot's events lie in order and within SPAN_MS, so who reads from a place
on begins with the rows SPAN_MS before it. Lots of one stream may overlap: batches come in any order of their times.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence

import msgspec

SPAN_MS = 1000
MAX_EVENTS = 256
MAX_BYTES = 64 * 1024  # of messages: what is read for one event of them


class Place(msgspec.Struct, frozen=True, order=True, array_like=True):
    """Where an event lies among those of its stream, or of its group: all events have different ones."""

    time_ms: int
    number: int


class Event(msgspec.Struct, frozen=True):
    """One event. Times in epoch milliseconds."""

    place: Place
    ingested_ms: int
    message: str


class _Lot(msgspec.Struct, frozen=True, array_like=True):
    ingested_ms: int
    number: int
    events: list[tuple[int, bytes]]


Said = tuple[int, bytes]  # time, message in UTF-8

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Lot).decode


def split(events: Sequence[Said]) -> Iterator[Sequence[Said]]:
    """Events in order of their coming, cut into what may be a lot."""
    if events and _is_lot(events):  # as most are
        yield events
        return
    begin = size_bytes = 0
    for at, (time_ms, text) in enumerate(events):
        size_bytes += len(text)
        fits = size_bytes <= MAX_BYTES and at - begin < MAX_EVENTS
        if at > begin and not (fits and events[at - 1][0] <= time_ms <= events[begin][0] + SPAN_MS):
            yield events[begin:at]
            begin, size_bytes = at, len(text)
    if events:
        yield events[begin:]


def _is_lot(events: Sequence[Said]) -> bool:
    times = [time_ms for time_ms, _ in events]
    return (
        len(events) <= MAX_EVENTS
        and times[-1] - times[0] <= SPAN_MS
        and times == sorted(times)
        and sum(len(text) for _, text in events) <= MAX_BYTES
    )


def packed(number: int, ingested_ms: int, events: Sequence[Said]) -> bytes:
    """The value of a row. number: of the first event."""
    return _encode((ingested_ms, number, events))


def events_of(place: Place, value: bytes) -> list[Event]:
    """What lies in a row; place: of its first event."""
    if not value[0]:
        return [Event(place, int.from_bytes(value[:8], "big"), _text(value[8:]))]
    lot = _decode(value)
    return [
        Event(Place(time_ms, number), lot.ingested_ms, _text(text))
        for number, (time_ms, text) in enumerate(lot.events, lot.number)
    ]


def in_order(rows: Iterable[list[Event]], *, reverse: bool = False) -> Iterator[Event]:
    """The events of rows, which come in order of their keys (or reversed), in order (or reversed)."""
    waiting: list[tuple[tuple[int, int], Event]] = []  # a heap
    for events in rows:
        first = events[0].place
        # No row from here on has an event before this one (reversed: behind it).
        bound = (-first.time_ms - SPAN_MS - 1, 0) if reverse else (first.time_ms, first.number)
        while waiting and waiting[0][0] < bound:
            yield heapq.heappop(waiting)[1]
        for event in events:
            place = event.place
            rank = (-place.time_ms, -place.number) if reverse else (place.time_ms, place.number)
            heapq.heappush(waiting, (rank, event))
    while waiting:
        yield heapq.heappop(waiting)[1]


def _text(message: bytes) -> str:
    return message.decode("utf-8", "surrogatepass")
