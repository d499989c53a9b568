"""The metrics of one Region: which there are, and their points, in memory and in the store.

What it decides: where points lie, when they are forgotten, which part of them is in memory. What it refuses to know:
operations and their parameters.

A **series** is a metric (namespace, name, dimensions) with one unit and one resolution, 60 s or 1 s. Its points lie in
rows of sixty, an hour or a minute; only rows that changed lately are held in memory. What is recorded is gathered until
its row is written or read, or there are too many different values: they are not rounded with each part of a minute.

Store keys, all under b"cloudwatch/":
    series/<id>                          Series, msgpack; the id is a hash of what it is
    data/<resolution><row number><id>    the points of one row, msgpack: old rows are one range

Kept: points of 60 s for 15 days, as AWS does; of 1 s for 3 hours, as AWS does. AWS also keeps 5 minutes for 63 days and
an hour for 455 days: we do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from hashlib import blake2b

import msgspec

from antipodes.services.cloudwatch.points import Gathered, Point
from antipodes.store.store import Store

SERIES = b"cloudwatch/series/"
DATA = b"cloudwatch/data/"
ROW_POINTS = 60
KEPT_S = {60: 15 * 86400, 1: 3 * 3600}
LISTED_S = 14 * 86400  # ListMetrics shows what had data in the last two weeks
SEEN_STEP_S = 600  # how much newer data must be before the series' row is written again
EXPIRED_AT_ONCE = 2000
MAX_GATHERED = 1000  # different values of a moment; to round them takes about a millisecond

Dimensions = tuple[tuple[str, str], ...]

_encode = msgspec.msgpack.Encoder().encode


class Series(msgspec.Struct, frozen=True, array_like=True):
    """A metric with one unit and one resolution. `last` is the time of its newest data, a little late."""

    namespace: str
    name: str
    dimensions: Dimensions  # in order of their names
    unit: str
    resolution_s: int  # 60 or 1
    last: int = 0


_decode_series = msgspec.msgpack.Decoder(Series).decode
_decode_points = msgspec.msgpack.Decoder(list[Point]).decode


class Archive:
    """Owns the points. Nothing here waits: the caller writes what `changed_rows` gives, and awaits `durable`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._series: dict[bytes, Series] = {}
        self._by_name: dict[tuple[str, str], list[bytes]] = {}
        self._rows: dict[bytes, dict[int, Point]] = {}  # by store key: rows in memory
        self._gathered: dict[bytes, dict[int, Gathered]] = {}  # by store key: what is not in their rows yet
        self._changed: dict[bytes, None] = {}  # store keys of rows that are not written yet
        self._new_series: dict[bytes, None] = {}
        for key, raw in list(store.range(SERIES, SERIES + b"\xff")):
            self._keep(key.removeprefix(SERIES), _decode_series(raw))

    def record(self, series: Series, point: Point) -> None:
        """Adds a point to a series."""
        identity = _identity(series)
        known = self._series.get(identity)
        if known is None or point.at >= known.last + SEEN_STEP_S:
            self._keep(identity, msgspec.structs.replace(series, last=point.at))
            self._new_series[identity] = None
        key = _row_key(series.resolution_s, point.at // (series.resolution_s * ROW_POINTS), identity)
        self._changed[key] = None
        moments = self._gathered.setdefault(key, {})
        gathered = moments.get(point.at)
        if gathered is None:
            moments[point.at] = Gathered(point)
            return
        gathered.add(point)
        if gathered.values is not None and len(gathered.values) > MAX_GATHERED:
            self._row(key)

    def series(self, namespace: str, name: str, dimensions: Dimensions, resolution_s: int) -> list[Series]:
        """The series of a metric, one for each unit."""
        found = [self._series[one] for one in self._by_name.get((namespace, name), ())]
        found = [one for one in found if one.dimensions == dimensions]
        fine = [one for one in found if one.resolution_s == resolution_s]
        return fine or [one for one in found if one.resolution_s == 60]

    def all_series(self) -> list[Series]:
        """In order of namespace, name, dimensions."""
        return sorted(self._series.values(), key=lambda one: (one.namespace, one.name, one.dimensions, one.unit))

    def points(self, series: Series, start: int, end: int) -> Iterator[Point]:
        """Points with start <= at < end, in order of time."""
        span = series.resolution_s * ROW_POINTS
        identity = _identity(series)
        for number in range(start // span, (end - 1) // span + 1):
            key = _row_key(series.resolution_s, number, identity)
            row = self._row(key)
            for at in sorted(row):
                if start <= at < end:
                    yield row[at]

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def put_together(self) -> Iterator[None]:
        """What is gathered goes to its rows, to one of them at each step."""
        for key in list(self._gathered):
            self._row(key)
            yield

    def changed_rows(self, enough_bytes: float = math.inf) -> list[tuple[bytes, bytes | None]]:
        """What is to be written so that the store has everything. enough_bytes: then the rest is left for the next
        call (`changed`)."""
        rows: list[tuple[bytes, bytes | None]] = [
            (SERIES + one, _encode(self._series[one])) for one in self._new_series
        ]
        self._new_series.clear()
        size_bytes = 0
        while self._changed and size_bytes < enough_bytes:
            key = next(iter(self._changed))
            row = self._row(key)
            value = _encode([row[at] for at in sorted(row)])
            rows.append((key, value))
            size_bytes += len(value)
            del self._changed[key]
        return rows

    def let_go(self, now: float) -> None:
        """Drops from memory what is written and past."""
        current = {resolution: int(now) // (resolution * ROW_POINTS) for resolution in KEPT_S}
        for key in list(self._rows):
            resolution, number = _row_of(key)
            if key not in self._changed and number < current[resolution]:
                del self._rows[key]

    def expired_rows(self, now: float) -> list[tuple[bytes, bytes | None]]:
        """Rows too old to keep, to be deleted (some of them: ask again), and series that have none any more."""
        gone: list[tuple[bytes, bytes | None]] = []
        for resolution, kept_s in KEPT_S.items():
            start = _row_key(resolution, 0, b"")
            end = _row_key(resolution, max(0, int(now - kept_s) // (resolution * ROW_POINTS)), b"")
            for key, _ in self._store.range(start, end):
                gone.append((key, None))
                if len(gone) >= EXPIRED_AT_ONCE:
                    break
        for key, _ in gone:
            self._rows.pop(key, None)
            self._gathered.pop(key, None)
            self._changed.pop(key, None)
        for identity, series in list(self._series.items()):
            if series.last < now - KEPT_S[series.resolution_s] - SEEN_STEP_S:
                del self._series[identity]
                self._by_name[series.namespace, series.name].remove(identity)
                self._new_series.pop(identity, None)
                gone.append((SERIES + identity, None))
        return gone

    def _keep(self, identity: bytes, series: Series) -> None:
        if identity not in self._series:
            self._by_name.setdefault((series.namespace, series.name), []).append(identity)
        self._series[identity] = series

    def _row(self, key: bytes) -> dict[int, Point]:
        """The points of a row by their times, all that was recorded among them."""
        row = self._rows.get(key)
        if row is None:
            raw = self._store.get(key)
            row = {point.at: point for point in _decode_points(raw)} if raw is not None else {}
        for at, gathered in self._gathered.pop(key, {}).items():
            if at in row:
                gathered.add(row[at])
            row[at] = gathered.point(at)
        if key in self._changed:
            self._rows[key] = row
        return row


def _identity(series: Series) -> bytes:
    whole = _encode((series.namespace, series.name, series.dimensions, series.unit, series.resolution_s))
    return blake2b(whole, digest_size=12).digest()


def _row_key(resolution_s: int, number: int, identity: bytes) -> bytes:
    return DATA + bytes([resolution_s]) + number.to_bytes(5, "big") + identity


def _row_of(key: bytes) -> tuple[int, int]:
    """(resolution, row number) of a store key."""
    at = len(DATA)
    return key[at], int.from_bytes(key[at + 1 : at + 6], "big")
