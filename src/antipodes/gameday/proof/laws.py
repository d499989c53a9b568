"""The laws: what must hold of the replicas' disks after all faults have ended, whatever happened before. Pure.

Each law is a function from evidence (and from what the clients were told) to sentences, one for each breach; none: it
holds. They use nothing but versions, ids of writes and bytes: the code under test is not asked for its opinion.

    equal        all replicas hold the same bytes for every item
    winners      each item is what the greatest (time, Region) among all writes to it left: last writer wins
    kept         an acknowledged write is in its Region's log, and wherever it is not the item, a later one is
    refused      a write that was refused is in no log
    forward      in a Region, what is read or written later is never of an earlier version
    seen         a write made after reading another one is the later version, though it came from a Region whose clock
                 is ahead: no Region loses for ever
    replayed     a Region's log replays without a gap: versions of an item rise, and each image before is what was there
    streamed     a Region's DynamoDB stream replays to exactly its table
    indexed      a replica's global index has what its table has
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antipodes.gameday.proof.evidence import KEY, Entry, Evidence, State, Version

Planet = Mapping[str, Evidence]  # by Region


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request of a workload and what its client was told. Times in seconds of one observer's clock."""

    region: str
    kind: str  # "write", "delete", "read"
    key: str
    id: str  # of a write; of a deletion the id of what was deleted, "" if nothing was; "" for a read
    started: float
    ended: float
    outcome: str  # "done"; "refused": it did not happen; "unknown": no answer, or a 5xx
    saw: str = ""  # the id that the client had read at this key before it wrote; for a read: what it found
    code: str = ""  # the error's code
    answer: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.id or self.saw or '-'} of {self.key} at {self.region} {self.started:.3f}"


def equal(planet: Planet) -> Iterator[str]:
    """A tombstone that one replica has forgotten already is no difference."""
    (first, base), *others = sorted(planet.items())
    for region, evidence in others:
        for key in sorted({**base.rows, **evidence.rows}):
            one, other = base.rows.get(key), evidence.rows.get(key)
            if _shown(one) != _shown(other):
                yield f"item {key!r} differs: {first} has {_told(one)}, {region} has {_told(other)}"


def winners(planet: Planet) -> Iterator[str]:
    latest = winners_of(planet)
    for region, evidence in sorted(planet.items()):
        for key in sorted({**latest, **evidence.rows}):
            entry, state = latest.get(key), evidence.rows.get(key)
            if entry is None:
                yield f"{region} has {_told(state)} at {key!r}, which nobody wrote"
            elif state is None:
                if entry.raw is not None:
                    yield f"{region} lacks {entry.write} of {entry.version}, the last write to {key!r}"
            elif state.version != entry.version or (entry.raw is not None and state.raw != entry.raw):
                last = f"{entry.write or 'a deletion'} of {entry.version}"
                yield f"{region} has {_told(state)} at {key!r}; the last writer is {last}"


def winners_of(planet: Planet) -> dict[bytes, Entry]:
    """By item: the entry with the greatest version in the log of the Region that wrote it."""
    latest: dict[bytes, Entry] = {}
    for evidence in planet.values():
        for entry in evidence.own:
            best = latest.get(entry.key)
            if best is None or entry.version > best.version:
                latest[entry.key] = entry
    return latest


class Ledger:
    """The Regions' own entries by what clients know of them."""

    def __init__(self, planet: Planet) -> None:
        self.written: dict[str, Entry] = {}  # by id of the write
        self.deleted: dict[tuple[str, str], Entry] = {}  # by Region and id of what was deleted
        for region, evidence in planet.items():
            for entry in evidence.own:
                if entry.write:
                    self.written[entry.write] = entry
                elif entry.item is None and entry.replaced:
                    self.deleted[region, entry.replaced] = entry

    def entry(self, attempt: Attempt) -> Entry | None:
        if attempt.kind == "delete":
            return self.deleted.get((attempt.region, attempt.id))
        return self.written.get(attempt.id)


def kept(planet: Planet, attempts: Sequence[Attempt]) -> Iterator[str]:
    ledger, latest = Ledger(planet), winners_of(planet)
    for attempt in attempts:
        if attempt.outcome != "done" or not attempt.id:
            continue
        entry = ledger.entry(attempt)
        if entry is None:
            yield f"{attempt} was acknowledged and is in no log"
            continue
        deleted = latest[entry.key].raw is None  # then nothing may be there: its tombstone may be forgotten
        for region, evidence in sorted(planet.items()):
            state = evidence.rows.get(entry.key)
            if (state is None and not deleted) or (state is not None and state.version < entry.version):
                yield f"{attempt} was acknowledged, and {region} has neither it nor a later one but {_told(state)}"


