"""A storm over a table of multi-Region strong consistency: clients of several kinds, Regions that die and links that
part at drawn moments; then calm, and the question whether all that was answered can be true.

Every answer is kept with the times between which it came about; in the end all replicas are read once more. The history
of every item must be linearizable (linear.py): so no acknowledged write is gone, no read went back in time, and no
condition was judged by an old state. Replicas must be equal, and streams must tell the same in the same order.

What the table promises is that one Region at a time may fail, also for ever and with its disk. More than that must be
safe but need not work: so at most one disk is lost in a storm, while other faults come together. Runs in both worlds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from antipodes.gameday.disaster import draw
from antipodes.gameday.linear import Call, Done, Item, Kind, Result, State, Wrong, check
from antipodes.globe.globe import Globe
from antipodes.wire.errors import AwsError, ClientFault
from antipodes.world.rules import Partition
from antipodes.world.world import HERE, NetworkError, Refused, World

TABLE = "strong"
KINDS: tuple[Kind, ...] = ("read", "read", "put", "create", "swap", "add", "add", "delete")
CONFLICT = "ReplicatedWriteConflictException"
NEVER = "never written"
KILL_S = 10.0
AIM_S = 0.5  # how long a killer waits for an acknowledgement to kill after
BACK_OFF_S = 0.4  # after a failure, as clients do: what is unknown makes a history hard to judge
VIEW = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How hard it blows. Times in seconds."""

    seed: int
    lasts_s: float = 6.0
    faults: int = 4
    clients: int = 2  # a replica
    items: int = 4
    pause_s: float = 0.04
    calm_s: float = 40.0  # how long replicas may take to become equal and to answer
    witness: bool | None = None  # None: drawn


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. done: acknowledged operations; unknown: without an answer; conflicts: refused for another
    Region's write."""

    done: int
    unknown: int
    conflicts: int
    wrong: tuple[Wrong, ...]
    equal: bool
    streams_equal: bool

    @property
    def good(self) -> bool:
        return not self.wrong and self.equal and self.streams_equal


