"""`antipodes simulate` as a user runs it: a seed repeats byte for byte in any process, failures name their command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from antipodes.cli.simulate import play

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "globaldb"


def simulate(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "antipodes.cli.main", "simulate", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)


@pytest.mark.parametrize("seed", ["7", "12"])
def test_the_same_seed_gives_the_same_trace_and_verdict_whatever_the_hash_seed(tmp_path: Path, seed: str) -> None:
    runs = []
    for hash_seed in ("1", "2"):
        trace = tmp_path / f"trace-{hash_seed}"
        done = simulate(str(EXAMPLE), "--seed", seed, "--json", "--trace", str(trace), hash_seed=hash_seed)
        assert done.returncode == 0, done.stderr + done.stdout
        runs.append((trace.read_bytes(), done.stdout))
    assert len(runs[0][0]) > 1000
    assert runs[0] == runs[1]
    assert json.loads(runs[0][1])["holds"] is True


def test_a_run_leaves_nothing_behind_for_the_next_one_in_its_process() -> None:
    one, other, again = (play(seed, EXAMPLE, None) for seed in (5, 6, 5))
    assert one.ok, one.error
    assert one.digest
    assert one.digest != other.digest
    assert again == one


def test_many_seeds_make_a_table_and_all_hold() -> None:
    done = simulate(str(EXAMPLE), "--seeds", "6", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 verdicts hold" in done.stdout


def test_an_app_that_is_not_there_is_named() -> None:
    done = simulate("no/such/folder", "--seed", "1")
    assert done.returncode == 2
    assert "no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr
