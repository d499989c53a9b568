"""`antipodes demo`: one command that starts a planet, deploys an app, kills a Region, and judges what users saw.

Exit code 0 only if the verdict holds: all replicas equal, no acknowledged write lost, every user served again, users
of the killed Region served by another one meanwhile. With --destroy, writes that only the destroyed disk held are
lost; they are counted in the verdict, which still holds: that is what asynchronous replication promises.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from antipodes.cli.down import end_planet
from antipodes.cli.options import DEFAULT_DATA_DIR, Json, fail, option
from antipodes.cli.up import DEFAULT_REGIONS, ENDINGS, DnsPort, HttpsPort, Port, Regions, claim, start_detached
from antipodes.gameday.teller import Teller
from antipodes.gameday.verdict import Verdict
from antipodes.globe import planet as planets
from antipodes.globe.globe import Globe

if TYPE_CHECKING:
    from antipodes.globe.manifest import Manifest

TRAFFIC_S = 8.0  # of steady traffic before the Region dies
DOWN_S = 10.0  # that it stays dead at least; it stays until users have moved
EXAMPLE = Path("examples") / "globaldb"


def demo(
    regions: Regions = DEFAULT_REGIONS,
    victim: Annotated[str, typer.Option("--victim", help="The Region that dies.")] = "us-west-2",
    destroy: Annotated[bool, typer.Option("--destroy", help="Its disk dies with it.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the planet running; end it with `down`.")] = False,
    as_json: Json = False,
    app: Annotated[Path | None, typer.Option("--app", help="The app's folder; examples/globaldb by default.")] = None,
    port: Port = 4566,
    https_port: HttpsPort = 8443,
    dns_port: DnsPort = 5300,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="The planet's folder; by default a temporary one (.antipodes with --keep)."),
    ] = None,
) -> None:
    """Tells the story of a Region's death and return, in a minute or so. Exit code 0 only if the verdict holds."""
    from antipodes.gameday.verdict import to_json
    from antipodes.globe import supervisor

    ports = {"port": port, "https_port": https_port, "dns_port": dns_port}
    names = tuple(name.strip() for name in regions.split(",") if name.strip())
    try:
        planets.check_regions(names)
        supervisor.check_ports(**ports)
    except planets.PlanetError as error:
        raise fail(str(error), 2) from None
    if victim not in names:
        raise fail(f"--victim {victim} is not one of the planet's Regions: {', '.join(names)}", 2)
    manifest = load_manifest(app or find_example())
    teller = make_teller(as_json)
    for number in ENDINGS:
        signal.signal(number, interrupted)
    with contextlib.ExitStack() as stack:
        stack.callback(teller.progress, "")
        if data_dir is None:
            data_dir = DEFAULT_DATA_DIR if keep else temporary_folder(stack)
        began = time.monotonic()
        teller.progress(f"a planet of {len(names)} Regions starts")
        planet = stack.enter_context(start_planet(data_dir, names, ports, keep=keep))
        teller.progress("")
        teller.line(f"{', '.join(names)} are up ({time.monotonic() - began:.1f} s)")
        verdict = asyncio.run(play(planet, manifest, victim, destroy, teller))
    if as_json:
        sys.stdout.buffer.write(to_json(verdict))
    if keep:
        where = option(data_dir)
        teller.line(f"The planet goes on; to see it: antipodes status{where}")
        teller.line(f"To end it: antipodes down{where}")
    raise typer.Exit(0 if verdict.holds else 1)


def interrupted(number: int, frame: object) -> NoReturn:
    """Ends the command by way of every `finally`; a second Ctrl-C must not cut them short."""
    for one in ENDINGS:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def temporary_folder(stack: contextlib.ExitStack) -> Path:
    """A folder that goes when the stack closes."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antipodes-demo-")))


def make_teller(as_json: bool) -> Teller:
    """A screen; silence where stdout is for the machine."""
    from antipodes.cli.screen import Screen
    from antipodes.gameday.teller import Silent

    return Silent() if as_json else Screen()


def find_example() -> Path:
    """examples/globaldb: of the working folder, else of the source tree that this file is part of."""
    for root in (Path(), Path(__file__).resolve().parents[3]):
        if (root / EXAMPLE / "antipodes.toml").exists():
            return root / EXAMPLE
    raise fail(f"There is no {EXAMPLE} here. Run this in a clone of antipodes, or name an app: --app FOLDER", 2)


def load_manifest(folder: Path) -> Manifest:
    """The app's manifest; ends the command with the reason if it is broken."""
    from antipodes.globe import manifest as manifests

    try:
        return manifests.load(folder)
    except manifests.ManifestError as error:
        raise fail(str(error), 2) from None


@contextlib.contextmanager
def start_planet(
    data_dir: Path, regions: tuple[str, ...], ports: dict[str, int], *, keep: bool
) -> Iterator[planets.Planet]:
    """A running planet of real processes; ended on the way out, however that is, unless it is to be kept."""
    from antipodes.globe import supervisor

    try:
        with claim(data_dir):
            supervisor.check_doors(regions, **ports)
            planet = supervisor.prepare(
                data_dir, regions=regions, in_memory=False, throttling=False, strict=False, credentials="", **ports
            )
    except planets.PlanetError as error:
        raise fail(str(error)) from None
    finished = False
    try:
        start_detached(data_dir)
        yield planet
        finished = True
    finally:
        if not (keep and finished):
            end_planet(data_dir)


async def play(planet: planets.Planet, manifest: Manifest, victim: str, destroy: bool, teller: Teller) -> Verdict:
    """Deploys the app and plays the story on a running planet."""
    from antipodes.gameday.disaster import Disaster
    from antipodes.gameday.overture import NoApp
    from antipodes.gameday.stage import StoryPlan
    from antipodes.gameday.story import run_story
    from antipodes.globe.remote import RemoteGlobe

    globe = RemoteGlobe(planet)
    try:
        began = time.monotonic()
        if failure := await deploy(manifest, globe, teller):
            raise fail(failure)
        teller.line(f"{manifest.name} is deployed ({time.monotonic() - began:.1f} s)")
        disaster = Disaster("destroy" if destroy else "crash", victim, TRAFFIC_S, DOWN_S)
        return await run_story(globe, StoryPlan(disaster), teller, lambda: deploy(manifest, globe, teller))
    except NoApp as error:
        raise fail(str(error)) from None
    finally:
        globe.close()


async def deploy(manifest: Manifest, globe: Globe, teller: Teller) -> str:
    """Deploys the app; why it failed, or ""."""
    from antipodes.globe import deploy as deployer

    report = await deployer.deploy(manifest, globe, teller.progress)
    teller.progress("")
    return "" if report.ok else report.reason
