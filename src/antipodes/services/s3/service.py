"""S3 of one Region: the table of its operations. What is not in it is refused by name."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.s3 import buckets, lifecycle, listing, multipart, notifications, objects, reading, settings
from antipodes.services.s3.news import Sender
from antipodes.services.s3.records import Shelves
from antipodes.services.s3.stock import Stock, malformed
from antipodes.wire.errors import ValidationException
from antipodes.wire.operation import Request, Result
from antipodes.wire.validation import complete

OPERATIONS = {
    **buckets.OPERATIONS,
    **listing.OPERATIONS,
    **multipart.OPERATIONS,
    **notifications.OPERATIONS,
    **objects.OPERATIONS,
    **reading.OPERATIONS,
    **settings.OPERATIONS,
}


async def _whole(stock: Stock, function: Callable[[Stock, Request], Awaitable[Result]], request: Request) -> Result:
    """The operation, if all is there that the model asks for: what the address does not say the body must."""
    try:
        complete("s3", request.operation, request.params)
    except ValidationException:
        raise malformed() from None
    return await function(stock, request)


class S3:
    """The service."""

    name = "s3"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._stock = Stock(surroundings, Shelves(surroundings.store), Sender(surroundings))
        whole = functools.partial(_whole, self._stock)
        self.operations = {name: functools.partial(whole, function) for name, function in OPERATIONS.items()}

    async def start(self) -> None:
        spawn = self._stock.surroundings.world.spawn
        self._tasks = (
            spawn(lifecycle.run(self._stock), "s3: life cycle rules"),
            spawn(self._stock.sender.run(), "s3: event notifications"),
        )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
