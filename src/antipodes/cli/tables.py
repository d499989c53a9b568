"""`antipodes tables | conflicts | verify`: see what global tables do: lag, conflicts, and whether replicas are equal.

Exit codes. tables: 0. conflicts: 0 none, 1 there are some. verify: 0 equal, 1 something differs, 2 not all replicas
could be compared, or there is no such table.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import orjson
import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail, with_globe
from antipodes.cli.screen import Screen
from antipodes.globe import replicas
from antipodes.globe.remote import RemoteGlobe
from antipodes.world.world import HERE

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="The name of a global table.")]
SHOWN = 20  # differences in text; --json has all


def print_json(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value)) + b"\n")


def tables(as_json: Json = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Shows the global tables: replicas, items, and for each pair of Regions how far one is behind the other."""
    found = with_globe(data_dir, replicas.tables)
    if as_json:
        print_json(found)
        return
    screen = Screen()
    if not found:
        screen.line("There are no global tables.")
    for one in found:
        screen.line(f"{one.name}: " + ", ".join(f"{region} {state}" for region, state in one.replicas.items()))
        rows = [
            (pair.source, pair.target, str(one.items[pair.source]), str(pair.backlog), ms(pair.lag_ms), ms(pair.p99_ms))
            for pair in one.pairs
        ]
        if rows:  # a table of strong consistency has nothing that waits
            screen.table(("From", "To", "Items", "Waiting Items", "Lag, ms", "99th pct, ms"), rows)


def ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def conflicts(table: TableName, as_json: Json = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Lists writes that were acknowledged and then overwritten by another Region's write that did not know of them.

    Exit code 0: none, 1: some. AWS tells nobody of them.
    """
    try:
        found, silent = with_globe(data_dir, lambda globe: replicas.conflicts(globe, table))
    except typer.Exit:
        raise typer.Exit(2) from None
    if as_json:
        print_json({"table": table, "conflicts": found, "unreachable": silent})
    else:
        tell_conflicts(Screen(), table, found, silent)
    raise typer.Exit(1 if found else 0)


def tell_conflicts(screen: Screen, table: str, found: list[replicas.Conflict], silent: list[str]) -> None:
    """The conflicts on a screen."""
    for region in silent:
        screen.line(f"{region} does not answer: what only it has seen is missing.", "bad")
    if not found:
        screen.line(f"{table}: no conflicts.", "good")
    for one in found:
        screen.line(f"{shown(one.key)}", "plain")
        screen.line(f"  lost  {written(one.lost)}", "bad")
        screen.line(f"  won   {written(one.won)}", "good")
    if found:
        screen.line(f"{table}: {len(found)} acknowledged writes were overwritten unseen.")


def written(write: replicas.Write) -> str:
    """'us-east-1 09:15:02.123456 {"pk": ...}'."""
    at = datetime.datetime.fromtimestamp(write.at, datetime.UTC).strftime("%H:%M:%S.%f")
    large = f"an item of {write.size_bytes} bytes"
    what = "deleted" if write.deleted else shown(write.item) if write.item is not None else large
    return f"{write.region} {at} {what}"


def shown(item: Mapping[str, Any]) -> str:
    return orjson.dumps(item).decode()


def verify(
    table: TableName,
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="SECONDS", help="Time for changes under way.")] = 5.0,
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Compares the replicas of a global table item by item, and says "equal" or what differs.

    Exit code 0: equal, 1: something differs, 2: not all replicas could be compared.
    """

    async def work(globe: RemoteGlobe) -> replicas.Comparison:
        return await replicas.compare(globe, globe.world(HERE), table, wait)

    try:
        found = with_globe(data_dir, work)
    except typer.Exit:
        raise typer.Exit(2) from None
    if as_json:
        print_json({**msgspec.to_builtins(found), "equal": found.equal})
    else:
        tell_comparison(Screen(), found)
    if found.unreachable:
        raise fail(f"{', '.join(found.unreachable)} does not answer.", 2)
    raise typer.Exit(0 if found.equal else 1)


def tell_comparison(screen: Screen, found: replicas.Comparison) -> None:
    """The outcome on a screen."""
    where = ", ".join(found.compared)
    if not found.differences:
        screen.line(f"equal: {found.items} items in {where}", "good")
        return
    for one in found.differences[:SHOWN]:
        item: Mapping[str, Any] = next((held["item"] for held in one.held.values() if held is not None), {})
        screen.line(f"{shown(item)[:60]}{' (still being written)' if one.moving else ''}")
        for region, held in one.held.items():
            screen.line(f"  {region}: " + ("no item" if held is None else shown(held["item"])), "bad")
    more = " or more" if found.more else ""
    screen.line(f"different: {len(found.differences)}{more} of {found.items} items in {where}", "bad")
