"""What the replicator is told of DynamoDB: the items of global tables, merged by last writer wins on the whole item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from antipodes.services.contract import Lags
from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Database, Table
from antipodes.store.records import Change


class CarriedItems:
    """Fulfils services.contract.Carried. A topic is a table; a key is an item's key; a value is an item's row."""

    prefix = "dynamodb/"

    def __init__(self, database: Database, on_delivered: Callable[[Table, str, Lags], None]) -> None:
        self._database = database
        self._on_delivered = on_delivered

    def holders(self, topic: str) -> tuple[str, ...]:
        """The Regions that must hold the table; () if this Region has it no longer, or never had it."""
        table = self._database.by_topic.get(topic)
        if table is None:
            return ()
        shared = table.shared
        if table.description.status == "DELETING":
            mine = shared.members.get(self._database.region)
            return shared.carriers if mine is not None and mine.state in {"leaving", "joining"} else ()
        return shared.carriers or (self._database.region,)

    def topics(self) -> Iterable[str]:
        """Tables of which other Regions hold a copy."""
        return [topic for topic in sorted(self._database.by_topic) if len(self.holders(topic)) > 1]

    def merge(self, topic: str, changes: Sequence[Change]) -> None:
        """Takes changes from another Region; those for a table that is not here (any more) are dropped."""
        table = self._database.by_topic.get(topic)
        if table is not None and table.description.status != "DELETING":
            self._database.merge(table, changes)

    def snapshot(self, topic: str, after: bytes, limit: int) -> list[Change]:
        """Up to `limit` items (tombstones too) with key > after, in key order."""
        table = self._database.by_topic.get(topic)
        if table is None:
            return []
        prefix = table.rows_prefix
        start = prefix + after + b"\x00" if after else prefix
        found: list[Change] = []
        for key, row in self._database.store.range(start, table.rows_end):
            value = None if rows.is_tombstone(row) else row
            note = rows.past_of(row) if value is None else b""
            found.append(Change(topic, key[len(prefix) :], rows.version_of(row), value, note=note))
            if len(found) == limit:
                break
        return found

    def delivered(self, topic: str, site: str, lags: Lags) -> None:
        """Changes of this Region's are durable in another replica."""
        table = self._database.by_topic.get(topic)
        if table is not None:
            self._on_delivered(table, site, lags)
