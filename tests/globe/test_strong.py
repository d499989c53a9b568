"""Tables of multi-Region strong consistency under drawn faults: every history is linearizable, nothing is lost.

ANTIPODES_SEEDS says how many storms (150): `ANTIPODES_SEEDS=5000 pytest tests/globe/test_strong.py`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from antipodes.gameday.strong import Outcome, Plan, StrongStorm
from antipodes.globe.remote import RemoteGlobe
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.replica.journal import lead
from antipodes.world.simulated import TaskFailed
from tests.planet.planets import running

REGIONS = ("us-east-1", "us-east-2", "us-west-2")
SEEDS = int(os.environ.get("ANTIPODES_SEEDS", "150"))
BATCH = 15


def one_storm(seed: int) -> tuple[Outcome, str]:
    async def storm(globe: SimulatedGlobe) -> Outcome:
        return await StrongStorm(globe, Plan(seed, lasts_s=4.0)).run()

    found, run = simulate_globe(seed, REGIONS, storm)
    return found, run.digest


def problems(found: Outcome) -> list[str]:
    said = [str(wrong) for wrong in found.wrong]
    said += [] if found.equal else ["replicas differ"]
    return said + ([] if found.streams_equal else ["streams differ"])


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_history_is_linearizable_under_drawn_faults(first: int) -> None:
    for seed in range(first, min(first + BATCH, SEEDS)):
        found, _ = one_storm(seed)
        assert found.done > 10, f"seed {seed}: {found}"
        assert not problems(found), f"seed {seed}:\n" + "\n".join(problems(found))


def test_a_storm_repeats_from_its_seed() -> None:
    assert one_storm(3)[1] == one_storm(3)[1] != one_storm(4)[1]


def goes_wrong(seed: int) -> bool:
    try:
        return bool(problems(one_storm(seed)[0]))
    except (TimeoutError, TaskFailed):  # the table never came back, or an invariant broke
        return True


@pytest.mark.timeout(400)
def test_a_quorum_of_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bugs that the core alone can have are in tests/replica/journal: this one as clients see it."""
    monkeypatch.setattr(lead, "QUORUM", 1)
    assert any(goes_wrong(seed) for seed in range(40))


@pytest.mark.planet
@pytest.mark.xdist_group("strong")
@pytest.mark.timeout(240)
def test_every_history_is_linearizable_with_real_processes(tmp_path: Path) -> None:
    with running(tmp_path / "p", ",".join(REGIONS)) as planet:

        async def storm() -> Outcome:
            globe = RemoteGlobe(planet.planet)
            try:
                return await StrongStorm(globe, Plan(2, lasts_s=12.0, faults=5, witness=False)).run()
            finally:
                globe.close()

        found = asyncio.run(storm())
        assert found.done > 50
        assert not problems(found)
