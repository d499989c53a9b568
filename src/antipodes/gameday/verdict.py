"""The verdict on a run: RTO as users saw it, and its parts; availability; who served whom; RPO; whether it all holds.

Decides: numbers and yes or no, from what was seen. Refuses to know: globes, networks, how anything was measured.

Definitions (all pure; times come in as seconds on the observer's clock, go out as seconds since the run began,
rounded, so that the same simulated run gives the same bytes):
- A city's **RTO** runs from the start of its first failed request to the end of its last one, among requests that
  ended after the disaster and began before it was mended. Failures that began later are counted beside it.
- Its parts: **detection**, disaster to the first health check of what was broken turned unhealthy; **propagation**,
  from there until the city's uncached DNS answer was seen changed; **cached**, from there to the end of its last failed
  request.
- **Phases**: before the disaster, during it, after mending. The region of a phase is the one that served most of
  its last requests; so it tells where users were in the end, not on the way. Its latencies are of what this Region
  served.
- A city **depended** on the killed Region if its uncached answer led there before the disaster.

The verdict **holds** iff `because` is empty: every replica equal item by item; no acknowledged write lost or partial
(except, where a disk was destroyed on purpose, writes that nobody but that disk held: they are counted and said aloud,
and do not break the verdict); each city served again after mending; after a kill, each city that depended on the
Region was served by another one while it was down, and got it back after (not asked of a Region that lost its disk).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from antipodes.gameday.audit import Audit
from antipodes.gameday.disaster import Disaster
from antipodes.gameday.history import DnsChange, Flip, Lag, Outcome

SETTLED_REQUESTS = 3  # the last ones of a city: all must be served for it to count as served again


class Phase(msgspec.Struct, frozen=True):
    """A city's requests in one phase; latencies of those that `region` served."""

    requests: int
    failed: int
    region: str | None
    p50_ms: float | None
    p99_ms: float | None


class CityVerdict(msgspec.Struct, frozen=True):
    """What the users of one city saw. Parts of the RTO are None where there was nothing to measure."""

    city: str
    depended: bool
    requests: int
    failed: int
    failed_after_mending: int
    availability: float
    rto_s: float | None
    detection_s: float | None
    propagation_s: float | None
    cached_s: float | None
    before: Phase
    during: Phase
    after: Phase


class LagVerdict(msgspec.Struct, frozen=True):
    """Replication from `source` to `target`: one item watched, and the replicator's own figures before the disaster."""

    source: str
    target: str
    seen_ms: float | None
    p50_ms: float | None = None
    p99_ms: float | None = None


class DisasterVerdict(msgspec.Struct, frozen=True):
    """What was broken, and when (seconds since the run began)."""

    kind: str
    region: str
    other: str | None
    at_s: float
    mended_s: float


class Moment(msgspec.Struct, frozen=True):
    """One line of the run's diary."""

    at_s: float
    kind: str  # "kill", "partition", "health", "dns", "mended"
    subject: str
    detail: str


