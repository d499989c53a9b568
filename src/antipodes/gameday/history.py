"""What was seen during a run, as values: requests, health flips, DNS answers, contents of replicas.

Decides nothing; the audit and the verdict are made of these. All times are seconds on one observer's clock (cities
and Regions may have skewed ones), epoch-like, never stepping back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request of one user, from the first DNS question to the last byte."""

    city: str
    kind: str  # "new", "overwrite", "get"
    at: float
    ended: float
    status: int | None  # HTTP status; None: there was no answer
    error: str = ""  # class of the failure when there was no answer: "Refused", "Unreachable", "DnsFailed", ...
    region: str | None = None  # the Region that served it, as its answer says; else whose address was called
    item: str = ""
    write: str = ""  # the id of the write, stored in the item; "" for reads
    addresses: tuple[str, ...] = ()
    dns_age_s: float = 0.0  # how old the cached DNS answer was; 0: asked just now

    @property
    def ok(self) -> bool:
        """Served. A read that finds no item (404) is served: the item has not arrived in that Region yet."""
        if self.status is None:
            return False
        return 200 <= self.status < 300 or (self.kind == "get" and self.status == 404)

    @property
    def latency_ms(self) -> float:
        return (self.ended - self.at) * 1000


@dataclass(frozen=True, slots=True)
class Flip:
    """A health check changed its mind."""

    at: float
    check: str
    target: str
    healthy: bool
    reason: str = ""

    @property
    def host(self) -> str:
        return self.target.partition("://")[2].partition(":")[0].partition("/")[0] or self.target

    @property
    def region(self) -> str | None:
        """The Region in an AWS host name (`x.execute-api.us-west-2.amazonaws.com`); None: it cannot be told."""
        return next((label for label in self.host.split(".") if label.count("-") == 2 and label[-1:].isdigit()), None)


@dataclass(frozen=True, slots=True)
class DnsChange:
    """The uncached answer for a city became another one; `at` is when the changed answer was seen."""

    at: float
    city: str
    before: tuple[str, ...]
    addresses: tuple[str, ...]
    region: str | None


@dataclass(frozen=True, slots=True)
class Lag:
    """How long an item created in `source` took until it was read in `target`; None: it did not arrive in time."""

    source: str
    target: str
    seen_ms: float | None


@dataclass(frozen=True, slots=True)
class Write:
    """One attempt to write an item. `ended` is None where no acknowledgement came: it may have happened, or may yet."""

    item: str
    id: str
    started: float
    ended: float | None
    region: str | None = None  # that acknowledged it

    @property
    def acknowledged(self) -> bool:
        return self.ended is not None


@dataclass(frozen=True, slots=True)
class Copy:
    """What one replica holds of one item: the id of the write that made it, and all of it in canonical form."""

    write: str
    content: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One replica's content. `at`, `until`: when the scan began and ended; each item was read in between."""

    at: float
    until: float
    region: str
    items: Mapping[str, Copy]
