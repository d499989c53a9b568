"""What a Region's DynamoDB tells CloudWatch of itself: counters in memory, handed over every few seconds.

What it decides: which metrics there are and what each counts (Developer Guide, "DynamoDB metrics and dimensions"). What
it refuses to know: how CloudWatch keeps them; it calls its `Record`.

    TableName                 ConsumedReadCapacityUnits, ConsumedWriteCapacityUnits, ConditionalCheckFailedRequests,
                              ReadThrottleEvents, WriteThrottleEvents, ProvisionedRead/WriteCapacityUnits
    TableName, GlobalSecondaryIndexName     the capacity units and throttle events of an index
    TableName, Operation      SuccessfulRequestLatency, ThrottledRequests, SystemErrors, ReturnedItemCount
    (none)                    UserErrors

The path of a request pays for two readings of the clock and a few additions. A flush is planned only when something was
counted, FLUSH_S later or when the minute ends, whichever comes first: so every count lies in its minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from antipodes.services.contract import Call
from antipodes.services.dynamodb.throughput import CODE as THROTTLED
from antipodes.services.dynamodb.values import Item
from antipodes.wire.errors import AwsError
from antipodes.wire.operation import Operation, Request, Result
from antipodes.world.world import World

NAMESPACE = "AWS/DynamoDB"
FLUSH_S = 5.0
FINENESS = 50.0  # latencies are told apart by 2 %: e ** (1 / 50)
MEASURED = frozenset(
    {
        *("PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"),
        *("TransactGetItems", "TransactWriteItems", "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"),
    }
)
Datum = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """Count, sum and bounds of a quantity."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)


@dataclass(slots=True)
class Spread(Tally):
    """A tally that also knows how its values are spread, for percentiles."""

    steps: dict[int, int] = field(default_factory=dict)

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        step = int(math.log(value + 1e-6) * FINENESS)
        self.steps[step] = self.steps.get(step, 0) + 1


@dataclass(slots=True, eq=False)
class Usage:
    """What was used of one table since the last flush. The table's path counts; the meter takes it away.

    It also lets requests in: here always; `limits.Limited` refuses them when throughput is enforced.
    """

    reads: Tally = field(default_factory=Tally)
    writes: Tally = field(default_factory=Tally)
    index_reads: dict[str, Tally] = field(default_factory=dict)  # global indexes only
    index_writes: dict[str, Tally] = field(default_factory=dict)
    returned: dict[str, Tally] = field(default_factory=dict)  # by operation
    throttled: dict[tuple[str, str], int] = field(default_factory=dict)  # by side ("Read", "Write") and index ("")
    refused: int = 0  # conditions that did not hold

    def admit_read(self, index: str = "") -> None:
        """Before a read of the table, or of one of its global indexes.

        Raises ProvisionedThroughputExceededException.
        """

    def admit_write(self, old: bytes | None, size: int, item: Item | None) -> None:
        """Before the write of an item: its row if there is one, what it will be (None: nothing) and the size of that.

        Raises ProvisionedThroughputExceededException.
        """

    def read(self, units: float, index: str = "") -> None:
        """Counts read units. index: a global one."""
        if index:
            self.index_reads.setdefault(index, Tally()).add(units)
        else:
            self.reads.add(units)

    def wrote(self, units: float, times: int = 1, index: str = "") -> None:
        """Counts write units, `times` over (a transaction: 2). index: a global one."""
        if index:
            self.index_writes.setdefault(index, Tally()).add(units * times)
        else:
            self.writes.add(units * times)

    def gave(self, operation: str, items: int) -> None:
        """Counts the items that a query or scan answered with."""
        self.returned.setdefault(operation, Tally()).add(items)

    def taken(self) -> Usage:
        """What was counted; counting begins anew."""
        taken = Usage(self.reads, self.writes, self.index_reads, self.index_writes, self.returned, self.throttled)
        taken.refused = self.refused
        self.reads, self.writes, self.refused = Tally(), Tally(), 0
        self.index_reads, self.index_writes, self.returned, self.throttled = {}, {}, {}, {}
        return taken


