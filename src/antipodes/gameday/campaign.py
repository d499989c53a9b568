"""Many simulated stories, one a seed: what one leaves, and the table of all.

Decides: how a seed becomes a plan, and what a row says. Refuses to know: processes, terminals.
A seed means the same disaster and the same run whether it is played alone or among hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from antipodes.gameday.disaster import DRAWN_KINDS, Kind, draw, from_seed
from antipodes.gameday.stage import StoryPlan
from antipodes.gameday.traffic import Load
from antipodes.gameday.verdict import Verdict

COLUMNS = (
    "Seed",
    "Disaster",
    "RTO s",
    "Avail %",
    "Strand",
    "Over",
    "Lost",
    "Equal",
    "Holds",
)


class Played(msgspec.Struct, frozen=True):
    """One seed's run. `verdict` is None if the run broke: then `error` says how."""

    seed: int
    verdict: Verdict | None
    digest: str = ""  # of the trace
    virtual_s: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict is not None and self.verdict.holds


def plan_of(seed: int, regions: Sequence[str], kind: Kind | None = None) -> StoryPlan:
    """The story that a seed means: its disaster, and traffic light enough for hundreds of runs."""
    rate = 0.6 + 0.6 * draw(seed, "rate")
    return StoryPlan(
        disaster=from_seed(seed, regions, kind=kind),
        load=Load(rate_low=rate, rate_high=1.5 * rate),
        world="simulated",
        seed=seed,
        calls=2,
        interval_s=1.0,
        last_writes=int(6 * draw(seed, "last writes")),
    )


def row(played: Played) -> tuple[str, ...]:
    """The table's row."""
    verdict = played.verdict
    if verdict is None:
        return (str(played.seed), "the run broke", *("-" for _ in COLUMNS[2:-1]), "NO")
    disaster, rpo = verdict.disaster, verdict.rpo
    kill = "destroy" if disaster.kind == "destroy" else "kill"
    what = f"{disaster.region} | {disaster.other}" if disaster.other else f"{kill} {disaster.region}"
    return (
        str(played.seed),
        what,
        f"{verdict.rto_s:.1f}",
        f"{100 * verdict.availability:.2f}",
        str(rpo.stranded),
        str(rpo.overwritten),
        str(rpo.lost),
        "yes" if rpo.replicas_equal else "NO",
        "yes" if verdict.holds else "NO",
    )


def command(folder: str, seed: int, kind: Kind | None) -> str:
    """What repeats one run."""
    asked = {None: "", "destroy": " --destroy"}.get(kind, f" --kind {kind}")
    return f"antipodes simulate {folder} --seed {seed}{asked}"


def kind_of(name: str | None, destroy: bool) -> Kind | None:
    """What --kind and --destroy ask for; None: drawn. Raises ValueError."""
    if destroy:
        if name not in (None, "destroy"):
            raise ValueError("--destroy and --kind exclude each other")
        return "destroy"
    if name is None:
        return None
    known: tuple[Kind, ...] = (*DRAWN_KINDS, "destroy")
    for kind in known:
        if kind == name:
            return kind
    raise ValueError(f"unknown kind of disaster {name!r}; known: {', '.join(known)}")
