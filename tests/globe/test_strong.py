"""Tables of multi-Region strong consistency under drawn faults: every history is linearizable, nothing is lost.

ANTIPODES_SEEDS says how many storms (150): `ANTIPODES_SEEDS=5000 pytest tests/globe/test_strong.py`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from antipodes.cli.prove import play
from antipodes.gameday.strong import TABLE, Outcome, Plan, StrongStorm
from antipodes.globe.remote import RemoteGlobe
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.replica.journal import lead
from antipodes.services.dynamodb.database import Database, Table
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.world.simulated import TaskFailed
from antipodes.world.world import HERE
from tests.planet.planets import running

REGIONS = ("us-east-1", "us-east-2", "us-west-2")
BATCH = 15
SEEDS = max(int(os.environ.get("ANTIPODES_SEEDS", "150")), BATCH)


def one_storm(seed: int, **options: str) -> tuple[Outcome, str]:
    async def storm(globe: SimulatedGlobe) -> Outcome:
        found = await StrongStorm(globe, Plan(seed, lasts_s=4.0)).run()
        await globe.world(HERE).sleep(1.0)
        while not equal_rows(globe) and globe.world(HERE).monotonic() < 120:  # one that lost its disk is told again
            await globe.world(HERE).sleep(1.0)
        assert equal_rows(globe), f"seed {seed}: the rows of the members differ"
        return found

    found, run = simulate_globe(seed, REGIONS, storm, options=options)
    return found, run.digest


def strong_table(globe: SimulatedGlobe, region: str) -> tuple[Database, Table] | None:
    """A member's copy, the witness's hidden one too; None: it has none (now)."""
    dynamodb = globe._up[region].services["dynamodb"]
    assert isinstance(dynamodb, DynamoDB)
    hidden = iter(dynamodb.replicas.strong.hidden.values())
    table = dynamodb.database.tables.get(TABLE) or next(hidden, None)
    return None if table is None else (dynamodb.database, table)


def equal_rows(globe: SimulatedGlobe) -> bool:
    """Whether all three members, a witness too, hold the same rows, byte for byte."""
    copies = []
    for region in REGIONS:
        found = strong_table(globe, region)
        if found is None:
            return False
        database, table = found
        prefix = len(table.rows_prefix)
        copies.append([(key[prefix:], row) for key, row in database.store.range(table.rows_prefix, table.rows_end)])
    return all(copy == copies[0] for copy in copies)


def problems(found: Outcome) -> list[str]:
    said = [str(wrong) for wrong in found.wrong]
    said += [] if found.equal else ["replicas differ"]
    return said + ([] if found.streams_equal else ["streams differ"])


@pytest.mark.timeout(400)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_history_is_linearizable_under_drawn_faults(first: int) -> None:
    done = 0
    for seed in range(first, min(first + BATCH, SEEDS)):
        found, _ = one_storm(seed)
        assert not problems(found), f"seed {seed}:\n" + "\n".join(problems(found))
        done += found.done
    assert done > 20 * BATCH


@pytest.mark.timeout(400)
def test_members_that_fall_behind_copy_the_state() -> None:
    """Eight entries are kept, so whoever was away copies. Its stream then lacks what it was away for."""
    for seed in range(SEEDS // 10):
        found, _ = one_storm(seed, **{"replica.journal_entries": "8"})
        assert not found.wrong, f"seed {seed}:\n" + "\n".join(map(str, found.wrong))
        assert found.equal, f"seed {seed}: replicas differ"


def test_a_storm_repeats_from_its_seed() -> None:
    assert one_storm(3)[1] == one_storm(3)[1] != one_storm(4)[1]


def goes_wrong(seed: int) -> bool:
    try:
        return bool(problems(one_storm(seed)[0]))
    except (TimeoutError, TaskFailed, AssertionError):  # it never came back, members differ, an invariant broke
        return True


@pytest.mark.timeout(400)
def test_a_quorum_of_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bugs that the core alone can have are in tests/replica/journal: this one as clients see it."""
    monkeypatch.setattr(lead, "QUORUM", 1)
    assert any(goes_wrong(seed) for seed in range(40))


def test_antipodes_prove_plays_it_too() -> None:
    outcome = play(3, "strong")
    assert outcome.ok
    assert outcome.proved is not None
    assert outcome.proved.acknowledged > 20
    assert outcome.proved == play(3, "strong").proved


@pytest.mark.planet
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