class Metered(Protocol):
    """A table, as far as the meter knows it."""

    usage: Usage

    @property
    def name(self) -> str: ...


class Meter:
    """Counts the requests of one Region's DynamoDB. tables: those there are now, by name."""

    def __init__(
        self,
        world: World,
        call: Call,
        spawn: Callable[[Any, str], object],
        tables: Mapping[str, Metered],
        table_name: Callable[[str], str],
    ) -> None:
        self._world = world
        self._call = call
        self._spawn = spawn
        self._tables = tables
        self._table_name = table_name  # a TableName parameter may be an ARN
        self._latencies: dict[tuple[str, str], Spread] = {}  # by operation and TableName parameter
        self._failures: dict[tuple[str, str, str], int] = {}  # by metric, operation and TableName parameter
        self._since: float | None = None  # when the first count after the last flush was made

    def over(self, operations: Mapping[str, Operation]) -> dict[str, Operation]:
        """The same operations, metered. What exists between Regions only is not."""
        return {
            name: self.measured(name, operation)
            if name in MEASURED
            else operation
            if name.startswith("Replica")
            else self.guarded(name, operation)
            for name, operation in operations.items()
        }

    def measured(self, name: str, operation: Operation) -> Operation:
        """The operation, with its latency and its errors counted."""
        monotonic = self._world.monotonic
        latencies = self._latencies

        async def run(request: Request) -> Result:
            begun = monotonic()
            try:
                result = await operation(request)
            except AwsError as fault:
                self._failed(name, request.params, fault)
                raise
            except Exception:
                self._count("SystemErrors", name, request.params)
                raise
            elapsed_ms = (monotonic() - begun) * 1000.0
            if self._since is None:
                self._begin()
            table = request.params.get("TableName")
            if table is not None:
                tally = latencies.get((name, table))
                if tally is None:
                    tally = latencies[name, table] = Spread()
                tally.add(elapsed_ms)
            else:
                for table in _tables_of(request.params):
                    latencies.setdefault((name, table), Spread()).add(elapsed_ms)
            return result

        return run

    def guarded(self, name: str, operation: Operation) -> Operation:
        """The operation, with its errors counted: AWS measures no latency of the control plane."""

        async def run(request: Request) -> Result:
            try:
                return await operation(request)
            except AwsError as fault:
                self._failed(name, request.params, fault)
                raise

        return run

    async def flush(self) -> None:
        """Hands over what was counted. What CloudWatch refuses is dropped: metrics never hold up a service."""
        if self._since is None:
            return
        at, self._since = self._since, None
        data = [{**datum, "Timestamp": at} for datum in self._taken()]
        try:
            await self._call("cloudwatch", "Record", {"Namespace": NAMESPACE, "MetricData": data})
        except AwsError as fault:
            self._world.trace("dynamodb.meter", refused=fault.message)

    def _begin(self) -> None:
        self._since = self._world.now()
        self._spawn(self._flush_later(), "hands metrics over")

    async def _flush_later(self) -> None:
        assert self._since is not None
        await self._world.sleep(min(FLUSH_S, 60.0 - self._since % 60.0))
        await self.flush()

    def _failed(self, name: str, params: Mapping[str, Any], fault: AwsError) -> None:
        if self._since is None:
            self._begin()
        if fault.status >= 500:
            self._count("SystemErrors", name, params)
        elif fault.code == "ConditionalCheckFailedException":
            for table in _tables_of(params):
                found = self._tables.get(self._table_name(table))
                if found is not None:
                    found.usage.refused += 1
        elif fault.code == THROTTLED:
            self._count("ThrottledRequests", name, params)
        else:
            self._count("UserErrors", name, {})

    def _count(self, metric: str, name: str, params: Mapping[str, Any]) -> None:
        if self._since is None:
            self._begin()
        for table in _tables_of(params) or ("",):
            key = metric, "" if metric == "UserErrors" else name, table
            self._failures[key] = self._failures.get(key, 0) + 1

    def _taken(self) -> Iterator[Datum]:
        """All that was counted, as data of PutMetricData; the counters begin anew."""
        latencies = sorted(self._latencies.items())
        failures = sorted(self._failures.items())
        self._latencies.clear()
        self._failures.clear()
        for (operation, table), spread in latencies:
            where = _dimensions(TableName=self._table_name(table), Operation=operation)
            yield _datum("SuccessfulRequestLatency", where, spread, "Milliseconds")
        for (metric, operation, table), count in failures:
            if metric == "UserErrors":
                yield _counted(metric, [], count)
            elif self._table_name(table) in self._tables:  # names that nobody has would grow without bound
                yield _counted(metric, _dimensions(TableName=self._table_name(table), Operation=operation), count)
        for name in sorted(self._tables):
            yield from _used(name, self._tables[name].usage.taken())


