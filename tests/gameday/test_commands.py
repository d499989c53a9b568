"""demo and simulate refuse wrong calls with one sentence, exit code 2, and nothing started."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from antipodes.cli.main import app

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "globaldb")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--victim", "mars-1"], "--victim mars-1 is not one of the planet's Regions"),
        (["demo", "--app", "nowhere"], "nowhere/antipodes.toml: there is no such file"),
        (["simulate", "nowhere", "--seed", "1"], "nowhere/antipodes.toml: there is no such file"),
        (["simulate", EXAMPLE, "--seed", "1", "--seeds", "2"], "--seed plays one, --seeds many"),
        (["simulate", EXAMPLE, "--seeds", "2", "--trace", "x"], "--trace writes one run's trace"),
        (
            ["simulate", EXAMPLE, "--kind", "flood"],
            "unknown kind of disaster 'flood'; known: crash, partition, destroy",
        ),
        (["simulate", EXAMPLE, "--kind", "crash", "--destroy"], "--destroy and --kind exclude each other"),
    ],
)
def test_a_wrong_call_is_refused_in_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_the_example_is_found_from_anywhere_in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from antipodes.cli.demo import find_example

    monkeypatch.chdir(tmp_path)
    assert find_example().resolve() == Path(EXAMPLE).resolve()


def test_an_app_that_cannot_be_deployed_is_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "antipodes.toml").write_text(
        'name = "a"\nregions = ["us-east-1", "us-west-2"]\n[[stack]]\nname = "a"\ntemplate = "t.yaml"\n'
        'regions = "all"\n'
    )
    (tmp_path / "t.yaml").write_text("Resources: {Q: {Type: AWS::SQS::Queue}}")
    result = CliRunner().invoke(app, ["simulate", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr == (
        "antipodes: the app could not be deployed: a in us-east-1, us-west-2: "
        "antipodes does not support resource type AWS::SQS::Queue (Q) yet.\n"
    )


def test_an_app_that_does_not_answer_as_the_story_needs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "antipodes.toml").write_text(
        'name = "a"\nregions = ["us-east-1"]\n[[stack]]\nname = "a"\ntemplate = "t.yaml"\nregions = "all"\n'
    )
    (tmp_path / "t.yaml").write_text("Resources: {R: {Type: AWS::Route53::HostedZone, Properties: {Name: a.example}}}")
    result = CliRunner().invoke(app, ["simulate", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith("antipodes: us-east-1 does not serve POST https://api.globaldb.example/items")
    assert len(result.stderr.splitlines()) == 1


def test_a_city_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    for command in (["dig", "x.example"], ["curl", "https://x.example/"]):
        result = CliRunner().invoke(app, [*command, "--from", "Atlantis", "--data-dir", str(tmp_path)])
        assert result.exit_code == 2
        assert "no city 'Atlantis'" in result.stderr
