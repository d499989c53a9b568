"""The verdict: numbers from histories, and histories that must be rejected."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from antipodes.gameday.audit import Audit, audit
from antipodes.gameday.disaster import Disaster
from antipodes.gameday.history import Copy, DnsChange, Flip, Lag, Outcome, Snapshot, Write
from antipodes.gameday.verdict import Run, Verdict, judge, lag_verdicts, percentile, to_json

BEGAN, BROKEN, MENDED, ENDED = 1000.0, 1010.0, 1040.0, 1060.0
EAST, WEST = "us-east-1", "us-west-2"
CITIES = ("San Francisco", "New York")


def served(city: str, at: float, region: str, ms: float = 100) -> Outcome:
    return Outcome(city, "get", at, at + ms / 1000, 200, region=region)


def refused(city: str, at: float, seconds: float = 0.5) -> Outcome:
    return Outcome(city, "new", at, at + seconds, None, "Refused")


def history() -> list[Outcome]:
    """One request a second a city; San Francisco fails from 1010 to 1020, then lives in the east until 1050."""
    found = []
    for second in range(1000, 1060):
        found.append(served("New York", second, EAST, 80))
        if second < 1010:
            found.append(served("San Francisco", second, WEST, 40))
        elif second < 1020:
            found.append(refused("San Francisco", second))
        else:
            found.append(served("San Francisco", second, EAST if second < 1050 else WEST, 90 if second < 1050 else 40))
    return found


def good_audit() -> Audit:
    items = {"a": Copy("w1", "w1")}
    return audit([Write("a", "w1", 1, 2, EAST)], [Snapshot(3, 4, region, items) for region in (EAST, WEST)])


def run_with(**changes: object) -> Run:
    run = Run(
        world="simulated",
        seed=7,
        regions=(EAST, WEST),
        cities=CITIES,
        disaster=Disaster("crash", WEST, 10, 30),
        began=BEGAN,
        broken=BROKEN,
        mended=MENDED,
        ended=ENDED,
        outcomes=history(),
        flips=[Flip(1014, "hc", "https://us-west-2", False, "refused"), Flip(1045, "hc", "https://us-west-2", True)],
        dns_before={"San Francisco": WEST, "New York": EAST},
        dns_changes=[
            DnsChange(1014.5, "San Francisco", ("127.44.4.1",), ("127.44.1.1",), EAST),
            DnsChange(1046, "San Francisco", ("127.44.1.1",), ("127.44.4.1",), WEST),
        ],
        dns_ttl_s=10,
        lags=lag_verdicts([Lag(EAST, WEST, 33.3333)], {(EAST, WEST): (31.0, 40.0)}),
        audit=good_audit(),
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def without(city: str, since: float, until: float) -> list[Outcome]:
    return [one for one in history() if one.city != city or not since <= one.at < until]


def test_a_good_run_holds() -> None:
    verdict = judge(run_with())
    assert verdict.holds
    assert verdict.because == ()


def test_rto_is_first_to_last_failed_request_and_has_parts() -> None:
    city = judge(run_with()).cities[0]
    assert city.city == "San Francisco"
    assert city.rto_s == pytest.approx(9.5)  # 1010 .. 1019.5
    assert city.detection_s == pytest.approx(4)
    assert city.propagation_s == pytest.approx(0.5)
    assert city.cached_s == pytest.approx(5)  # 1014.5 .. 1019.5
    assert (city.requests, city.failed, city.availability) == (60, 10, round(50 / 60, 5))
    assert (city.before.region, city.during.region, city.after.region) == (WEST, EAST, WEST)
    assert (city.before.p50_ms, city.during.p50_ms) == (40, 90)
    # Ten of the twenty requests after mending still went east: the west's latency is not made of them.
    assert (city.after.p50_ms, city.after.p99_ms) == (40, 40)


def test_a_check_of_another_region_that_flips_meanwhile_has_found_nothing() -> None:
    run = run_with()
    elsewhere = Flip(1011, "other", f"https://x.execute-api.{EAST}.amazonaws.com:443/health", False, "slow")
    there = replace(run.flips[0], target=f"https://x.execute-api.{WEST}.amazonaws.com:443/health")
    same_again = DnsChange(1011, "San Francisco", ("127.44.4.1",), ("127.44.4.1", "127.44.4.1"), WEST)
    changed = replace(run, flips=[elsewhere, there], dns_changes=[same_again, *run.dns_changes])
    city = judge(changed).cities[0]
    assert city.detection_s == pytest.approx(4)
    assert city.propagation_s == pytest.approx(0.5)


def test_a_city_without_failures_has_no_rto() -> None:
    verdict = judge(run_with())
    assert (verdict.cities[1].rto_s, verdict.cities[1].detection_s) == (None, None)
    assert not verdict.cities[1].depended
    assert verdict.rto_s == pytest.approx(9.5)
    assert verdict.detection_s == pytest.approx(4)
    assert verdict.availability == round(110 / 120, 5)


def test_a_request_that_was_under_way_when_the_region_died_begins_the_rto() -> None:
    early = refused("San Francisco", 1009.2, 3.0)
    assert judge(run_with(outcomes=[*history(), early])).cities[0].rto_s == pytest.approx(1019.5 - 1009.2)


def test_failures_from_before_the_disaster_or_after_mending_are_not_rto() -> None:
    others = [refused("New York", 1002), refused("New York", 1041)]
    city = judge(run_with(outcomes=[*history(), *others])).cities[1]
    assert (city.rto_s, city.failed, city.failed_after_mending) == (None, 2, 1)


def test_users_who_do_not_fail_over_break_the_verdict() -> None:
    stuck = [
        one if one.city != "San Francisco" or not BROKEN <= one.at < MENDED else refused("San Francisco", one.at)
        for one in history()
    ]
    assert (
        "users in San Francisco depended on us-west-2 and did not fail over" in judge(run_with(outcomes=stuck)).because
    )


def test_users_who_vanish_break_the_verdict() -> None:
    silent = without("San Francisco", 1040, 1061)
    assert "users in San Francisco are not served again" in judge(run_with(outcomes=silent)).because


def test_users_whose_last_request_fails_are_not_served_again() -> None:
    outcomes = [*history(), refused("New York", 1059.9)]
    assert judge(run_with(outcomes=outcomes)).because == ("users in New York are not served again",)


def test_users_who_do_not_return_break_the_verdict() -> None:
    away = [replace(one, region=EAST) if one.at >= MENDED else one for one in history()]
    assert judge(run_with(outcomes=away)).because == ("users in San Francisco did not return to us-west-2",)


def test_nobody_need_return_to_a_region_that_lost_its_disk() -> None:
    away = [replace(one, region=EAST) if one.at >= MENDED else one for one in history()]
    verdict = judge(run_with(outcomes=away, disaster=Disaster("destroy", WEST, 10, 30)))
    assert verdict.holds
    assert "held nothing that others did not have" in verdict.notes[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lost": 1, "lost_writes": ("w1",), "lost_unexpectedly": ("w1",)}, "1 acknowledged writes are lost: w1"),
        ({"partial": 2}, "2 acknowledged writes are on some replicas only"),
        ({"replicas_equal": False, "differing_items": 3, "items": 9}, "replicas differ on 3 of 9 items"),
    ],
)
@pytest.mark.parametrize("kind", ["crash", "destroy"])
def test_a_bad_audit_breaks_the_verdict(kind: str, change: dict[str, object], words: str) -> None:
    bad = msgspec.structs.replace(good_audit(), **change)
    verdict = judge(run_with(audit=bad, disaster=Disaster(kind, WEST, 10, 30)))  # type: ignore[arg-type]
    assert not verdict.holds
    assert words in verdict.because


def test_a_loss_with_the_destroyed_disk_is_said_but_does_not_break_the_verdict() -> None:
    lossy = msgspec.structs.replace(good_audit(), lost=1, lost_writes=("w1",))
    verdict = judge(run_with(audit=lossy, disaster=Disaster("destroy", WEST, 10, 30)))
    assert verdict.holds
    assert verdict.notes[0].startswith("1 acknowledged writes are lost: only the destroyed disk")
    assert not judge(run_with(audit=lossy)).holds  # the same loss after a plain crash


def test_a_replica_that_cannot_be_read_breaks_the_verdict() -> None:
    assert judge(run_with(unread=(WEST,))).because == ("the replica in us-west-2 cannot be read",)


def test_a_partition_needs_no_failover() -> None:
    calm = [served(city, second, EAST) for second in range(1000, 1060) for city in CITIES]
    parted = Disaster("partition", WEST, 10, 30, EAST)
    verdict = judge(run_with(outcomes=calm, disaster=parted, flips=[], dns_changes=[]))
    assert verdict.holds
    assert (verdict.rto_s, verdict.detection_s) == (0, None)


def test_the_timeline_is_in_order_and_counts_from_the_beginning() -> None:
    found = [(one.at_s, one.kind) for one in judge(run_with()).timeline]
    assert found == [(10, "kill"), (14, "health"), (14.5, "dns"), (40, "mended"), (45, "health"), (46, "dns")]


def test_json_is_stable_and_reads_back() -> None:
    first, second = to_json(judge(run_with())), to_json(judge(run_with()))
    assert first == second
    assert msgspec.json.decode(first, type=Verdict) == judge(run_with())
    assert first.endswith(b"}\n")


def test_json_does_not_depend_on_the_hour() -> None:
    """Times are said since the beginning: a run at another hour of the same length reads the same."""
    later = run_with(
        began=BEGAN + 5e8,
        broken=BROKEN + 5e8,
        mended=MENDED + 5e8,
        ended=ENDED + 5e8,
        outcomes=[replace(one, at=one.at + 5e8, ended=one.ended + 5e8) for one in history()],
        flips=[replace(one, at=one.at + 5e8) for one in run_with().flips],
        dns_changes=[replace(one, at=one.at + 5e8) for one in run_with().dns_changes],
    )
    assert to_json(judge(later)) == to_json(judge(run_with()))


def test_percentiles_are_nearest_rank() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([5], 0.99) == 5