@dataclass(slots=True)
class StrongStorm:
    """One storm over one globe of three Regions of one set."""

    globe: Globe
    plan: Plan
    history: list[Done] = field(default_factory=list)
    conflicts: int = 0
    blowing: bool = True
    told: asyncio.Event = field(default_factory=asyncio.Event)  # a write was acknowledged

    async def run(self) -> Outcome:
        """Raises TimeoutError: it did not begin, or the table did not come back in time."""
        world = self.globe.world(HERE)
        plan = self.plan
        witness = draw(plan.seed, "witness") < 0.4 if plan.witness is None else plan.witness
        replicas = self.globe.regions[:2] if witness else self.globe.regions
        await create_table(self.globe, replicas, self.globe.regions[2] if witness else "")
        work = [self._client(world, region, n) for region in replicas for n in range(plan.clients)]
        work += [self._fault(world, n) for n in range(plan.faults)]
        tasks = [world.spawn(one, f"strong storm {n}") for n, one in enumerate(work)]
        await world.sleep(plan.lasts_s)
        self.blowing = False
        for task in tasks:
            await task
        await self._calm(world, replicas)
        scans = [await everything(self.globe, region) for region in replicas]
        streams = [await told(self.globe, region) for region in replicas]
        return Outcome(
            sum(one.ended is not None for one in self.history),
            sum(one.ended is None for one in self.history),
            self.conflicts,
            tuple(check(self.history)),
            all(scan == scans[0] for scan in scans),
            all(stream == streams[0] for stream in streams),
        )

    # Clients

    async def _client(self, world: World, region: str, number: int) -> None:
        name, step = f"{region} {number}", 0
        known: dict[str, str] = {}  # values that this client saw, for its conditions
        while self.blowing:
            step += 1
            item = f"item-{int(self._draw(f'{name} item {step}') * self.plan.items)}"
            kind = KINDS[int(self._draw(f"{name} kind {step}") * len(KINDS))]
            value = f"{name} {step}" if kind in {"put", "create", "swap"} else ""
            call = Call(kind, value, known.get(item) or NEVER, 1)
            how = int(self._draw(f"{name} how {step}") * 4)
            await self._do(world, region, item, call, how)
            last = self.history[-1] if self.history else None
            if last is not None and isinstance(last.result, Item) and last.item == item:
                known[item] = last.result.value
            await world.sleep(self.plan.pause_s * (0.5 + self._draw(f"{name} pause {step}")))

    async def _do(self, world: World, region: str, item: str, call: Call, how: int) -> None:
        """One operation, into the history. What is known not to have happened is no part of it."""
        began = world.monotonic()
        ended: float | None = None
        result: Result = None
        try:
            result = await perform(self.globe, region, item, call, how)
            ended = world.monotonic()
            if call.kind != "read":
                self.told.set()
        except ClientFault as fault:
            if fault.code == CONFLICT:
                self.conflicts += 1
            elif fault.code != "ResourceNotFoundException":  # a Region that lost its disk makes the table again
                raise
            return
        except Refused:  # it never left
            await world.sleep(BACK_OFF_S)
            return
        except (AwsError, NetworkError):
            await world.sleep(BACK_OFF_S)
            if call.kind == "read":
                return
        self.history.append(Done(item, call, began, ended, result, region))

    def _draw(self, what: str) -> float:
        return draw(self.plan.seed, what)

    # Faults

    async def _fault(self, world: World, number: int) -> None:
        regions = self.globe.regions
        await world.sleep(self._draw(f"when {number}") * self.plan.lasts_s * 0.8)
        victim = regions[int(self._draw(f"who {number}") * len(regions))]
        others = [one for one in regions if one != victim]
        lasts_s = 0.1 + self._draw(f"how long {number}") * self.plan.lasts_s / 2
        kind = self._draw(f"kind {number}")
        if kind < 0.4:
            for other in others if kind < 0.2 else others[:1]:
                await self.globe.impose(Partition(victim, other))
            await world.sleep(lasts_s)
            await self.globe.heal()
            return
        await self._next_acknowledgement(world)
        if kind < 0.6:  # power fails everywhere at once, and comes back here and there
            await self._die(world, regions[0], lasts_s / 4, together=regions[1:])
        else:
            await self._die(world, victim, lasts_s, destroy=number == 0 and kind > 0.7)

    async def _die(
        self, world: World, region: str, lasts_s: float, *, destroy: bool = False, together: Sequence[str] = ()
    ) -> None:
        """A Region dies, perhaps for ever with its disk, perhaps with others, and comes back."""
        dead = []
        for one in (region, *together):
            try:
                async with asyncio.timeout(KILL_S):
                    await self.globe.kill(one, destroy=destroy)
            except ValueError:
                continue  # already down
            except TimeoutError:
                pass  # it is dead; another one died before it had heard of the lost disk
            dead.append(one)
        for one in dead:
            await world.sleep(lasts_s)
            await self.globe.restore(one)

    async def _next_acknowledgement(self, world: World) -> None:
        """Until somebody has just been told that a write is done: the worst moment to die, if too much was promised."""
        self.told.clear()
        try:
            async with asyncio.timeout(AIM_S):
                await self.told.wait()
        except TimeoutError:
            pass

    async def _calm(self, world: World, replicas: Sequence[str]) -> None:
        """Heals, restores, and reads every item in every replica, until all have answered."""
        await self.globe.heal()
        for status in (await self.globe.status()).regions:
            if status.state == "down":
                await self.globe.restore(status.name)
        deadline = world.monotonic() + self.plan.calm_s
        for region in replicas:
            for number in range(self.plan.items):
                before = len(self.history)
                while len(self.history) == before:
                    if world.monotonic() > deadline:
                        raise TimeoutError(f"seed {self.plan.seed}: {region} does not answer after the storm")
                    await self._do(world, region, f"item-{number}", Call("read"), 0)
                    await world.sleep(0.1)


async def perform(globe: Globe, region: str, item: str, call: Call, how: int = 0) -> Result:
    """One call as an operation of DynamoDB. how: which of several operations. Raises AwsError, NetworkError."""
    key = {"pk": {"S": item}}
    whole = {**key, "v": {"S": call.value}, "n": {"N": "0"}}
    if call.kind == "read":
        return await read(globe, region, item, how)
    if call.kind == "put" and how == 1:
        await globe.call(
            "dynamodb", "BatchWriteItem", {"RequestItems": {TABLE: [{"PutRequest": {"Item": whole}}]}}, region
        )
        return True
    if call.kind == "delete":
        await globe.call("dynamodb", "DeleteItem", {"TableName": TABLE, "Key": key}, region)
        return True
    if call.kind == "add":
        params = {
            "TableName": TABLE,
            "Key": key,
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": {":n": {"N": str(call.number)}},
            "ReturnValues": "UPDATED_NEW",
        }
        answer = await globe.call("dynamodb", "UpdateItem", params, region)
        return int(answer["Attributes"]["n"]["N"])
    condition: dict[str, Any] = {}
    operation, body = "PutItem", {"Item": whole}
    if call.kind == "create":
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
    elif call.kind == "swap":
        operation, body = "UpdateItem", {"Key": key}
        condition = {
            "UpdateExpression": "SET v = :new",
            "ConditionExpression": "v = :old",
            "ExpressionAttributeValues": {":new": {"S": call.value}, ":old": {"S": call.expected}},
        }
    try:
        await globe.call("dynamodb", operation, {"TableName": TABLE, **body, **condition}, region)
    except ClientFault as fault:
        if fault.code == "ConditionalCheckFailedException":
            return False
        raise
    return True


