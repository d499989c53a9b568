"""What happened to objects, on its way to functions: written with the change, sent when that is on disk.

Key: `s3/news/<order>/<n>`; the value is a format digit and JSON. A function is invoked asynchronously, and the row goes
when Lambda has it on disk; a Region that dies in between sends again: at least once, as on AWS. What Lambda refuses for
good (no such function) is dropped with a line in the trace.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.s3.records import FORMAT, Rows
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AwsError, ServerFault

PREFIX = b"s3/news/"
AGAIN_S = 1.0  # after a failure


class Note(msgspec.Struct, frozen=True):
    """An event for a function."""

    function: str  # ARN
    event: dict[str, Any]


def note_row(order: int, place: int, note: Note) -> tuple[bytes, bytes]:
    return PREFIX + f"{order:020}/{place:03}".encode(), FORMAT + msgspec.json.encode(note)


class Sender:
    """One Region's. `wake` when rows are durable."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def run(self) -> None:
        """Sends for ever, oldest first."""
        while True:
            row = next(iter(self._around.store.range(PREFIX, PREFIX + b"\xff")), None)
            if row is None:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                continue
            if not await self._sent(msgspec.json.decode(row[1][1:], type=Note)):
                await self._around.world.sleep(AGAIN_S)
                continue
            gone: Rows = [(row[0], None)]
            self._around.store.write(gone, patient=True)

    async def _sent(self, note: Note) -> bool:
        """False: to be tried again. What the disk refused never happened: its row is gone when looked for again."""
        try:
            await self._around.store.durable()
        except StoreError:
            return False
        params = {"FunctionName": note.function, "InvocationType": "Event", "Payload": orjson.dumps(note.event)}
        try:
            await self._around.call("lambda", "Invoke", params)
        except ServerFault:
            return False
        except AwsError as error:
            if error.code == "TooManyRequestsException":
                return False
            self._around.world.trace("s3.notification_dropped", function=note.function, error=str(error))
        return True
