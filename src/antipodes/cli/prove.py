"""`antipodes prove`: workloads on simulated planets under drawn faults, judged from their disks; a seed repeats one.

Exit code 1 if any law was broken or any run broke, 2 if the call was wrong.
"""

from __future__ import annotations

import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from antipodes.cli.crew import play_all
from antipodes.cli.options import Json, fail

if TYPE_CHECKING:
    from antipodes.cli.screen import Screen
    from antipodes.gameday.proof.campaign import Outcome
    from antipodes.gameday.proof.experiment import Experiment

SHOWN = 5  # breaches of one seed; more of them seldom say more
CHUNK = 4  # seeds handed to a process at a time


def prove(
    seed: Annotated[int | None, typer.Option("--seed", help="Play this seed and say what it does.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Play so many seeds and print a table.")] = None,
    first: Annotated[int, typer.Option("--first", help="The first of --seeds.")] = 1,
    workload: Annotated[str | None, typer.Option("--workload", help="This one only; else drawn.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Processes for --seeds.")] = 2,
    as_json: Json = False,
    trace: Annotated[Path | None, typer.Option("--trace", help="Write the run's trace here (with --seed).")] = None,
) -> None:
    """Proves that global tables converge: workloads and faults drawn from seeds, in simulated time.

    Afterwards the disks of all Regions are read: replicas are equal byte for byte, the last writer has won every item,
    no acknowledged write is gone unless a later one is there, each stream replays to its table. With --workload strong
    the table is of multi-Region strong consistency, and every history must be linearizable.
    """
    if seed is not None and seeds is not None:
        raise fail("--seed plays one, --seeds many: which?", 2)
    if seeds is not None and trace is not None:
        raise fail("--trace writes one run's trace: use it with --seed", 2)
    try:
        experiment_of(1, workload)
    except ValueError as error:
        raise fail(str(error), 2) from None
    if seeds is None:
        ok = prove_one(first if seed is None else seed, workload, as_json, trace)
    else:
        ok = prove_many(range(first, first + seeds), workload, jobs, as_json)
    raise typer.Exit(0 if ok else 1)


def prove_one(seed: int, workload: str | None, as_json: bool, trace: Path | None) -> bool:
    """Plays one seed; says what was done, and what was wrong."""
    import msgspec

    from antipodes.cli.screen import Screen
    from antipodes.gameday.proof import campaign

    screen, experiment = Screen(sys.stderr if as_json else sys.stdout), experiment_of(seed, workload)
    screen.line(f"Seed {seed}: {experiment.workload} in {', '.join(experiment.regions)}")
    for strike in experiment.strikes:
        screen.line(str(strike), "quiet")
    if trace is None:
        outcome = play(seed, workload)
    else:
        with trace.open("w") as file:
            outcome = play(seed, workload, trace=file)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
    if outcome.proved is not None:
        told = outcome.proved
        screen.line(
            f"{told.acknowledged} writes acknowledged, {told.refused} refused, {told.unknown} unanswered; "
            f"{told.overwritten} overwritten from elsewhere; {told.lasted_s:.0f} s of simulated time; "
            f"trace {told.digest[:16]}",
            "quiet",
        )
    else:
        print(outcome.error, file=sys.stderr)
    complain(screen, outcome, campaign.command(seed, workload))
    if outcome.ok:
        screen.line("Every law holds.", "good")
    return outcome.ok


def prove_many(seeds: range, workload: str | None, jobs: int, as_json: bool) -> bool:
    """Plays all seeds in several processes; a table, and for each failure the command that repeats it."""
    import msgspec

    from antipodes.cli.screen import Screen
    from antipodes.gameday.proof import campaign

    screen, began = Screen(sys.stderr if as_json else sys.stdout), time.monotonic()
    outcomes = play_all(partial(play, workload=workload), seeds, jobs, screen, chunk=CHUNK)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(outcomes) + b"\n")
    else:
        screen.table(campaign.COLUMNS, campaign.rows(outcomes))
    failures = [one for one in outcomes if not one.ok]
    for one in failures:
        complain(screen, one, campaign.command(one.seed, workload))
    virtual_s, took_s = sum(one.proved.lasted_s for one in outcomes if one.proved), time.monotonic() - began
    screen.line(
        f"{len(outcomes) - len(failures)} of {len(outcomes)} hold; {virtual_s / 3600:.1f} simulated hours "
        f"in {took_s:.0f} s, {virtual_s / 60 / took_s:.1f} hours a minute",
        "bad" if failures else "good",
    )
    return not failures


def complain(screen: Screen, outcome: Outcome, repeat: str) -> None:
    """What was wrong with one seed, and the command that repeats it; nothing if nothing was."""
    if outcome.ok:
        return
    screen.line(f"seed {outcome.seed} ({outcome.workload}):", "bad")
    for breach in outcome.because[:SHOWN]:
        screen.line(f"- {breach}", "bad")
    if len(outcome.because) > SHOWN:
        screen.line(f"- and {len(outcome.because) - SHOWN} more", "bad")
    screen.line(repeat)


def experiment_of(seed: int, workload: str | None) -> Experiment:
    """Raises ValueError: no such workload."""
    from antipodes.gameday.proof import strong
    from antipodes.gameday.proof.experiment import drawn

    return strong.experiment(seed) if workload == strong.WORKLOAD else drawn(seed, workload)


def play(seed: int, workload: str | None, *, trace: TextIO | None = None) -> Outcome:
    """One whole run. Never raises for what happens inside: a run that broke says so."""
    from antipodes.gameday.proof import strong
    from antipodes.gameday.proof.campaign import Outcome
    from antipodes.gameday.proof.simulated import prove as prove_simulated

    experiment = experiment_of(seed, workload)
    sink = None if trace is None else partial(print, file=trace)
    try:
        if workload == strong.WORKLOAD:
            return Outcome(seed, experiment.workload, strong.prove(seed, sink=sink))
        return Outcome(seed, experiment.workload, prove_simulated(experiment, sink=sink))
    except Exception:
        return Outcome(seed, experiment.workload, None, traceback.format_exc())
