"""A program that starts one worker and says its process id; test_workers kills it."""

from __future__ import annotations

import json
from pathlib import Path

from antipodes.world.disk import FileDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from tests.lambda_.conftest import REGION, Room

SOURCE = "import os\ndef handler(e, c):\n    return os.getpid()\n"


async def main() -> None:
    folder = Path.cwd()
    world = RealWorld(REGION, links=Links(), disk=FileDisk(folder))
    room = Room(world)
    await room.start()
    await room.create("f", SOURCE)
    answer = await room.ask("Invoke", FunctionName="f", Payload=b"{}")
    print(json.loads(answer["Payload"]), flush=True)
    await world.sleep(60)


if __name__ == "__main__":
    run_real(main)
