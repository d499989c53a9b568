"""What a Region's functions tell CloudWatch of themselves (namespace AWS/Lambda): counted in memory, handed over.

    each invocation that ran   Invocations, Errors (0 or 1), Duration; ProvisionedConcurrencyInvocations or
                               ProvisionedConcurrencySpilloverInvocations where a version has provisioned concurrency
    each that was admitted     ConcurrentExecutions, of the function and of the Region
    each attempt               Throttles (0 or 1)
    each batch of a stream     IteratorAge, by the youngest of its records

under FunctionName, under Resource (function:version or alias) too where it was invoked by one, and under none for the
Region (Developer Guide, "Types of metrics for Lambda functions"). A flush is planned only when something was counted,
FLUSH_S later or when the minute ends: every count lies in its minute. An invocation pays for two additions to a list,
which is summed before it is handed over. A crash loses what was not handed over.
"""

from __future__ import annotations

from typing import Any

from antipodes.services.contract import Surroundings
from antipodes.services.lambda_.outcome import Outcome
from antipodes.wire.errors import AwsError

NAMESPACE = "AWS/Lambda"
FLUSH_S = 5.0
LOT = 4096  # counts that are kept one by one before they are summed
VALUES = 150  # different values a datum: PutMetricData's own limit

Where = tuple[str, str]  # function, function:qualifier; "" for none


class Meter:
    """The counters of one Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._call = surroundings.call
        self._values: dict[tuple[Where, str, str], dict[float, int]] = {}  # ..., metric, unit -> value -> how often
        self._admitted: list[tuple[str, str | None, int, int]] = []
        self._ended: list[tuple[str, str | None, bool, float]] = []
        self._since: float | None = None  # when the first count after the last flush was made

    def throttled(self, function: str, qualifier: str | None) -> None:
        self._begin()
        self._count(function, qualifier, "Throttles", 1.0)

    def admitted(self, function: str, qualifier: str | None, busy: int, busy_in_all: int) -> None:
        """An invocation begins; how many are under way with it."""
        self._begin()
        self._admitted.append((function, qualifier, busy, busy_in_all))
        if len(self._admitted) >= LOT:
            self._sum()

    def ended(self, function: str, qualifier: str | None, outcome: Outcome, duration_s: float) -> None:
        self._begin()
        self._ended.append((function, qualifier, outcome.failed, duration_s))

    def provisioned(self, function: str, qualifier: str | None, *, spilled_over: bool) -> None:
        self._begin()
        spill = "Spillover" if spilled_over else ""
        self._count(function, qualifier, f"ProvisionedConcurrency{spill}Invocations", 1.0)

    def iterator_age(self, function: str, age_s: float) -> None:
        self._begin()
        self._add((function, ""), "IteratorAge", "Milliseconds", float(f"{max(age_s, 0.0) * 1000:.3g}"))

    async def flush(self) -> None:
        """Hands over what was counted. What CloudWatch refuses is dropped: metrics never hold up a function."""
        if self._since is None:
            return
        at, self._since = self._since, None
        self._sum()
        values, self._values = self._values, {}
        data: list[dict[str, Any]] = []
        for (where, metric, unit), counts in values.items():
            pairs = sorted(counts.items())
            dimensions = [
                {"Name": name, "Value": value}
                for name, value in zip(("FunctionName", "Resource"), where, strict=True)
                if value
            ]
            for start in range(0, len(pairs), VALUES):
                lot = pairs[start : start + VALUES]
                data.append(
                    {
                        "MetricName": metric,
                        "Unit": unit,
                        "Timestamp": at,
                        "Dimensions": dimensions,
                        "Values": [value for value, _ in lot],
                        "Counts": [count for _, count in lot],
                    }
                )
        try:
            await self._call("cloudwatch", "Record", {"Namespace": NAMESPACE, "MetricData": data})
        except AwsError as fault:
            self._world.trace("lambda.meter", refused=fault.message)

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
            # To three digits: few different values, so that they are summed.
            self._count(function, qualifier, "Duration", float(f"{duration_s * 1000:.3g}"), "Milliseconds")

    def _begin(self) -> None:
        if self._since is None:
            self._since = self._world.now()
            self._world.spawn(self._flush_later(self._since), "lambda: hand over metrics")

    def _count(self, function: str, qualifier: str | None, metric: str, value: float, unit: str = "Count") -> None:
        for where in _places(function, qualifier):
            self._add(where, metric, unit, value)
        self._add(("", ""), metric, unit, value)

    def _add(self, where: Where, metric: str, unit: str, value: float) -> None:
        counts = self._values.setdefault((where, metric, unit), {})
        counts[value] = counts.get(value, 0) + 1

    async def _flush_later(self, since: float) -> None:
        await self._world.sleep(min(FLUSH_S, 60.0 - since % 60.0))
        await self.flush()


def _places(function: str, qualifier: str | None) -> tuple[Where, ...]:
    return ((function, ""),) if qualifier is None else ((function, ""), (function, f"{function}:{qualifier}"))
