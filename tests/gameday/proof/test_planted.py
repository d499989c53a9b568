"""A bug planted is a bug found: classic mistakes of replication, put into the code, and the seeds that catch them.

Each mistake is played with the workload that it hurts. What is demanded is that a handful of seeds finds it; how many
of them do is printed (`pytest -rP`), and a mistake that few find says where the proof is thin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import orjson
import pytest

from antipodes.gameday.disaster import draw
from antipodes.gameday.proof.experiment import Experiment, drawn
from antipodes.gameday.proof.simulated import prove
from antipodes.gameday.proof.strikes import Kill, Strike
from antipodes.replica.follower import Cursor, Follower, Session
from antipodes.replica.messages import Batch
from antipodes.services.dynamodb import rows
from antipodes.services.dynamodb.database import Database, Table
from antipodes.store.clock import HybridClock
from antipodes.store.records import COUNTER_BITS, Change, Version
from antipodes.store.store import Store
from antipodes.world.geography import round_trip_ms
from antipodes.world.rules import Skewed

Plant = Callable[[pytest.MonkeyPatch], None]
SEEDS = 8


def merging(instead: Callable[[Database, Table, Change, bytes | None], Change | None]) -> Plant:
    """A merge that first makes another change of what came, given the row that is there; None: takes nothing."""
    right = Database.merge

    def wrong(self: Database, table: Table, changes: Sequence[Change]) -> None:
        for change in changes:
            made = instead(self, table, change, self.row(table, change.key))
            if made is not None:
                right(self, table, [made])

    return lambda patch: patch.setattr(Database, "merge", wrong)


def by_attribute(_: Database, table: Table, change: Change, old: bytes | None) -> Change:
    """Both items' attributes are kept, where the later write has not the same ones."""
    if old is None or change.value is None or rows.is_tombstone(old):
        return change
    mine, theirs = rows.item_of(old), rows.item_of(change.value)
    both = {**mine, **theirs} if rows.version_of(old) < change.version else {**theirs, **mine}
    row = rows.item_row(change.version, rows.size_of(change.value), orjson.dumps(both), rows.past_of(change.value))
    return msgspec.structs.replace(change, value=row)


def ties_by_arrival(_: Database, table: Table, change: Change, old: bytes | None) -> Change | None:
    """Of two writes of one time the first to arrive stays."""
    return None if old is not None and rows.version_of(old).time == change.version.time else change


def forgotten_tombstone(database: Database, table: Table, change: Change, old: bytes | None) -> Change:
    """A tombstone is dropped before every replica has passed it: a late write brings the item back."""
    if old is not None and rows.is_tombstone(old) and rows.version_of(old) > change.version:
        database.store.write([(table.rows_prefix + change.key, None)])
    return change


def last_arrival(patch: pytest.MonkeyPatch) -> None:
    """Whatever comes last stays."""
    patch.setattr(rows, "version_of", lambda row: Version(0, ""))


def cursor_first(patch: pytest.MonkeyPatch) -> None:
    """The cursor is durable before the changes that it covers."""
    right = Follower._take

    async def wrong(self: Follower, session: Session, batch: Batch) -> None:
        if batch.upto != self._cursor.position:
            self._save_cursor(Cursor(self._cursor.incarnation, batch.upto))
            await self._store.durable()
        await right(self, session, batch)

    patch.setattr(Follower, "_take", wrong)


def no_sync(patch: pytest.MonkeyPatch) -> None:
    """Writes are acknowledged before they are on disk."""

    async def at_once(self: Store) -> None: ...

    patch.setattr(Store, "durable", at_once)


def wall_clock(patch: pytest.MonkeyPatch) -> None:
    """Versions are wall-clock time: a Region whose clock is behind loses against what it has seen and replaced."""

    def wrong(self: HybridClock, now_us: int, region: str) -> Version:
        self.last = now_us << COUNTER_BITS
        return Version(self.last, region)

    patch.setattr(HybridClock, "next", wrong)


def killed_at_arrivals(seed: int) -> Experiment:
    """No drawn faults: one Region dies again and again, while a write from elsewhere is taken in."""
    plain = drawn(seed, "register")
    victim, source, _ = plain.regions
    way_s, sync_s = round_trip_ms(victim, source) / 2e3, 0.03
    strikes = tuple(
        Strike(1.0 + 1.2 * n, 0.3, Kill(victim, source, way_s + 1.5 * sync_s * draw(seed, f"late {n}")))
        for n in range(7)
    )
    return msgspec.structs.replace(plain, strikes=strikes, sync_s=sync_s, log_entries=0)


def with_wrong_clocks(seed: int) -> Experiment:
    """No drawn faults: one clock runs ahead and is set right again, another one falls behind."""
    plain = drawn(seed, "register")
    ahead, behind, _ = plain.regions
    strikes = (Strike(1.0, 3.0, Skewed(ahead, 20.0)), Strike(3.0, 5.0, Skewed(behind, -15.0)))
    return msgspec.structs.replace(plain, strikes=strikes, log_entries=0)


def playing(workload: str) -> Callable[[int], Experiment]:
    return lambda seed: drawn(seed, workload)


MISTAKES: dict[str, tuple[Callable[[int], Experiment], Plant]] = {
    "merge by attribute": (playing("register"), merging(by_attribute)),
    "ties by arrival": (playing("register"), merging(ties_by_arrival)),
    "the last to arrive wins": (playing("rebirth"), last_arrival),
    "tombstone dropped early": (playing("rebirth"), merging(forgotten_tombstone)),
    "cursor advanced before commit": (killed_at_arrivals, cursor_first),
    "acknowledged before fsync": (playing("transfer"), no_sync),
    "versions by wall clock": (with_wrong_clocks, wall_clock),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, plant = MISTAKES[mistake]
    plant(monkeypatch)
    all_proved = [prove(experiment(seed)) for seed in range(1, SEEDS + 1)]
    caught = {proved.experiment.seed: proved.breaches[0] for proved in all_proved if proved.breaches}
    print(f"{mistake}: caught by {len(caught)} of {SEEDS} seeds; {next(iter(caught.items()), 'never')}")
    assert caught


def test_the_experiments_that_are_written_down_here_hold_without_a_mistake() -> None:
    for seed in (1, 2):
        assert not prove(killed_at_arrivals(seed)).breaches
        assert not prove(with_wrong_clocks(seed)).breaches
