"""Options that several commands share, and the way they find their planet."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from antipodes.globe import planet as planets
from antipodes.globe.remote import RemoteGlobe
from antipodes.wire.errors import AwsError
from antipodes.world.world import NetworkError

T = TypeVar("T")

DataDir = Annotated[Path, typer.Option("--data-dir", help="The planet's folder: says which planet is meant.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DEFAULT_DATA_DIR = Path(".antipodes")


def fail(message: str, code: int = 1) -> typer.Exit:
    """Prints the sentence to stderr; raise what it returns. Codes: 1 it did not work, 2 the call was wrong."""
    print(f"antipodes: {message}", file=sys.stderr)
    return typer.Exit(code)


def option(data_dir: Path) -> str:
    """What a command line needs to mean this folder: " --data-dir FOLDER", nothing for the default."""
    return "" if data_dir == DEFAULT_DATA_DIR else f" --data-dir {shlex.quote(str(data_dir))}"


def with_globe(data_dir: Path, work: Callable[[RemoteGlobe], Awaitable[T]]) -> T:
    """Runs `work` against the planet of that folder; every expected failure becomes one sentence and exit code 1."""

    async def run() -> T:
        globe = RemoteGlobe(planets.read(data_dir))
        try:
            return await work(globe)
        finally:
            globe.close()

    try:
        return asyncio.run(run())
    except planets.PlanetError as error:
        raise fail(str(error)) from None
    except AwsError as error:
        raise fail(f"{error.code}: {error.message}") from None
    except (ValueError, NetworkError) as error:
        raise fail(str(error)) from None