async def read(globe: Globe, region: str, item: str, how: int = 0) -> State:
    """A strong read of one item, by GetItem, BatchGetItem, Query or Scan."""
    key = {"pk": {"S": item}}
    if how == 0:
        answer = await globe.call(
            "dynamodb", "GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True}, region
        )
        return _state(answer.get("Item"))
    if how == 1:
        wanted = {TABLE: {"Keys": [key], "ConsistentRead": True}}
        answer = await globe.call("dynamodb", "BatchGetItem", {"RequestItems": wanted}, region)
        return _state(next(iter(answer["Responses"].get(TABLE, ())), None))
    params: dict[str, Any] = {"TableName": TABLE, "ConsistentRead": True}
    if how == 2:
        params |= {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": key["pk"]}}
    answer = await globe.call("dynamodb", "Query" if how == 2 else "Scan", params, region)
    return _state(next((one for one in answer["Items"] if one["pk"] == key["pk"]), None))


def _state(found: Mapping[str, Any] | None) -> State:
    if found is None:
        return None
    return Item(found.get("v", {"S": ""})["S"], int(found["n"]["N"]))


async def everything(globe: Globe, region: str) -> list[Any]:
    """All items of a replica, as of now."""
    found = await globe.call("dynamodb", "Scan", {"TableName": TABLE, "ConsistentRead": True}, region)
    return sorted(found["Items"], key=lambda item: str(item["pk"]["S"]))


async def told(globe: Globe, region: str) -> list[tuple[Any, ...]]:
    """What a replica's stream tells, but for what names the replica: its numbers, its Region."""
    table = (await globe.call("dynamodb", "DescribeTable", {"TableName": TABLE}, region))["Table"]
    arn = table["LatestStreamArn"]
    stream = await globe.call("dynamodbstreams", "DescribeStream", {"StreamArn": arn}, region)
    found: list[tuple[Any, ...]] = []
    for shard in stream["StreamDescription"]["Shards"]:
        wanted = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        place = (await globe.call("dynamodbstreams", "GetShardIterator", wanted, region))["ShardIterator"]
        while True:
            page = await globe.call("dynamodbstreams", "GetRecords", {"ShardIterator": place}, region)
            for record in page["Records"]:
                change = record["dynamodb"]
                images = change.get("OldImage"), change.get("NewImage")
                found.append((record["eventName"], change["Keys"], *images, change["ApproximateCreationDateTime"]))
            place = page.get("NextShardIterator")
            if not page["Records"] or place is None:
                break
    return found


async def create_table(globe: Globe, replicas: Sequence[str], witness: str, timeout_s: float = 30.0) -> None:
    """A table of strong consistency, with streams, ACTIVE everywhere and ready to be written. Raises TimeoutError."""
    home, *others = replicas
    world = globe.world(HERE)
    deadline = world.monotonic() + timeout_s

    async def wait(region: str) -> None:
        while True:
            try:
                table = (await globe.call("dynamodb", "DescribeTable", {"TableName": TABLE}, region))["Table"]
                if table["TableStatus"] == "ACTIVE":
                    return
            except ClientFault:
                pass
            if world.monotonic() > deadline:
                raise TimeoutError(f"table {TABLE} is not ACTIVE in {region} after {timeout_s} s")
            await world.sleep(0.1)

    params = {
        "TableName": TABLE,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": VIEW,
    }
    await globe.call("dynamodb", "CreateTable", params, home)
    await wait(home)
    update: dict[str, Any] = {
        "TableName": TABLE,
        "MultiRegionConsistency": "STRONG",
        "ReplicaUpdates": [{"Create": {"RegionName": other}} for other in others],
    }
    if witness:
        update["GlobalTableWitnessUpdates"] = [{"Create": {"RegionName": witness}}]
    await globe.call("dynamodb", "UpdateTable", update, home)
    for region in replicas:
        await wait(region)
    for region in others:
        await globe.call("dynamodb", "UpdateTable", {"TableName": TABLE, "StreamSpecification": VIEW}, region)
