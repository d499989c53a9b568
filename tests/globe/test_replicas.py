"""antipodes tables, conflicts and verify: what is told of a planet's global tables, and how it is shown."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pytest

from antipodes.cli import tables as commands
from antipodes.cli.screen import Screen
from antipodes.globe import replicas
from antipodes.wire.errors import AwsError
from antipodes.world.world import World
from tests.dynamodb.conftest import REGIONS, Planet, ask, run
from tests.dynamodb.test_replicas import EAST, EUROPE, NAME, WEST, everywhere, item

__all__ = ["run"]  # a fixture
Run = Callable[[Callable[[Planet], Awaitable[None]]], None]


class Asked:
    """A planet that can be asked. down: Regions that do not answer."""

    regions: tuple[str, ...] = REGIONS

    def __init__(self, planet: Planet) -> None:
        self.planet = planet
        self.down: set[str] = set()

    async def inspect(self, region: str, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if region in self.down:
            return None
        try:
            return await ask(self.planet.services[region], operation, params)
        except AwsError as error:
            raise ValueError(error.message) from None


async def compared(asked: Asked, wait_s: float = 0) -> replicas.Comparison:
    world = cast("World", asked.planet.worlds[EAST])
    return await replicas.compare(asked, world, "Things", wait_s)


def text(tell: Callable[[Screen], None]) -> str:
    file = io.StringIO()
    tell(Screen(file))
    shown = file.getvalue()
    assert max(map(len, shown.splitlines())) <= 80
    return shown


def test_replicas_are_equal_or_it_is_said_what_differs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antipodes.services.dynamodb.inspection.PAGE", 3)

    async def story(planet: Planet) -> None:
        east, west, _ = await everywhere(planet, EAST, WEST, EUROPE)
        asked = Asked(planet)
        for number in range(10):
            await ask(east, "PutItem", {**NAME, "Item": {"pk": {"S": str(number)}}})
        planet.carry()
        found = await compared(asked)
        assert (found.equal, found.items, found.compared) == (True, 10, REGIONS)
        assert "equal: 10 items" in text(lambda screen: commands.tell_comparison(screen, found))
        await ask(west, "DeleteItem", {**NAME, "Key": {"pk": {"S": "4"}}})
        await ask(east, "PutItem", item("new"))
        found = await compared(asked)
        assert (found.equal, found.items, len(found.differences)) == (False, 11, 2)
        held = [[region for region, one in difference.held.items() if one] for difference in found.differences]
        assert sorted(held) == [[EAST], [EAST, EUROPE]]
        shown = text(lambda screen: commands.tell_comparison(screen, found))
        assert "different: 2 of 11 items" in shown
        assert "us-west-2: no item" in shown
        planet.carry()
        assert (await compared(asked)).equal
        asked.down = {WEST}
        found = await compared(asked)
        assert (found.equal, found.unreachable, found.compared) == (False, (WEST,), (EAST, EUROPE))
        with pytest.raises(ValueError, match="There is no global table Nothing"):
            await replicas.compare(asked, cast("World", planet.worlds[EAST]), "Nothing", 0)

    run(story)


def test_conflicts_of_all_regions_are_one_list(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, _ = await everywhere(planet, EAST, WEST, EUROPE)
        asked = Asked(planet)
        assert await replicas.conflicts(asked, "Things") == ([], [])
        await ask(east, "PutItem", item("east"))
        await ask(west, "PutItem", item("west"))
        planet.carry()
        found, silent = await replicas.conflicts(asked, "Things")
        assert (len(found), silent) == (1, [])
        shown = text(lambda screen: commands.tell_conflicts(screen, "Things", found, [EUROPE]))
        assert "Things: 1 acknowledged writes were overwritten unseen." in shown
        assert "eu-west-1 does not answer" in shown
        with pytest.raises(ValueError, match="Table: Nothing not found"):
            await replicas.conflicts(asked, "Nothing")

    run(story)


def test_tables_name_each_pair_and_what_waits_between_them(run: Run) -> None:
    class Waits:
        changes, since_s = 7, 0.0

    async def story(planet: Planet) -> None:
        east, _, _ = await everywhere(planet, EAST, WEST, EUROPE)
        topic = next(iter(east.carried.topics()))

        async def waiting(site: str) -> Mapping[str, Any]:
            return {topic: Waits()} if site == WEST else {}

        east.replication.waiting = waiting
        asked = Asked(planet)
        asked.down = {EUROPE}
        (found,) = await replicas.tables(asked)
        assert found.replicas == {EAST: "ACTIVE", EUROPE: "DOWN", WEST: "ACTIVE"}
        behind = {(pair.source, pair.target): pair.backlog for pair in found.pairs}
        assert behind == {(EAST, WEST): 7, (EAST, EUROPE): 0, (WEST, EAST): 0, (WEST, EUROPE): 0}
        assert all((pair.lag_ms > 0) is (pair.backlog > 0) for pair in found.pairs)

    run(story)