class Verdict(msgspec.Struct, frozen=True):
    """The same in both worlds. `seed` is None in the real one."""

    holds: bool
    because: tuple[str, ...]  # why it does not hold; empty if it does
    notes: tuple[str, ...]  # what holds, but must be said
    seed: int | None
    world: str  # "real", "simulated"
    regions: tuple[str, ...]
    disaster: DisasterVerdict
    rto_s: float  # the worst city's; 0: nobody saw a failure
    detection_s: float | None
    availability: float
    requests: int
    failed: int
    dns_ttl_s: float
    lasted_s: float
    cities: tuple[CityVerdict, ...]
    replication: tuple[LagVerdict, ...]
    rpo: Audit
    timeline: tuple[Moment, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """All that was seen of a run."""

    world: str
    seed: int | None
    regions: tuple[str, ...]
    cities: tuple[str, ...]
    disaster: Disaster
    began: float
    broken: float
    mended: float
    ended: float
    outcomes: Sequence[Outcome]
    flips: Sequence[Flip]
    dns_before: Mapping[str, str | None]  # city -> Region of its uncached answer before the disaster
    dns_changes: Sequence[DnsChange]
    dns_ttl_s: float
    lags: Sequence[LagVerdict]
    audit: Audit
    notes: tuple[str, ...] = ()  # what the story wants said
    unread: tuple[str, ...] = ()  # Regions whose replica could not be read at the end


def judge(run: Run) -> Verdict:
    """The verdict on what was seen."""
    cities = tuple(_city(run, city) for city in run.cities)
    because, notes = _because(run, cities), _notes(run)
    failed = sum(city.failed for city in cities)
    requests = sum(city.requests for city in cities)
    flip = _down_flip(run)
    disaster = run.disaster
    return Verdict(
        holds=not because,
        because=tuple(because),
        notes=tuple(notes),
        seed=run.seed,
        world=run.world,
        regions=run.regions,
        disaster=DisasterVerdict(
            kind=disaster.kind,
            region=disaster.region,
            other=disaster.other,
            at_s=_rounded(run.broken - run.began),
            mended_s=_rounded(run.mended - run.began),
        ),
        rto_s=max((city.rto_s for city in cities if city.rto_s is not None), default=0.0),
        detection_s=None if flip is None else _rounded(flip - run.broken),
        availability=_share(requests - failed, requests),
        requests=requests,
        failed=failed,
        dns_ttl_s=_rounded(run.dns_ttl_s),
        lasted_s=_rounded(run.ended - run.began),
        cities=cities,
        replication=tuple(run.lags),
        rpo=run.audit,
        timeline=_timeline(run),
    )


def to_json(verdict: Verdict) -> bytes:
    """Indented JSON, members in the order of the class, one newline at the end."""
    return msgspec.json.format(msgspec.json.encode(verdict), indent=2) + b"\n"


def lag_verdicts(
    seen: Sequence[Lag], reported: Mapping[tuple[str, str], tuple[float | None, float | None]]
) -> list[LagVerdict]:
    """Joins watched lags with what replicators report: (source, target) -> (p50 ms, p99 ms)."""
    found = []
    for lag in seen:
        p50, p99 = reported.get((lag.source, lag.target), (None, None))
        found.append(LagVerdict(lag.source, lag.target, _maybe_ms(lag.seen_ms), _maybe_ms(p50), _maybe_ms(p99)))
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share - 1e-9) - 1)]


def _city(run: Run, city: str) -> CityVerdict:
    mine = [one for one in run.outcomes if one.city == city]
    failures = [one for one in mine if not one.ok]
    struck = [one for one in failures if one.ended >= run.broken and one.at < run.mended]
    flip = _down_flip(run)
    change = _first_change(run, city, flip)
    last_failed = max((one.ended for one in struck), default=None)
    return CityVerdict(
        city=city,
        depended=_depended(run, city),
        requests=len(mine),
        failed=len(failures),
        failed_after_mending=sum(one.at >= run.mended for one in failures),
        availability=_share(len(mine) - len(failures), len(mine)),
        rto_s=None if last_failed is None else _rounded(last_failed - min(one.at for one in struck)),
        detection_s=None if flip is None or not struck else _rounded(flip - run.broken),
        propagation_s=None if change is None or flip is None else _rounded(max(0.0, change - flip)),
        cached_s=None if change is None or last_failed is None else _rounded(max(0.0, last_failed - change)),
        before=_phase([one for one in mine if one.ended < run.broken]),
        during=_phase([one for one in mine if one.ended >= run.broken and one.at < run.mended]),
        after=_phase([one for one in mine if one.at >= run.mended]),
    )


def _phase(outcomes: Sequence[Outcome]) -> Phase:
    served = [one for one in outcomes if one.ok]
    region = _settled_region(served)
    latencies = [one.latency_ms for one in served if one.region == region]
    return Phase(
        requests=len(outcomes),
        failed=len(outcomes) - len(served),
        region=region,
        p50_ms=_maybe_ms(percentile(latencies, 0.5)),
        p99_ms=_maybe_ms(percentile(latencies, 0.99)),
    )


