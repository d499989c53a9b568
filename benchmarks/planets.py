"""Planets for benchmarks: started by the command line as a user starts them, on free ports, ended with the block."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from antipodes.globe.planet import Planet, read
from antipodes.world import geography
from benchmarks import peers


@dataclass(frozen=True, slots=True)
class Running:
    """A planet that runs."""

    data_dir: Path
    planet: Planet

    @property
    def port(self) -> int:
        return self.planet.port

    def address(self, region: str) -> str:
        return geography.address_of(region)

    def pid(self, region: str) -> int:
        """The Region's process."""
        regions = orjson.loads(self.antipodes("status", "--json"))["regions"]
        return next(int(one["pid"]) for one in regions if one["name"] == region)

    def antipodes(self, *arguments: str) -> str:
        """Runs a command against this planet; its output."""
        return antipodes(*arguments, "--data-dir", str(self.data_dir))


def antipodes(*arguments: str) -> str:
    command = [sys.executable, "-m", "antipodes.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed: {done.stderr}")
    return done.stdout


@contextlib.contextmanager
def planet(data_dir: Path, regions: tuple[str, ...], *extra: str) -> Iterator[Running]:
    ports = [peers.free_port() for _ in range(3)]
    antipodes(
        *("up", "--detach", "--data-dir", str(data_dir), "--regions", ",".join(regions)),
        *("--port", str(ports[0]), "--https-port", str(ports[1]), "--dns-port", str(ports[2])),
        *extra,
    )
    try:
        yield Running(data_dir, read(data_dir))
    finally:
        antipodes("down", "--data-dir", str(data_dir))
