"""The smallest thing that can be replicated: last-writer-wins maps, one a topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from antipodes.replica.backbone import Backbone
from antipodes.replica.replicator import Replicator
from antipodes.services.contract import Lags
from antipodes.store.records import Change, Version
from antipodes.store.store import Store
from antipodes.world.world import World

PORT = 5566


class Cell(msgspec.Struct, frozen=True, array_like=True):
    version: Version
    value: bytes | None  # None: a tombstone


class Toy:
    """A service that is nothing but its topics. Fulfils Carried."""

    prefix = "toy/"

    def __init__(self, store: Store) -> None:
        self.store = store
        self.lags: list[tuple[str, str, Lags]] = []

    def _row(self, topic: str, key: bytes) -> bytes:
        return b"toy/cell/" + topic.encode() + b"\x00" + key

    def share(self, topic: str, sites: Iterable[str]) -> None:
        self.store.write([(b"toy/held/" + topic.encode(), ",".join(sites).encode())])

    def drop(self, topic: str) -> None:
        start = self._row(topic, b"")
        rows = [(key, None) for key, _ in self.store.range(start, start[:-1] + b"\x01")]
        self.store.write([(b"toy/held/" + topic.encode(), None), *rows])

    async def put(self, topic: str, key: bytes, value: bytes | None) -> Version:
        """Acknowledged when it returns."""
        version = self.store.stamp()
        change = Change(topic, key, version, value)
        self.store.write([(self._row(topic, key), msgspec.msgpack.encode(Cell(version, value)))], [change])
        await self.store.durable()
        return version

    def cells(self, topic: str, after: bytes = b"") -> list[tuple[bytes, Cell]]:
        """Everything, tombstones too."""
        start = self._row(topic, b"")
        rows = self.store.range(start + after, start[:-1] + b"\x01")
        return [(key[len(start) :], msgspec.msgpack.decode(value, type=Cell)) for key, value in rows]

    # Carried

    def holders(self, topic: str) -> tuple[str, ...]:
        found = self.store.get(b"toy/held/" + topic.encode())
        return () if found is None else tuple(found.decode().split(","))

    def topics(self) -> list[str]:
        start = b"toy/held/"
        return [key[len(start) :].decode() for key, _ in self.store.range(start, start + b"\xff")]

    def merge(self, topic: str, changes: Sequence[Change]) -> None:
        for change in changes:
            self.store.seen(change.version)
            self._merge(topic, change)

    def _merge(self, topic: str, change: Change) -> None:
        row = self._row(topic, change.key)
        found = self.store.get(row)
        if found is not None and msgspec.msgpack.decode(found, type=Cell).version >= change.version:
            return
        rows = [(row, msgspec.msgpack.encode(Cell(change.version, change.value)))]
        self.store.write(rows, [change], patient=True)

    def delivered(self, topic: str, site: str, lags: Lags) -> None:
        self.lags.append((topic, site, lags))

    def snapshot(self, topic: str, after: bytes, limit: int) -> list[Change]:
        return [
            Change(topic, key, cell.version, cell.value)
            for key, cell in self.cells(topic, after)
            if key > after or not after
        ][:limit]


class ToySite:
    """One life of a site: store, backbone, replicator."""

    def __init__(self, world: World, sites: Iterable[str], *, keep_entries: int = 1000, port: int = PORT) -> None:
        self.world = world
        self.store = Store.open(world, "toy")
        self.toy = Toy(self.store)
        self.backbone = Backbone(world, port, "secret")
        self.replicator = Replicator(
            world,
            self.store,
            {"toy": self.toy},
            [site for site in sites if site != world.site],
            backbone=self.backbone,
            address_of=lambda site: world.at(site).address,
            port=port,
            keep_entries=keep_entries,
            keep_at_least=0,
        )

    async def start(self) -> None:
        await self.backbone.start()
        self.replicator.start()

    async def stop(self) -> None:
        await self.replicator.stop()
        self.backbone.close()
        self.store.close()

    def share(self, topic: str, sites: Iterable[str]) -> None:
        self.toy.share(topic, sites)
        self.replicator.refresh()
