"""Both worlds for tests: the same test body in simulated time and on this machine's sockets.

    def test_x(both_worlds: Worlds) -> None:
        async def story() -> None:
            world = both_worlds.world("eu-west-1")
            ...
        both_worlds.run(story)

`run` ends with an error when a spawned task failed unheard, unless it is told that failures are expected.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from antipodes.world.disk import FileDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.simulated import Failure, Simulation
from antipodes.world.world import World

T = TypeVar("T")
REAL_SCALE = 0.05  # distances of the real world in tests: the far side of the planet is 10 ms away


class Worlds(Protocol):
    """One of the two worlds, on which a test runs one story."""

    name: str  # "simulated", "real"
    scale: float  # of all distances
    links: Links
    failures: list[Failure]

    def world(self, site: str) -> World: ...

    def free_port(self) -> int:
        """A port that nobody listens on now. Where possible serve on port 0 instead."""
        ...

    def run(self, story: Callable[[], Coroutine[Any, Any, T]], *, failures_expected: bool = False) -> T: ...


class SimulatedWorlds:
    """In virtual time; `seed` decides the order of what is ready."""

    name = "simulated"

    def __init__(self, seed: int = 1) -> None:
        self.scale = 1.0
        self.simulation = Simulation(seed, strict=False)
        self.links = self.simulation.links
        self.failures = self.simulation.failures
        self._next_port = 20_000

    def world(self, site: str) -> World:
        return self.simulation.world(site)

    def free_port(self) -> int:
        self._next_port += 1
        return self._next_port

    def run(self, story: Callable[[], Coroutine[Any, Any, T]], *, failures_expected: bool = False) -> T:
        result = self.simulation.run(story())
        _check(self.failures, failures_expected)
        return result


class RealWorlds:
    """On this machine; each site has a folder, and its own RealWorld over the same links."""

    name = "real"

    def __init__(self, folder: Path) -> None:
        self.scale = REAL_SCALE
        self.links = Links(scale=self.scale)
        self.failures: list[Failure] = []
        self._folder = folder
        self._worlds: dict[str, RealWorld] = {}

    def world(self, site: str) -> World:
        if site not in self._worlds:
            folder = self._folder / site
            folder.mkdir()
            self._worlds[site] = RealWorld(
                site,
                links=self.links,
                disk=FileDisk(folder),
                verify=False,
                on_failure=lambda *failure: self.failures.append(Failure(*failure)),
            )
        return self._worlds[site]

    def free_port(self) -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def run(self, story: Callable[[], Coroutine[Any, Any, T]], *, failures_expected: bool = False) -> T:
        async def story_and_end() -> T:
            try:
                return await story()
            finally:
                for world in self._worlds.values():
                    await world.close()

        result = run_real(story_and_end)
        _check(self.failures, failures_expected)
        return result


def _check(failures: list[Failure], expected: bool) -> None:
    if failures and not expected:
        raise AssertionError(f"{failures[0].what} at {failures[0].site} failed unheard") from failures[0].error


@pytest.fixture(params=["simulated", "real"])
def both_worlds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Worlds]:
    yield SimulatedWorlds() if request.param == "simulated" else RealWorlds(tmp_path)
