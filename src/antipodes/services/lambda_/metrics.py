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
Region (Developer Guide, "Types of metrics for Lambda functions"). An invocation pays for two additions to a list, which
is summed before it is handed over (contract/reports.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from antipodes.services.contract import Surroundings
from antipodes.services.contract.reports import Datum, MetricReports, data_of
from antipodes.services.lambda_.outcome import Outcome

NAMESPACE = "AWS/Lambda"
LOT = 4096  # counts that are kept one by one before they are summed

Where = tuple[str, ...]  # values of DIMENSIONS; "" for none
DIMENSIONS = ("FunctionName", "Resource", "EventSourceMappingUUID")


class Meter:
    """The counters of one Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._reports = MetricReports(surroundings, NAMESPACE, self._taken)
        self.flush = self._reports.flush
        self._values: dict[tuple[Where, str, str], dict[float, int]] = {}  # ..., metric, unit -> value -> how often
        self._admitted: list[tuple[str, str | None, int, int]] = []
        self._ended: list[tuple[str, str | None, bool, float]] = []

    def throttled(self, function: str, qualifier: str | None) -> None:
        self._reports.begin()
        self._count(function, qualifier, "Throttles", 1.0)

    def admitted(self, function: str, qualifier: str | None, busy: int, busy_in_all: int) -> None:
        """An invocation begins; how many are under way with it."""
        self._reports.begin()
        self._admitted.append((function, qualifier, busy, busy_in_all))
        if len(self._admitted) >= LOT:
            self._sum()

    def concurrency(self, unreserved: int, allocated: int) -> None:
        """Of the Region, with an invocation that begins. allocated: reserved and provisioned, used or not."""
        self._add(("", ""), "UnreservedConcurrentExecutions", "Count", float(unreserved))
        self._add(("", ""), "ClaimedAccountConcurrency", "Count", float(unreserved + allocated))

    def ended(
        self, function: str, qualifier: str | None, outcome: Outcome, duration_s: float, extensions_s: float | None
    ) -> None:
        """extensions_s: of the duration, what extensions took after the runtime had answered; None: there are none."""
        self._reports.begin()
        self._ended.append((function, qualifier, outcome.failed, duration_s))
        if extensions_s is not None:
            took_ms = _milliseconds(extensions_s)
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
        self._add((function, ""), "IteratorAge", "Milliseconds", _milliseconds(age_s))

    def mapping(self, identity: str, metric: str, count: int) -> None:
        """Events of a mapping (MetricsConfig EventCount)."""
        self._reports.begin()
        self._add(("", "", identity), metric, "Count", float(count))

    def async_age(self, function: str, qualifier: str | None, age_s: float) -> None:
        """An event is tried."""
        self._reports.begin()
        self._count(function, qualifier, "AsyncEventAge", _milliseconds(age_s), "Milliseconds")

    def event(self, function: str, qualifier: str | None, metric: str) -> None:
        """One more of AsyncEventsReceived, AsyncEventsDropped or DestinationDeliveryFailures."""
        self._reports.begin()
        self._count(function, qualifier, metric, 1.0)

    def _taken(self) -> Iterator[Datum]:
        self._sum()
        values, self._values = self._values, {}
        for (where, metric, unit), counts in values.items():
            named = zip(DIMENSIONS, where, strict=False)
            yield from data_of(metric, unit, counts, [(name, value) for name, value in named if value])

    def _sum(self) -> None:
        """Takes what was kept one by one into the counts."""
        admitted, self._admitted = self._admitted, []
        for function, qualifier, busy, busy_in_all in admitted:
            self._count(function, qualifier, "Throttles", 0.0)
            for where in _places(function, qualifier):
                self._add(where, "ConcurrentExecutions", "Count", float(busy))
            self._add(("", ""), "ConcurrentExecutions", "Count", float(busy_in_all))
        ended, self._ended = self._ended, []
        for function, qualifier, failed, duration_s in ended:
            self._count(function, qualifier, "Invocations", 1.0)
            self._count(function, qualifier, "Errors", 1.0 if failed else 0.0)
            self._count(function, qualifier, "Duration", _milliseconds(duration_s), "Milliseconds")

    def _count(self, function: str, qualifier: str | None, metric: str, value: float, unit: str = "Count") -> None:
        for where in _places(function, qualifier):
            self._add(where, metric, unit, value)
        self._add(("", ""), metric, unit, value)

    def _add(self, where: Where, metric: str, unit: str, value: float) -> None:
        counts = self._values.setdefault((where, metric, unit), {})
        counts[value] = counts.get(value, 0) + 1


def _milliseconds(seconds: float) -> float:
    """To three digits: few different values, so that they are summed."""
    return float(f"{max(seconds, 0.0) * 1000:.3g}")


def _places(function: str, qualifier: str | None) -> tuple[Where, ...]:
    return ((function, ""),) if qualifier is None else ((function, ""), (function, f"{function}:{qualifier}"))
