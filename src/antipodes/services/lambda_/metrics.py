"""What a Region's functions tell CloudWatch of themselves (namespace AWS/Lambda): counted in memory, handed over.

    each invocation that ran   Invocations, Errors (0 or 1), Duration; PostRuntimeExtensionsDuration where there are
                               extensions
    each that was admitted     ConcurrentExecutions, of the function and of the Region; of the Region
                               UnreservedConcurrentExecutions and ClaimedAccountConcurrency; where a version has
                               provisioned concurrency, ProvisionedConcurrencyInvocations or ...SpilloverInvocations,
                               ProvisionedConcurrentExecutions, ProvisionedConcurrencyUtilization
    each attempt               Throttles (0 or 1)
    each batch of a stream     IteratorAge, by the youngest of its records
    each asynchronous event    AsyncEventsReceived, and AsyncEventAge when it is tried; AsyncEventsDropped if it never
                               succeeded; DestinationDeliveryFailures if its destination could not be told
    each lot of a mapping      PolledEventCount, FilteredOutEventCount, InvokedEventCount, FailedInvokeEventCount,
                               DroppedEventCount, OnFailureDestinationDeliveredEventCount, by EventSourceMappingUUID,
                               where its MetricsConfig asks for EventCount

under FunctionName, under Resource (function:version or alias) too where it was invoked by one, and under none for the
Region (Developer Guide, "Types of metrics for Lambda functions"). An invocation pays for four counts: how many are
under way, in its function and in the Region; how long it took; whether it failed. All else that each invocation tells
follows from these when they are handed over (contract/reports.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from antipodes.services.contract import Surroundings
from antipodes.services.contract.reports import Datum, MetricReports, data_of, milliseconds
from antipodes.services.lambda_.outcome import Outcome

NAMESPACE = "AWS/Lambda"

Where = tuple[str, ...]  # values of DIMENSIONS; "" for none
Key = tuple[Where, str, str]  # ..., metric, unit
Load = tuple[int, int, int]  # invocations under way; of them unreserved; concurrency that is allocated
DIMENSIONS = ("FunctionName", "Resource", "EventSourceMappingUUID")
REGION: Where = ("", "")


class _Invocations:
    """Of one function, invoked by one qualifier."""

    __slots__ = ("busy", "durations", "failed")

    def __init__(self) -> None:
        self.busy: dict[int, int] = {}  # how many were under way -> how often
        self.durations: dict[float, int] = {}  # ms -> how often
        self.failed = 0

    def metrics(self) -> Iterator[tuple[str, str, dict[float, int]]]:
        """(metric, unit, value -> how often)."""
        admitted, ended = sum(self.busy.values()), sum(self.durations.values())
        if admitted:
            yield "Throttles", "Count", {0.0: admitted}
            yield "ConcurrentExecutions", "Count", {float(busy): count for busy, count in self.busy.items()}
        if ended:
            errors = {0.0: ended - self.failed, 1.0: self.failed}
            yield "Invocations", "Count", {1.0: ended}
            yield "Errors", "Count", {value: count for value, count in errors.items() if count}
            yield "Duration", "Milliseconds", self.durations


class Meter:
    """The counters of one Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._reports = MetricReports(surroundings, NAMESPACE, self._taken)
        self.flush = self._reports.flush
        self._invocations: dict[tuple[str, str | None], _Invocations] = {}  # by function and qualifier
        self._loads: dict[Load, int] = {}  # of the Region, when an invocation began -> how often
        self._values: dict[Key, dict[float, int]] = {}  # what is counted seldom: value -> how often

    def throttled(self, function: str, qualifier: str | None) -> None:
        self._reports.begin()
        self._count(function, qualifier, "Throttles", 1.0)

    def admitted(self, function: str, qualifier: str | None, busy: int, load: Load) -> None:
        """An invocation begins; how many are under way with it, in its function and (load) in the Region. Allocated is
        concurrency that is reserved or provisioned, used or not."""
        counts = self._counts(function, qualifier).busy
        counts[busy] = counts.get(busy, 0) + 1
        self._loads[load] = self._loads.get(load, 0) + 1

    def ended(
        self, function: str, qualifier: str | None, outcome: Outcome, duration_s: float, extensions_s: float | None
    ) -> None:
        """extensions_s: of the duration, what extensions took after the runtime had answered; None: there are none."""
        counts = self._counts(function, qualifier)
        took_ms = milliseconds(duration_s)
        counts.durations[took_ms] = counts.durations.get(took_ms, 0) + 1
        counts.failed += outcome.failed
        if extensions_s is not None:
            took_ms = milliseconds(extensions_s)
            self._count(function, qualifier, "PostRuntimeExtensionsDuration", took_ms, "Milliseconds")

    def provisioned(self, function: str, qualifier: str | None, *, used: int, of: int, spilled_over: bool) -> None:
        """An invocation of a version that has provisioned concurrency. used: environments at work, with this one."""
        self._reports.begin()
        spill = "Spillover" if spilled_over else ""
        self._count(function, qualifier, f"ProvisionedConcurrency{spill}Invocations", 1.0)
        self._count(function, qualifier, "ProvisionedConcurrentExecutions", float(used))
        for where in _places(function, qualifier)[1:]:
            self._add(where, "ProvisionedConcurrencyUtilization", "None", round(min(used / of, 1.0), 3))

    def iterator_age(self, function: str, age_s: float) -> None:
        self._reports.begin()
        self._add((function, ""), "IteratorAge", "Milliseconds", milliseconds(age_s))

    def mapping(self, identity: str, metric: str, count: int) -> None:
        """Events of a mapping (MetricsConfig EventCount)."""
        self._reports.begin()
        self._add(("", "", identity), metric, "Count", float(count))

    def async_age(self, function: str, qualifier: str | None, age_s: float) -> None:
        """An event is tried."""
        self._reports.begin()
        self._count(function, qualifier, "AsyncEventAge", milliseconds(age_s), "Milliseconds")

    def event(self, function: str, qualifier: str | None, metric: str) -> None:
        """One more of AsyncEventsReceived, AsyncEventsDropped or DestinationDeliveryFailures."""
        self._reports.begin()
        self._count(function, qualifier, metric, 1.0)

    def _taken(self) -> Iterator[Datum]:
        data = _data(self._invocations, self._loads, self._values)
        self._invocations, self._loads, self._values = {}, {}, {}
        return data

    def _counts(self, function: str, qualifier: str | None) -> _Invocations:
        if self._reports.since is None:
            self._reports.begin()
        counts = self._invocations.get((function, qualifier))
        if counts is None:
            counts = self._invocations[function, qualifier] = _Invocations()
        return counts

    def _count(self, function: str, qualifier: str | None, metric: str, value: float, unit: str = "Count") -> None:
        for where in (*_places(function, qualifier), REGION):
            self._add(where, metric, unit, value)

    def _add(self, where: Where, metric: str, unit: str, value: float) -> None:
        _add(self._values, (where, metric, unit), value)


