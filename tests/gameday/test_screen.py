"""The screen and the texts: 80 columns, no control characters outside a terminal, no markup from texts."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from antipodes.cli.screen import Screen
from antipodes.gameday import campaign, telling
from antipodes.gameday.audit import audit
from antipodes.gameday.disaster import Disaster, Kind
from antipodes.gameday.history import Copy, DnsChange, Flip, Snapshot, Write
from antipodes.gameday.stage import StoryPlan
from antipodes.gameday.story import run_story
from antipodes.gameday.teller import Silent
from antipodes.gameday.verdict import Verdict
from tests.gameday.fakes import on_paper

CRASH = Disaster("crash", "us-west-2", 5, 8)


def verdict() -> Verdict:
    return on_paper(3, lambda globe: run_story(globe, StoryPlan(CRASH, world="simulated", seed=3), Silent()))[0]


def test_the_whole_story_fits_80_columns_and_is_plain_text_in_a_file() -> None:
    file = io.StringIO()
    on_paper(3, lambda globe: run_story(globe, StoryPlan(CRASH), Screen(file)))
    told = file.getvalue()
    assert max(len(line) for line in told.splitlines()) <= 80
    assert "\x1b" not in told
    assert "San Francisco" in told.split("RTO s")[1]  # the name is not broken over two lines
    for number in range(1, 6):
        assert f"\n{number}. " in told


def test_texts_are_never_taken_for_markup() -> None:
    file = io.StringIO()
    screen = Screen(file)
    screen.line("[red]x[/red] [/]")
    screen.table(("A",), [("[bold]y[/bold]",)])
    assert "[red]x[/red] [/]" in file.getvalue()
    assert "[bold]y[/bold]" in file.getvalue()


def test_long_lines_wrap_under_their_text() -> None:
    file = io.StringIO()
    Screen(file).line("word " * 30, at_s=12.34)
    first, second, *_ = file.getvalue().splitlines()
    assert first.startswith("    +12.3 s  word")
    assert second.startswith("             word")


def test_the_margin_is_quiet_the_text_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = io.StringIO()
    screen = Screen(file)
    screen.console = Console(file=file, force_terminal=True, color_system="standard", width=80)
    screen.line("all is well", "good")
    assert "\x1b[32mall is well" in file.getvalue()


def test_changes_read_as_sentences() -> None:
    flip = Flip(1, "hc", "https://x.execute-api.us-west-2.amazonaws.com:443/dev/health", False, "refused")
    assert telling.change(flip) == ("health check of us-west-2: UNHEALTHY", "bad")
    assert (
        telling.change(Flip(1, "hc", "https://plain.example/health", True))[0]
        == "health check of plain.example: healthy"
    )
    assert telling.change(DnsChange(1, "Tokyo", ("a",), (), None))[0] == "DNS for Tokyo: no answer"


def test_a_verdict_that_does_not_hold_says_so_loudly() -> None:
    import msgspec

    bad = msgspec.structs.replace(verdict(), holds=False, because=("replicas differ on 1 of 2 items",))
    file = io.StringIO()
    telling.tell_verdict(Screen(file), bad)
    assert "replicas differ on 1 of 2 items" in file.getvalue()
    assert "The verdict does NOT hold" in file.getvalue()


def test_the_audit_lists_what_is_wrong() -> None:
    scans = [Snapshot(5, 6, "us-east-1", {"a": Copy("w1", "x")}), Snapshot(5, 6, "us-west-2", {})]
    texts = [text for text, _ in telling.audit_lines(audit([Write("a", "w1", 1, 2, "us-east-1")], scans))]
    assert "    1 on some replicas only" in texts
    assert "    1 of 1 items differ between replicas" in texts


# -- campaigns -------------------------------------------------------------------------------------------------------


def test_a_seed_means_one_plan() -> None:
    regions = ("us-east-1", "us-west-2", "eu-west-1")
    assert campaign.plan_of(5, regions) == campaign.plan_of(5, regions)
    assert campaign.plan_of(5, regions) != campaign.plan_of(6, regions)
    assert campaign.plan_of(5, regions, "destroy").disaster.destroys


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (None, "antipodes simulate app --seed 4"),
        ("destroy", "antipodes simulate app --seed 4 --destroy"),
        ("partition", "antipodes simulate app --seed 4 --kind partition"),
    ],
)
def test_the_command_that_repeats_a_run_asks_for_what_was_asked(kind: Kind | None, text: str) -> None:
    assert campaign.command("app", 4, kind) == text


def test_kinds_are_read_and_unknown_ones_refused() -> None:
    assert campaign.kind_of(None, False) is None
    assert campaign.kind_of(None, True) == "destroy"
    assert campaign.kind_of("partition", False) == "partition"
    with pytest.raises(ValueError, match="known: crash, partition, destroy"):
        campaign.kind_of("flood", False)
    with pytest.raises(ValueError, match="exclude"):
        campaign.kind_of("crash", True)


def test_rows_say_what_held_and_what_broke() -> None:
    good = campaign.row(campaign.Played(3, verdict(), "digest", 60.0))
    assert good[:2] == ("3", "kill us-west-2")
    assert good[-2:] == ("yes", "yes")
    broken = campaign.row(campaign.Played(4, None, error="Traceback"))
    assert broken == ("4", "the run broke", "-", "-", "-", "-", "-", "-", "NO")
    assert len(good) == len(broken) == len(campaign.COLUMNS)


def test_the_table_of_many_fits_80_columns() -> None:
    file = io.StringIO()
    worst = ("12345", "part ap-southeast-2 | ap-northeast-1", "123.4", "100.00", "1234", "1234", "1234", "yes", "yes")
    Screen(file).table(campaign.COLUMNS, [worst])
    assert max(len(line) for line in file.getvalue().splitlines()) <= 80


def test_a_row_of_a_usual_campaign_takes_one_line() -> None:
    file = io.StringIO()
    row = ("1234", "us-west-2 | us-east-1", "123.4", "100.00", "1234", "1234", "1234", "yes", "yes")
    Screen(file).table(campaign.COLUMNS, [row])
    assert len(file.getvalue().strip().splitlines()) == 3
