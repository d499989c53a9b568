"""CloudWatch Logs of one Region: the table of its operations, and when what they write reaches the disk.

What is put is on disk before it is answered. Lambda feeds `Record` (events.py) in the background: a crash may lose what
was said in the last moment. Metric filters, subscription filters, queries (Insights), live tail, exports and
delivery are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from antipodes.services.contract import Carried, Surroundings
from antipodes.services.logs.events import Events
from antipodes.services.logs.groups import Groups
from antipodes.services.logs.ledger import Ledger
from antipodes.services.logs.parameters import invalid
from antipodes.store.engine import StoreError
from antipodes.wire.errors import ServerFault, ValidationException
from antipodes.wire.operation import Operation, Request, Result
from antipodes.wire.validation import validate

SWEEP_S = 60.0
RECORD = "Record"  # not in AWS's model: the HTTP door refuses it


class Logs:
    """Fulfils services.contract.Service."""

    name = "logs"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._store = surroundings.store
        self._region = surroundings.region
        self._account = surroundings.settings.account
        self._begin()
        self.operations: dict[str, Operation] = {name: self._operation(name) for name in (*_GROUPS, *_EVENTS)}

    def _begin(self) -> None:
        self._ledger = Ledger(self._world, self._store)
        self._groups = Groups(self._ledger, self._region, self._account)
        self._events = Events(self._ledger, self._region)

    async def start(self) -> None:
        self._world.spawn(self._sweep(), "logs: remove what is gone")

    async def stop(self) -> None:
        """The store's closing makes durable what was recorded."""

    def _operation(self, name: str) -> Operation:
        async def operation(request: Request) -> Result:
            if name != RECORD:
                try:
                    validate("logs", name, request.params)
                except ValidationException as error:
                    raise invalid(error.message) from None
            answer = _GROUPS[name](self._groups, request) if name in _GROUPS else _EVENTS[name](self._events, request)
            await self._settle()
            return answer

        return operation

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
            await self._world.sleep(SWEEP_S)
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
    RECORD: Events.record,
}
