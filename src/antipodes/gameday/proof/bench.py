"""The bench on which a workload runs: calls to Regions, and a record of what each client was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol

from antipodes.gameday.disaster import draw
from antipodes.gameday.proof.evidence import KEY, WRITE
from antipodes.gameday.proof.laws import Attempt, Planet
from antipodes.globe.globe import Globe
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.world.world import HERE, NetworkError

TABLE = "proof"
Params = Mapping[str, Any]
NEVER_HAPPENED = frozenset(
    {"ConditionalCheckFailedException", "TransactionCanceledException", "ResourceNotFoundException"}
)


class Workload(Protocol):
    """Setup, run, check: one use of a global table. What it demands beyond the laws it says in `check`."""

    name: ClassVar[str]

    async def setup(self, bench: Bench) -> None:
        """After the table is ACTIVE everywhere, before anything breaks."""
        ...

    async def run(self, bench: Bench) -> None:
        """Works until `bench.over`."""
        ...

    async def settle(self, bench: Bench) -> None:
        """After everything was mended: what must still come to its end before the disks are read."""
        ...

    def spared(self, regions: tuple[str, ...]) -> tuple[str, ...]:
        """Regions whose copy it takes away on purpose: the laws of one Region's history do not hold for them."""
        ...

    def check(self, planet: Planet, bench: Bench) -> list[str]:
        """Its own law: one sentence for each breach."""
        ...


@dataclass(slots=True)
class Bench:
    """One run's calls. All draws come from the seed and a name."""

    globe: Globe
    seed: int
    pause_s: float
    over: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    _acknowledged: dict[str, asyncio.Event] = field(default_factory=dict)

    def draw(self, what: str) -> float:
        return draw(self.seed, what)

    def acknowledged(self, region: str) -> asyncio.Event:
        """Set whenever that Region acknowledges a write."""
        return self._acknowledged.setdefault(region, asyncio.Event())

    def now(self) -> float:
        return self.globe.world(HERE).monotonic()

    async def sleep(self, delay_s: float) -> None:
        await self.globe.world(HERE).sleep(delay_s)

    async def everywhere(self, step: Callable[[str, int], Awaitable[None]]) -> None:
        """A writer in each Region: step(region, number) again and again, until the run is over."""
        await self.together([partial(self._repeat, region, step) for region in self.globe.regions])

    async def together(self, works: list[Callable[[], Awaitable[None]]]) -> None:
        async def one(work: Callable[[], Awaitable[None]]) -> None:
            await work()

        tasks = [self.globe.world(HERE).spawn(one(work), f"workload {n}") for n, work in enumerate(works)]
        for task in tasks:
            await task

    async def _repeat(self, region: str, step: Callable[[str, int], Awaitable[None]]) -> None:
        number = 0
        while not self.over:
            number += 1
            await step(region, number)
            await self.sleep(self.pause_s * (0.5 + self.draw(f"{region} pause {number}")))

    # Requests

    async def ask(self, region: str, operation: str, params: Params) -> tuple[str, str, Params]:
        """(outcome, error's code, answer) of one request, as `Attempt` has them."""
        try:
            answer = await self.globe.call("dynamodb", operation, {"TableName": TABLE, **params}, region)
        except ClientFault as fault:
            return ("refused" if fault.code in NEVER_HAPPENED else "unknown"), fault.code, {}
        except AwsError as fault:
            return "unknown", fault.code, {}
        except NetworkError as error:
            return "unknown", type(error).__name__, {}
        return "done", "", answer

    async def read(self, region: str, key: str) -> Attempt:
        """A strongly consistent read; what it saw is the id of the write that made the item."""
        started = self.now()
        outcome, code, answer = await self.ask(region, "GetItem", {"Key": {KEY: {"S": key}}, "ConsistentRead": True})
        item = answer.get("Item")
        saw = str(item[WRITE]["S"]) if item else ""
        return self.note(Attempt(region, "read", key, "", started, self.now(), outcome, saw, code, answer))

    async def put(
        self, region: str, key: str, write: str, item: Params | None = None, saw: str = "", **more: Any
    ) -> Attempt:
        """PutItem of a whole item that carries the write's id. more: other parameters."""
        started = self.now()
        whole = {KEY: {"S": key}, WRITE: {"S": write}, **(item or {})}
        outcome, code, answer = await self.ask(region, "PutItem", {"Item": whole, **more})
        return self.note(Attempt(region, "write", key, write, started, self.now(), outcome, saw, code, answer))

    async def update(self, region: str, key: str, write: str, params: Params, saw: str = "") -> Attempt:
        """UpdateItem; the expression sets the write's id, as `:w`."""
        started = self.now()
        outcome, code, answer = await self.ask(region, "UpdateItem", {"Key": {KEY: {"S": key}}, **params})
        return self.note(Attempt(region, "write", key, write, started, self.now(), outcome, saw, code, answer))

    async def delete(self, region: str, key: str, **more: Any) -> Attempt:
        """DeleteItem; its id is that of the write whose item it deleted."""
        started = self.now()
        params = {"Key": {KEY: {"S": key}}, "ReturnValues": "ALL_OLD", **more}
        outcome, code, answer = await self.ask(region, "DeleteItem", params)
        gone = answer.get("Attributes")
        write = str(gone[WRITE]["S"]) if gone else ""
        return self.note(Attempt(region, "delete", key, write, started, self.now(), outcome, "", code, answer))

    def note(self, attempt: Attempt) -> Attempt:
        self.attempts.append(attempt)
        told = attempt.code or attempt.outcome
        self.globe.world(HERE).trace(attempt.kind, region=attempt.region, key=attempt.key, id=attempt.id, told=told)
        if attempt.outcome == "done" and attempt.kind != "read":
            self.acknowledged(attempt.region).set()
        return attempt