def refused(planet: Planet, attempts: Sequence[Attempt]) -> Iterator[str]:
    ledger = Ledger(planet)
    for attempt in attempts:
        if attempt.outcome == "refused" and attempt.id and attempt.kind == "write" and ledger.entry(attempt):
            yield f"{attempt} was refused ({attempt.code}) and happened all the same"


def forward(planet: Planet, attempts: Sequence[Attempt]) -> Iterator[str]:
    """Sweeps each (Region, item): what ended before something began has a version that is not above it."""
    ledger = Ledger(planet)
    seen: dict[tuple[str, str], list[tuple[Attempt, Version]]] = {}
    for attempt in attempts:
        entry = ledger.written.get(attempt.saw) if attempt.kind == "read" else ledger.entry(attempt)
        if attempt.outcome == "done" and entry is not None:
            seen.setdefault((attempt.region, attempt.key), []).append((attempt, entry.version))
    for observed in seen.values():
        by_end = sorted(observed, key=lambda one: one[0].ended)
        at, greatest, whose = 0, (0, ""), observed[0][0]
        for attempt, version in sorted(observed, key=lambda one: one[0].started):
            while at < len(by_end) and by_end[at][0].ended <= attempt.started and by_end[at][0] is not attempt:
                if by_end[at][1] > greatest:
                    whose, greatest = by_end[at]
                at += 1
            if version < greatest or (version == greatest and attempt.kind != "read"):
                yield f"{attempt} has {version}, but before it came {whose} of {greatest}"


def seen(planet: Planet, attempts: Sequence[Attempt]) -> Iterator[str]:
    ledger = Ledger(planet)
    for attempt in attempts:
        if attempt.kind == "write" and attempt.saw:
            entry, before = ledger.entry(attempt), ledger.written.get(attempt.saw)
            if entry is not None and before is not None and entry.version <= before.version:
                yield f"{attempt} has {entry.version}, not after {attempt.saw} of {before.version}, which it had read"


def replayed(planet: Planet) -> Iterator[str]:
    """A deletion may be taken twice: its tombstone is forgotten once all have it, and a copy may bring it again."""
    for region, evidence in sorted(planet.items()):
        state: dict[bytes, Entry] = {}
        for entry in evidence.log:
            before = state.get(entry.key)
            again = before is not None and entry.version == before.version and entry.item is before.item is None
            if before is not None and entry.version <= before.version and not again:
                yield f"{region}'s log has {entry.version} of {entry.key!r} at {entry.position} after {before.version}"
            if (before.item if before is not None else None) != entry.before:
                yield f"{region}'s log has at {entry.position} another image before than was there at {entry.key!r}"
            state[entry.key] = entry
        for key in sorted({**state, **evidence.rows}):
            last, row = state.get(key), evidence.rows.get(key)
            if _shown_entry(last) != _shown(row):
                yield f"{region}'s log replays to something else than its table has at {key!r}"


def streamed(planet: Planet, streams: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """streams: Region -> the records of its stream, in order, as GetRecords gives them."""
    for region, records in sorted(streams.items()):
        items: dict[str, Any] = {}
        for record in records:
            told, name = record["dynamodb"], record["eventName"]
            key, old, new = told["Keys"][KEY]["S"], told.get("OldImage"), told.get("NewImage")
            if items.get(key) != old or (name == "INSERT") != (old is None) or (name == "REMOVE") != (new is None):
                yield f"{region}'s stream: {name} of {key} does not follow from what came before"
            if new is None:
                items.pop(key, None)
            else:
                items[key] = new
        rows = planet[region].rows.values()
        held = {state.item[KEY]["S"]: state.item for state in rows if state.item is not None}
        if items != held:
            differing = sorted(key for key in {**items, **held} if items.get(key) != held.get(key))
            yield f"{region}'s stream replays to another table than it has; items {', '.join(differing)} differ"


def indexed(planet: Planet, indexes: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """indexes: Region -> what its index over all items has."""
    for region, found in sorted(indexes.items()):
        held = sorted(str(one.item[KEY]["S"]) for one in planet[region].rows.values() if one.item is not None)
        if sorted(item[KEY]["S"] for item in found) != held:
            yield f"{region}'s index has {len(found)} items, and its table {len(held)}"
        items = {one.item[KEY]["S"]: one.item for one in planet[region].rows.values() if one.item is not None}
        for item in found:
            if items.get(item[KEY]["S"]) != item:
                yield f"{region}'s index has another {item[KEY]['S']} than its table"


def _shown(state: State | None) -> bytes | None:
    return None if state is None or state.item is None else state.raw


def _shown_entry(entry: Entry | None) -> bytes | None:
    return None if entry is None else entry.raw


def _told(state: State | None) -> str:
    if state is None:
        return "nothing"
    return f"{state.write or 'a deletion'} of {state.version}"
