"""What can be seen of global tables beyond AWS's API: replicas and their lag, conflicts, and rows to compare.

Operations that AWS does not have; the Region's admin door and other Regions may call them, the HTTP door does not know
them:
    ReplicaTables      the global tables of this Region: members, items, and of each other replica how far it is behind
    ReplicaConflicts   {"table"}: the conflicts written down here (conflicts.py)
    ReplicaRows        {"table", "after", "limit"}: a page of the items in key order, as digests; {"keys"}: those, whole
"""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from typing import Any

import msgspec

from antipodes.services.contract import Lags
from antipodes.services.dynamodb import rows, tombstones
from antipodes.services.dynamodb.database import Database, Table, not_found
from antipodes.services.dynamodb.describe import replica_status
from antipodes.services.dynamodb.replication import Replication, Waiting
from antipodes.wire.operation import Request, Result

LAGS_KEPT = 512
PAGE = 1000


class Inspection:
    """Answers about one Region's global tables."""

    def __init__(self, database: Database, replication: Replication) -> None:
        self._database = database
        self._replication = replication
        self._lags_ms: dict[tuple[str, str], deque[float]] = {}  # by topic and Region: of the newest deliveries

    def delivered(self, table: Table, site: str, lags: Lags) -> None:
        """Changes became durable in another replica."""
        kept = self._lags_ms.setdefault((table.topic, site), deque(maxlen=LAGS_KEPT))
        kept.append(lags.most_s * 1000.0)

    async def replica_tables(self, request: Request) -> Result:
        """Every table that is, or is becoming, a replica here."""
        database = self._database
        others = [region for region in database.surroundings.settings.regions if region != database.region]
        waiting = {region: await self._replication.waiting(region) for region in others}
        now, found = database.world.now(), []
        for name in sorted(database.tables):
            table = database.tables[name]
            if table.shared.members:
                found.append(
                    {
                        "table": name,
                        "status": table.description.status,
                        "items": table.items,
                        "tombstones": tombstones.count(database.store, table.description.space),
                        "members": {
                            region: replica_status(member)
                            for region, member in sorted(table.shared.members.items())
                            if member.state != "gone"
                        },
                        "to": {
                            region: self._lag(table, region, waiting.get(region, {}).get(table.topic), now)
                            for region in others
                            if region in table.shared.holders
                        },
                    }
                )
        return {"tables": found}

    def _lag(self, table: Table, region: str, waiting: Waiting | None, now: float) -> dict[str, Any]:
        """How far another replica is behind this one: changes, and the age of the oldest of them."""
        lags = sorted(self._lags_ms.get((table.topic, region), ()))
        return {
            "backlog": waiting.changes if waiting is not None else 0,
            "lag_ms": max(0.0, now - waiting.since_s) * 1000.0 if waiting is not None else 0.0,
            "p50_ms": lags[len(lags) // 2] if lags else None,
            "p99_ms": lags[len(lags) * 99 // 100] if lags else None,
        }

    async def replica_conflicts(self, request: Request) -> Result:
        """What this Region wrote down. Raises ResourceNotFoundException."""
        table = self._table(request)
        return {"conflicts": msgspec.to_builtins(table.conflicts(self._database.store).all())}

    async def replica_rows(self, request: Request) -> Result:
        """Items by stored key: digests of a page, or those that are named, whole. Raises ResourceNotFoundException."""
        table = self._table(request)
        await self._database.settle()
        keys = request.params.get("keys")
        if keys is not None:
            live = {key: self._database.live(table, bytes.fromhex(key)) for key in keys}
            return {"items": {key: _whole(row) for key, row in live.items() if row is not None}}
        start = table.rows_prefix + bytes.fromhex(request.params.get("after") or "")
        found: list[tuple[str, str]] = []
        for place, row in self._database.store.range(start, table.rows_end):
            key = place[len(table.rows_prefix) :].hex()
            if key != request.params.get("after") and not rows.is_tombstone(row):
                found.append((key, sha256(row).hexdigest()))
            if len(found) == PAGE:
                return {"rows": found, "more": True}
        return {"rows": found, "more": False}

    def _table(self, request: Request) -> Table:
        table = self._database.tables.get(request.params["table"])
        if table is None:
            raise not_found(f"Requested resource not found: Table: {request.params['table']} not found")
        return table


def _whole(row: bytes) -> dict[str, Any]:
    version = rows.version_of(row)
    return {"item": rows.item_of(row), "region": version.region, "at": version.seconds, "version": version.time}
