"""The whole story on a planet of paper: it holds where the planet is sound, and finds each planted mistake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from antipodes.gameday.disaster import Disaster
from antipodes.gameday.stage import StoryPlan
from antipodes.gameday.story import run_story
from antipodes.gameday.teller import Silent, Tone
from antipodes.gameday.verdict import Verdict, to_json
from tests.gameday.fakes import Flaws, on_paper

CRASH = Disaster("crash", "us-west-2", 6, 10)
PARTITION = Disaster("partition", "us-west-2", 6, 10, "us-east-1")
DESTROY = Disaster("destroy", "us-west-2", 6, 10)


@dataclass
class Notebook(Silent):
    """A Teller that writes everything down."""

    acts: list[int] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    tables: list[Sequence[Sequence[str]]] = field(default_factory=list)

    def act(self, number: int, title: str, text: str) -> None:
        self.acts.append(number)

    def line(self, text: str, tone: Tone = "plain", *, at_s: float | None = None) -> None:
        self.lines.append(text)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        self.tables.append(rows)


def played(disaster: Disaster, flaws: Flaws | None = None, *, seed: int = 1, deadlines_s: float = 90) -> Verdict:
    plan = StoryPlan(
        disaster,
        world="simulated",
        seed=seed,
        moved_s=deadlines_s,
        returned_s=deadlines_s,
        converged_s=min(30, deadlines_s),
    )
    return on_paper(seed, lambda globe: run_story(globe, plan, Silent()), flaws)[0]


def test_a_killed_region_loses_its_users_and_gets_them_back() -> None:
    verdict = played(CRASH)
    assert verdict.because == ()
    moved = {city.city: city for city in verdict.cities if city.depended}
    assert sorted(moved) == ["San Francisco", "Tokyo"]
    for city in moved.values():
        assert city.before.region == city.after.region == "us-west-2"
        assert city.during.region in ("us-east-1", "eu-west-1")
        assert city.rto_s is not None
        assert city.failed > 0
        # Detection within one interval; cached answers no longer than TTL and one request's time.
        assert city.detection_s is not None
        assert 0 <= city.detection_s <= 10
        assert city.cached_s is not None
        assert 0 < city.cached_s <= 10 + 3
        # They stayed there for long enough that calls on kept connections are what is measured.
        assert city.during.p50_ms is not None
        assert city.after.p50_ms is not None
        assert city.before.p50_ms is not None
        assert city.during.p50_ms < city.during.p99_ms  # type: ignore[operator]
        assert city.after.p50_ms < 1.5 * city.before.p50_ms
    for city in verdict.cities:
        if city.city not in moved:
            assert city.failed == 0
    assert verdict.rpo.stranded > 0
    assert verdict.rpo.stranded_back == verdict.rpo.stranded
    assert verdict.rpo.lost == 0
    assert len(verdict.replication) == 6
    assert all(lag.seen_ms is not None and lag.seen_ms > 20 for lag in verdict.replication)


def test_the_story_is_told_in_five_acts() -> None:
    book = Notebook()
    on_paper(1, lambda globe: run_story(globe, StoryPlan(CRASH), book))
    assert book.acts == [1, 2, 3, 4, 5]
    told = "\n".join(book.lines)
    for words in (
        "us-west-2 is killed",
        "Tokyo: first failed request (",
        "health check of us-west-2: UNHEALTHY",
        "DNS for San Francisco: us-east-1",
        "San Francisco: users are served by us-east-1 (before: us-west-2)",
        "us-west-2 is up again",
        "San Francisco: users are served by us-west-2 (before: us-east-1)",
        "The verdict holds",
    ):
        assert words in told
    order = [told.index(words) for words in ("is killed", "UNHEALTHY", "DNS for", "served by us-east-1", "up again")]
    assert order == sorted(order)
    distance = {row[0]: row[1] for row in book.tables[0]}
    assert distance["Frankfurt"] == "eu-west-1"


def test_a_partition_strands_writes_on_both_sides_and_moves_nobody() -> None:
    verdict = played(PARTITION)
    assert verdict.because == ()
    assert verdict.failed == 0
    assert {one.region for one in verdict.rpo.stranded_writes} == {"us-east-1", "us-west-2"}
    assert verdict.rpo.stranded_back == verdict.rpo.stranded


def test_a_destroyed_disk_loses_what_it_alone_held_and_the_verdict_says_so() -> None:
    verdict = played(DESTROY)
    assert verdict.because == ()
    assert verdict.rpo.lost > 0
    assert verdict.rpo.lost_unexpectedly == ()
    assert "only the destroyed disk of us-west-2" in "; ".join(verdict.notes)


def test_a_destroyed_region_is_deployed_to_again() -> None:
    deployed: list[str] = []

    async def redeploy() -> str:
        deployed.append("again")
        return ""

    verdict, _ = on_paper(1, lambda globe: run_story(globe, StoryPlan(DESTROY), Silent(), redeploy))
    assert deployed == ["again"]
    assert [city.after.region for city in verdict.cities if city.depended] == ["us-west-2", "us-west-2"]


def test_a_failed_redeployment_is_said_in_the_verdict() -> None:
    async def redeploy() -> str:
        return "no such stack"

    verdict, _ = on_paper(1, lambda globe: run_story(globe, StoryPlan(DESTROY), Silent(), redeploy))
    assert "the app could not be deployed again: no such stack" in verdict.notes


@pytest.mark.parametrize(
    ("disaster", "flaws", "words"),
    [
        (CRASH, Flaws(forgets=True), "lost"),
        (CRASH, Flaws(stays=True), "did not fail over"),
        (CRASH, Flaws(never_returns=True), "did not return"),
        (PARTITION, Flaws(diverges=True), "replicas differ"),
        (PARTITION, Flaws(first_wins=True), "replicas differ"),
    ],
)
def test_a_planted_mistake_is_found(disaster: Disaster, flaws: Flaws, words: str) -> None:
    verdict = played(disaster, flaws, deadlines_s=25)
    assert not verdict.holds
    assert words in "; ".join(verdict.because)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert to_json(played(CRASH)) == to_json(played(CRASH))
    assert to_json(played(CRASH)) != to_json(played(CRASH, seed=2))