def _data(
    invocations: Mapping[tuple[str, str | None], _Invocations],
    loads: Mapping[Load, int],
    values: dict[Key, dict[float, int]],
) -> Iterator[Datum]:
    """All that was counted. Lazy: a function at a time."""
    for (function, qualifier), counted in invocations.items():
        for metric, unit, counts in counted.metrics():
            for where in _places(function, qualifier):
                yield from data_of(metric, unit, counts, _dimensions(where))
            if metric != "ConcurrentExecutions":
                whole = values.get((REGION, metric, unit))
                if whole is None:
                    values[REGION, metric, unit] = dict(counts)
                    continue
                for value, count in counts.items():
                    whole[value] = whole.get(value, 0) + count
    for (busy, unreserved, allocated), count in loads.items():
        _add(values, (REGION, "ConcurrentExecutions", "Count"), float(busy), count)
        _add(values, (REGION, "UnreservedConcurrentExecutions", "Count"), float(unreserved), count)
        _add(values, (REGION, "ClaimedAccountConcurrency", "Count"), float(unreserved + allocated), count)
    for (where, metric, unit), counts in values.items():
        yield from data_of(metric, unit, counts, _dimensions(where))


def _add(values: dict[Key, dict[float, int]], key: Key, value: float, count: int = 1) -> None:
    counts = values.setdefault(key, {})
    counts[value] = counts.get(value, 0) + count


def _dimensions(where: Where) -> list[tuple[str, str]]:
    return [(name, value) for name, value in zip(DIMENSIONS, where, strict=False) if value]


def _places(function: str, qualifier: str | None) -> tuple[Where, ...]:
    return ((function, ""),) if qualifier is None else ((function, ""), (function, f"{function}:{qualifier}"))
