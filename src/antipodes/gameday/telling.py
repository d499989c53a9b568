"""How the story's events and its verdict read in words and tables. Pure: values in, texts out.

Decides wording only. Lines stay under 66 characters where they carry a time, tables under 80.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from antipodes.gameday.audit import Audit, Stranded
from antipodes.gameday.disaster import Disaster
from antipodes.gameday.history import DnsChange, Flip, Outcome, Snapshot
from antipodes.gameday.teller import Teller, Tone
from antipodes.gameday.verdict import CityVerdict, Phase, Verdict


def act_three(disaster: Disaster) -> tuple[str, str]:
    """(title, text)."""
    if disaster.other:
        return "An ocean parts", f"No byte will pass between {disaster.region} and {disaster.other}."
    return "A Region dies", f"Steady traffic from all cities; {disaster.region} will be killed (SIGKILL)."


def act_four(disaster: Disaster) -> tuple[str, str]:
    if disaster.other:
        return "The ocean closes", "The partition ends; both sides catch up."
    if disaster.destroys:
        return f"{disaster.region} comes back", "With an empty disk: everything must come from its peers."
    return f"{disaster.region} comes back", "From its disk and from its peers."


def before(regions: Mapping[str, str | None], outcomes: Sequence[Outcome]) -> str:
    """What is true right before the disaster."""
    served = sum(one.ok for one in outcomes)
    by_region: dict[str, list[str]] = {}
    for city, region in regions.items():
        by_region.setdefault(region or "nobody", []).append(city)
    who = "; ".join(f"{region}: {', '.join(cities)}" for region, cities in by_region.items())
    return f"{served} of {len(outcomes)} requests served ({who})"


def last_writes(disaster: Disaster, count: int) -> str:
    return f"the links of {disaster.region} fail; cut off, it acknowledges {count} more writes"


def last_writes_note(disaster: Disaster, count: int) -> str:
    """The same, looking back."""
    return (
        f"a moment before {disaster.region} died its links failed, and it acknowledged {count} more writes: "
        "what asynchronous replication strands"
    )


def struck(disaster: Disaster) -> str:
    if disaster.other:
        return f"{disaster.region} and {disaster.other} are parted"
    return f"{disaster.region} is killed" + (", its disk destroyed" if disaster.destroys else "")


def mending(disaster: Disaster) -> str:
    return "the partition ends" if disaster.other else f"{disaster.region} starts from its disk"


def mended(disaster: Disaster, took_s: float) -> str:
    return "the partition is over" if disaster.other else f"{disaster.region} is up again (started in {took_s:.1f} s)"


def caught_up(disaster: Disaster, scans: Sequence[Snapshot], done: bool) -> str:
    """What the Region that was down holds, beside what its peers hold."""
    counts = {scan.region: len(scan.items) for scan in scans}
    mine = counts.get(disaster.region)
    if mine is None:
        return f"the table in {disaster.region} cannot be read"
    most = max(counts.values())
    return f"{disaster.region} has caught up: {mine} items" if done else f"{disaster.region} has {mine} of {most} items"


def change(seen: Flip | DnsChange) -> tuple[str, Tone]:
    """(text, tone) of a health flip or a changed DNS answer."""
    if isinstance(seen, Flip):
        short = seen.region or seen.host
        return (
            (f"health check of {short}: healthy", "good")
            if seen.healthy
            else (
                f"health check of {short}: UNHEALTHY",
                "bad",
            )
        )
    return f"DNS for {seen.city}: {seen.region or 'no answer'}", "plain"


def stranded_back(stranded: Sequence[Stranded], disaster: Disaster) -> str:
    """How the writes fared that the disaster had cut off."""
    back = [one.exposed_s for one in stranded if one.exposed_s is not None]
    where = "behind the partition" if disaster.other else f"in {disaster.region}"
    if len(back) < len(stranded):
        return f"{len(stranded)} writes were stranded {where}; {len(stranded) - len(back)} are gone"
    return f"{len(back)} writes were stranded {where}, up to {max(back):.1f} s; all are back"


# -- the verdict ---------------------------------------------------------------------------------------------------


def tell_verdict(tell: Teller, verdict: Verdict) -> None:
    """Act five: tables, the audit, and the one sentence."""
    tell.table(
        ("City", "Before", "During", "After"),
        [(city.city, _phase(city.before), _phase(city.during), _phase(city.after)) for city in verdict.cities],
        note="Who served the users of each city in the end, and the median request.",
    )
    tell.table(
        ("City", "Calls", "Failed", "Served %", "RTO s", "Found s", "DNS s", "Cache s"),
        [_recovery(city) for city in verdict.cities],
        note="RTO: first to last failed request. Its parts: found, until the health check turned; until the DNS answer "
        f"changed; cache, until the last failure while old answers were kept (TTL {verdict.dns_ttl_s:.0f} s).",
    )
    for text, tone in audit_lines(verdict.rpo):
        tell.line(text, tone)
    for note in verdict.notes:
        tell.line(note, "quiet")
    for reason in verdict.because:
        tell.line(reason, "bad")
    tell.line(sentence(verdict), "good" if verdict.holds else "bad")


def sentence(verdict: Verdict) -> str:
    """The verdict in one sentence."""
    holds = "The verdict holds" if verdict.holds else "The verdict does NOT hold"
    return (
        f"{holds}: RTO {verdict.rto_s:.1f} s, available {100 * verdict.availability:.2f} %, "
        f"{verdict.rpo.lost} of {verdict.rpo.acknowledged} writes lost."
    )


def audit_lines(audit: Audit) -> list[tuple[str, Tone]]:
    """The RPO audit, a line a fact."""
    longest = f", up to {audit.longest_stranded_s:.1f} s" if audit.longest_stranded_s is not None else ""
    still = audit.stranded - audit.stranded_back
    lines: list[tuple[str, Tone]] = [
        (f"{audit.acknowledged:5} writes acknowledged ({audit.unacknowledged} attempts were not)", "plain"),
        (f"{audit.everywhere:5} seen everywhere", "good"),
        (f"{audit.overwritten:5} overwritten by a later write", "plain"),
        (
            f"{audit.stranded:5} stranded by the disaster{longest}; {audit.stranded_back} came back",
            "bad" if still else "plain",
        ),
        (f"{audit.lost:5} lost", "bad" if audit.lost else "good"),
    ]
    if audit.partial:
        lines.append((f"{audit.partial:5} on some replicas only", "bad"))
    if audit.replicas_equal:
        lines.append((f"{audit.items:5} items, equal in all replicas", "good"))
    else:
        lines.append((f"{audit.differing_items:5} of {audit.items} items differ between replicas", "bad"))
    return lines


def _recovery(city: CityVerdict) -> tuple[str, ...]:
    return (
        city.city,
        str(city.requests),
        str(city.failed),
        f"{100 * city.availability:.2f}",
        _s(city.rto_s),
        _s(city.detection_s),
        _s(city.propagation_s),
        _s(city.cached_s),
    )


def _phase(phase: Phase) -> str:
    """'us-west-2 26 ms'."""
    if phase.region is None or phase.p50_ms is None:
        return "nobody"
    return f"{phase.region} {phase.p50_ms:.0f} ms"


def _s(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
