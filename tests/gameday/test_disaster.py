"""Disasters: drawn from a seed and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from antipodes.gameday.disaster import AFTER_S, LASTS_S, Disaster, draw, from_seed

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


def test_the_same_seed_means_the_same_disaster_in_every_process() -> None:
    program = (
        "from antipodes.gameday.disaster import from_seed\n"
        f"print([str(from_seed(seed, {REGIONS!r})) for seed in range(20)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs.pop().decode().strip() == str([str(from_seed(seed, REGIONS)) for seed in range(20)])


def test_seeds_cover_all_kinds_and_regions_but_destroy_nothing_unasked() -> None:
    drawn = [from_seed(seed, REGIONS) for seed in range(200)]
    assert {one.kind for one in drawn} == {"crash", "partition"}
    assert {one.region for one in drawn} == set(REGIONS)
    assert all(AFTER_S[0] <= one.after_s <= AFTER_S[1] and LASTS_S[0] <= one.lasts_s <= LASTS_S[1] for one in drawn)
    assert all(one.other != one.region for one in drawn)


def test_a_fixed_kind_leaves_the_rest_as_drawn() -> None:
    for seed in range(20):
        free, fixed = from_seed(seed, REGIONS), from_seed(seed, REGIONS, kind="destroy")
        assert fixed.destroys
        assert fixed.kills
        assert (fixed.region, fixed.after_s, fixed.lasts_s) == (free.region, free.after_s, free.lasts_s)


def test_draws_are_even_enough() -> None:
    values = [draw(seed, "x") for seed in range(2000)]
    assert 0.47 < sum(values) / len(values) < 0.53
    assert 0 <= min(values) < 0.01
    assert 0.99 < max(values) < 1


def test_a_single_region_cannot_be_parted() -> None:
    assert {from_seed(seed, ("us-east-1",)).kind for seed in range(20)} == {"crash"}
    with pytest.raises(ValueError, match="two Regions"):
        from_seed(1, ("us-east-1",), kind="partition")
    with pytest.raises(ValueError, match="needs a Region"):
        from_seed(1, ())


@pytest.mark.parametrize(
    ("kind", "other"), [("partition", None), ("crash", "eu-west-1"), ("partition", "us-east-1"), ("flood", None)]
)
def test_impossible_disasters_are_refused(kind: str, other: str | None) -> None:
    with pytest.raises(ValueError):
        Disaster(kind, "us-east-1", 1, 1, other)  # type: ignore[arg-type]


def test_a_crash_cuts_the_region_off_from_all_and_a_partition_both_ways() -> None:
    crash = Disaster("crash", "us-west-2", 1, 1)
    assert crash.cuts(REGIONS) == (("us-west-2", "us-east-1"), ("us-west-2", "eu-west-1"))
    parted = Disaster("partition", "us-west-2", 1, 1, "eu-west-1")
    assert parted.cuts(REGIONS) == (("us-west-2", "eu-west-1"), ("eu-west-1", "us-west-2"))
    assert str(parted) == "us-west-2 and eu-west-1 are parted after 1.0 s, for 1.0 s"