def _used(name: str, usage: Usage) -> Iterator[Datum]:
    where = _dimensions(TableName=name)
    if usage.reads.count:
        yield _datum("ConsumedReadCapacityUnits", where, usage.reads, "Count")
    if usage.writes.count:
        yield _datum("ConsumedWriteCapacityUnits", where, usage.writes, "Count")
    for metric, indexes in (
        ("ConsumedReadCapacityUnits", usage.index_reads),
        ("ConsumedWriteCapacityUnits", usage.index_writes),
    ):
        for index in sorted(indexes):
            both = _dimensions(TableName=name, GlobalSecondaryIndexName=index)
            yield _datum(metric, both, indexes[index], "Count")
    for operation in sorted(usage.returned):
        both = _dimensions(TableName=name, Operation=operation)
        yield _datum("ReturnedItemCount", both, usage.returned[operation], "Count")
    if usage.refused:
        yield _counted("ConditionalCheckFailedRequests", where, usage.refused)
    for side, index in sorted(usage.throttled):
        both = _dimensions(TableName=name, GlobalSecondaryIndexName=index) if index else where
        yield _counted(f"{side}ThrottleEvents", both, usage.throttled[side, index])


def _tables_of(params: Mapping[str, Any]) -> Sequence[str]:
    """The tables that a request names, each once."""
    name = params.get("TableName")
    if isinstance(name, str):
        return (name,)
    items = params.get("RequestItems")
    if isinstance(items, Mapping):
        return tuple(items)
    found: dict[str, None] = {}
    actions = params.get("TransactItems")
    if isinstance(actions, list):
        for action in actions:
            for one in action.values() if isinstance(action, Mapping) else ():
                if isinstance(one, Mapping) and isinstance(one.get("TableName"), str):
                    found[one["TableName"]] = None
    return tuple(found)


def _dimensions(**named: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in named.items()]


def _datum(metric: str, dimensions: list[dict[str, str]], tally: Tally, unit: str) -> Datum:
    found: Datum = {
        "MetricName": metric,
        "Dimensions": dimensions,
        "Unit": unit,
        "StatisticValues": {
            "SampleCount": float(tally.count),
            "Sum": tally.total,
            "Minimum": tally.least,
            "Maximum": tally.most,
        },
    }
    if isinstance(tally, Spread):
        steps = sorted(tally.steps)
        found["Values"] = [_middle(step, tally) for step in steps]
        found["Counts"] = [float(tally.steps[step]) for step in steps]
    return found


def _middle(step: int, tally: Tally) -> float:
    """A value of the step, never outside what was seen."""
    return min(max(float(f"{math.exp(step / FINENESS):.4g}"), tally.least), tally.most)


def _counted(metric: str, dimensions: list[dict[str, str]], count: int) -> Datum:
    """Events, each of which counts one."""
    return {
        "MetricName": metric,
        "Dimensions": dimensions,
        "Unit": "Count",
        "StatisticValues": {"SampleCount": float(count), "Sum": float(count), "Minimum": 1.0, "Maximum": 1.0},
        "Values": [1.0],
        "Counts": [float(count)],
    }