def _settled_region(served: Sequence[Outcome]) -> str | None:
    """Who served most of the last requests; the latest wins a tie."""
    last = [one.region for one in sorted(served, key=lambda one: (one.ended, one.at))[-SETTLED_REQUESTS:]]
    return max(reversed(last), key=last.count, default=None)


def _down_flip(run: Run) -> float | None:
    """When what was broken was first found unhealthy. Another Region's check that flips meanwhile has not found it."""
    broken = (None, run.disaster.region, run.disaster.other)
    found = [one.at for one in run.flips if not one.healthy and one.region in broken]
    return min((at for at in found if run.broken <= at < run.mended), default=None)


def _first_change(run: Run, city: str, flip: float | None) -> float | None:
    """When the city's answer was first seen changed, away from a dead Region. A poll may see that before the flip."""
    if flip is None:
        return None
    dead = run.disaster.region if run.disaster.kills else None
    changes = [one.at for one in run.dns_changes if one.city == city and (dead is None or one.region != dead)]
    return min((at for at in changes if run.broken <= at < run.mended), default=None)


def _depended(run: Run, city: str) -> bool:
    return run.disaster.kills and run.dns_before.get(city) == run.disaster.region


def _because(run: Run, cities: Sequence[CityVerdict]) -> list[str]:
    audit, disaster = run.audit, run.disaster
    because = [f"the replica in {region} cannot be read" for region in run.unread]
    if not audit.replicas_equal:
        because.append(f"replicas differ on {audit.differing_items} of {audit.items} items")
    lost = audit.lost_unexpectedly if disaster.destroys else audit.lost_writes
    if lost:
        because.append(f"{len(lost)} acknowledged writes are lost: {', '.join(lost[:5])}")
    if audit.partial:
        because.append(f"{audit.partial} acknowledged writes are on some replicas only")
    for city in cities:
        if not _served_again(run, city.city):
            because.append(f"users in {city.city} are not served again")
        if city.depended and city.during.region in (None, disaster.region):
            because.append(f"users in {city.city} depended on {disaster.region} and did not fail over")
        if city.depended and not disaster.destroys and city.after.region != disaster.region:
            because.append(f"users in {city.city} did not return to {disaster.region}")
    return because


def _served_again(run: Run, city: str) -> bool:
    later = sorted(
        (one for one in run.outcomes if one.city == city and one.at >= run.mended), key=lambda one: (one.at, one.ended)
    )
    last = later[-SETTLED_REQUESTS:]
    return len(last) == SETTLED_REQUESTS and all(one.ok for one in last)


def _notes(run: Run) -> list[str]:
    audit, disaster = run.audit, run.disaster
    notes = list(run.notes)
    if disaster.destroys and audit.lost:
        notes.append(
            f"{audit.lost} acknowledged writes are lost: only the destroyed disk of {disaster.region} held them "
            "(what asynchronous replication risks)"
        )
    elif disaster.destroys:
        notes.append(f"the disk of {disaster.region} was destroyed, but it held nothing that others did not have")
    if disaster.kills and not any(_depended(run, city) for city in run.cities):
        notes.append(f"no city depended on {disaster.region}: there was nobody to move")
    return notes


def _timeline(run: Run) -> tuple[Moment, ...]:
    disaster = run.disaster
    name = "partition" if disaster.other else "kill"
    subject = f"{disaster.region} | {disaster.other}" if disaster.other else disaster.region
    moments = [(run.broken, 0, name, subject, disaster.kind), (run.mended, 0, "mended", subject, "")]
    moments += [
        (one.at, 1, "health", one.target, "healthy" if one.healthy else f"unhealthy: {one.reason}")
        for one in run.flips
        if one.at >= run.began
    ]
    moments += [(one.at, 2, "dns", one.city, one.region or ", ".join(one.addresses)) for one in run.dns_changes]
    return tuple(
        Moment(_rounded(at - run.began), kind, subject, detail)
        for at, _, kind, subject, detail in sorted(moments, key=lambda one: (one[0], one[1], one[3]))
    )


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _maybe_ms(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 5) if whole else 0.0
