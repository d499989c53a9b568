"""Writes to a store until it is killed; prints the number of each write when it has been acknowledged.

Write n of life L puts row "L/n" and logs a change with the same key and value, and rewrites the row "last".
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from antipodes.store.records import Change
from antipodes.world.disk import FileDisk
from tests.store.conftest import Site


async def main(folder: Path, life: int) -> None:
    site = Site(FileDisk(folder), seed=life)
    store = site.open()
    count = 0

    async def writer() -> None:
        nonlocal count
        while True:
            count += 1
            key = b"%d/%d" % (life, count)
            change = Change("toy/t", key, store.stamp(), key * 50)
            store.write([(key, key * 50), (b"last", key)], [change])
            await store.durable()
            os.write(1, key + b"\n")

    await asyncio.gather(*(writer() for _ in range(8)))


asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
