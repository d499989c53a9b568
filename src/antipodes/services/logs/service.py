"""CloudWatch Logs of one Region: the table of its operations, and when what they write reaches the disk.

What is put is on disk before it is answered. Lambda and API Gateway feed `Record` (events.py) in the background: that
is seen at once and written HELD_S later, so a crash may lose what was said in the last moment. Metric filters,
subscription filters, queries (Insights), exports and delivery are refused by name. Metrics that events carry
(embedded.py) are told CloudWatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.logs import embedded
from antipodes.services.logs.events import Events
from antipodes.services.logs.groups import Groups
from antipodes.services.logs.ledger import Ledger
from antipodes.services.logs.live_tail import LiveTail
from antipodes.services.logs.parameters import invalid
from antipodes.store.engine import StoreError
from antipodes.wire.errors import AwsError, ServerFault, ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate

SWEEP_S = 60.0
HELD_S = 0.5
TURN_BYTES = 128 * 1024  # of what was recorded, in one write: its sync holds the loop
PAUSE_S = 0.01  # between two of them
LIVE_TAIL = "StartLiveTail"
RECORD = "Record"  # not in AWS's model: the HTTP door refuses it


class Logs:
    """Fulfils services.contract.Service."""

    name = "logs"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._store = surroundings.store
        self._call = surroundings.call
        self._region = surroundings.region
        self._account = surroundings.settings.account
        self._writing: asyncio.Task[None] | None = None
        self._live_tail = LiveTail(self._world, self._region, self._account)
        self._begin()
        names = (*_GROUPS, *_EVENTS, LIVE_TAIL)
        self.operations: dict[str, Operation] = {name: self._operation(name) for name in names}
        self.operations[RECORD] = self._record

    def _begin(self) -> None:
        self._ledger = Ledger(self._world, self._store, self._live_tail.saw)
        self._groups = Groups(self._ledger, self._region, self._account)
        self._events = Events(self._ledger, self._region)

    async def start(self) -> None:
        self._world.spawn(self._sweep(), "logs: remove what is gone")

    async def stop(self) -> None:
        """Writes what was recorded; the store's closing makes it durable."""
        self._ledger.release()

    def _operation(self, name: str) -> Operation:
        async def operation(request: Request) -> Result:
            try:
                validate("logs", name, request.params)
            except ValidationException as error:
                raise invalid(error.message) from None
            self._ledger.release()
            answer = self._carried_out(name, request)
            self._ledger.release()
            await self._settle()
            if name == "PutLogEvents":
                await self._tell(event["message"] for event in request.params["logEvents"])
            return answer

        return operation

    def _carried_out(self, name: str, request: Request) -> Result:
        if name == LIVE_TAIL:
            return self._live_tail.start(self._ledger, request)
        return _GROUPS[name](self._groups, request) if name in _GROUPS else _EVENTS[name](self._events, request)

    async def _record(self, request: Request) -> Result:
        """Events of services of this Region."""
        self._events.record(request.params["streams"])
        if self._writing is None or self._writing.done():
            self._writing = self._world.spawn(self._write_later(), "logs: write what was recorded")
        await self._settle()  # a new group or stream; else nothing was written
        await self._tell(text for one in request.params["streams"] for _, text in one["logEvents"])
        return {}

    async def _tell(self, messages: Iterable[str]) -> None:
        """Metrics that log events carry. Nobody is told what CloudWatch refuses, as on AWS."""
        for message in [one for one in messages if embedded.MARK in one]:
            for namespace, data in embedded.metrics_of(message, self._world.now()):
                try:
                    await self._call("cloudwatch", "Record", {"Namespace": namespace, "MetricData": data})
                except AwsError as fault:
                    self._world.trace("metrics.lost", namespace=namespace, refused=fault.message)

    async def _write_later(self) -> None:
        while self._ledger.held_bytes:
            await self._world.sleep(HELD_S)
            for _ in range(0, self._ledger.held_bytes, TURN_BYTES):
                self._ledger.release(TURN_BYTES)
                try:
                    await self._settle()
                except ServerFault as error:
                    self._world.trace("lines.lost", source="logs", error=error.message)
                await self._world.sleep(PAUSE_S)

    async def _settle(self) -> None:
        """Waits for the disk. When it refuses, memory begins again from what it holds."""
        if self._store.settled:
            return
        try:
            await self._store.durable()
        except StoreError as error:
            self._begin()
            raise ServerFault("ServiceUnavailableException", str(error), status=503, happened=False) from error

    async def _sweep(self) -> None:
        while True:
            await self._world.tick(SWEEP_S)
            try:
                while self._ledger.sweep():
                    await self._settle()
                    await self._world.sleep(0)
            except ServerFault:
                pass  # the disk refuses: later


_GROUPS: Mapping[str, Callable[[Groups, Request], Result]] = {
    "CreateLogGroup": Groups.create_log_group,
    "DeleteLogGroup": Groups.delete_log_group,
    "DescribeLogGroups": Groups.describe_log_groups,
    "CreateLogStream": Groups.create_log_stream,
    "DeleteLogStream": Groups.delete_log_stream,
    "DescribeLogStreams": Groups.describe_log_streams,
    "PutRetentionPolicy": Groups.put_retention_policy,
    "DeleteRetentionPolicy": Groups.delete_retention_policy,
    "TagResource": Groups.tag_resource,
    "UntagResource": Groups.untag_resource,
    "ListTagsForResource": Groups.list_tags_for_resource,
    "TagLogGroup": Groups.tag_log_group,
    "UntagLogGroup": Groups.untag_log_group,
    "ListTagsLogGroup": Groups.list_tags_log_group,
}
_EVENTS: Mapping[str, Callable[[Events, Request], Result]] = {
    "PutLogEvents": Events.put_log_events,
    "GetLogEvents": Events.get_log_events,
    "FilterLogEvents": Events.filter_log_events,
}
