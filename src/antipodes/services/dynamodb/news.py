"""News of global tables, told to the other Regions until each has confirmed them.

    news/<region>/<group>    a Shared (schema.py) that the Region has not confirmed yet, JSON

The row is written in the transaction of the change it tells of; a newer one takes the place of an older one. A task a
Region delivers them however long it takes. A Region that starts asks every other one once what it should know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from antipodes.services.dynamodb.copies import insist
from antipodes.services.dynamodb.database import Database
from antipodes.services.dynamodb.keys import after_prefix
from antipodes.services.dynamodb.replication import Replication
from antipodes.services.dynamodb.schema import Shared, shared_from_json, shared_to_json
from antipodes.wire.errors import AwsError, ClientFault

NEWS = b"dynamodb/news/"
FIRST_RETRY_S = 0.2
LAST_RETRY_S = 2.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Shared).decode


class News:
    """What one Region tells, and asks. absorb: takes what another knows; refused: is told that a Region cannot have a
    table."""

    def __init__(
        self,
        database: Database,
        others: Sequence[str],
        absorb: Callable[[Shared], Shared],
        refused: Callable[[Shared, str], None],
        replication: Replication,
    ) -> None:
        self._database = database
        self._region = database.region
        self._world = database.world
        self._store = database.store
        self._call = database.surroundings.call
        self._others = others
        self._absorb = absorb
        self._refused = refused
        self._replication = replication
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def rows(self, shared: Shared) -> list[tuple[bytes, bytes | None]]:
        """The rows to be written with a change of the group."""
        raw = _encode(shared)
        return [
            (_key(region, shared.group), raw)
            for region in shared.members
            if region != self._region and region in self._others
        ]

    def tell(self) -> None:
        """Starts telling the Regions for which there are news."""
        for region in self._others:
            task = self._tasks.get(region)
            if (task is None or task.done()) and self._next(region) is not None:
                self._tasks[region] = self._database.spawn(self._tell(region), f"news for {region}")

    def ask(self) -> None:
        """Asks every other Region once."""
        for region in self._others:
            self._database.spawn(self._ask(region), f"asks {region}")

    def _next(self, region: str) -> tuple[bytes, bytes] | None:
        prefix = _key(region, "")
        return next(iter(self._store.range(prefix, after_prefix(prefix))), None)

    async def _tell(self, region: str) -> None:
        """Delivers all news for a Region, however long it takes.

        What is told is on disk: what a failing disk took back here, and others had heard, would be true only there.
        """
        wait_s = FIRST_RETRY_S
        while self._next(region) is not None:
            try:
                await self._database.settle()
                if (news := self._next(region)) is not None:
                    await self._deliver(region, *news)
                wait_s = FIRST_RETRY_S
            except AwsError as fault:  # out of reach, busy, or a disk that refuses: here or there
                self._world.trace("dynamodb.news", to=region, failed=fault.message)
                await self._world.sleep(wait_s)
                wait_s = min(wait_s * 2, LAST_RETRY_S)

    async def _deliver(self, region: str, key: bytes, raw: bytes) -> None:
        shared = _decode(raw)
        try:
            answer = await self._call("dynamodb", "ReplicaSync", {"shared": shared_to_json(shared)}, region=region)
        except ClientFault as fault:
            if fault.code != "ValidationException":
                raise
            self._refused(shared, region)
        else:
            self._absorb(shared_from_json(answer["shared"]))
        if self._store.get(key) == raw:
            self._store.write([(key, None)])
        await self._database.settle()
        self._replication.refresh()
        self.tell()  # what was heard may be news for others

    async def _ask(self, region: str) -> None:
        """Asks a Region until it has answered once, and what it said is kept."""
        wait_s = FIRST_RETRY_S
        while True:
            try:
                answer = await self._call("dynamodb", "ReplicaDescriptors", {"for": self._region}, region=region)
                await self._heard(answer)
                return
            except AwsError as fault:  # out of reach, busy, or our own disk refuses
                self._world.trace("dynamodb.news", of=region, failed=fault.message)
                await self._world.sleep(wait_s)
                wait_s = min(wait_s * 2, LAST_RETRY_S)

    async def _heard(self, answer: Mapping[str, Any]) -> None:

        async def take() -> None:
            for raw in answer["shared"]:
                try:
                    self._absorb(shared_from_json(raw))
                except ClientFault as fault:
                    self._world.trace("dynamodb.replica", refused=fault.message)
            await self._database.settle()

        await insist(self._database, take)
        self._replication.refresh()
        self.tell()


def _key(region: str, group: str) -> bytes:
    return NEWS + region.encode() + b"/" + group.encode()
