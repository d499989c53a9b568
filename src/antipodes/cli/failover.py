"""`antipodes failover NAME --from CITY ... --kill REGION`: how long until users are led elsewhere, part by part."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from antipodes.cli.dig import check_place
from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail, option, with_globe
from antipodes.world import geography

if TYPE_CHECKING:
    from antipodes.gameday.failover import Failover

FromCities = Annotated[list[str], typer.Option("--from", metavar="CITY", help="A city; give it again for more.")]


def failover(
    name: Annotated[str, typer.Argument(help="The name, such as api.globaldb.example.")],
    from_cities: FromCities,
    kill: Annotated[str, typer.Option("--kill", metavar="REGION", help="Kill it; else break something yourself.")] = "",
    limit: Annotated[float, typer.Option("--limit", help="Seconds after which it has not failed over.")] = 300.0,
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Measures a failover as users see it: detection, propagation, what they had cached."""
    import msgspec

    from antipodes.gameday.failover import measure
    from antipodes.gameday.users import DnsFailed
    from antipodes.globe.remote import RemoteGlobe

    for city in from_cities:
        check_place(city)

    async def run(globe: RemoteGlobe) -> Failover:
        async def broken() -> None:
            await globe.kill(kill)

        return await measure(globe, name, from_cities, broken if kill else None, region=kill or None, limit_s=limit)

    try:
        told = with_globe(data_dir, run)
    except DnsFailed as error:
        raise fail(str(error)) from None
    if as_json:
        print(json.dumps(msgspec.to_builtins(told), indent=2))
    else:
        print("\n".join(lines_of(told)))
        if kill:
            print(f"\n{kill} is still down. Bring it back: antipodes restore {kill}{option(data_dir)}")
    if any(city.depended and city.total_s is None for city in told.cities):
        raise typer.Exit(1)


def lines_of(told: Failover) -> list[str]:
    """The outcome as a table."""
    lines = [f"{'city':<20} {'detection':>10} {'propagation':>12} {'cached':>8} {'in all':>8}"]
    for one in told.cities:
        if not one.depended:
            lines.append(f"{one.city:<20} did not depend on it: led to {_place(one.before)}")
            continue
        if one.total_s is None:
            why = f"antipodes dig {told.name} --from {shlex.quote(one.city)} --explain"
            lines.append(f"{one.city:<20} did not fail over from {_place(one.before)}: {why}")
            continue
        parts = (_s(one.detection_s), _s(one.propagation_s), _s(one.cached_s), _s(one.total_s))
        lines.append(
            f"{one.city:<20} {parts[0]:>10} {parts[1]:>12} {parts[2]:>8} {parts[3]:>8}   "
            f"{_place(one.before)} -> {_place(one.after)}"
        )
    return [*lines, *(f"unhealthy: {target}" for target in told.checks)]


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _place(address: str | None) -> str:
    return "no address" if address is None else geography.site_of(address) or address
