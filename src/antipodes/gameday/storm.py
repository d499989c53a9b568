"""A storm: writers in every Region while Regions are killed and links cut at drawn moments; then calm, then the audit.

Shorter and harder than the story: no DNS, no Lambda, only the promise that an acknowledged write is durable and that
replicas converge. Runs in both worlds; everything random is drawn from the seed (in the real world the moments are
as drawn, what they hit is not repeatable).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from antipodes.gameday import replicas
from antipodes.gameday.app import WRITE_ATTRIBUTE, App
from antipodes.gameday.audit import Audit, audit
from antipodes.gameday.disaster import draw
from antipodes.gameday.history import Write
from antipodes.globe.globe import Globe
from antipodes.wire.errors import AwsError
from antipodes.world.rules import Partition
from antipodes.world.world import HERE, NetworkError, World

AIM_S = 0.5  # how long a killer waits for an acknowledgement to kill after


@dataclass(frozen=True, slots=True)
class StormPlan:
    """How hard it blows. Times in seconds."""

    seed: int
    lasts_s: float = 4.0
    faults: int = 4
    items: int = 12  # that Regions overwrite for each other
    pause_s: float = 0.03  # between the writes of one writer
    calm_s: float = 30.0  # how long replicas may take to become equal afterwards


@dataclass(slots=True)
class Storm:
    """One storm over one globe."""

    globe: Globe
    plan: StormPlan
    app: App = field(default_factory=lambda: App(table="storm"))
    writes: list[Write] = field(default_factory=list)
    blowing: bool = True
    acknowledged: dict[str, asyncio.Event] = field(default_factory=dict)  # by Region: one came just now

    async def run(self) -> Audit:
        """The audit of every write. Raises TimeoutError: replicas did not become equal in time."""
        await create_table(self.globe, self.app)
        world = self.globe.world(HERE)
        work: list[Callable[[], Awaitable[None]]] = [
            *(lambda region=region: self._write(world, region) for region in self.globe.regions),
            *(lambda n=n: self._fault(world, n) for n in range(self.plan.faults)),
        ]
        tasks = [world.spawn(as_coroutine(one), f"storm {n}") for n, one in enumerate(work)]
        await world.sleep(self.plan.lasts_s)
        self.blowing = False
        for task in tasks:
            await task
        await self._calm(world)
        scans = await replicas.scan_all(self.globe, self.app, self.globe.regions, world.monotonic)
        return audit(self.writes, scans)

    async def _write(self, world: World, region: str) -> None:
        """One writer: puts whole items through one Region until the storm is over."""
        number = 0
        while self.blowing:
            number += 1
            write = f"{region}-{number}"
            drawn = draw(self.plan.seed, f"{region} item {number}") * 2
            # Every other write makes an item of its own: nothing overwrites it, so its loss cannot hide.
            item = f"shared-{int(drawn * self.plan.items)}" if drawn < 1 else f"new-{write}"
            params = {
                "TableName": self.app.table,
                "Item": {self.app.key: {"S": item}, WRITE_ATTRIBUTE: {"S": write}, "by": {"S": region}},
            }
            started = world.monotonic()
            try:
                await self.globe.call("dynamodb", "PutItem", params, region)
                ended: float | None = world.monotonic()
                self.acknowledged.setdefault(region, asyncio.Event()).set()
            except (AwsError, NetworkError):
                ended = None
            self.writes.append(Write(item, write, started, ended, region if ended else None))
            await world.sleep(self.plan.pause_s * (0.5 + draw(self.plan.seed, f"{region} pause {number}")))

    async def _fault(self, world: World, number: int) -> None:
        """One fault at a drawn moment: a Region killed and restored, or a pair parted."""
        seed, regions = self.plan.seed, self.globe.regions
        await world.sleep(draw(seed, f"when {number}") * self.plan.lasts_s * 0.8)
        victim = regions[int(draw(seed, f"who {number}") * len(regions))]
        lasts_s = 0.1 + draw(seed, f"how long {number}") * self.plan.lasts_s / 3
        if draw(seed, f"kind {number}") < 0.3:
            other = regions[(regions.index(victim) + 1) % len(regions)]
            await self.globe.impose(Partition(victim, other))
            await world.sleep(lasts_s)
            await self.globe.heal()
            return
        if draw(seed, f"aim {number}") < 0.7:
            await self._next_acknowledgement(victim)
        try:
            await self.globe.kill(victim)
        except ValueError:
            return  # already down: another fault was quicker
        await world.sleep(lasts_s)
        await self.globe.restore(victim)

    async def _next_acknowledgement(self, region: str) -> None:
        """Until the Region has just acknowledged a write: the worst moment to die, if it had promised too much."""
        came = self.acknowledged.setdefault(region, asyncio.Event())
        came.clear()
        try:
            async with asyncio.timeout(AIM_S):
                await came.wait()
        except TimeoutError:
            pass  # it is down, or cut off

    async def _calm(self, world: World) -> None:
        """Heals, restores what is down, and waits until all replicas are equal."""
        await self.globe.heal()
        for region in (await self.globe.status()).regions:
            if region.state == "down":
                await self.globe.restore(region.name)
        deadline = world.monotonic() + self.plan.calm_s
        while True:
            scans = await replicas.scan_all(self.globe, self.app, self.globe.regions, world.monotonic)
            if len(scans) == len(self.globe.regions) and replicas.equal(scans):
                return
            if world.monotonic() > deadline:
                raise TimeoutError(f"seed {self.plan.seed}: replicas differ {self.plan.calm_s} s after the storm")
            await world.sleep(0.2)


async def as_coroutine(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def create_table(
    globe: Globe, app: App, timeout_s: float = 30.0, *, attributes: tuple[str, ...] = (), more: Mapping[str, Any] = {}
) -> None:
    """A global table over all Regions, ACTIVE everywhere. Raises TimeoutError, AwsError.

    attributes: further ones to define (strings); more: further parameters of CreateTable.
    """
    home, *others = globe.regions
    world = globe.world(HERE)
    deadline = world.monotonic() + timeout_s

    async def active(region: str) -> bool:
        try:
            table = (await globe.call("dynamodb", "DescribeTable", {"TableName": app.table}, region))["Table"]
        except AwsError as error:
            if error.code == "ResourceNotFoundException":
                return False
            raise
        return table["TableStatus"] == "ACTIVE" and all(
            replica["ReplicaStatus"] == "ACTIVE" for replica in table.get("Replicas", ())
        )

    async def wait(region: str) -> None:
        while not await active(region):
            if world.monotonic() > deadline:
                raise TimeoutError(f"table {app.table} is not ACTIVE in {region} after {timeout_s} s")
            await world.sleep(0.1)

    params = {
        "TableName": app.table,
        "KeySchema": [{"AttributeName": app.key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in (app.key, *attributes)],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        **more,
    }
    await globe.call("dynamodb", "CreateTable", params, home)
    await wait(home)
    for other in others:
        update = {"TableName": app.table, "ReplicaUpdates": [{"Create": {"RegionName": other}}]}
        await globe.call("dynamodb", "UpdateTable", update, home)
        await wait(home)
    for region in globe.regions:
        await wait(region)
