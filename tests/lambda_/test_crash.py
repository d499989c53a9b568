"""A Region that crashes in simulated time, with handlers under way, and comes back."""

from __future__ import annotations

import gc

from antipodes.world.simulated import Simulation
from tests.lambda_.conftest import REGION, Room
from tests.lambda_.test_invoke import invoked

STUBBORN = """
import time, os
def handler(e, c):
    try:
        time.sleep(2)
    finally:
        time.sleep(5)
    return os.environ["AWS_REGION"]
"""


def crashing(seed: int) -> str:
    simulation = Simulation(seed)
    rooms: list[Room] = []

    async def region() -> None:
        room = Room(simulation.world(REGION))
        await room.start()
        rooms.append(room)

    async def under_way(room: Room) -> None:
        await invoked(room, "f")

    async def main() -> None:
        await simulation.boot(REGION, region)

        async def first() -> None:
            await rooms[0].create("f", STUBBORN, Timeout=20)
            for number in range(3):
                rooms[0].world.spawn(under_way(rooms[0]), f"call {number}")
            await rooms[0].world.sleep(1)

        await first()
        simulation.crash(REGION)
        await simulation.boot(REGION, region)
        gc.collect()
        _, body = await invoked(rooms[1], "f")
        assert body == REGION
        await rooms[1].stop()

    simulation.run(main())
    return simulation.trace_digest


def test_handlers_of_a_crashed_region_stop_and_the_next_ones_run() -> None:
    assert crashing(3) == crashing(3)
