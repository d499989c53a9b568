"""Pollers: each enabled event source mapping has one, which reads its stream and invokes its function.

A stream's shards are read one after the other, parents first, four times a second. A read that could find nothing, as
the Region's log has not grown since the last one, is left out. What was read is filtered, put into lanes
(ParallelizationFactor: order is kept for each item), and delivered in batches. The cursor is written when a batch is
done: a Region that dies in between delivers the batch again (at least once, as on AWS).

    a batch fails      with BisectBatchOnFunctionError it is cut in two, else tried again; a shard waits for its batches
    tried too often,   its records are given up: the mapping's bucket is told, if it has one, and
    or too old         LastProcessingResult says so
    a partial answer   {"batchItemFailures": [{"itemIdentifier": number}]}: the lowest number is where to go on

How long AWS waits between two attempts is not documented: here 0.5 s, doubled up to 30 s (a guess).
"""

from __future__ import annotations

import asyncio
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.lambda_ import destinations, filters
from antipodes.services.lambda_.mappings import CURSOR, Mappings, SourceMapping
from antipodes.services.lambda_.outcome import PAYLOAD_LIMIT_BYTES, Outcome
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AwsError

POLL_S = 0.25
REST_S = 10.0  # a stream is asked for so often even if nothing comes: it may be gone
TROUBLE_S = 1.0
FIRST_WAIT_S, LAST_WAIT_S = 0.5, 30.0
OK, FAILED, GIVEN_UP = "OK", "PROBLEM: Function call failed", "PROBLEM: Records given up"

Record = Mapping[str, Any]
Invoke = Callable[[SourceMapping, bytes, float | None], Awaitable[Outcome]]
Count = Callable[[SourceMapping, str, int], None]  # what CloudWatch is told: a metric, how many


class Window(msgspec.Struct, frozen=True):
    """A tumbling window under way: from when, and what the function said of it last."""

    start: int  # epoch seconds
    state: dict[str, Any] = {}


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a mapping's records are done: all of earlier shards, of this one up to and with the number."""

    shard: str = ""
    number: str = ""  # sequence number; "": none yet
    ended: bool = False  # the shard is read to its end
    window: Window | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Cursor).decode


class Ended(Exception):
    """The poller was told to end."""


class Pollers:
    """`changed` begins and ends them as the mappings say."""

    def __init__(self, surroundings: Surroundings, mappings: Mappings, invoke: Invoke, count: Count) -> None:
        self._count = count
        self._around = surroundings
        self._mappings = mappings
        self._invoke = invoke
        self._running: dict[str, Poller] = {}

    def changed(self, identity: str) -> None:
        """A mapping began, was changed, or ended. What a function is working on is waited for."""
        before = self._running.pop(identity, None)
        if before is not None:
            before.end()
        mapping = self._mappings.known.get(identity)
        if mapping is not None and mapping.state == "Enabled":
            self._running[identity] = Poller(self._around, self._mappings, mapping, self._invoke, before, self._count)

    def stop(self) -> None:
        for poller in self._running.values():
            poller.task.cancel()
        self._running.clear()


