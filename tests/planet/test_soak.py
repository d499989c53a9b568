"""`antipodes soak`, one short round: the laws hold on processes that are killed, over real sockets, on real disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from antipodes.cli import soak
from antipodes.gameday.proof import experiment
from antipodes.gameday.proof.strikes import Kill, Strike
from antipodes.world.rules import Full, Partition, Skewed


@pytest.mark.planet
@pytest.mark.timeout(240)
def test_the_laws_hold_when_processes_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(seed: int, regions: tuple[str, ...], lasts_s: float, sync_s: float) -> tuple[Strike, ...]:
        one, two, three = regions
        return (
            Strike(0.5, 6.0, Skewed(two, -20.0)),
            Strike(1.0, 1.0, Kill(one, one)),
            Strike(2.0, 2.0, Partition(two, three)),
            Strike(2.5, 1.0, Kill(two, two)),
            Strike(5.0, 1.0, Full(three)),
        )

    monkeypatch.setattr(experiment, "drawn_strikes", drawn)
    outcome = soak.play(1, "register", 8.0, tmp_path / "planet")
    assert outcome.ok, outcome.because
    assert outcome.proved is not None
    assert outcome.proved.acknowledged > 50
    assert outcome.proved.overwritten > 0
