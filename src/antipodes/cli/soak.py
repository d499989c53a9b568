"""`antipodes soak`: the experiments of `antipodes prove` on real processes, round after round, each on a fresh planet.

What a seed draws is the same, but what it hits is not repeatable: real time is nobody's seed. Exit code 1 if any law
was broken; then the round's folder is kept, with its disks and logs.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antipodes.cli.options import Json, fail

if TYPE_CHECKING:
    from antipodes.gameday.proof.campaign import Outcome
    from antipodes.gameday.proof.experiment import Experiment, Proved


def soak(
    minutes: Annotated[float, typer.Option("--minutes", min=0, help="Begin new rounds for so long.")] = 10.0,
    first: Annotated[int, typer.Option("--first", help="The first round's seed.")] = 1,
    workload: Annotated[str | None, typer.Option("--workload", help="This one only; else drawn.")] = None,
    round_s: Annotated[float, typer.Option("--round", min=1, help="Seconds that each round's faults last.")] = 20.0,
    as_json: Json = False,
) -> None:
    """Proves the same on planets of real processes: SIGKILL, real sockets, real disks."""
    import msgspec

    from antipodes.cli.prove import complain
    from antipodes.cli.screen import Screen
    from antipodes.gameday.proof import campaign
    from antipodes.gameday.proof.experiment import drawn

    try:
        drawn(first, workload)
    except ValueError as error:
        raise fail(str(error), 2) from None
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # both end the planet first
    screen, began, outcomes = Screen(sys.stderr if as_json else sys.stdout), time.monotonic(), list[campaign.Outcome]()
    while not outcomes or time.monotonic() - began < minutes * 60:
        seed = first + len(outcomes)
        screen.progress(f"round {len(outcomes) + 1}: seed {seed}")
        folder = Path(tempfile.mkdtemp(prefix="antipodes-soak-"))
        try:
            outcome = play(seed, workload, round_s, folder / "planet")
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            screen.progress("")
            raise fail("Ended in the middle of a round; its planet is down.", 130) from None
        outcomes.append(outcome)
        screen.progress("")
        if outcome.ok:
            shutil.rmtree(folder, ignore_errors=True)
            screen.line(f"seed {seed} ({outcome.workload}) holds", "quiet")
        else:
            complain(screen, outcome, f"kept: {folder}")
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(outcomes) + b"\n")
    else:
        screen.table(campaign.COLUMNS, campaign.rows(outcomes))
    held = sum(one.ok for one in outcomes)
    screen.line(f"{held} of {len(outcomes)} rounds hold", "good" if held == len(outcomes) else "bad")
    raise typer.Exit(0 if held == len(outcomes) else 1)


def play(seed: int, workload: str | None, lasts_s: float, folder: Path) -> Outcome:
    """One round. Never raises for what happens inside."""
    from antipodes.gameday.proof.campaign import Outcome
    from antipodes.gameday.proof.experiment import drawn

    experiment = drawn(seed, workload, lasts_s=lasts_s, real=True)
    try:
        return Outcome(seed, experiment.workload, asyncio.run(_round(experiment, folder)))
    except Exception:
        return Outcome(seed, experiment.workload, None, traceback.format_exc())


async def _round(experiment: Experiment, folder: Path) -> Proved:
    from antipodes.gameday.proof.real import prove
    from antipodes.globe import planet as planets
    from antipodes.globe.remote import RemoteGlobe

    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(3)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        port, https_port, dns_port = (str(probe.getsockname()[1]) for probe in probes)
    place = ("--data-dir", str(folder))
    ports = ("--port", port, "--https-port", https_port, "--dns-port", dns_port)
    await _antipodes("up", "--detach", "--regions", ",".join(experiment.regions), *place, *ports)
    globe = RemoteGlobe(planets.read(folder))
    try:
        return await prove(experiment, globe, folder, lambda: _antipodes("down", *place))
    finally:
        globe.close()
        await _antipodes("down", *place, must=False)


async def _antipodes(*arguments: str, must: bool = True) -> None:
    """This program, as a child. Raises RuntimeError with its last words."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "antipodes.cli.main", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, words = await process.communicate()
    if must and process.returncode:
        raise RuntimeError(f"antipodes {arguments[0]}: {words.decode().strip()}")
