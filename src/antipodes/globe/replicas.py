"""A planet's global tables as a whole: what each Region says of them, put together.

Reads only, through each Region's admin door (`Asking.inspect`). A Region that does not answer is named, never taken for
an empty one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from antipodes.services.dynamodb.conflicts import Conflict, Write, together
from antipodes.world.world import World

__all__ = ["Comparison", "Conflict", "Difference", "GlobalTable", "Pair", "Write", "compare", "conflicts", "tables"]

LOOK_AGAIN_S = 0.5
MOST_DIFFERENCES = 1000
KEYS_AT_ONCE = 200


class Asking(Protocol):
    """A planet whose Regions can be asked."""

    regions: tuple[str, ...]

    async def inspect(self, region: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None: ...


class Pair(msgspec.Struct, frozen=True):
    """How far one replica is behind another. lag_ms: the age of the oldest change that has not arrived; 0: none."""

    source: str
    target: str
    backlog: int
    lag_ms: float
    p50_ms: float | None
    p99_ms: float | None


class GlobalTable(msgspec.Struct, frozen=True):
    """A global table. replicas: ReplicaStatus by Region ("DOWN": the Region does not answer); items by Region, and
    tombstones: deletions that are kept for replicas which have not seen them."""

    name: str
    replicas: dict[str, str]
    items: dict[str, int]
    tombstones: dict[str, int]
    pairs: tuple[Pair, ...]


class Difference(msgspec.Struct, frozen=True):
    """An item that is not the same everywhere: what each Region holds (None: it has none). moving: it was written while
    we looked."""

    key: str
    held: dict[str, Any]
    moving: bool


class Comparison(msgspec.Struct, frozen=True):
    """Replicas compared item by item."""

    table: str
    compared: tuple[str, ...]
    unreachable: tuple[str, ...]
    items: int
    differences: tuple[Difference, ...]
    more: bool = False  # there are more differences than these

    @property
    def equal(self) -> bool:
        return not self.differences and not self.unreachable


async def tables(planet: Asking) -> list[GlobalTable]:
    """All global tables, by name."""
    told = {region: await planet.inspect(region, "ReplicaTables", {}) for region in planet.regions}
    by_name: dict[str, dict[str, Mapping[str, Any]]] = {}
    for region, answer in told.items():
        for one in answer["tables"] if answer is not None else ():
            by_name.setdefault(one["table"], {})[region] = one
    found = []
    for name in sorted(by_name):
        views = by_name[name]
        statuses: dict[str, str] = {}
        for view in views.values():
            statuses |= {region: status for region, status in view["members"].items() if region not in views}
        for region, view in views.items():
            statuses[region] = view["members"].get(region, view["status"])
        statuses |= {region: "DOWN" for region in statuses if told.get(region) is None}
        pairs = [Pair(region, other, **lag) for region, view in views.items() for other, lag in view["to"].items()]
        items = {region: view["items"] for region, view in views.items()}
        tombstones = {region: view["tombstones"] for region, view in views.items()}
        found.append(GlobalTable(name, dict(sorted(statuses.items())), items, tombstones, tuple(pairs)))
    return found


async def conflicts(planet: Asking, table: str) -> tuple[list[Conflict], list[str]]:
    """(the conflicts of a table, oldest first; Regions that do not answer). Raises ValueError: nobody has the table."""
    records: list[Conflict] = []
    silent, unknown = [], ""
    for region in planet.regions:
        try:
            answer = await planet.inspect(region, "ReplicaConflicts", {"table": table})
        except ValueError as refusal:
            unknown = str(refusal)
            continue
        if answer is None:
            silent.append(region)
        else:
            records += msgspec.convert(answer["conflicts"], list[Conflict])
            unknown = "-"
    if unknown not in {"", "-"} and not records:
        holders = [one for one in await tables(planet) if one.name == table]
        if not holders:
            raise ValueError(unknown)
    return together(records), silent


async def compare(planet: Asking, world: World, table: str, wait_s: float) -> Comparison:
    """Compares the replicas of a table by key, version and content. What differs is looked at again until it is the
    same or `wait_s` have passed: a change may be under way. Raises ValueError: there is no such global table."""
    known = next((one for one in await tables(planet) if one.name == table), None)
    if known is None:
        raise ValueError(f"There is no global table {table}.")
    silent = tuple(region for region, status in known.replicas.items() if status == "DOWN")
    # One that is being deleted answers no client any more, and may be gone before it is read to its end.
    holders = [region for region in known.items if known.replicas[region] != "DELETING"]
    readers = {region: _Reader(planet, region, table) for region in holders}
    items, keys = 0, []
    while True:
        heads = {region: await reader.head() for region, reader in readers.items()}
        first = min((head[0] for head in heads.values() if head is not None), default=None)
        if first is None:
            break
        items += 1
        digests = []
        for region, head in heads.items():
            digests.append(head[1] if head is not None and head[0] == first else "")
            if head is not None and head[0] == first:
                readers[region].step()
        if any(digest != digests[0] for digest in digests):
            keys.append(first)
            if len(keys) > MOST_DIFFERENCES:
                break
    compared = tuple(readers)
    more = len(keys) > MOST_DIFFERENCES
    found, gone = await _looked_again(planet, world, table, compared, keys[:MOST_DIFFERENCES], wait_s)
    return Comparison(table, compared, silent, items - gone, tuple(found), more and bool(found))


async def _looked_again(
    planet: Asking, world: World, table: str, regions: Sequence[str], keys: list[str], wait_s: float
) -> tuple[list[Difference], int]:
    """(what differs after a while, how many items of these nobody has any more)."""
    deadline, before, gone = world.monotonic() + wait_s, dict[str, dict[str, Any]](), 0
    while True:
        held = await _held(planet, table, regions, keys)
        gone += sum(not any(held[key].values()) for key in keys)
        keys = [key for key in keys if any(held[key][region] != held[key][regions[0]] for region in regions)]
        if not keys or world.monotonic() >= deadline:
            found = [Difference(key, held[key], moving=key in before and before[key] != held[key]) for key in keys]
            return found, gone
        before = held
        await world.sleep(LOOK_AGAIN_S)


async def _held(planet: Asking, table: str, regions: Sequence[str], keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By key and Region: the item with its version, or None."""
    found: dict[str, dict[str, Any]] = {key: dict.fromkeys(regions) for key in keys}
    for region in regions:
        for start in range(0, len(keys), KEYS_AT_ONCE):
            params = {"table": table, "keys": list(keys[start : start + KEYS_AT_ONCE])}
            answer = await planet.inspect(region, "ReplicaRows", params)
            for key, item in answer["items"].items() if answer is not None else ():
                found[key][region] = item
    return found


class _Reader:
    """One replica's items in key order, page by page."""

    def __init__(self, planet: Asking, region: str, table: str) -> None:
        self._planet = planet
        self._region = region
        self._table = table
        self._page: Sequence[tuple[str, str]] = ()
        self._at = 0
        self._after = ""
        self._more = True

    async def head(self) -> tuple[str, str] | None:
        """(key, digest) of the item where it stands; None: no more. Raises ValueError: the Region stopped answering."""
        while self._at == len(self._page) and self._more:
            params = {"table": self._table, "after": self._after}
            answer = await self._planet.inspect(self._region, "ReplicaRows", params)
            if answer is None:
                raise ValueError(f"{self._region} stopped answering.")
            self._page, self._more, self._at = answer["rows"], answer["more"], 0
            if self._page:
                self._after = self._page[-1][0]
        return self._page[self._at] if self._at < len(self._page) else None

    def step(self) -> None:
        self._at += 1
