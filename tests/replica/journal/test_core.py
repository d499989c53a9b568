"""The core agrees on one order whatever happens, and goes on when it can; and the storms find the classic mistakes.

ANTIPODES_SEEDS says how many storms (40), and has every finding of a planted bug counted:
`ANTIPODES_SEEDS=5000 pytest tests/replica/journal -s`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from antipodes.replica.journal import lead
from antipodes.replica.journal.core import Core
from antipodes.replica.journal.messages import Append, Entry, Hard, Vote, Voted
from tests.replica.journal.members import SITES, Rules, Table, settled, storm

COUNTED = "ANTIPODES_SEEDS" in os.environ
SEEDS = int(os.environ.get("ANTIPODES_SEEDS", "40"))


def wrong(seed: int, rules: Rules | None = None, kinds: tuple[float, float] = (0.0, 1.0), faults: int = 8) -> list[str]:
    table = Table(seed, rules)
    try:
        storm(table, faults=faults, kinds=kinds)
        return settled(table)
    except AssertionError as error:  # a broken invariant of the core is a finding
        return [f"{error}"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_members_agree_and_nothing_acknowledged_is_lost(first: int) -> None:
    for seed in range(first, min(first + 20, SEEDS)):
        assert wrong(seed) == [], f"seed {seed}"


def test_a_storm_repeats_from_its_seed() -> None:
    tables = [Table(5), Table(5), Table(6)]
    for table in tables:
        storm(table, 5.0)
    assert tables[0].holds == tables[1].holds != tables[2].holds


@dataclass(frozen=True)
class Bug:
    """A planted one, and the storms that look for its kind. In 30 of them each is found as often as `found` says."""

    rules: Rules
    found: int
    kinds: tuple[float, float] = (0.0, 1.0)
    faults: int = 8


BUGS = {
    "quorum of one": Bug(Rules(), 18),
    "acknowledged before it is on disk": Bug(Rules(ack_before_sync=True), 19, (0.4, 0.6), 12),
    "voice forgotten in a crash": Bug(Rules(forgets_votes=True), 9),
    "a member that lost its disk votes": Bug(Rules(lost_disk_votes=True), 12, (0.6, 1.0), 16),
    "a leader that is none any more is read from": Bug(Rules(stale_reads=True), 4, (0.0, 0.25), 16),
}


def alone(site: str = "a", hard: Hard | None = None, entries: tuple[Entry, ...] = ()) -> Core:
    return Core(site, SITES, f"{site}0", hard or Hard(), entries, 0, 0.0, lambda: 0.5)


def test_a_member_that_lost_its_memory_gives_nobody_its_voice() -> None:
    core = alone(hard=Hard(voter=False))
    core.receive("b", Vote(7, 100, 6), 10.0)
    core.receive("b", Vote(8, 100, 6, pre=True), 10.0)
    out = core.take(10.0)
    answers = [message for _, message in (*out.at_once, *out.after)]
    assert [answer.granted for answer in answers if isinstance(answer, Voted)] == [False, False]
    core.tick(20.0)
    assert core.role == "follower"


def test_a_voice_is_given_once_a_term_and_never_to_one_that_is_behind() -> None:
    entry = Entry(1, 1, "", b"")
    core = alone(hard=Hard(term=1), entries=(entry,))
    for site, vote, granted in (
        ("b", Vote(2, 0, 0), False),  # it lacks our entry
        ("b", Vote(3, 1, 1), True),
        ("c", Vote(3, 1, 1), False),
        ("b", Vote(3, 1, 1), True),  # the same again
    ):
        core.receive(site, vote, 10.0)
        assert [m.granted for _, m in core.take(10.0).after if isinstance(m, Voted)] == [granted]


def test_a_voice_is_written_down_before_it_is_given() -> None:
    core = alone()
    core.receive("b", Vote(4, 0, 0), 10.0)
    out = core.take(10.0)
    assert out.at_once == []
    assert out.hard is not None
    assert (out.hard.term, out.hard.voted) == (4, "b")


def test_while_a_leader_is_heard_nobody_else_is_voted_for() -> None:
    core = alone()
    core.receive("b", Append(3, 0, 0, [], 0, 1), 10.0)
    core.take(10.0)
    core.receive("c", Vote(9, 50, 3), 10.3)
    assert core.take(10.3).after == []
    assert core.term == 3


def test_the_leader_hears_of_a_member_that_cannot_hear_it_and_hands_over() -> None:
    """a leads, b and a are parted, c hears both: c becomes the leader."""
    table = Table(1)
    table.run(5.0)
    (first,) = table.leaders()
    other, third = (site for site in SITES if site != first)
    table.part(first, other)
    table.run(12.0)
    assert table.leaders() == [third]
    before = table.acknowledged
    table.write()
    table.run(13.0)
    assert table.acknowledged > before
    assert table.disks[other].state == table.disks[first].state


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the first is found; all are counted when ANTIPODES_SEEDS is given."""
    bug = BUGS[name]
    if name == "quorum of one":
        monkeypatch.setattr(lead, "QUORUM", 1)
    findings = (bool(wrong(seed, bug.rules, bug.kinds, bug.faults)) for seed in range(max(SEEDS, 60)))
    if COUNTED:
        found = sum(findings)
        print(f"{name}: found in {found} of {max(SEEDS, 60)} storms")
        assert found * 60 >= max(SEEDS, 60) * bug.found // 2
    else:
        assert any(findings), f"{name} was not found"


def test_the_beats_of_all_leaders_fall_on_the_same_moments_and_none_is_late() -> None:
    assert lead.next_beat(7.01) == lead.next_beat(7.19) == pytest.approx(7.2)
    now = 0.0
    for _ in range(10_000):
        beat = lead.next_beat(now)
        assert now < beat <= now + lead.BEAT_S * 1.002
        now = beat
    assert now == pytest.approx(10_000 * lead.BEAT_S), "none came twice"
