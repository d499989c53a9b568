"""`antipodes simulate`: the same story in simulated time, repeatable from its seed; or hundreds of them.

Exit code 1 if any verdict does not hold or any run broke, 2 if the call was wrong.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antipodes.cli.crew import play_all
from antipodes.cli.options import Json, fail

if TYPE_CHECKING:
    from antipodes.gameday.campaign import Played
    from antipodes.gameday.disaster import Kind
    from antipodes.gameday.teller import Teller

Seed = Annotated[int | None, typer.Option("--seed", help="Play this seed and tell its story.")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help="Play so many seeds and print a table.")]


def simulate(
    folder: Annotated[Path, typer.Argument(help="The app's folder, or its antipodes.toml.")],
    seed: Seed = None,
    seeds: Seeds = None,
    first: Annotated[int, typer.Option("--first", help="The first of --seeds.")] = 1,
    kind: Annotated[str | None, typer.Option("--kind", help="crash, partition or destroy; else drawn.")] = None,
    destroy: Annotated[bool, typer.Option("--destroy", help="The same as --kind destroy.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes for --seeds.")] = 2,
    as_json: Json = False,
    trace: Annotated[Path | None, typer.Option("--trace", help="Write the run's trace here (with --seed).")] = None,
) -> None:
    """Plays the story in simulated time: same app, same handlers, a disaster drawn from the seed."""
    from antipodes.gameday import campaign
    from antipodes.globe import manifest as manifests

    try:
        wanted = campaign.kind_of(kind, destroy)
        manifests.load(folder)
    except (ValueError, manifests.ManifestError) as error:
        raise fail(str(error), 2) from None
    if seed is not None and seeds is not None:
        raise fail("--seed plays one, --seeds many: which?", 2)
    if seeds is not None and trace is not None:
        raise fail("--trace writes one run's trace: use it with --seed", 2)
    if seeds is None:
        ok = tell_one(folder, first if seed is None else seed, wanted, as_json, trace)
    else:
        ok = tell_many(folder, range(first, first + seeds), wanted, jobs, as_json)
    raise typer.Exit(0 if ok else 1)


def fix_hashes() -> None:
    """Begins the process again with a fixed PYTHONHASHSEED, unless it has it. Our own code does not depend on hashes;
    handlers are other people's, and a set of texts that one of them iterates must come in the same order again."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (our own interpreter, as it was)


class NotDeployed(Exception):
    """The app's stacks could not be made; the text says why."""


# -- one -----------------------------------------------------------------------------------------------------------


def tell_one(folder: Path, seed: int, kind: Kind | None, as_json: bool, trace: Path | None) -> bool:
    """Plays one seed before the reader's eyes; whether its verdict holds."""
    from antipodes.cli.demo import make_teller
    from antipodes.gameday import campaign
    from antipodes.gameday.verdict import to_json

    teller, repeat = make_teller(as_json), campaign.command(str(folder), seed, kind)
    teller.line(f"Seed {seed}. To repeat it: {repeat}")
    began = time.monotonic()
    if trace is None:
        played = play(seed, folder, kind, teller)
    else:
        with trace.open("w") as file:
            played = play(seed, folder, kind, teller, sink=lambda line: print(line, file=file))
    if played.verdict is None:
        *trace_back, last = played.error.strip().splitlines()
        if not trace_back:
            raise fail(last)
        print(played.error, file=sys.stderr)
        raise fail(f"the run broke; to repeat it: {repeat}")
    teller.line(
        f"{played.virtual_s:.0f} s of simulated time in {time.monotonic() - began:.1f} s; "
        f"trace {played.digest[:16]}; to repeat it: {repeat}",
        "quiet",
    )
    if as_json:
        sys.stdout.buffer.write(to_json(played.verdict))
    return played.ok


def play(
    seed: int,
    folder: Path,
    kind: Kind | None,
    teller: Teller | None = None,
    *,
    sink: Callable[[str], None] | None = None,
) -> Played:
    """One whole run: a planet from nothing, the app deployed, the story, the verdict. Never raises for what happens
    inside: a run that broke says so."""
    from antipodes.gameday.campaign import Played, plan_of
    from antipodes.gameday.overture import NoApp
    from antipodes.gameday.story import run_story
    from antipodes.gameday.teller import Silent
    from antipodes.gameday.verdict import Verdict
    from antipodes.globe import deploy as deployer
    from antipodes.globe import manifest as manifests
    from antipodes.globe.globe import Globe
    from antipodes.globe.simulated import simulate_globe

    manifest = manifests.load(folder)
    tell = teller or Silent()

    async def deploy(globe: Globe) -> str:
        report = await deployer.deploy(manifest, globe, tell.progress)
        tell.progress("")
        return "" if report.ok else report.reason

    async def main(globe: Globe) -> Verdict:
        if failure := await deploy(globe):
            raise NotDeployed(f"the app could not be deployed: {failure}")
        tell.line(f"{folder} is deployed to {', '.join(globe.regions)}")
        return await run_story(globe, plan_of(seed, globe.regions, kind), tell, lambda: deploy(globe))

    try:
        verdict, run = simulate_globe(seed, manifest.regions, main, sink=sink)
    except (NotDeployed, NoApp) as error:  # the app's own fault, and no defect of the run
        return Played(seed, None, error=str(error))
    except Exception:
        tell.progress("")
        return Played(seed, None, error=traceback.format_exc())
    return Played(seed, verdict, run.digest, run.virtual_s)


# -- many ----------------------------------------------------------------------------------------------------------


def tell_many(folder: Path, seeds: range, kind: Kind | None, jobs: int, as_json: bool) -> bool:
    """Plays all seeds in several processes; a table, and for each failure the command that repeats it."""
    import msgspec

    from antipodes.cli.screen import Screen
    from antipodes.gameday import campaign

    screen, began = Screen(sys.stderr if as_json else sys.stdout), time.monotonic()
    all_played = play_all(partial(play, folder=folder, kind=kind), seeds, jobs, screen)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(all_played) + b"\n")
    else:
        screen.table(campaign.COLUMNS, [campaign.row(one) for one in all_played])
    failures = [one for one in all_played if not one.ok]
    for one in failures:
        because = one.verdict.because if one.verdict else (one.error.strip().splitlines() or ("?",))[-1:]
        screen.line(f"seed {one.seed}: {'; '.join(because)}", "bad")
        screen.line(f"    {campaign.command(str(folder), one.seed, kind)}")
    virtual_s, took_s = sum(one.virtual_s for one in all_played), time.monotonic() - began
    screen.line(
        f"{len(all_played) - len(failures)} of {len(all_played)} verdicts hold; "
        f"{virtual_s / 60:.0f} simulated minutes in {took_s:.0f} s",
        "bad" if failures else "good",
    )
    return not failures
