"""What a Region's APIs tell CloudWatch of themselves (namespace AWS/ApiGateway): counters in memory, handed over.

What it decides: the metrics, and over which dimensions they are summed (Developer Guide, "Amazon API Gateway dimensions
and metrics"). What it refuses to know: routes, stages, how values are kept and handed over (contract/reports.py).

    REST APIs        Count, 4XXError, 5XXError, Latency, IntegrationLatency,        ApiName; +Stage; +Resource, Method
                     CacheHitCount, CacheMissCount of stages with a cache
    HTTP APIs        Count, 4xx, 5xx, Latency, IntegrationLatency, DataProcessed    ApiId; +Stage; +Resource, Method
    WebSocket APIs   ConnectCount, MessageCount, IntegrationError, ClientError,     ApiId; +Stage; +Route
                     ExecutionError, IntegrationLatency

A stage asks once for its Tally, when it is prepared. A request then pays for a count of each value that it has; what
follows from these is worked out when it is handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from antipodes.services.contract import Surroundings
from antipodes.services.contract.reports import Datum, MetricReports, data_of, milliseconds

NAMESPACE = "AWS/ApiGateway"

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What a kind of API calls its metrics."""

    client_errors: str
    server_errors: str
    bytes: str = ""  # "": not counted


REST = Names("4XXError", "5XXError")
HTTP = Names("4xx", "5xx", "DataProcessed")


class Counts:
    """What a Tally counted since it was last taken: of each value, how often it came."""

    __slots__ = ("client_errors", "events", "integrations", "latencies", "requests", "server_errors", "sizes")

    def __init__(self) -> None:
        self.requests = self.client_errors = self.server_errors = 0
        self.latencies: dict[float, int] = {}
        self.integrations: dict[float, int] = {}
        self.sizes: dict[int, int] = {}
        self.events: dict[tuple[str, str], dict[float, int]] = {}  # (metric, unit) -> value -> how often

    def metrics(self, names: Names) -> dict[tuple[str, str], dict[float, int]]:
        """(metric, unit) -> value -> how often."""
        found = self.events
        if self.requests:
            found["Count", "Count"] = {1.0: self.requests}
            found["Latency", "Milliseconds"] = self.latencies
            # Zeroes count too: the average of these metrics is the rate of errors.
            for name, errors in ((names.client_errors, self.client_errors), (names.server_errors, self.server_errors)):
                counts = {0.0: self.requests - errors, 1.0: errors}
                found[name, "Count"] = {value: count for value, count in counts.items() if count}
        if self.integrations:
            found["IntegrationLatency", "Milliseconds"] = self.integrations
        if self.sizes and names.bytes:
            found[names.bytes, "Bytes"] = {float(size): count for size, count in self.sizes.items()}
        return found


class Tally:
    """The counters of one stage, or of one method in it. `where`: the dimensions under which all of it is counted."""

    __slots__ = ("_began", "_counts", "gone", "names", "where")

    def __init__(self, names: Names, where: tuple[Dimensions, ...], began: Callable[[], None]) -> None:
        self.names = names
        self.where = where
        self.gone = False  # its stage is; what it counted is still handed over
        self._began = began
        self._counts = Counts()

    def request(self, status: int, latency_s: float, integration_s: float = -1.0, size_bytes: int = 0) -> None:
        """One request and its answer. integration_s: below zero where no integration was asked; size_bytes: of the
        answer's body and the request's."""
        counts = self._counts
        if not counts.requests:
            self._began()
        counts.requests += 1
        if status >= 500:
            counts.server_errors += 1
        elif status >= 400:
            counts.client_errors += 1
        value = milliseconds(latency_s)
        counts.latencies[value] = counts.latencies.get(value, 0) + 1
        if integration_s >= 0:
            value = milliseconds(integration_s)
            counts.integrations[value] = counts.integrations.get(value, 0) + 1
        if self.names.bytes:
            counts.sizes[size_bytes] = counts.sizes.get(size_bytes, 0) + 1

    def event(self, metric: str, value: float = 1.0, unit: str = "Count") -> None:
        """One value of any other metric."""
        self._began()
        counts = self._counts.events.setdefault((metric, unit), {})
        counts[value] = counts.get(value, 0) + 1

    def cache(self, hit: bool | None) -> None:
        """Of a stage with a cache: whether it knew the answer to a request; None: it was not asked. Zeroes count too,
        as of errors: the average is the rate of hits."""
        self.event("CacheHitCount", 1.0 if hit else 0.0)
        self.event("CacheMissCount", 1.0 if hit is False else 0.0)

    def take(self) -> Iterator[Datum]:
        """All that was counted, as data of PutMetricData, worked out as they are asked for; the counters begin anew."""
        counts, self._counts = self._counts, Counts()
        return _data(counts, self.names, self.where)


def _data(counts: Counts, names: Names, where: tuple[Dimensions, ...]) -> Iterator[Datum]:
    for (metric, unit), values in sorted(counts.metrics(names).items()):
        for dimensions in where:
            yield from data_of(metric, unit, values, dimensions)


class ApiMeter:
    """All tallies of one Region."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._tallies: dict[tuple[Dimensions, ...], Tally] = {}
        self._reports = MetricReports(surroundings, NAMESPACE, self._taken)
        self.flush = self._reports.flush

    def tally(self, names: Names, *where: Mapping[str, str]) -> Tally:
        """The tally of these dimensions; the same ones get the same one."""
        key = tuple(tuple(dimensions.items()) for dimensions in where)
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally(names, key, self._reports.begin)
        found.gone = False
        return found

    def forget(self, tally: Tally) -> None:
        """Its stage is gone, or prepared anew."""
        tally.gone = True
        if self._reports.since is None:
            self._tallies.pop(tally.where, None)

    def _taken(self) -> Iterator[Datum]:
        taken = [tally.take() for tally in self._tallies.values()]
        self._tallies = {key: tally for key, tally in self._tallies.items() if not tally.gone}
        return chain.from_iterable(taken)
