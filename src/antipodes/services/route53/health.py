"""Health arithmetic: observations of checkers to the verdict of a health check.

Rules. Pure; `now` is an argument. Each checker keeps a verdict of its own, which flips after `threshold` consecutive
results that contradict it. A check is healthy if more than 18 % of the checkers say so
(dns-failover-determining-health-of-endpoints.html). A new checker says healthy until it has data.

A checker that has not been heard of for STALE_INTERVALS of its interval is not counted: it is down, or cut off ("each
Route 53 location decides from the checkers' results it can see"). How long AWS waits is not documented: a guess. If
nobody is heard of, the last verdict stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from antipodes.services.route53.records import Check, Stream

CHECKER_REGIONS = (
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
)
LAST_KNOWN = "LastKnownStatus"
HEALTHY_SHARE = 0.18
STALE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Observation:
    """One probe's result."""

    at_s: float  # epoch seconds
    ok: bool
    status: str  # "Success: ..." or "Failure: ..."
    ip: str = ""  # the address that was probed
    connect_ms: float | None = None  # to be connected (with TLS: and to have shaken hands)
    first_byte_ms: float | None = None  # from then to the first byte of the answer


@dataclass(slots=True)
class Checker:
    """What one checker Region thinks."""

    heard_s: float  # the last observation; at first, the creation
    healthy: bool = True
    against: int = 0  # consecutive results that contradict `healthy`
    last: Observation | None = None
    last_failure: Observation | None = None

    def observe(self, seen: Observation, threshold: int) -> None:
        self.heard_s = seen.at_s
        self.last = seen
        if not seen.ok:
            self.last_failure = seen
        if seen.ok == self.healthy:
            self.against = 0
            return
        self.against += 1
        if self.against >= threshold:
            self.healthy = seen.ok
            self.against = 0


def stream_health(stream: Stream, values: Sequence[float | None]) -> bool | None:
    """Whether the last whole periods of an alarm's metric (the oldest first; None: no data) are healthy; None: the
    data do not say. Unhealthy is what would put the alarm into ALARM: all periods breach. One period that does not
    breach is enough for healthy; a gap among breaching ones leaves it open (what AWS does with gaps is not documented:
    a guess)."""
    breaches = _COMPARISONS[stream.comparison]
    known = [breaches(value, stream.threshold) for value in values if value is not None]
    if not all(known):
        return True
    return False if known and len(known) == stream.periods else None


_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": float.__ge__,
    "GreaterThanThreshold": float.__gt__,
    "LessThanThreshold": float.__lt__,
    "LessThanOrEqualToThreshold": float.__le__,
}
COMPARISONS = tuple(_COMPARISONS)


@dataclass(slots=True)
class CheckState:
    """One health check: its settings, its checkers, its verdict before Inverted and Disabled."""

    check: Check
    checkers: dict[str, Checker] = field(default_factory=dict)
    endpoint_healthy: bool = True
    healthy: bool = True  # the verdict that routing sees
    since_s: float = 0.0  # the last flip of `healthy`
    stream_healthy: bool | None = None  # what an alarm's metric said last; None: insufficient data
    stream_seen: bool = False  # whether it was looked at
    stream_status: str = ""  # the same in words
    stream_at_s: float = 0.0
    control_state: str | None = None  # of the routing control: "On", "Off"; None: there is none here
    control_name: str = ""

    @classmethod
    def new(cls, check: Check, now_s: float) -> CheckState:
        regions = check.regions or CHECKER_REGIONS
        checkers = {region: Checker(now_s) for region in regions} if check.probes else {}
        return cls(check, checkers, healthy=not check.inverted, since_s=now_s)

    def counted(self, now_s: float) -> list[Checker]:
        """The checkers that are heard of."""
        limit_s = STALE_INTERVALS * self.check.interval_s
        return [one for one in self.checkers.values() if now_s - one.heard_s <= limit_s]

    def decide(self, now_s: float, child_healthy: Callable[[str], bool]) -> bool:
        """Brings the verdict up to date; True if it flipped. `child_healthy` tells a calculated check's children."""
        if self.check.type == "CALCULATED":
            healthy = sum(child_healthy(child) for child in self.check.children)
            self.endpoint_healthy = healthy >= (self.check.health_threshold or 0)
        elif self.check.control:
            # A control that is not there (its check came first, or it was deleted) counts as Off, as a new one is:
            # not documented, a guess.
            self.endpoint_healthy = self.control_state == "On"
        elif self.check.stream is not None:
            if self.stream_healthy is not None:
                self.endpoint_healthy = self.stream_healthy
            elif self.stream_seen and self.check.insufficient != LAST_KNOWN:
                self.endpoint_healthy = self.check.insufficient == "Healthy"
        elif counted := self.counted(now_s):
            self.endpoint_healthy = sum(one.healthy for one in counted) > HEALTHY_SHARE * len(counted)
        # Disabled counts as healthy; Inverted turns over whatever comes out, also that.
        verdict = (self.endpoint_healthy or self.check.disabled) != self.check.inverted
        if verdict == self.healthy:
            return False
        self.healthy = verdict
        self.since_s = now_s
        return True

    def verdict(self, now_s: float, child_healthy: Callable[[str], bool]) -> str:
        """How the verdict comes about, as a sentence."""
        check = self.check
        if check.disabled:
            told = "disabled: it counts as healthy"
        elif check.type == "CALCULATED":
            healthy = sum(child_healthy(child) for child in check.children)
            told = f"{healthy} of {len(check.children)} children are healthy, {check.health_threshold or 0} are needed"
        elif check.control:
            told = self.control_told
        elif check.stream is not None:
            told = self.stream_status or "its metric has not been read yet: healthy until it is"
        elif not self.counted(now_s):
            told = "no checker is heard of: the last verdict stands"
        elif all(one.last is None for one in self.checkers.values()):
            told = "no checker has called yet: healthy until there is data"
        else:
            counted = self.counted(now_s)
            healthy = sum(one.healthy for one in counted)
            told = f"{healthy} of {len(counted)} checkers say healthy (more than {HEALTHY_SHARE:.0%} is enough)"
        return f"{told}; inverted" if check.inverted else told

    @property
    def control_told(self) -> str:
        """The routing control and its state, as words."""
        if self.control_state is None:
            return f"there is no routing control {self.check.control} here: it counts as Off"
        return f"routing control {self.control_name} is {self.control_state}"

    @property
    def reason(self) -> str:
        """The text of the newest failure, "" if there was none."""
        failures = [one.last_failure for one in self.checkers.values() if one.last_failure]
        if self.check.stream is not None and not self.endpoint_healthy:
            return self.stream_status
        if self.check.control and not self.endpoint_healthy:
            return self.control_told
        return max(failures, key=lambda seen: seen.at_s).status if failures else ""
