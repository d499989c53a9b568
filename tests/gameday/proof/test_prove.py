"""`antipodes prove`: hundreds of seeds hold, a seed repeats itself, wrong calls are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from antipodes.cli.main import app
from antipodes.gameday.proof import experiment, laws
from antipodes.gameday.proof.simulated import prove
from antipodes.gameday.proof.strikes import KINDS, Kill
from antipodes.gameday.proof.workloads import WORKLOADS

SEEDS, BATCH = 500, 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize("first", range(1, SEEDS + 1, BATCH))
def test_every_law_holds_after_drawn_faults(first: int) -> None:
    for seed in range(first, first + BATCH):
        proved = prove(experiment.drawn(seed))
        assert not proved.breaches, f"antipodes prove --seed {seed}: {proved.breaches[:3]}"
        assert proved.acknowledged > 20, f"seed {seed} did next to nothing: {proved}"


def test_a_seed_repeats_itself_and_another_one_differs() -> None:
    one, again, other = (prove(experiment.drawn(seed)) for seed in (7, 7, 8))
    assert one == again
    assert one.digest != other.digest


def test_seeds_draw_every_workload_and_every_kind_of_fault() -> None:
    drawn = [experiment.drawn(seed) for seed in range(1, 201)]
    assert {one.workload for one in drawn} == set(WORKLOADS)
    struck = [strike.what for one in drawn for strike in one.strikes]
    assert len({type(what) for what in struck}) == 6
    kills = [what for what in struck if isinstance(what, Kill)]
    assert any(kill.after == kill.region for kill in kills), "after its own acknowledgement"
    assert any(kill.after != kill.region for kill in kills), "while another Region's write comes in"
    assert sum(KINDS.values()) == pytest.approx(1)
    assert {bool(one.log_entries) for one in drawn} == {True, False}


def test_the_command_tells_one_seed_and_tables_many(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    one = CliRunner().invoke(app, ["prove", "--seed", "3", "--trace", str(trace)])
    assert one.exit_code == 0, one.output
    assert "Every law holds" in one.output
    assert trace.read_text().count("\n") > 50
    many = CliRunner().invoke(app, ["prove", "--seeds", "2", "--jobs", "1", "--workload", "unique"])
    assert many.exit_code == 0, many.output
    assert "2 of 2 hold" in many.output


def test_a_breach_is_told_with_the_command_that_repeats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "equal", lambda planet: iter([f"breach {n}" for n in range(9)]))
    result = CliRunner().invoke(app, ["prove", "--seeds", "1", "--jobs", "1"])
    assert result.exit_code == 1
    assert "0 of 1 hold" in result.output
    assert "antipodes prove --seed 1\n" in result.output
    assert "and 4 more" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "1", "--seeds", "2"], "--seed plays one, --seeds many"),
        (["--seeds", "2", "--trace", "x"], "--trace writes one run's trace"),
        (["--workload", "bank"], "unknown workload 'bank'; known: register, counter, unique, transfer"),
    ],
)
def test_a_wrong_call_is_refused_in_one_sentence(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["prove", *arguments])
    assert result.exit_code == 2
    assert words in result.stderr
