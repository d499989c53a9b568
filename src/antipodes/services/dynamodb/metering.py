"""What a Region's DynamoDB tells CloudWatch of itself: counters in memory, handed over every few seconds.

What it decides: which metrics there are and what each counts (Developer Guide, "DynamoDB metrics and dimensions"). What
it refuses to know: how CloudWatch keeps them, and when they are handed over (contract/reports.py).

    TableName                 ConsumedReadCapacityUnits, ConsumedWriteCapacityUnits, ConditionalCheckFailedRequests,
                              ReadThrottleEvents, WriteThrottleEvents
    TableName, GlobalSecondaryIndexName     the capacity units and throttle events of an index
    TableName, Operation      SuccessfulRequestLatency, ThrottledRequests, SystemErrors, ReturnedItemCount
    TableName, ReceivingRegion    ReplicationLatency, stored in the Region of the write; PendingReplicationCount, of
                                  global tables of version 2017.11.29 only
    (none)                    UserErrors

The path of a request pays for two readings of the clock and a few additions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from antipodes.services.contract import Lags, Surroundings
from antipodes.services.contract.reports import Datum, MetricReports, Spawn
from antipodes.services.dynamodb.throughput import THROTTLED
from antipodes.services.dynamodb.values import Item
from antipodes.wire.errors import AwsError
from antipodes.wire.operation import Operation, Request, Result

NAMESPACE = "AWS/DynamoDB"
LOT = 2048  # latencies that are put in order together
SMALL_LOT = 128
STEP = 16
MEASURED = frozenset(
    {
        *("PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"),
        *("TransactGetItems", "TransactWriteItems", "ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"),
    }
)


class Spread:
    """Latencies of one operation on one table, in ms: their number, sum and bounds, and how they are spread.

    They come in lots. Of a large lot every sixteenth stands for its neighbours, but the slowest sixteen stand for
    themselves; all are rounded to three digits.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.most = 0.0
        self.values: dict[float, int] = {}

    def add(self, latencies_s: list[float]) -> None:
        """Takes a lot (not empty)."""
        lot = sorted(latencies_s)
        size = len(lot)
        self.count += size
        self.total += sum(lot) * 1000.0
        self.least = min(self.least, lot[0] * 1000.0)
        self.most = max(self.most, lot[-1] * 1000.0)
        whole = 0 if size <= SMALL_LOT else (size - STEP) // STEP * STEP
        for start in range(0, whole, STEP):
            self._count(lot[start + STEP // 2], STEP)
        for latency_s in lot[whole:]:
            self._count(latency_s, 1)

    def _count(self, latency_s: float, times: int) -> None:
        value = float(f"{latency_s * 1000.0:.3g}")
        self.values[value] = self.values.get(value, 0) + times


class Usage:
    """What was used of one table since the last flush. The table's path counts; the meter takes it away.

    Counting is adding to a list, which costs next to nothing. `read` and `wrote` take capacity units of the table
    itself; what indexes take is counted by name.

    It also lets requests in: here always; `limits.Limited` refuses them when throughput is enforced.
    """

    read: Callable[[float], None]
    wrote: Callable[[float], None]

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Counts from nothing."""
        self.reads: list[float] = []
        self.writes: list[float] = []
        self.read = self.reads.append
        self.wrote = self.writes.append
        self.index_reads: dict[str, list[float]] = {}  # global indexes only
        self.index_writes: dict[str, list[float]] = {}
        self.returned: dict[str, list[float]] = {}  # items, by operation
        self.throttled: dict[tuple[str, str], int] = {}  # by side ("Read", "Write") and index ("": the table)
        self.refused = 0  # conditions that did not hold

    def admit_read(self, index: str = "") -> None:
        """Before a read of the table, or of one of its global indexes.

        Raises ProvisionedThroughputExceededException.
        """

    def admit_write(self, old: bytes | None, size: int, item: Item | None) -> None:
        """Before the write of an item: its row if there is one, what it will be (None: nothing) and the size of that.

        Raises ProvisionedThroughputExceededException.
        """

    def wrote_again(self, units: float) -> None:
        """What a transaction takes of the table beyond what was let in; `wrote` is told the sum."""

    def read_index(self, index: str, units: float) -> None:
        """Counts read units of a global index."""
        self.index_reads.setdefault(index, []).append(units)

    def wrote_index(self, index: str, units: float) -> None:
        """Counts write units of a global index."""
        self.index_writes.setdefault(index, []).append(units)

    def gave(self, operation: str, items: int) -> None:
        """Counts the items that a query or scan answered with."""
        self.returned.setdefault(operation, []).append(items)


class Metered(Protocol):
    """A table, as far as the meter knows it."""

    usage: Usage

    @property
    def name(self) -> str: ...


class Meter:
    """Counts the requests of one Region's DynamoDB. tables: those there are now, by name."""

    def __init__(
        self,
        surroundings: Surroundings,
        spawn: Spawn,
        tables: Mapping[str, Metered],
        table_name: Callable[[str], str],
    ) -> None:
        self._world = surroundings.world
        self._reports = MetricReports(surroundings, NAMESPACE, self._taken, spawn)
        self.flush = self._reports.flush
        self._tables = tables
        self._table_name = table_name  # a TableName parameter may be an ARN
        # By operation and TableName parameter: what is not in order yet, and what is.
        self._latencies: dict[str, dict[str, list[float]]] = {name: {} for name in sorted(MEASURED)}
        self._spreads: dict[tuple[str, str], Spread] = {}
        self._failures: dict[tuple[str, str, str], int] = {}  # by metric, operation and TableName parameter
        self._replicated: dict[tuple[str, str], Lags] = {}  # by table and receiving Region
        self._pending: dict[tuple[str, str], int] = {}  # likewise: changes that have not arrived

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

        async def run(request: Request) -> Result:
            begun = monotonic()
            try:
                result = await operation(request)
            except AwsError as fault:
                self.failed(name, _tables_of(request.params), fault)
                raise
            except Exception:
                self._count("SystemErrors", name, _tables_of(request.params))
                raise
            latency_s = monotonic() - begun
            table = request.params.get("TableName")
            self.took(name, table if type(table) is str else _tables_of(request.params), latency_s)
            return result

        return run

    def took(self, name: str, tables: str | Sequence[str], latency_s: float) -> None:
        """Counts a request that went well."""
        if self._reports.since is None:
            self._reports.begin()
        latencies = self._latencies[name]
        for table in (tables,) if type(tables) is str else tables:
            lot = latencies.get(table)
            if lot is None:
                lot = latencies[table] = []
            lot.append(latency_s)
            if len(lot) >= LOT:
                self._order(name, table)

    def guarded(self, name: str, operation: Operation) -> Operation:
        """The operation, with its errors counted: AWS measures no latency of the control plane."""

        async def run(request: Request) -> Result:
            try:
                return await operation(request)
            except AwsError as fault:
                self.failed(name, _tables_of(request.params), fault)
                raise

        return run

    def replicated(self, table: str, region: str, lags: Lags) -> None:
        """Changes of a table became durable in another Region."""
        if self._reports.since is None:
            self._reports.begin()
        known = self._replicated.get((table, region))
        if known is not None:
            lags = Lags(
                known.changes + lags.changes,
                known.total_s + lags.total_s,
                min(known.least_s, lags.least_s),
                max(known.most_s, lags.most_s),
            )
        self._replicated[table, region] = lags

    def pending(self, table: str, region: str, changes: int) -> None:
        """So many changes of a table have not arrived in another Region."""
        if self._reports.since is None:
            self._reports.begin()
        self._pending[table, region] = changes

    def failed(self, name: str, tables: str | Sequence[str], fault: AwsError) -> None:
        """Counts a request that was refused, or failed."""
        if type(tables) is str:
            tables = (tables,)
        if self._reports.since is None:
            self._reports.begin()
        if fault.status >= 500:
            self._count("SystemErrors", name, tables)
        elif fault.code == "ConditionalCheckFailedException":
            for table in tables:
                found = self._tables.get(self._table_name(table))
                if found is not None:
                    found.usage.refused += 1
        elif fault.code in THROTTLED:
            self._count("ThrottledRequests", name, tables)
        else:
            self._count("UserErrors", name, ())

    def _count(self, metric: str, name: str, tables: Sequence[str]) -> None:
        if self._reports.since is None:
            self._reports.begin()
        for table in tables or ("",):
            key = metric, "" if metric == "UserErrors" else name, table
            self._failures[key] = self._failures.get(key, 0) + 1

    def _taken(self) -> list[Datum]:
        """All that was counted, as data of PutMetricData; the counters begin anew."""
        return list(self._data())

    def _data(self) -> Iterator[Datum]:
        for operation, by_table in self._latencies.items():
            for table in list(by_table):
                self._order(operation, table)
            by_table.clear()
        spreads, failures = sorted(self._spreads.items()), sorted(self._failures.items())
        self._spreads.clear()
        self._failures.clear()
        for (operation, table), spread in spreads:
            where = _dimensions(TableName=self._table_name(table), Operation=operation)
            yield _spread("SuccessfulRequestLatency", where, spread)
        for (metric, operation, table), count in failures:
            if metric == "UserErrors":
                yield _counted(metric, [], count)
            elif self._table_name(table) in self._tables:  # names that nobody has would grow without bound
                yield _counted(metric, _dimensions(TableName=self._table_name(table), Operation=operation), count)
        replicated = sorted(self._replicated.items())
        self._replicated.clear()
        waiting = sorted(self._pending.items())
        self._pending.clear()
        for (table, region), changes in waiting:
            where = _dimensions(TableName=table, ReceivingRegion=region)
            yield _summed("PendingReplicationCount", where, [float(changes)])
        for (table, region), lags in replicated:
            yield _latency(_dimensions(TableName=table, ReceivingRegion=region), lags)
        for name in sorted(self._tables):
            usage = self._tables[name].usage
            yield from _used(name, usage)
            usage.begin()

    def _order(self, operation: str, table: str) -> None:
        """Takes a lot of latencies."""
        lots = self._latencies[operation]
        if lots[table]:
            self._spreads.setdefault((operation, table), Spread()).add(lots[table])
            lots[table] = []


def _used(name: str, usage: Usage) -> Iterator[Datum]:
    where = _dimensions(TableName=name)
    if usage.reads:
        yield _summed("ConsumedReadCapacityUnits", where, usage.reads)
    if usage.writes:
        yield _summed("ConsumedWriteCapacityUnits", where, usage.writes)
    for metric, indexes in (
        ("ConsumedReadCapacityUnits", usage.index_reads),
        ("ConsumedWriteCapacityUnits", usage.index_writes),
    ):
        for index in sorted(indexes):
            yield _summed(metric, _dimensions(TableName=name, GlobalSecondaryIndexName=index), indexes[index])
    for operation in sorted(usage.returned):
        both = _dimensions(TableName=name, Operation=operation)
        yield _summed("ReturnedItemCount", both, usage.returned[operation])
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


def _spread(metric: str, dimensions: list[dict[str, str]], spread: Spread) -> Datum:
    values = sorted(spread.values)
    return {
        "MetricName": metric,
        "Dimensions": dimensions,
        "Unit": "Milliseconds",
        "StatisticValues": _statistics(spread.count, spread.total, spread.least, spread.most),
        "Values": values,
        "Counts": [float(spread.values[value]) for value in values],
    }


def _latency(dimensions: list[dict[str, str]], lags: Lags) -> Datum:
    """From a write in this Region to its being in another one."""
    return {
        "MetricName": "ReplicationLatency",
        "Dimensions": dimensions,
        "Unit": "Milliseconds",
        "StatisticValues": _statistics(lags.changes, lags.total_s * 1e3, lags.least_s * 1e3, lags.most_s * 1e3),
    }


def _summed(metric: str, dimensions: list[dict[str, str]], numbers: list[float]) -> Datum:
    """Units or items, of which each request counts once."""
    return {
        "MetricName": metric,
        "Dimensions": dimensions,
        "Unit": "Count",
        "StatisticValues": _statistics(len(numbers), sum(numbers), min(numbers), max(numbers)),
    }


def _statistics(count: int, total: float, least: float, most: float) -> dict[str, float]:
    return {"SampleCount": float(count), "Sum": float(total), "Minimum": float(least), "Maximum": float(most)}


def _counted(metric: str, dimensions: list[dict[str, str]], count: int) -> Datum:
    """Events, each of which counts one."""
    return {
        "MetricName": metric,
        "Dimensions": dimensions,
        "Unit": "Count",
        "StatisticValues": _statistics(count, count, 1.0, 1.0),
        "Values": [1.0],
        "Counts": [float(count)],
    }
