"""`antipodes simulate` as a user runs it: a seed repeats byte for byte in any process, failures name their command."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from antipodes.cli.simulate import play

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "globaldb"


COMMAND = ("-m", "antipodes.cli.main")
AS_IT_IS = ("-c", "from antipodes.cli.main import app; app()")  # the same, but it keeps the hash seed it was given


def simulate(*arguments: str, hash_seed: str = "0", by: tuple[str, ...] = COMMAND) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *by, "simulate", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)


@pytest.mark.parametrize("seed", ["7", "12"])
def test_the_same_seed_gives_the_same_trace_and_verdict_whatever_the_hash_seed(tmp_path: Path, seed: str) -> None:
    runs = []
    for hash_seed in ("1", "2"):
        trace = tmp_path / f"trace-{hash_seed}"
        options = ("--seed", seed, "--json", "--trace", str(trace))
        done = simulate(str(EXAMPLE), *options, hash_seed=hash_seed, by=AS_IT_IS)
        assert done.returncode == 0, done.stderr + done.stdout
        runs.append((trace.read_bytes(), done.stdout))
    assert len(runs[0][0]) > 1000
    assert runs[0] == runs[1]
    assert json.loads(runs[0][1])["holds"] is True


def test_an_app_that_loses_writes_is_found_and_repeats_though_its_handler_depends_on_hashes(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "app")
    code = tmp_path / "app" / "src" / "app.py"
    put = "dynamodb.put_item(TableName=TABLE, Item=item)"
    assert put in code.read_text()
    code.write_text(code.read_text().replace(put, f'if given["id"] == "welcome" or hash(given["id"]) % 9: {put}'))
    options = (str(tmp_path / "app"), "--kind", "crash")
    many = simulate(*options, "--seeds", "1", "--first", "3", hash_seed="1")
    assert many.returncode == 1
    repeat = f"antipodes simulate {tmp_path / 'app'} --seed 3 --kind crash"
    assert repeat in " ".join(many.stdout.split())
    lost = re.search(r"\d+ acknowledged writes are lost: \S+", many.stdout)
    alone = simulate(*options, "--seed", "3", hash_seed="2")
    assert alone.returncode == 1
    assert lost is not None
    assert lost[0] in " ".join(alone.stdout.split())


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
