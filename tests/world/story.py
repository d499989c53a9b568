"""A run with everything in it that could differ: streams, crashes, partitions, draws, handlers."""

from __future__ import annotations

import asyncio

from antipodes.world.sim_greenlets import await_only, run_sync
from antipodes.world.simulated import Simulation
from antipodes.world.world import NetworkError, World
from tests.world.test_conformance import Echo

SITES = ("eu-west-1", "us-east-1", "ap-southeast-2")


def digest_of(seed: int) -> str:
    """The digest of the run of one seed."""
    simulation = Simulation(seed)

    async def call(world: World, other: World, number: int) -> None:
        try:
            stream = await world.connect(other.address, 80)
            stream.write(f"{world.site} {number}".encode())
            world.trace("answer", data=await stream.read())
            stream.close()
        except NetworkError as error:
            world.trace("no answer", error=type(error).__name__)

    def handler(world: World) -> None:
        for number in range(3):
            await_only(world.sleep(world.chance.random()))
            world.trace("handled", number=number)

    async def region(site: str) -> None:
        world = simulation.world(site)
        await world.serve(80, Echo)
        world.spawn(run_sync(handler, world), "handler")
        for number in range(20):
            for other in SITES:
                world.spawn(call(world, simulation.world(other), number), f"call {number}")
            if number % 5 == 0:
                await world.sleep(world.chance.random() * 0.1)

    async def main() -> None:
        await asyncio.gather(*(simulation.boot(site, lambda site=site: region(site)) for site in SITES))  # type: ignore[misc]
        simulation.links.partition(SITES[0], SITES[1])
        simulation.crash(SITES[2])
        await asyncio.sleep(3)
        simulation.links.heal()
        await simulation.boot(SITES[2], lambda: region(SITES[2]))
        await asyncio.sleep(10)

    simulation.run(main())
    return simulation.trace_digest
