"""The planet that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.planet.planets import EXAMPLE, SUITE_KEY, Running, running


@pytest.fixture(scope="session")
def planet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three Regions with examples/globaldb deployed, shared by the tests that break nothing."""
    folder = tmp_path_factory.mktemp("planet") / "data"
    with running(folder, "us-east-1,us-west-2,eu-west-1", "--credentials", SUITE_KEY) as started:
        done = started.command("deploy", str(EXAMPLE))
        assert done.code == 0, done.err + done.out
        yield started
