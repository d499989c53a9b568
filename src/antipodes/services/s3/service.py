"""S3 of one Region: the table of its operations. What is not in it is refused by name."""

from __future__ import annotations

import functools

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.s3 import buckets, lifecycle, listing, multipart, notifications, objects, reading, settings
from antipodes.services.s3.news import Sender
from antipodes.services.s3.records import Shelves
from antipodes.services.s3.stock import Stock

OPERATIONS = {
    **buckets.OPERATIONS,
    **listing.OPERATIONS,
    **multipart.OPERATIONS,
    **notifications.OPERATIONS,
    **objects.OPERATIONS,
    **reading.OPERATIONS,
    **settings.OPERATIONS,
}


class S3:
    """The service."""

    name = "s3"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._stock = Stock(surroundings, Shelves(surroundings.store), Sender(surroundings))
        self.operations = {name: functools.partial(function, self._stock) for name, function in OPERATIONS.items()}

    async def start(self) -> None:
        spawn = self._stock.surroundings.world.spawn
        self._tasks = (
            spawn(lifecycle.run(self._stock), "s3: life cycle rules"),
            spawn(self._stock.sender.run(), "s3: event notifications"),
        )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
