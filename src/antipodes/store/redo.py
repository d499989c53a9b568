"""The redo log: batches that are durable, and not yet in the table. Two files, used in turn.

Why: a row in the table costs a whole page in SQLite's log, and again when that goes to the main file. Appended here, it
costs its own length; and what is written again soon reaches the table once.

A *generation* is one filling of one file: generation g lies in file g % 2. While g is poured into the table, g + 1 is
written; the table says (in the same commit as its rows) which generation is the first that it does not hold. So after
a crash that one and the next are read again, oldest first, and nothing else.

    record   length of the body (4 bytes), CRC-32 of all that follows (4), generation (8), number in the generation (8),
             body: msgpack of Batch

Files are overwritten in place, so behind the last record stands an older generation's remains, or a torn record:
reading ends at the first that does not fit. No record is written before the one before it is on disk.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

import msgspec

from antipodes.store.engine import StoreError
from antipodes.store.files import flush_data, write_all

_HEAD = Struct(">II")
_PLACE = Struct(">QQ")
HEAD_BYTES = _HEAD.size + _PLACE.size


class Batch(msgspec.Struct, array_like=True, gc=False):
    """What one sync made durable."""

    rows: list[tuple[bytes, bytes | None]]
    records: list[tuple[int, bytes]]
    meta: dict[str, str]
    drop_upto: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


class RedoLog:
    """The two files of one store. `generation` is the one being written."""

    def __init__(self, stem: Path, *, is_new: bool) -> None:
        """Opens or creates <stem>.redo0 and .redo1; those of a new store are emptied. Raises OSError."""
        self._files: list[int] = []
        self._paths = [stem.with_suffix(f".redo{number}") for number in (0, 1)]
        for path in self._paths:
            flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if is_new else 0)
            self._files.append(os.open(path, flags, 0o644))
        folder = os.open(stem.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # else the files' names may be lost with the power
        finally:
            os.close(folder)
        self.generation = 0
        self.size_bytes = 0  # of the generation being written
        self._number = 0

    def begin(self, generation: int) -> None:
        """Starts a generation, over what lies in its file."""
        self.generation = generation
        self.size_bytes = 0
        self._number = 0

    def read(self, generation: int) -> Iterator[Batch]:
        """What is whole of a generation. Afterwards `append` goes on behind it."""
        self.begin(generation)
        data = _whole(self._files[generation % 2])
        while True:
            at = self.size_bytes
            if at + HEAD_BYTES > len(data):
                return
            length, checksum = _HEAD.unpack_from(data, at)
            end = at + HEAD_BYTES + length
            if end > len(data) or _PLACE.unpack_from(data, at + _HEAD.size) != (generation, self._number):
                return
            if zlib.crc32(memoryview(data)[at + _HEAD.size : end]) != checksum:
                return
            batch = _decode(memoryview(data)[at + HEAD_BYTES : end])
            self.size_bytes = end
            self._number += 1
            yield batch

    def append(self, batch: Batch) -> None:
        """Durable when it returns. Raises StoreError: then the batch is not there."""
        body = _encode(batch)
        place = _PLACE.pack(self.generation, self._number)
        head = _HEAD.pack(len(body), zlib.crc32(body, zlib.crc32(place)))
        record = b"".join((head, place, body))
        file, at = self._files[self.generation % 2], self.size_bytes
        try:
            write_all(file, record, at)
            flush_data(file)
        except OSError as error:
            # It may have reached the disk all the same: it must not be found there.
            with contextlib.suppress(OSError):
                os.pwrite(file, bytes(HEAD_BYTES), at)
                flush_data(file)
            raise StoreError(f"writing {self._paths[self.generation % 2]}: {error}") from error
        self.size_bytes = at + len(record)
        self._number += 1

    def close(self) -> None:
        for file in self._files:
            os.close(file)


def _whole(file: int) -> bytes:
    size = os.fstat(file).st_size
    pieces: list[bytes] = []
    at = 0
    while at < size:
        piece = os.pread(file, size - at, at)
        if not piece:
            break
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
