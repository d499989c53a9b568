"""A Region dies in the middle of a stack operation, at any moment, and comes back: the operation ends as if nothing
had happened. Simulated time only: the real world has no virtual SIGKILL within one process."""

from __future__ import annotations

import pytest

from antipodes.world.simulated import Simulation
from tests.cloudformation.conftest import REGION, Desk
from tests.cloudformation.test_stacks import BROKEN, TWO, parameter
from tests.worlds import SimulatedWorlds

CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


def run_with_crash(seed: int, after_s: float, body: str, update: bool) -> tuple[str, list[str], int]:
    """(final status, buckets, roles) of a creation, or an update, with a crash so long after it was acknowledged."""
    worlds = SimulatedWorlds(seed)
    simulation: Simulation = worlds.simulation
    desks: list[Desk] = []

    async def program() -> None:
        desk = Desk(worlds)
        desks.append(desk)
        await desk.open()

    async def story() -> tuple[str, list[str], int]:
        here = simulation.world("here")
        await simulation.boot(REGION, program)
        if update:
            await desks[-1].create(TWO)
            await desks[-1].cloudformation(
                "UpdateStack", StackName="app", TemplateBody=body, Capabilities=CAPABILITIES,
                **parameter("Name", "second"),
            )  # fmt: skip
        else:
            await desks[-1].cloudformation("CreateStack", StackName="app", TemplateBody=body, Capabilities=CAPABILITIES)
        await here.sleep(after_s)
        simulation.crash(REGION)
        await simulation.boot(REGION, program)
        stack = await desks[-1].rest("app")
        result = stack["StackStatus"], await desks[-1].buckets(), len(await desks[-1].roles())
        await desks[-1].close()
        return result

    return worlds.simulation.run(story())


MOMENTS = [(seed, round(seed * 0.0017, 4)) for seed in range(24)]  # a creation takes some 30 ms of virtual time


@pytest.mark.parametrize(("seed", "after_s"), MOMENTS)
def test_a_creation_survives_the_region(seed: int, after_s: float) -> None:
    assert run_with_crash(seed, after_s, TWO, False) == ("CREATE_COMPLETE", ["first-us-east-1"], 1)


@pytest.mark.parametrize(("seed", "after_s"), MOMENTS)
def test_an_update_survives_the_region(seed: int, after_s: float) -> None:
    assert run_with_crash(seed, after_s, TWO, True) == ("UPDATE_COMPLETE", ["second-us-east-1"], 1)


@pytest.mark.parametrize(("seed", "after_s"), MOMENTS)
def test_a_rollback_survives_the_region(seed: int, after_s: float) -> None:
    assert run_with_crash(seed, after_s, BROKEN, False) == ("ROLLBACK_COMPLETE", [], 0)