class Poller:
    """Reads for one mapping, as it was when this was made: a change makes a new one, which begins after the old one."""

    def __init__(
        self,
        surroundings: Surroundings,
        mappings: Mappings,
        mapping: SourceMapping,
        invoke: Invoke,
        before: Poller | None,
        count: Count,
    ) -> None:
        self._count = count
        self._around = surroundings
        self._world = surroundings.world
        self._store = surroundings.store
        self._call = surroundings.call
        self._mappings = mappings
        self._mapping = mapping
        self._invoke = invoke
        self._matches = filters.compiled(list(mapping.patterns))
        self._key = CURSOR + mapping.id.encode()
        self._cursor = Cursor()
        self._under_way = 0  # invocations
        self._ending = False
        self.task = self._world.spawn(self._run(before), f"lambda poller {mapping.id}")

    def end(self) -> None:
        """Ends it at once, or when the invocations under way have ended."""
        self._ending = True
        if not self._under_way:
            self.task.cancel()

    async def _run(self, before: Poller | None) -> None:
        """Until it is told to end. Trouble with the stream is waited out."""
        if before is not None:
            await asyncio.gather(before.task, return_exceptions=True)
        raw = self._store.get(self._key)
        if raw is not None:
            self._cursor = _decode(raw)
        while True:
            try:
                shard = await self._next_shard()
                if shard is None:
                    await self._world.sleep(TROUBLE_S)
                else:
                    await self._read(shard)
            except Ended:
                return
            except StoreError:
                await self._world.sleep(TROUBLE_S)
            except AwsError as error:
                if error.code == "TrimmedDataAccessException":  # it was away for too long: on with what is left
                    self._cursor = msgspec.structs.replace(self._cursor, number="")
                else:
                    self._mappings.note(self._mapping.id, f"PROBLEM: {error.message}")
                await self._world.sleep(TROUBLE_S)

    # Reading

    async def _next_shard(self) -> str | None:
        """The shard to read; None: there is no further one yet."""
        shards: list[str] = []
        params: dict[str, Any] = {"StreamArn": self._mapping.stream}
        while True:
            described = (await self._call("dynamodbstreams", "DescribeStream", params))["StreamDescription"]
            shards += [one["ShardId"] for one in described["Shards"]]
            if "LastEvaluatedShardId" not in described:
                break
            params["ExclusiveStartShardId"] = described["LastEvaluatedShardId"]
        cursor = self._cursor
        if cursor.shard not in shards:  # the first one ever, or ours is forgotten: it was read, or is lost
            return shards[0] if shards else None
        if not cursor.ended:
            return cursor.shard
        later = shards[shards.index(cursor.shard) + 1 :]
        return later[0] if later else None

    async def _read(self, shard: str) -> None:
        """One shard to its end, which for an open one does not come."""
        iterator = await self._iterator(shard)
        fresh = shard != self._cursor.shard
        if fresh:
            self._cursor = Cursor(shard, window=self._cursor.window)
        waiting: list[Record] = []
        since = self._world.monotonic()
        while iterator is not None:
            answer = await self._call("dynamodbstreams", "GetRecords", {"ShardIterator": iterator})
            records = answer["Records"]
            iterator = answer.get("NextShardIterator")
            if not waiting:
                since = self._world.monotonic()
            fitting = [one for one in records if self._matches(one)]
            self._count(self._mapping, "PolledEventCount", len(records))
            self._count(self._mapping, "FilteredOutEventCount", len(records) - len(fitting))
            waiting += fitting
            full = len(waiting) >= self._mapping.batch_size or iterator is None
            if waiting and (full or self._world.monotonic() - since >= self._mapping.window_s):
                await self._deliver(waiting)
                waiting = []
            elif records and not waiting:  # all were filtered out
                await self._advance(records[-1])
            await self._end_window()
            if not records and iterator is not None:
                await self._rest(None if waiting or self._cursor.window is not None else iterator)
        self._cursor = msgspec.structs.replace(self._cursor, ended=True)
        await self._save()

    async def _rest(self, iterator: str | None) -> None:
        """Until the next read; with an iterator, until the next one that may find something."""
        began = self._world.monotonic()
        if iterator is not None:
            await self._call("dynamodbstreams", "AwaitGrowth", {"ShardIterator": iterator, "Seconds": REST_S})
        await self._world.sleep(POLL_S - (self._world.monotonic() - began) % POLL_S)

    async def _iterator(self, shard: str) -> str | None:
        params: dict[str, Any] = {"StreamArn": self._mapping.stream, "ShardId": shard}
        if shard == self._cursor.shard and self._cursor.number:
            params |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._cursor.number}
        elif self._mapping.position == "LATEST":
            params |= {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self._mapping.begun}
        else:
            params["ShardIteratorType"] = "TRIM_HORIZON"
        found = await self._call("dynamodbstreams", "GetShardIterator", params)
        iterator: str | None = found["ShardIterator"]
        return iterator

    # Delivering

    async def _deliver(self, records: Sequence[Record]) -> None:
        """All of them, to the end of their attempts."""
        lanes: dict[int, list[Record]] = {}
        for record in records:
            key = orjson.dumps(record["dynamodb"]["Keys"], option=orjson.OPT_SORT_KEYS)
            lanes.setdefault(zlib.crc32(key) % self._mapping.lanes, []).append(record)
        work = [self._deliver_in_order(lanes[lane], alone=len(lanes) == 1) for lane in sorted(lanes)]
        await asyncio.gather(*work)
        await self._advance(records[-1])

    async def _deliver_in_order(self, records: Sequence[Record], *, alone: bool) -> None:
        for batch in self._batches(records):
            left: list[Sequence[Record]] = [batch]
            while left:
                left[:1] = await self._deliver_batch(left[0], alone=alone)

    def _batches(self, records: Sequence[Record]) -> list[Sequence[Record]]:
        """At most BatchSize records and 6 MB each; none crosses the border of a tumbling window."""
        batches: list[list[Record]] = []
        size, window = 0, -1
        for record in records:
            length = len(orjson.dumps(record)) + 200
            own = self._window_of(record)
            last = batches[-1] if batches else None
            if (
                last is None
                or len(last) == self._mapping.batch_size
                or size + length > PAYLOAD_LIMIT_BYTES
                or own != window
            ):
                batches.append([])
                size, window = 0, own
            batches[-1].append(record)
            size += length
        return list(batches)

    async def _deliver_batch(self, batch: Sequence[Record], *, alone: bool) -> list[Sequence[Record]]:
        """One batch to its end, or the two parts into which it is cut."""
        mapping = self._mapping
        failures, wait_s = 0, FIRST_WAIT_S
        while True:
            batch = await self._young(batch, failures)
            if not batch:
                return []
            await self._enter_window(batch[0])
            try:
                outcome = await self._invoked(self._event(batch), _made(batch[-1]))
            except AwsError:  # throttled, or gone: that is no attempt
                self._count(mapping, "FailedInvokeEventCount", len(batch))
                self._mappings.note(mapping.id, FAILED)
                await self._pause(wait_s)
                wait_s = min(wait_s * 2, LAST_WAIT_S)
                continue
            done = 0 if outcome.failed else self._done(outcome, batch)
            self._count(mapping, "InvokedEventCount", len(batch))
            self._count(mapping, "FailedInvokeEventCount", len(batch) - done)
            if done == len(batch):
                self._keep_state(outcome)
                self._mappings.note(mapping.id, OK)
                if alone:
                    await self._advance(batch[-1])
                self._check()
                return []
            self._mappings.note(mapping.id, FAILED)
            if done and alone:
                await self._advance(batch[done - 1])
            batch = batch[done:]
            if mapping.bisect and not done and len(batch) > 1:  # cutting does not count as an attempt
                return [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
            failures += 1
            if 0 <= mapping.retries < failures:
                await self._give_up(batch, "RetryAttemptsExhausted", failures, outcome)
                return []
            await self._pause(wait_s)
            wait_s = min(wait_s * 2, LAST_WAIT_S)

    async def _invoked(self, event: bytes, newest: float | None = None) -> Outcome:
        self._under_way += 1
        try:
            return await self._invoke(self._mapping, event, newest)
        finally:
            self._under_way -= 1

    async def _pause(self, seconds: float) -> None:
        self._check()
        await self._world.sleep(seconds)

    def _check(self) -> None:
        """Between two invocations: raises Ended."""
        if self._ending:
            raise Ended

    async def _young(self, batch: Sequence[Record], failures: int) -> Sequence[Record]:
        """Without the records that are older than the mapping wants to try: those are given up."""
        if self._mapping.age_s < 0:
            return batch
        oldest = self._world.now() - self._mapping.age_s
        young = [one for one in batch if _made(one) >= oldest]
        if len(young) < len(batch):
            old = [one for one in batch if _made(one) < oldest]
            await self._give_up(old, "RecordAgeExceeded", failures)
        return young

    async def _give_up(
        self, batch: Sequence[Record], condition: str, failures: int, outcome: Outcome | None = None
    ) -> None:
        """Tells the mapping's bucket, if it has one (the name of the second condition is from memory)."""
        mapping, settings = self._mapping, self._around.settings
        self._mappings.note(mapping.id, GIVEN_UP)
        if not mapping.on_failure:
            self._count(mapping, "DroppedEventCount", len(batch))
            return
        numbers = [one["dynamodb"]["SequenceNumber"] for one in batch]
        function = f"arn:aws:lambda:{self._around.region}:{settings.account}:function:{mapping.function}"
        record: dict[str, Any] = {
            "requestContext": {
                "requestId": str(uuid.UUID(int=self._world.chance.getrandbits(128), version=4)),
                "functionArn": f"{function}:{mapping.qualifier}" if mapping.qualifier else function,
                "condition": condition,
                "approximateInvokeCount": failures,
            },
            "version": "1.0",
            "timestamp": destinations.moment(self._world.now()),
            "DDBStreamBatchInfo": {
                "shardId": self._cursor.shard,
                "startSequenceNumber": numbers[0],
                "endSequenceNumber": numbers[-1],
                "approximateArrivalOfFirstRecord": destinations.moment(_made(batch[0])),
                "approximateArrivalOfLastRecord": destinations.moment(_made(batch[-1])),
                "batchSize": len(batch),
                "streamArn": mapping.stream,
            },
            "payload": self._event(batch).decode(),
        }
        if outcome is not None:
            response = {"statusCode": 200, "executedVersion": mapping.qualifier or "$LATEST"}
            record["responseContext"] = response | ({"functionError": "Unhandled"} if outcome.failed else {})
        folder = f"aws/lambda/{mapping.id}/{self._cursor.shard}"
        try:
            await destinations.tell(self._around, mapping.on_failure, record, folder)
        except AwsError as error:
            self._world.trace("lambda.destination", function=mapping.function, refused=error.message)
            self._count(mapping, "DestinationDeliveryFailures", 1)
            self._count(mapping, "DroppedEventCount", len(batch))
        else:
            self._count(mapping, "OnFailureDestinationDeliveredEventCount", len(batch))

    def _done(self, outcome: Outcome, batch: Sequence[Record]) -> int:
        """How many of the batch are done, by what the function answered; an answer that says nothing clear: none."""
        if not self._mapping.partial:
            return len(batch)
        try:
            answer = orjson.loads(outcome.payload)
        except orjson.JSONDecodeError:
            return 0
        failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
        if not failures:
            return len(batch) if answer is None or isinstance(answer, dict) else 0
        numbers = [one["dynamodb"]["SequenceNumber"] for one in batch]
        try:
            return min(numbers.index(one["itemIdentifier"]) for one in failures)
        except (TypeError, KeyError, ValueError):
            return 0

    def _event(self, batch: Sequence[Record], **more: Any) -> bytes:
        records = [{**one, "eventSourceARN": self._mapping.stream} for one in batch]
        event: dict[str, Any] = {"Records": records}
        if self._cursor.window is not None:
            start = self._cursor.window.start
            event |= {
                "window": {"start": _moment(start), "end": _moment(start + self._mapping.tumbling_s)},
                "state": self._cursor.window.state,
                "shardId": self._cursor.shard,
                "eventSourceARN": self._mapping.stream,
                "isFinalInvokeForWindow": False,
                "isWindowTerminatedEarly": False,
            } | more
        return orjson.dumps(event)

    # Tumbling windows

    def _window_of(self, record: Record) -> int:
        span = self._mapping.tumbling_s
        return int(record["dynamodb"]["ApproximateCreationDateTime"]) // span * span if span else -1

    async def _enter_window(self, record: Record) -> None:
        """The window of the record begins, after the one before it has ended."""
        start = self._window_of(record)
        window = self._cursor.window
        if start < 0 or (window is not None and window.start == start):
            return
        if window is not None:
            await self._finish_window()
        self._cursor = msgspec.structs.replace(self._cursor, window=Window(start))

    async def _end_window(self) -> None:
        window = self._cursor.window
        if window is not None and self._world.now() >= window.start + self._mapping.tumbling_s:
            await self._finish_window()

    async def _finish_window(self) -> None:
        """The function's last word on a window."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                outcome = await self._invoked(self._event((), isFinalInvokeForWindow=True))
                if not outcome.failed:
                    break
            except AwsError:
                pass
            self._mappings.note(self._mapping.id, FAILED)
            await self._pause(wait_s)
            wait_s = min(wait_s * 2, LAST_WAIT_S)
        self._cursor = msgspec.structs.replace(self._cursor, window=None)
        await self._save()

    def _keep_state(self, outcome: Outcome) -> None:
        window = self._cursor.window
        if window is None:
            return
        try:
            answer = orjson.loads(outcome.payload)
        except orjson.JSONDecodeError:
            answer = None
        state = answer.get("state") if isinstance(answer, dict) else None
        kept = Window(window.start, state if isinstance(state, dict) else {})
        self._cursor = msgspec.structs.replace(self._cursor, window=kept)

    # The cursor

    async def _advance(self, record: Record) -> None:
        self._cursor = msgspec.structs.replace(self._cursor, number=record["dynamodb"]["SequenceNumber"])
        await self._save()

    async def _save(self) -> None:
        self._store.write([(self._key, _encode(self._cursor))])
        await self._store.durable()


def _moment(seconds: int) -> str:
    """As in Lambda's events: 2020-07-30T17:00:00Z."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _made(record: Record) -> float:
    """Epoch seconds."""
    return float(record["dynamodb"]["ApproximateCreationDateTime"])
