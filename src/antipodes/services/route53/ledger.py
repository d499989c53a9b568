"""Ledger: Route 53's carried rows. The control plane writes it, the name server follows it.

Rules. One row a key, with the version that wrote it; a deletion leaves a tombstone. The greater version wins, so a
change may arrive twice, late or out of order. The home Region alone originates; the globe (the name server's site)
holds the other copy, from which a home Region that lost its disk gets everything back.

Topics: "route53/zones" (zones and their record sets), "route53/checks" (health checks), "route53/cidrs" (CIDR
collections), "route53/dnssec" (keys and signing of zones), "route53/querylogs" (whose questions are logged),
"route53/desk" (what only the control plane reads: tags, caller references that were used). Row key in the store: topic,
slash, key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from antipodes.services.contract import Lags
from antipodes.store.records import Change, Version
from antipodes.store.store import Store
from antipodes.world.world import GLOBE

ZONES, CHECKS, CIDRS, DESK = "route53/zones", "route53/checks", "route53/cidrs", "route53/desk"
DNSSEC, QUERY_LOGS = "route53/dnssec", "route53/querylogs"
TOPICS = (CHECKS, CIDRS, DESK, DNSSEC, QUERY_LOGS, ZONES)

Entry = tuple[str, bytes, bytes | None]  # topic, key, value; None: deleted
Watcher = Callable[[str, bytes, bytes | None, bytes | None], None]  # topic, key, value, value before


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What lies under a key."""

    version: Version
    value: bytes | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Row).decode


def home_of(regions: tuple[str, ...]) -> str:
    """The Region of the control plane: us-east-1, as on AWS; on a planet without it, the first one."""
    return "us-east-1" if "us-east-1" in regions else regions[0]


class Ledger:
    """Fulfils services.contract.Carried. `watcher` hears of every row that changes."""

    prefix = "route53/"

    def __init__(self, store: Store, site: str, home: str, watcher: Watcher | None = None) -> None:
        self._store = store
        self._site = site
        self._home = home
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

    def holds(self, topic: str, key: bytes, version: Version) -> bool:
        """Whether this copy has the key at that version or a later one."""
        row = self._row(topic, key)
        return row is not None and row.version >= version

    # -- Carried

    def holders(self, topic: str) -> tuple[str, ...]:
        return (self._home, GLOBE) if topic in TOPICS else ()

    def topics(self) -> tuple[str, ...]:
        return TOPICS if self._site in (self._home, GLOBE) else ()

    def merge(self, topic: str, change: Change) -> None:
        self._store.seen(change.version)
        row = self._row(topic, change.key)
        if row is not None and row.version >= change.version:
            return
        self._store.write([(_row_key(topic, change.key), _encode(Row(change.version, change.value)))], [change])
        if self._watcher is not None:
            self._watcher(topic, change.key, change.value, row.value if row else None)

    def delivered(self, topic: str, site: str, lags: Lags) -> None:
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
