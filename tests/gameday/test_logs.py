"""One function's log over all Regions: in order of time, each line once, a Region that is down named once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from antipodes.cli.main import app
from antipodes.gameday import logs
from antipodes.gameday.logs import NoSuchLog, Reader, groups_of
from antipodes.globe.globe import Globe
from antipodes.wire.errors import ClientFault, ServerFault
from tests.worlds import SimulatedWorlds


class Regions:
    """Logs by Region: (time, text). Two events a page."""

    regions = ("us-east-1", "eu-west-1")

    def __init__(self) -> None:
        self.said: dict[str, list[tuple[int, str]]] = {"us-east-1": [], "eu-west-1": []}
        self.groups = {
            "us-east-1": ["/aws/lambda/items", "/aws/lambda/globaldb-health-X", "/aws/lambda/globaldb-pets-Y"],
            "eu-west-1": ["/aws/lambda/items", "/aws/lambda/globaldb-health-Z"],
        }
        self.down = ""

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        if region == self.down:
            raise ServerFault("RegionUnavailable", "no route")
        if operation == "DescribeLogGroups":
            return {"logGroups": [{"logGroupName": name} for name in self.groups[region]]}
        if not self.said[region]:
            raise ClientFault("ResourceNotFoundException", "The specified log group does not exist.")
        start = int(params.get("nextToken", 0))
        found = [(n, e) for n, e in enumerate(self.said[region]) if e[0] >= params["startTime"]][start : start + 3]
        events = [
            {"timestamp": time, "message": text, "logStreamName": "s", "eventId": f"{region}{n}"}
            for n, (time, text) in found[:2]
        ]
        return {"events": events} | ({"nextToken": str(start + 2)} if len(found) > 2 else {})


def run(story: Any) -> None:
    SimulatedWorlds().run(story)


def test_lines_of_all_regions_come_in_order_of_time_and_once() -> None:
    async def story() -> None:
        planet = Regions()
        named: list[str] = []
        reader = Reader(
            cast("Globe", planet), dict.fromkeys(planet.regions, "g"), "", lambda region, why: named.append(region)
        )
        planet.said["us-east-1"] = [(1000, "a"), (3000, "c"), (3000, "d")]
        planet.said["eu-west-1"] = [(2000, "b")]
        assert [line.message for line in await reader.newer(0)] == ["a", "b", "c", "d"]
        assert await reader.newer(0) == []
        planet.said["eu-west-1"].append((2500, "late"))
        planet.down = "us-east-1"
        assert [line.message for line in await reader.newer(0)] == ["late"]
        assert await reader.newer(0) == []
        assert named == ["us-east-1"]
        planet.said["us-east-1"].append((9000, "back"))
        planet.down = ""
        assert [line.message for line in await reader.newer(0)] == ["back"]

    run(story)


def test_a_region_where_the_function_has_not_run_is_passed_over() -> None:
    async def story() -> None:
        planet = Regions()
        planet.said["eu-west-1"] = [(5, "x")]
        reader = Reader(
            cast("Globe", planet), dict.fromkeys(planet.regions, "g"), "", lambda region, why: pytest.fail(region)
        )
        assert [line.region for line in await reader.newer(0)] == ["eu-west-1"]

    run(story)


def test_a_function_may_be_named_by_a_part_that_only_one_has_in_each_region(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        planet = Regions()
        globe = cast("Globe", planet)
        both = dict.fromkeys(planet.regions, "/aws/lambda/items")
        assert await groups_of(globe, "items", planet.regions) == both
        assert await groups_of(globe, "/aws/lambda/items", planet.regions) == both
        assert await groups_of(globe, "health", planet.regions) == {
            "us-east-1": "/aws/lambda/globaldb-health-X",
            "eu-west-1": "/aws/lambda/globaldb-health-Z",
        }
        with pytest.raises(NoSuchLog, match="globaldb-health-X or /aws/lambda/globaldb-pets-Y"):
            await groups_of(globe, "globaldb", planet.regions)
        with pytest.raises(NoSuchLog, match="There are:"):
            await groups_of(globe, "nothing", planet.regions)
        monkeypatch.setattr(logs, "NAMED", 1)
        with pytest.raises(NoSuchLog, match=r"Of 4 the nearest:\n  /aws/lambda/items$"):
            await groups_of(globe, "itams", planet.regions)
        planet.down = "us-east-1"
        assert await groups_of(globe, "items", planet.regions) == both

    run(story)


def test_a_span_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["logs", "f", "--since", "yesterday"])
    assert result.exit_code == 2 and "such as 90s, 10m, 2h, 1d" in result.stderr
