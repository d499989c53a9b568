"""Ledger: carried rows of a service of which few change seldom: settings, and switches. Last writer wins by key.

Rules. One row a key, with the version that wrote it; a deletion leaves a tombstone. The greater version wins, so a
change may arrive twice, late or out of order. Who may originate changes is the owner's business. Row key in the store:
topic, slash, key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from antipodes.store.records import Change, Version
from antipodes.store.store import Store

Entry = tuple[str, bytes, bytes | None]  # topic, key, value; None: deleted
Watcher = Callable[[str, bytes, bytes | None, bytes | None], None]  # topic, key, value, value before


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What lies under a key."""

    version: Version
    value: bytes | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Row).decode


class Ledger:
    """Fulfils services.contract.Carried. held_at: the sites that hold all topics. `watcher` hears of every row that
    changes."""

    prefix = ""  # the owner's

    def __init__(
        self,
        store: Store,
        site: str,
        topics: Sequence[str],
        held_at: Sequence[str],
        watcher: Watcher | None = None,
    ) -> None:
        self._store = store
        self._site = site
        self._topics = tuple(topics)
        self._held_at = tuple(held_at)
        self._watcher = watcher

    # -- reading and writing here

    def get(self, topic: str, key: bytes) -> bytes | None:
        row = self._row(topic, key)
        return row.value if row else None

    def scan(self, topic: str, start: bytes = b"", end: bytes = b"\xff") -> Iterator[tuple[bytes, bytes]]:
        """Living rows with start <= key < end, in key order. Lazy: collect before writing."""
        base = _row_key(topic, b"")
        for key, data in self._store.range(base + start, base + end):
            value = _decode(data).value
            if value is not None:
                yield key[len(base) :], value

    def count(self, topic: str, prefix: bytes) -> int:
        """How many living rows have a key that begins so."""
        return sum(1 for _ in self.scan(topic, prefix, prefix + b"\xff"))

    def put(self, entries: Iterable[Entry], rows: Callable[[Version], list[tuple[bytes, bytes]]]) -> Version:
        """Writes entries as one commit with one version; `rows` gives the uncarried rows to write beside them."""
        version = self._store.stamp()
        changes = [Change(topic, key, version, value) for topic, key, value in entries]
        own = [(_row_key(one.topic, one.key), _encode(Row(version, one.value))) for one in changes]
        before = [self.get(one.topic, one.key) for one in changes] if self._watcher is not None else []
        self._store.write(own + rows(version), changes)
        if self._watcher is not None:
            for one, was in zip(changes, before, strict=True):
                self._watcher(one.topic, one.key, one.value, was)
        return version

    def version(self, topic: str, key: bytes) -> Version | None:
        """Who wrote what lies here, and when; None: nothing ever did."""
        row = self._row(topic, key)
        return row.version if row else None

    def holds(self, topic: str, key: bytes, version: Version) -> bool:
        """Whether this copy has the key at that version or a later one."""
        row = self._row(topic, key)
        return row is not None and row.version >= version

    # -- Carried

    def holders(self, topic: str) -> tuple[str, ...]:
        return self._held_at if topic in self._topics else ()

    def topics(self) -> tuple[str, ...]:
        return self._topics if self._site in self._held_at else ()

    def merge(self, topic: str, changes: Sequence[Change]) -> None:
        for change in changes:
            self._merge(topic, change)

    def _merge(self, topic: str, change: Change) -> None:
        self._store.seen(change.version)
        row = self._row(topic, change.key)
        if row is not None and row.version >= change.version:
            return
        rows = [(_row_key(topic, change.key), _encode(Row(change.version, change.value)))]
        self._store.write(rows, [change], patient=True)
        if self._watcher is not None:
            self._watcher(topic, change.key, change.value, row.value if row else None)

    def delivered(self, topic: str, site: str, lags: object) -> None:
        """Nobody asks."""

    def snapshot(self, topic: str, after: bytes, limit: int) -> list[Change]:
        base = _row_key(topic, b"")
        found: list[Change] = []
        start = base + after + b"\0" if after else base
        for key, data in self._store.range(start, base + b"\xff"):
            row = _decode(data)
            found.append(Change(topic, key[len(base) :], row.version, row.value))
            if len(found) == limit:
                break
        return found

    def _row(self, topic: str, key: bytes) -> Row | None:
        data = self._store.get(_row_key(topic, key))
        return None if data is None else _decode(data)


def _row_key(topic: str, key: bytes) -> bytes:
    return topic.encode() + b"/" + key
