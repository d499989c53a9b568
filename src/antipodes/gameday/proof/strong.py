"""The proof of strong consistency: a storm over a table of it (gameday/strong.py), told as every proof is.

It has laws of its own, because nothing may be overwritten or late here: every history is linearizable, replicas hold
the same items, their streams tell the same in the same order.
"""

from __future__ import annotations

from collections.abc import Callable

from antipodes.gameday.proof.experiment import Experiment, Proved
from antipodes.gameday.strong import Outcome, Plan, StrongStorm
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe

WORKLOAD = "strong"
REGIONS = ("us-east-1", "us-east-2", "us-west-2")


def experiment(seed: int) -> Experiment:
    """What the seed means; the storm draws its faults itself."""
    plan = Plan(seed)
    return Experiment(seed, WORKLOAD, REGIONS, (), plan.lasts_s, plan.pause_s)


def prove(seed: int, *, sink: Callable[[str], None] | None = None) -> Proved:
    """One storm in simulated time. Raises TimeoutError: the table did not come back."""

    async def storm(globe: SimulatedGlobe) -> Outcome:
        return await StrongStorm(globe, Plan(seed)).run()

    found, run = simulate_globe(seed, REGIONS, storm, sink=sink)
    breaches = [f"linearizable: {wrong}" for wrong in found.wrong]
    breaches += [] if found.equal else ["replicas hold different items"]
    breaches += [] if found.streams_equal else ["streams of replicas tell different things, or in another order"]
    return Proved(
        experiment(seed),
        tuple(breaches),
        acknowledged=found.done,
        refused=found.conflicts,
        unknown=found.unknown,
        digest=run.digest,
        lasted_s=run.virtual_s,
    )
