"""The published conformance suite for global tables (conformance/), against a planet, as anybody runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planet.planets import Running

SUITE = Path(__file__).parents[2] / "conformance"


@pytest.mark.planet
@pytest.mark.timeout(400)
def test_a_planet_does_what_aws_documents_of_global_tables(planet: Running) -> None:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", str(SUITE)]
    endpoint = f"http://127.0.0.1:{planet.planet.port}"
    done = subprocess.run(
        command,
        env={**surroundings, "GLOBAL_TABLES_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_the_suite_stands_on_nothing_of_ours() -> None:
    for module in SUITE.glob("*.py"):
        assert "antipodes" not in module.read_text(), module.name
