"""What a Region's APIs tell CloudWatch of themselves (namespace AWS/ApiGateway): counters in memory, handed over.

What it decides: the metrics, and over which dimensions they are summed (Developer Guide, "Amazon API Gateway dimensions
and metrics"). What it refuses to know: routes, stages, how values are kept and handed over (contract/reports.py).

    REST APIs        Count, 4XXError, 5XXError, Latency, IntegrationLatency,        ApiName; +Stage; +Resource, Method
                     CacheHitCount, CacheMissCount of stages with a cache
    HTTP APIs        Count, 4xx, 5xx, Latency, IntegrationLatency, DataProcessed    ApiId; +Stage; +Resource, Method
    WebSocket APIs   ConnectCount, MessageCount, IntegrationError, ClientError,     ApiId; +Stage; +Route
                     ExecutionError, IntegrationLatency

A stage asks once for its Tally, when it is prepared. A request then pays for one addition to a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from antipodes.services.contract import Surroundings
from antipodes.services.contract.reports import Datum, MetricReports, data_of

NAMESPACE = "AWS/ApiGateway"
LOT = 2048  # requests that are kept one by one before they are summed

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Names:
    """What a kind of API calls its metrics."""

    client_errors: str
    server_errors: str
    bytes: str = ""  # "": not counted


REST = Names("4XXError", "5XXError")
HTTP = Names("4xx", "5xx", "DataProcessed")


class Tally:
    """The counters of one stage, or of one method in it. `where`: the dimensions under which all of it is counted."""

    __slots__ = ("_began", "_requests", "_values", "gone", "names", "where")

    def __init__(self, names: Names, where: tuple[Dimensions, ...], began: Callable[[], None]) -> None:
        self.names = names
        self.where = where
        self.gone = False  # its stage is; what it counted is still handed over
        self._began = began
        self._requests: list[tuple[int, float, float, int]] = []
        self._values: dict[tuple[str, str], dict[float, int]] = {}  # (metric, unit) -> value -> how often

    def request(self, status: int, latency_s: float, integration_s: float = -1.0, size_bytes: int = 0) -> None:
        """One request and its answer. integration_s: below zero where no integration was asked; size_bytes: of the
        answer's body and the request's."""
        requests = self._requests
        if not requests:
            self._began()
        requests.append((status, latency_s, integration_s, size_bytes))
        if len(requests) >= LOT:
            self._fold()

    def event(self, metric: str, value: float = 1.0, unit: str = "Count") -> None:
        """One value of any other metric."""
        self._began()
        self._add(metric, unit, value)

    def cache(self, hit: bool | None) -> None:
        """Of a stage with a cache: whether it knew the answer to a request; None: it was not asked. Zeroes count too,
        as of errors: the average is the rate of hits."""
        self.event("CacheHitCount", 1.0 if hit else 0.0)
        self.event("CacheMissCount", 1.0 if hit is False else 0.0)

    def take(self) -> Iterator[Datum]:
        """All that was counted, as data of PutMetricData; the counters begin anew."""
        self._fold()
        values, self._values = self._values, {}
        for (metric, unit), counts in sorted(values.items()):
            for dimensions in self.where:
                yield from data_of(metric, unit, counts, dimensions)

    def _fold(self) -> None:
        requests, self._requests = self._requests, []
        if not requests:
            return
        names, latencies = self.names, self._of("Latency", "Milliseconds")
        client = server = 0
        for status, latency_s, integration_s, size_bytes in requests:
            if status >= 400:
                server += status >= 500
                client += status < 500
            value = _ms(latency_s)
            latencies[value] = latencies.get(value, 0) + 1
            if integration_s >= 0:
                self._add("IntegrationLatency", "Milliseconds", _ms(integration_s))
            if names.bytes:
                self._add(names.bytes, "Bytes", float(size_bytes))
        self._add("Count", "Count", 1.0, len(requests))
        # Zeroes count too: the average of these metrics is the rate of errors.
        for name, errors in ((names.client_errors, client), (names.server_errors, server)):
            self._add(name, "Count", 1.0, errors)
            self._add(name, "Count", 0.0, len(requests) - errors)

    def _of(self, metric: str, unit: str) -> dict[float, int]:
        return self._values.setdefault((metric, unit), {})

    def _add(self, metric: str, unit: str, value: float, times: int = 1) -> None:
        if times:
            counts = self._of(metric, unit)
            counts[value] = counts.get(value, 0) + times


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

    def _taken(self) -> list[Datum]:
        data = [datum for tally in self._tallies.values() for datum in tally.take()]
        self._tallies = {key: tally for key, tally in self._tallies.items() if not tally.gone}
        return data


def _ms(seconds: float) -> float:
    """Milliseconds, to about three digits: few different values, so that they are summed."""
    ms = seconds * 1000.0
    return round(ms, 2 if ms < 10.0 else 1 if ms < 100.0 else 0)
