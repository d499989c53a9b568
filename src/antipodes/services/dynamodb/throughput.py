"""Provisioned throughput: whether a request may still be served, by token buckets. Pure: it is told the time.

Each table and each global index has two buckets, for reading and writing. A bucket fills with its provisioned units a
second and holds what was not used, for at most 300 s ("burst capacity", Developer Guide). A request is let in while its
bucket is above zero and then takes all its units: a large item may leave a debt, which later requests wait for. So the
rate over time is the provisioned one, and no item is too large ever to be written.

A new bucket, and one whose rate was changed, begins with one second's worth: AWS does not say with what it begins.
Whether throughput is enforced at all is an option of the planet (`dynamodb.throttling`); on-demand tables have the
maximum throughput that was set for them, in the same kind of bucket (that they have one is a guess), or no limit.
"""

from __future__ import annotations

from dataclasses import dataclass

from antipodes.wire.errors import ClientFault

BURST_S = 300.0
TABLE_EXCEEDED = (
    "The level of configured provisioned throughput for the table was exceeded. "
    "Consider increasing your provisioning level with the UpdateTable API."
)
INDEX_EXCEEDED = (
    "The level of configured provisioned throughput for one or more global secondary indexes of the table was "
    "exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with "
    "the UpdateTable API"
)
MAXIMUM_EXCEEDED = (
    "Throughput exceeds the maximum OnDemandThroughput configured on table or index. Verify that your workload needs "
    "it, or raise the maximum."
)
MAXIMUM_CODE = "ThrottlingException"
CODE = "ProvisionedThroughputExceededException"
THROTTLED = (CODE, MAXIMUM_CODE)


@dataclass(slots=True)
class Bucket:
    """Units that are left. rate: units a second; level: what was there at the time `at`; below zero is a debt."""

    rate: float
    at: float
    level: float

    @classmethod
    def new(cls, rate: float, now: float) -> Bucket:
        return cls(rate, now, rate)

    def left(self, now: float) -> float:
        """What is left now. A clock that steps back fills nothing."""
        if now > self.at:
            self.level = min(self.level + (now - self.at) * self.rate, self.rate * BURST_S)
        self.at = now
        return self.level


@dataclass(frozen=True, slots=True)
class Place:
    """What has throughput of its own: a table's copy or one of its global indexes, for reads or for writes."""

    space: str
    index: str  # "": the table itself
    side: str  # "Read" or "Write"


class Buckets:
    """The buckets of one Region, made when they are first asked for."""

    def __init__(self) -> None:
        self._buckets: dict[Place, Bucket] = {}

    def admits(self, place: Place, rate: float, now: float) -> bool:
        """Whether a request may begin. rate: the units a second that are provisioned now."""
        return self._bucket(place, rate, now).left(now) > 0

    def take(self, place: Place, rate: float, units: float, now: float) -> None:
        """Takes what a request consumed."""
        bucket = self._bucket(place, rate, now)
        bucket.left(now)
        bucket.level -= units

    def forget(self, space: str) -> None:
        """The table is gone."""
        for place in [one for one in self._buckets if one.space == space]:
            del self._buckets[place]

    def _bucket(self, place: Place, rate: float, now: float) -> Bucket:
        bucket = self._buckets.get(place)
        if bucket is None:
            bucket = self._buckets[place] = Bucket.new(rate, now)
        elif bucket.rate != rate:
            bucket.left(now)
            bucket.level = min(bucket.level, 0.0) + rate
            bucket.rate = rate
        return bucket


def exceeded(place: Place, arn: str) -> ClientFault:
    """AWS's refusal. arn: of the table."""
    kind = "Index" if place.index else "Table"
    resource = f"{arn}/index/{place.index}" if place.index else arn
    reason = {"reason": f"{kind}{place.side}ProvisionedThroughputExceeded", "resource": resource}
    return ClientFault(CODE, INDEX_EXCEEDED if place.index else TABLE_EXCEEDED, ThrottlingReasons=[reason])


def above_maximum(place: Place, arn: str) -> ClientFault:
    """AWS's refusal where an on-demand maximum is reached (Developer Guide, "Diagnosing throttling"; wording of the
    message from there)."""
    kind = "Index" if place.index else "Table"
    resource = f"{arn}/index/{place.index}" if place.index else arn
    reason = {"reason": f"{kind}{place.side}MaxOnDemandThroughputExceeded", "resource": resource}
    return ClientFault(MAXIMUM_CODE, MAXIMUM_EXCEEDED, throttlingReasons=[reason])
