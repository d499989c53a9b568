"""CloudWatch's metrics, as a Region's service: the table of its operations, and when points reach the disk.

Clients put with PutMetricData, which is on disk before it is answered. The Region's own services feed `Record`
(put.py): that is written FLUSH_S after it came, so a crash may lose the last half minute of the Region's own metrics.
Alarms have no actions; dashboards, streams and anomaly detection are refused by name.
"""

from __future__ import annotations

import asyncio
import math

from antipodes.services.cloudwatch import get, listing, put
from antipodes.services.cloudwatch.alarms import Alarms
from antipodes.services.cloudwatch.archive import Archive
from antipodes.services.contract import Carried, Surroundings
from antipodes.store.engine import StoreError
from antipodes.wire.errors import ServerFault
from antipodes.wire.operation import Operation, Request, Result

FLUSH_S = 30.0
TURN_BYTES = 32 * 1024  # of rows that are written in one turn of the loop
PAUSE_S = 0.005  # between two of them
EXPIRY_S = 3600.0


class CloudWatch:
    """Fulfils services.contract.Service."""

    name = "cloudwatch"
    carried: Carried | None = None

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._store = surroundings.store
        self._archive = Archive(surroundings.store)
        self._alarms = Alarms(surroundings.store, surroundings.region, surroundings.settings.account)
        self._flush: asyncio.Task[None] | None = None
        self._next_expiry = 0.0
        self.operations: dict[str, Operation] = {
            "PutMetricData": self.put_metric_data,
            "GetMetricStatistics": self.get_metric_statistics,
            "GetMetricData": self.get_metric_data,
            "ListMetrics": self.list_metrics,
            "Record": self.record,
            "PutMetricAlarm": self.put_metric_alarm,
            "DescribeAlarms": self.describe_alarms,
            "DeleteAlarms": self.delete_alarms,
            "SetAlarmState": self.set_alarm_state,
        }

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        """Writes what is not written yet; the store's closing makes it durable."""
        if self._flush is not None:
            self._flush.cancel()
        self._write()

    async def put_metric_data(self, request: Request) -> Result:
        """Values of metrics, up to 1000 at once: all are kept, or none."""
        for series, point in put.data_of(request.params, self._world.now()):
            self._archive.record(series, point)
        self._write()
        await self._settle()
        return {}

    async def record(self, request: Request) -> Result:
        """Values from a service of this Region: {"Namespace", "MetricData"} as PutMetricData has them."""
        now = self._world.now()
        for datum in request.params["MetricData"]:
            for series, point in put.points_of(request.params["Namespace"], datum, "MetricData", now):
                self._archive.record(series, point)
        if self._archive.changed and (self._flush is None or self._flush.done()):
            self._flush = self._world.spawn(self._flush_later(), "cloudwatch: write what was recorded")
        return {}

    async def get_metric_statistics(self, request: Request) -> Result:
        """Statistics of one metric."""
        await self._settle()
        return get.metric_statistics(self._archive, request.params, self._world.now())

    async def get_metric_data(self, request: Request) -> Result:
        """Values of many metrics."""
        await self._settle()
        return get.metric_data(self._archive, request.params, self._world.now())

    async def list_metrics(self, request: Request) -> Result:
        """Which metrics there are."""
        await self._settle()
        return listing.metrics(self._archive, request.params, self._world.now())

    async def put_metric_alarm(self, request: Request) -> Result:
        """An alarm, created or replaced."""
        return await self._kept(self._alarms.put(request.params, self._world.now()))

    async def describe_alarms(self, request: Request) -> Result:
        """Alarms and their states as of now."""
        return await self._kept(self._alarms.describe(request.params, self._archive, self._world.now()))

    async def delete_alarms(self, request: Request) -> Result:
        """Alarms that are no longer wanted."""
        return await self._kept(self._alarms.delete(request.params))

    async def set_alarm_state(self, request: Request) -> Result:
        """A state until the next evaluation."""
        return await self._kept(self._alarms.set_state(request.params, self._world.now()))

    async def _kept(self, result: Result) -> Result:
        """What was done is on disk before it is answered."""
        await self._settle()
        return result

    async def _flush_later(self) -> None:
        await self._world.sleep(FLUSH_S)
        for _ in self._archive.put_together():
            await self._world.sleep(PAUSE_S)
        while self._archive.changed:
            self._write(TURN_BYTES)
            await self._settle()
            await self._world.sleep(PAUSE_S)

    def _write(self, enough_bytes: float = math.inf) -> None:
        now = self._world.now()
        rows = self._archive.changed_rows(enough_bytes)
        if now >= self._next_expiry:
            self._next_expiry = now + EXPIRY_S
            rows += self._archive.expired_rows(now)
        if rows:
            self._store.write(rows)
        self._archive.let_go(now)

    async def _settle(self) -> None:
        """Waits for the disk. When it refuses, memory begins again from what it holds."""
        if self._store.settled:
            return
        try:
            await self._store.durable()
        except StoreError as error:
            self._archive = Archive(self._store)
            raise ServerFault("InternalServiceFault", str(error), happened=False) from error
