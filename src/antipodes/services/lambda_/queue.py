"""The asynchronous invocations of one Region: a queue on disk, attempts, and what becomes of a hopeless event.

    lambda/queue/<number>    Event, msgpack; gone when it has succeeded or its last word is said

An event is on disk before it is acknowledged (202). It stays in this Region: when the Region is down its events wait
(facts 4.5). Delivery is at least once: a Region that dies under an attempt makes it again.

    the function failed     again after 1 minute, then after 2, as often as its settings say (0 to 2 more attempts)
    throttled, or a fault   again after 1 s, 2 s, 4 s ... 5 minutes, until it is too old; that is no attempt
    too old, or enough      its OnFailure destination is told, if there is one
    succeeded               its OnSuccess destination is told, if there is one
    reserved concurrency 0  no attempt: straight to the end

A destination is a function of this Region, invoked in its turn asynchronously, with AWS's record of the invocation;
OnFailure may be a bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.lambda_ import destinations
from antipodes.services.lambda_.metrics import Meter
from antipodes.services.lambda_.outcome import Outcome
from antipodes.services.lambda_.records import EventInvokeConfig
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AwsError, ServerFault

PREFIX = b"lambda/queue/"
RETRY_S = (60.0, 120.0)  # after the first failed attempt, after the second
FIRST_BACKOFF_S, LAST_BACKOFF_S = 1.0, 300.0
DISK_RETRY_S = 1.0
AT_ONCE = 1000  # attempts under way: as many as an account has environments
Condition = Literal["Success", "RetriesExhausted", "EventAgeExceeded"]


class Event(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One asynchronous invocation. Times are epoch seconds."""

    number: int
    request_id: str
    function: str
    qualifier: str | None
    payload: bytes
    client_context: str
    came: float
    attempts: int = 0  # that ended with an error of the function
    backoffs: int = 0
    trace: str = ""  # trace header
    looped: bool = False  # it is not run: its function has been in its chain of invocations too often


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Event).decode
Attempt = Callable[[Event], Awaitable[tuple[Outcome, str]]]  # the outcome, and the version that ran


