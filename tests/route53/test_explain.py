""" "Why did it not fail over?": the walk, the health behind it, and the notes, as values and as text."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from antipodes.cli.dig import lines_of
from antipodes.nameserver.explanation import Explanation
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import alias, plain
from tests.route53.test_nameserver import API, EUROPE, WEST, checked

GATEWAY = "d-abc123.execute-api.us-west-2.amazonaws.com"


def explain(planet: Planet53, city: str = "San Francisco") -> Explanation:
    assert planet.nameserver is not None
    told = planet.nameserver.explain(API, "A", city)
    return msgspec.json.decode(msgspec.json.encode(told), type=Explanation)  # as it travels


async def tree(planet: Planet53, *, evaluate: bool) -> None:
    """latency(us, eu), each an alias of a checked record; us-west-2 dies."""
    await planet.boot_target("us-west-2")
    await planet.boot_target("eu-west-1")
    zone = await planet.zone()
    west, europe = await checked(planet, WEST), await checked(planet, EUROPE)
    bare = zone.rpartition("/")[2]
    info = await planet.change(
        zone,
        ("CREATE", plain("us.example.com", WEST, SetIdentifier="1", Weight=1, HealthCheckId=west)),
        ("CREATE", plain("eu.example.com", EUROPE, SetIdentifier="1", Weight=1, HealthCheckId=europe)),
        ("CREATE", alias(API, "us.example.com", evaluate=evaluate, zone=bare, SetIdentifier="us", Region="us-west-2")),
        ("CREATE", alias(API, "eu.example.com", zone=bare, SetIdentifier="eu", Region="eu-west-1")),
    )
    await planet.in_sync(info["Id"])
    await asyncio.sleep(12)
    planet.simulation.crash("us-west-2")
    planet.simulation.links.down("us-west-2")  # as globe.kill does: its checker is gone, too
    await asyncio.sleep(45)


def test_a_branch_that_is_kept_says_why() -> None:
    async def story(planet: Planet53) -> None:
        await tree(planet, evaluate=False)
        told = explain(planet)
        assert [answer.value for answer in told.answers] == [WEST] and told.zone.startswith("Z")
        assert [step.policy for step in told.steps] == ["latency", "weighted"]
        assert told.timing is not None
        assert (told.timing.detection_s, told.timing.cached_s) == (36, 60)
        eu, us = told.steps[0].candidates
        assert us.chosen and us.healthy and us.evaluate_target_health is False and "ms" in us.measure
        assert eu.healthy and not eu.chosen and eu.fate.startswith("not chosen: us-west-2 is nearest")
        assert any("its EvaluateTargetHealth is false" in note for note in told.notes)
        text = "\n".join(lines_of(told))
        assert "> us -> us.example.com." in text and "0 of 7 checkers say healthy" in text

    on_planet(story)


def test_a_branch_that_is_left_shows_what_lies_under_it() -> None:
    async def story(planet: Planet53) -> None:
        await tree(planet, evaluate=True)
        told = explain(planet)
        assert [answer.value for answer in told.answers] == [EUROPE]
        us = told.steps[0].candidates[1]
        assert not us.healthy and us.fate == "left out: 0 of 1 records of us.example.com. are healthy"
        (leaf,) = us.under
        dead = next(check for check in told.checks if check.id == leaf.check)
        assert not dead.healthy and {one.status for one in dead.checkers if one.heard} == {
            "Failure: The connection was refused"
        }
        assert [one.region for one in dead.checkers if not one.heard] == ["us-west-2"]
        assert any("nothing is heard of the checkers in us-west-2" in note for note in told.notes)
        assert not any("nothing to fail over to" in note for note in told.notes)  # it has just been left for eu

    on_planet(story)


@pytest.mark.parametrize(
    ("records", "note"),
    [
        ([alias(API, GATEWAY, zone="Z2OJLYMUO9EFXC", SetIdentifier="p", Failover="PRIMARY")], "regarded as healthy"),
        ([plain(API, WEST, SetIdentifier="p", Failover="PRIMARY"),
          plain(API, EUROPE, SetIdentifier="s", Failover="SECONDARY")], "it has no health check"),
        ([plain(API, WEST, HealthCheckId="CHECK")], "whatever its health check says"),
        ([plain(API, WEST, SetIdentifier="p", Weight=1, HealthCheckId="CHECK")], "nothing to fail over to"),
        ([plain(API, WEST, SetIdentifier="p", Weight=1, HealthCheckId="CHECK"),
          plain(API, EUROPE, SetIdentifier="s", Weight=1, HealthCheckId="CHECK")], "answers as if all were"),
    ],
)  # fmt: skip
def test_notes_on_records(records: list[dict[str, Any]], note: str) -> None:
    async def story(planet: Planet53) -> None:
        zone = await planet.zone()
        check = await checked(planet, "127.44.30.1", FailureThreshold=1)
        for record in records:
            named = {"HealthCheckId": check} if record.get("HealthCheckId") else {}
            info = await planet.change(zone, ("CREATE", record | named))
        await planet.in_sync(info["Id"])
        await asyncio.sleep(30)
        assert any(note in one for one in explain(planet).notes)

    on_planet(story)


@pytest.mark.parametrize(
    ("more", "note"),
    [({"Disabled": True}, "is disabled"), ({"Inverted": True}, "is inverted"), ({}, "2 of 8 checkers still say")],
)
def test_notes_on_checks(more: dict[str, Any], note: str) -> None:
    async def story(planet: Planet53) -> None:
        await planet.boot_target("us-west-2")
        zone = await planet.zone()
        check = await checked(planet, WEST, FailureThreshold=1, **more)
        info = await planet.change(zone, ("CREATE", plain(API, WEST, SetIdentifier="a", Weight=1, HealthCheckId=check)))
        await planet.in_sync(info["Id"])
        await asyncio.sleep(12)
        for region in ("us-east-1", "us-west-1", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1"):
            planet.simulation.links.partition(region, "us-west-2")
        await asyncio.sleep(30)
        told = explain(planet)
        assert any(note in one for one in told.notes), told.notes
        assert told.checks[0].healthy is ("Inverted" not in more)

    on_planet(story)


def test_a_name_that_leads_nowhere_and_a_question_that_makes_no_sense() -> None:
    async def story(planet: Planet53) -> None:
        assert planet.nameserver is not None
        assert explain(planet).rcode == "REFUSED"
        for name, kind, place, said in (
            ("a..b", "A", "Tokyo", "empty label"),
            ("a.b", "NONE", "Tokyo", "no record type"),
            ("a.b", "A", "Atlantis", "no city"),
        ):
            with pytest.raises(ValueError, match=said):
                planet.nameserver.explain(name, kind, place)

    on_planet(story)
