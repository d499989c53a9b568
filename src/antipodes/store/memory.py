"""The memory engine: an ordered map on a Shelf, with a disk's manners.

Every `put` leaves an undo list on the shelf; `sync` clears the lists. A crash of the site (`MemoryDisk.crash`) undoes
some of the newest batches, as a disk loses what was not synced. Rows, log and facts lie on one shelf, in three
namespaces by their first byte, so that one undo list covers a whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from antipodes.store.engine import FORMAT, Records, Rows, StoreError, check_format
from antipodes.world.disk import DiskSpace, Shelf

META, LOG, ROW = b"\x00", b"\x01", b"\x02"
_AFTER_LOG = ROW


def _log_key(position: int) -> bytes:
    return LOG + position.to_bytes(8, "big")


class MemoryEngine:
    """One store on one shelf."""

    def __init__(self, shelf: Shelf, where: str, space: DiskSpace | None = None) -> None:
        self._where = where
        self._space = space or DiskSpace()
        self._shelf = shelf
        self._rows = shelf.rows
        if check_format(self.meta("format"), where):
            self.put((), (), {"format": str(FORMAT)})

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._rows.get(ROW + key)
        return value

    def range(self, start: bytes, end: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        rows = self._rows
        for key in rows.irange(ROW + start, ROW + end, inclusive=(True, False), reverse=reverse):
            yield key[1:], rows[key]

    def records(self, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        found: list[tuple[int, bytes]] = []
        for key in self._rows.irange(_log_key(after + 1), _log_key(upto)):
            if len(found) >= limit:
                break
            found.append((int.from_bytes(key[1:], "big"), self._rows[key]))
        return found

    def last_position(self) -> int:
        key = next(self._rows.irange(LOG, _AFTER_LOG, inclusive=(True, False), reverse=True), None)
        return 0 if key is None else int.from_bytes(key[1:], "big")

    def meta(self, name: str) -> str | None:
        value = self._rows.get(META + name.encode())
        return None if value is None else value.decode()

    def put(self, rows: Rows, records: Records, meta: Mapping[str, str]) -> None:
        held = self._rows
        undo: list[tuple[bytes, bytes | None]] = []
        for key, value in rows:
            key = ROW + key  # noqa: PLW2901  (the row's place on the shelf)
            undo.append((key, held.get(key)))
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        for position, record in records:
            key = _log_key(position)
            undo.append((key, None))
            held[key] = record
        for name, fact in meta.items():
            key = META + name.encode()
            undo.append((key, held.get(key)))
            held[key] = fact.encode()
        self._shelf.unsynced.append(undo)

    def drop_records(self, upto: int) -> None:
        undo: list[tuple[bytes, bytes | None]] = []
        for key in list(self._rows.irange(LOG, _log_key(upto))):
            undo.append((key, self._rows.pop(key)))
        self._shelf.unsynced.append(undo)

    def sync(self) -> None:
        if self._space.full and self._shelf.unsynced:
            self.abandon()
            raise StoreError(f"writing {self._where}: No space left on device")
        self._shelf.unsynced.clear()

    def abandon(self) -> None:
        self._shelf.forget(len(self._shelf.unsynced))

    def close(self) -> None:
        """Nothing to let go of: the shelf outlives the store."""