class Queue:
    """`add` an event; attempts are made by `attempt`, settings looked up by `settings` (None: the function is gone)."""

    def __init__(
        self,
        surroundings: Surroundings,
        attempt: Attempt,
        settings: Callable[[Event], EventInvokeConfig | None],
        closed: Callable[[str], bool],
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._around = surroundings
        self._world = surroundings.world
        self._store = surroundings.store
        self._attempt = attempt
        self._settings = settings
        self._closed = closed  # whether the function may not run at all: reserved concurrency 0
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[asyncio.Task[None], None] = {}

    def load(self) -> None:
        """Goes on with what waits on disk."""
        for key, _ in list(self._store.range(PREFIX, PREFIX + b"\xff")):
            self._begin(key)

    def stop(self) -> None:
        """What is under way is as if it had not been begun: the events are still on disk."""
        for task in list(self._tasks):
            task.cancel()

    async def add(
        self,
        function: str,
        qualifier: str | None,
        payload: bytes,
        *,
        request_id: str,
        client_context: str = "",
        trace: str = "",
        looped: bool = False,
    ) -> None:
        """Returns when the event is on disk. Raises StoreError."""
        event = Event(
            number=self._store.stamp().time,
            request_id=request_id,
            function=function,
            qualifier=qualifier,
            payload=payload,
            client_context=client_context,
            came=self._world.now(),
            trace=trace,
            looped=looped,
        )
        self._store.write([(_key(event), _encode(event))])
        await self._store.durable()
        self._meter.event(function, qualifier, "AsyncEventsReceived")
        self._begin(_key(event))

    def _begin(self, key: bytes) -> None:
        task = self._world.spawn(self._live(key), "lambda event")
        self._tasks[task] = None
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))

    async def _live(self, key: bytes) -> None:
        """One event to its end. While it waits it is on disk and nowhere else."""
        wait_s: float | None = 0.0
        while wait_s is not None:
            await self._world.sleep(wait_s)
            try:
                async with self._places:
                    raw = self._store.get(key)
                    wait_s = None if raw is None else await self._step(_decode(raw))
            except StoreError:  # the disk refuses: the attempt may be made again
                wait_s = DISK_RETRY_S

    async def _step(self, event: Event) -> float | None:
        """One attempt; in how many seconds the next one is due, or None: the event has ended."""
        settings = self._settings(event)
        if settings is None:  # the function was deleted
            await self._end(event, None, "RetriesExhausted", None, "")
            return None
        if event.looped:
            self._meter.event(event.function, event.qualifier, "RecursiveInvocationsDropped")
        if event.looped or self._closed(event.function):
            await self._end(event, settings, "RetriesExhausted", None, "")
            return None
        self._meter.async_age(event.function, event.qualifier, self._world.now() - event.came)
        try:
            outcome, version = await self._attempt(event)
        except AwsError:  # throttled, or a fault of the service: no attempt was made
            wait_s = min(FIRST_BACKOFF_S * 2**event.backoffs, LAST_BACKOFF_S)
            event = msgspec.structs.replace(event, backoffs=event.backoffs + 1)
            return await self._again(event, settings, wait_s, None, "")
        if not outcome.failed:
            await self._end(event, settings, "Success", outcome, version)
            return None
        event = msgspec.structs.replace(event, attempts=event.attempts + 1, backoffs=0)
        if event.attempts > settings.retries:
            await self._end(event, settings, "RetriesExhausted", outcome, version)
            return None
        return await self._again(event, settings, RETRY_S[event.attempts - 1], outcome, version)

    async def _again(
        self, event: Event, settings: EventInvokeConfig, wait_s: float, outcome: Outcome | None, version: str
    ) -> float | None:
        if self._world.now() + wait_s - event.came > settings.age_s:
            await self._end(event, settings, "EventAgeExceeded", outcome, version)
            return None
        self._store.write([(_key(event), _encode(event))])
        await self._store.durable()
        return wait_s

    async def _end(
        self,
        event: Event,
        settings: EventInvokeConfig | None,
        condition: Condition,
        outcome: Outcome | None,
        version: str,
    ) -> None:
        """Tells the destination, then forgets the event."""
        target = ""
        if settings is not None:
            target = settings.on_success if condition == "Success" else settings.on_failure
        if target:
            record = self._record(event, condition, outcome, version)
            try:
                await destinations.tell(self._around, target, record, f"aws/lambda/async/{event.function}")
            except ServerFault as error:
                raise StoreError(error.message) from error
            except AwsError as error:  # the destination is gone: AWS counts it and says nothing
                self._world.trace("lambda.destination", function=event.function, refused=error.message)
                self._meter.event(event.function, event.qualifier, "DestinationDeliveryFailures")
        self._store.write([(_key(event), None)])
        await self._store.durable()
        if condition != "Success":
            self._meter.event(event.function, event.qualifier, "AsyncEventsDropped")

    def _record(self, event: Event, condition: Condition, outcome: Outcome | None, version: str) -> dict[str, Any]:
        """What a destination is invoked with (facts 4.5)."""
        settings = self._around.settings
        arn = f"arn:aws:lambda:{self._around.region}:{settings.account}:function:{event.function}"
        context: dict[str, Any] = {
            "requestId": event.request_id,
            "functionArn": f"{arn}:{event.qualifier or '$LATEST'}",
            "condition": condition,
            "approximateInvokeCount": event.attempts + (condition == "Success"),
        }
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": destinations.moment(self._world.now()),
            "requestContext": context,
            "requestPayload": orjson.loads(event.payload or b"null"),
        }
        if outcome is not None:
            response: dict[str, Any] = {"statusCode": 200, "executedVersion": version}
            if outcome.failed:
                response["functionError"] = "Unhandled"
            record["responseContext"] = response
            record["responsePayload"] = _json_or_text(outcome.payload)
        return record


def _json_or_text(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return payload.decode("utf-8", "replace")


def _key(event: Event) -> bytes:
    return PREFIX + event.number.to_bytes(8, "big")
