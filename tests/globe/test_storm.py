"""Regions killed at random moments under writes: no acknowledged write is missing anywhere, all replicas are equal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from antipodes.gameday.audit import Audit
from antipodes.gameday.storm import Storm, StormPlan
from antipodes.globe.remote import RemoteGlobe
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from tests.planet.planets import running

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
SEEDS = 200
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


@pytest.mark.planet
@pytest.mark.timeout(180)
@pytest.mark.xdist_group("storm")
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
