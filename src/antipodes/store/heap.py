"""The heap: slots in a file beside the SQLite file, where long values lie. The table has a value's slot in its place.

Why: in SQLite a row of 1 KiB, written again, costs its whole page twice, in the log and in the file; and a million such
rows make a tree so large that no cache holds its inner pages. Here it costs one write in place, of which the table
knows nothing, and the table is small: keys and slots.

What is where. A *slot* is a number: its place in the file and its size, both in granules of 64 bytes. In it lie the
lengths of key and value, the key (so that a guess where a row lies can be checked, and a heap that does not belong to
its table is noticed) and the value. Sizes are rounded up, by an eighth at most, so that a value may grow a little; a
value that outgrows its slot, or would leave more than half of it empty, moves. Which parts of the file are free is a
table beside the map, changed in the transaction that moves the rows: whatever becomes of a transaction, map and free
parts agree. Free neighbours are joined; what is written together is placed together, if there is room, so that rows
that are neighbours in the table are read together.

Why writing in place is safe. Only rows of the frozen overlay are ever written here, and the redo log has all of them
until both the heap and the table are flushed. Whatever a crash leaves of the table's commits and of the heap's writes,
in any combination:

    a row of a generation that is still in the redo log    is read from there, and is written again, wherever its slot
                                                            is by then: it does not matter what its slot holds
    any other row                                           has the slot it had at the last flush of both, and nobody
                                                            else wrote there: a slot is given to another row only when
                                                            its owner is deleted or moves, and only rows of the
                                                            generation being poured do

So a slot may be given away in the very transaction that frees it. What would break this: pouring rows that are not yet
synced, or letting the table name the next generation before the heap is flushed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import cast

from antipodes.store.engine import StoreError
from antipodes.store.files import flush_data, write_all

GRANULE_BYTES = 64
SIZE_BITS = 24  # of a slot: the rest is its place
SMALLEST = 4  # granules: what would be left of a free part, and is less, goes to the slot
WRITE_BYTES = 16 << 10  # neighbours are written together up to here: longer writes make the kernel keep its pages in
# large pieces, in which each later small write costs five times as much (Linux 6.18, ext4: 24 us against 5)
READ_GRANULES = 1024  # neighbours are read together up to here

_HEAD = Struct(">II")  # length of the key, of the value
_SIZE = (1 << SIZE_BITS) - 1
_LARGEST = "SELECT place, size FROM free ORDER BY size DESC, place LIMIT 1"
_BEST = "SELECT place, size FROM free WHERE size >= ? ORDER BY size, place LIMIT 1"
_BEFORE = "SELECT place, size FROM free WHERE place < ? ORDER BY place DESC LIMIT 1"
_AT = "SELECT place, size FROM free WHERE place = ?"

Page = list[tuple[bytes, bytes | int]]  # rows of the table: a value, or its slot
Placed = tuple[int, bytes, bytes]  # slot, key, value
Run = tuple[int, int]  # a part of the file: place and size in granules


def slot_of(place: int, size: int) -> int:
    return place << SIZE_BITS | size


def run_of(slot: int) -> Run:
    return slot >> SIZE_BITS, slot & _SIZE


def length_of(value: bytes | int) -> int:
    """Bytes of a value, or of the slot where it lies."""
    return (value & _SIZE) * GRANULE_BYTES if isinstance(value, int) else len(value)


def needed(length: int) -> int:
    """Granules that a key and a value of so many bytes take."""
    return -(-(_HEAD.size + length) // GRANULE_BYTES)


def size_for(length: int) -> int:
    """Granules of a new slot for them: rounded up, by an eighth at most."""
    size = needed(length)
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


def keeps(slot: int, length: int) -> bool:
    """Whether a key and a value of so many bytes belong into a slot that the row has already."""
    size = slot & _SIZE
    return size <= 2 * needed(length) <= 2 * size


def joined(runs: Iterable[Run]) -> list[Run]:
    """In order, neighbours made one."""
    found: list[Run] = []
    for place, size in sorted(runs):
        if found and found[-1][0] + found[-1][1] == place:
            found[-1] = (found[-1][0], found[-1][1] + size)
        else:
            found.append((place, size))
    return found


class Space:
    """Which parts of the file are free: the table `free`, and where the file ends. Changes belong to the caller's
    transaction."""

    SCHEMA = (
        "CREATE TABLE free(place INTEGER PRIMARY KEY, size INTEGER NOT NULL)",
        "CREATE INDEX free_by_size ON free(size, place)",
    )

    def __init__(self, cursor: sqlite3.Cursor, end: int) -> None:
        """end: granules in use; from there on the file is free."""
        self._run = cursor.execute
        self.end = end

    def give_back(self, slots: Iterable[int]) -> None:
        """Slots that have no owner any more."""
        run = self._run
        for place, size in joined(map(run_of, slots)):
            start, end = place, place + size
            before = run(_BEFORE, (start,)).fetchone()
            if before is not None and before[0] + before[1] == start:
                start = before[0]
                run("DELETE FROM free WHERE place = ?", (start,))
            after = run(_AT, (end,)).fetchone()
            if after is not None:
                run("DELETE FROM free WHERE place = ?", (end,))
                end += after[1]
            if end == self.end:
                self.end = start
            else:
                run("INSERT INTO free(place, size) VALUES(?, ?)", (start, end - start))

    def take(self, sizes: Sequence[int]) -> list[int]:
        """New slots of these sizes: side by side if there is room for all of them, else where each fits best."""
        if not sizes:
            return []
        largest = self._run(_LARGEST).fetchone()
        if largest is None or largest[1] < min(sizes):
            return self._append(sizes)
        if largest[1] >= sum(sizes):
            return self._carve(self._best(sum(sizes)), sizes)
        slots = []
        for size in sizes:
            run = self._best(size)
            slots += self._append([size]) if run is None else self._carve(run, [size])
        return slots

    def _best(self, size: int) -> Run | None:
        found: Run | None = self._run(_BEST, (size,)).fetchone()
        return found

    def _carve(self, free: Run | None, sizes: Sequence[int]) -> list[int]:
        assert free is not None, "there is a run at least as large as the largest"
        place, size = free
        left = size - sum(sizes)
        self._run("DELETE FROM free WHERE place = ?", (place,))
        if left >= SMALLEST:
            self._run("INSERT INTO free(place, size) VALUES(?, ?)", (place + size - left, left))
            left = 0
        return _side_by_side(place, [*sizes[:-1], sizes[-1] + left])

    def _append(self, sizes: Sequence[int]) -> list[int]:
        slots = _side_by_side(self.end, sizes)
        self.end += sum(sizes)
        return slots


def _side_by_side(place: int, sizes: Sequence[int]) -> list[int]:
    slots = []
    for size in sizes:
        slots.append(slot_of(place, size))
        place += size
    return slots


class HeapFile:
    """The slots' bytes."""

    def __init__(self, path: Path, *, is_new: bool) -> None:
        """Opens or creates it; that of a new store is emptied. Raises OSError. Its name is durable when the folder is
        flushed, which is the caller's business."""
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if is_new else 0)
        self.file = os.open(path, flags, 0o644)
        self.dirty = False  # written since the last flush

    def read(self, slot: int, key: bytes) -> bytes:
        """The value. Raises StoreError."""
        value = self.found(slot, key)
        if value is None:
            raise StoreError(f"{self._path} does not belong to the table beside it, or is broken: it lacks a row")
        return value

    def found(self, slot: int, key: bytes) -> bytes | None:
        """The value, if this key's lies there. Raises StoreError."""
        return _value(self._bytes(slot >> SIZE_BITS, slot & _SIZE), 0, key)

    def _bytes(self, place: int, size: int) -> bytes:
        try:
            return os.pread(self.file, size * GRANULE_BYTES, place * GRANULE_BYTES)
        except OSError as error:
            raise StoreError(f"reading {self._path}: {error}") from error

    def whole(self, rows: Page, otherwise: Callable[[bytes], bytes | None]) -> Iterator[tuple[bytes, bytes]]:
        """The rows with the values in place of slots, lazily; neighbours are read together. Raises StoreError.

        otherwise: a row's value now, for one that has moved since the page was made.
        """
        at = 0
        while at < len(rows):
            key, value = rows[at]
            if isinstance(value, int):
                behind, place, size = _neighbours(rows, at)
                data = self._bytes(place, size)
                for key, slot in cast("list[tuple[bytes, int]]", rows[at:behind]):
                    found = _value(data, ((slot >> SIZE_BITS) - place) * GRANULE_BYTES, key)
                    if found is None:
                        found = otherwise(key)
                    if found is not None:
                        yield key, found
                at = behind
            else:
                yield key, value
                at += 1

    def write(self, rows: Iterable[Placed]) -> None:
        """Each into its slot. Raises OSError: some may be written."""
        self.dirty = True
        pieces: list[bytes] = []
        begin = end = 0
        for slot, key, value in sorted(rows):
            place = (slot >> SIZE_BITS) * GRANULE_BYTES
            if pieces and (place != end or end - begin >= WRITE_BYTES):
                write_all(self.file, b"".join(pieces), begin)
                pieces = []
            if not pieces:
                begin = place
            end = place + (slot & _SIZE) * GRANULE_BYTES
            unused = end - place - _HEAD.size - len(key) - len(value)
            pieces += (_HEAD.pack(len(key), len(value)), key, value, bytes(unused))
        if pieces:
            write_all(self.file, b"".join(pieces), begin)

    def flush(self) -> None:
        """All that was written is durable. Raises OSError."""
        if self.dirty:
            flush_data(self.file)
            self.dirty = False

    def shorten(self, end: int) -> None:
        """Gives what lies behind so many granules back to the disk, if it takes it."""
        with contextlib.suppress(OSError):
            if os.fstat(self.file).st_size > end * GRANULE_BYTES:
                os.ftruncate(self.file, end * GRANULE_BYTES)

    def close(self) -> None:
        os.close(self.file)


def _value(data: bytes, at: int, key: bytes) -> bytes | None:
    """The value of a slot that begins there, if it is this key's."""
    begin = at + _HEAD.size
    if len(data) < begin:
        return None
    key_length, length = _HEAD.unpack_from(data, at)
    begin += key_length
    if key_length != len(key) or len(data) < begin + length or not data.startswith(key, at + _HEAD.size):
        return None
    return data[begin : begin + length]


def _neighbours(rows: Page, at: int) -> tuple[int, int, int]:
    """(index behind the rows from there on that lie side by side in the file, in either direction; their part of the
    file)."""
    slot = cast("int", rows[at][1])
    first = slot >> SIZE_BITS
    end = first + (slot & _SIZE)
    for behind in range(at + 1, len(rows)):
        slot = rows[behind][1]  # type: ignore[assignment]
        if not isinstance(slot, int) or end - first >= READ_GRANULES:
            return behind, first, end - first
        place, size = slot >> SIZE_BITS, slot & _SIZE
        if place == end:
            end += size
        elif place + size == first:
            first = place
        else:
            return behind, first, end - first
    return len(rows), first, end - first
