"""Regions killed at random moments under writes: no acknowledged write is missing anywhere, all replicas are equal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from antipodes.gameday.audit import Audit
from antipodes.gameday.storm import Storm, StormPlan
from antipodes.globe.remote import RemoteGlobe
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.services.dynamodb import rows
from antipodes.store.engine import StoreError
from antipodes.store.records import Version
from antipodes.store.store import Store
from tests.planet.planets import running

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
SEEDS = 40  # gameday/proof plays hundreds more, and judges harder
BATCH = 20


def check(found: Audit, seed: int) -> None:
    said = f"seed {seed}: {found}"
    assert found.acknowledged > 50, said
    assert found.lost == 0, said
    assert found.partial == 0, said
    assert found.replicas_equal, said


def one_storm(seed: int) -> tuple[Audit, str]:
    async def storm(globe: SimulatedGlobe) -> Audit:
        return await Storm(globe, StormPlan(seed)).run()

    found, run = simulate_globe(seed, REGIONS, storm)
    return found, run.digest


@pytest.mark.timeout(240)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_acknowledged_write_is_lost_in_simulated_storms(first: int) -> None:
    for seed in range(first, first + BATCH):
        check(one_storm(seed)[0], seed)


def test_a_storm_repeats_from_its_seed() -> None:
    assert one_storm(3) == one_storm(3)
    assert one_storm(3)[1] != one_storm(4)[1]


def found_wrong(seeds: range) -> int:
    """How many of the seeds find something wrong."""
    wrong = 0
    for seed in seeds:
        try:
            found, _ = one_storm(seed)
        except TimeoutError:  # replicas never became equal
            wrong += 1
        else:
            wrong += found.lost > 0 or found.partial > 0 or not found.replicas_equal
    return wrong


def test_a_store_that_acknowledges_before_its_sync_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: Store) -> None: ...

    def told_at_once(_: Store, done: Callable[[StoreError | None], None]) -> None:
        done(None)

    monkeypatch.setattr(Store, "durable", at_once)
    monkeypatch.setattr(Store, "when_durable", told_at_once)
    assert found_wrong(range(12)) > 0


def test_a_merge_where_the_last_to_arrive_wins_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "version_of", lambda row: Version(0, ""))
    assert found_wrong(range(6)) > 0


@pytest.mark.planet
@pytest.mark.timeout(180)
def test_no_acknowledged_write_is_lost_when_processes_are_killed(tmp_path: Path) -> None:
    with running(tmp_path / "p") as planet:

        async def storm() -> Audit:
            globe = RemoteGlobe(planet.planet)
            try:
                plan = StormPlan(seed=1, lasts_s=15.0, faults=8, pause_s=0.004)
                return await Storm(globe, plan).run()
            finally:
                globe.close()

        check(asyncio.run(storm()), 1)
