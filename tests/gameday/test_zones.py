"""Zones out to master files and in again, by the API of a planet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from antipodes.gameday.zones import NoSuchZone, export_zone, import_zone
from antipodes.globe.globe import Globe
from antipodes.wire.errors import ClientFault
from antipodes.wire.masterfile import BadFile
from antipodes.world.world import World
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import alias, plain


class AsGlobe:
    """A planet's Route 53 as the commands reach it."""

    regions = ("us-east-1",)

    def __init__(self, planet: Planet53) -> None:
        self._planet = planet

    def world(self, site: str) -> World:
        return self._planet.world(site)

    async def call(self, service: str, operation: str, params: Mapping[str, Any], region: str) -> Mapping[str, Any]:
        return await self._planet.do(operation, **params)


def test_a_zone_moves_to_another_name_by_export_and_import() -> None:
    async def story(planet: Planet53) -> None:
        globe = cast("Globe", AsGlobe(planet))
        zone = (await planet.zone()).rpartition("/")[2]
        await planet.change(
            zone,
            *(("CREATE", plain(f"n{number}.example.com", f"192.0.2.{number % 250}")) for number in range(700)),
        )
        await planet.change(
            zone,
            ("CREATE", plain("w.example.com", "192.0.2.1", SetIdentifier="a", Weight=1)),
            ("CREATE", plain("w.example.com", "192.0.2.2", SetIdentifier="b", Weight=0)),
            ("CREATE", alias("al.example.com", "w.example.com", zone=zone)),
        )
        text = await export_zone(globe, "example.com")
        assert text == await export_zone(globe, zone)
        await planet.change(zone, ("UPSERT", plain("n1.example.com", "198.51.100.1")))
        done = await import_zone(globe, "Example.COM.", text)
        assert (done.made, done.record_sets, done.in_sync) == (False, 703, True)
        assert await planet.values("n1.example.com") == ["192.0.2.1"]
        moved = await import_zone(globe, "copy.test", text.replace("example.com", "copy.test"))
        assert moved.made and moved.in_sync
        assert await planet.values("al.copy.test") == ["192.0.2.1"]
        assert await planet.values("n699.copy.test") == ["192.0.2.199"]

    on_planet(story)


def test_what_cannot_be_imported_is_told() -> None:
    async def story(planet: Planet53) -> None:
        globe = cast("Globe", AsGlobe(planet))
        with pytest.raises(NoSuchZone):
            await export_zone(globe, "none.test")
        with pytest.raises(BadFile):
            await import_zone(globe, "new.test", "a IN A nonsense")
        assert (await planet.do("ListHostedZones"))["HostedZones"] == []
        with pytest.raises(ClientFault) as refused:
            await import_zone(globe, "new.test", "@ 60 IN CNAME other.test.\n")
        assert refused.value.code == "InvalidChangeBatch"

    on_planet(story)
