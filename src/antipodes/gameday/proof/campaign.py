"""Many experiments, one a seed: what one leaves, the table of all, and what repeats one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from antipodes.gameday.proof.experiment import Proved
from antipodes.gameday.proof.workloads import WORKLOADS

COLUMNS = ("Workload", "Seeds", "Acked", "Refused", "Unanswered", "Overwritten", "Minutes", "Hold")


class Outcome(msgspec.Struct, frozen=True):
    """One seed's run. `proved` is None if the run itself broke: then `error` says how."""

    seed: int
    workload: str
    proved: Proved | None
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.proved is not None and not self.proved.breaches

    @property
    def because(self) -> tuple[str, ...]:
        """What is wrong, a sentence each."""
        if self.proved is not None:
            return self.proved.breaches
        return (self.error.strip().rpartition("\n")[2] or "the run broke",)


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The table: a row a workload, and one for all."""
    found = [_row(name, [one for one in outcomes if one.workload == name]) for name in WORKLOADS]
    return [row for row in found if row[1] != "0"] + [_row("all", outcomes)]


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    proved = [one.proved for one in outcomes if one.proved is not None]
    held = sum(one.ok for one in outcomes)
    return (
        name,
        str(len(outcomes)),
        *(str(sum(getattr(one, what) for one in proved)) for what in ("acknowledged", "refused", "unknown")),
        str(sum(one.overwritten for one in proved)),
        f"{sum(one.lasted_s for one in proved) / 60:.0f}",
        str(held) if held == len(outcomes) else f"{held} of {len(outcomes)}",
    )


def command(seed: int, workload: str | None) -> str:
    """What repeats one run."""
    return f"antipodes prove --seed {seed}" + (f" --workload {workload}" if workload else "")
