"""`antipodes status`: Regions, addresses, health, replication lag, functions."""

from __future__ import annotations

import sys

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, with_globe
from antipodes.globe.globe import GlobeStatus, RegionStatus


def status(as_json: Json = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Shows the planet at this moment."""
    now = with_globe(data_dir, lambda globe: globe.status())
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(now)) + b"\n")
        return
    console = Console(highlight=False)
    console.print(regions_table(now))
    if now.health:
        console.print(health_table(now))
    functions = functions_table(now)
    if functions.row_count:
        console.print(functions)
    for one, other in now.partitions:
        console.print(f"Partition: {one} | {other}")


def plain_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def regions_table(now: GlobeStatus) -> Table:
    table = plain_table("Region", "State", "Address", "For", "Items", "Replication lag")
    for region in now.regions:
        style = {"up": "green", "down": "red"}.get(region.state, "yellow")
        table.add_row(
            region.name,
            f"[{style}]{region.state}[/]",
            region.address,
            duration(now.now - region.since),
            str(sum(region.tables.values())) if region.tables else "-",
            lags(region),
        )
    return table


def lags(region: RegionStatus) -> str:
    """'from us-east-1 35 ms, from eu-west-1 cut off'."""
    parts = []
    for peer in region.peers:
        if not peer.connected:
            parts.append(f"from {peer.peer} cut off")
        elif peer.lag_p50_ms is not None:
            waiting = f" ({peer.behind} waiting)" if peer.behind > 0 else ""
            parts.append(f"from {peer.peer} {peer.lag_p50_ms:.0f} ms{waiting}")
    return ", ".join(parts) or "-"


def health_table(now: GlobeStatus) -> Table:
    table = plain_table("Health check", "State", "Checkers", "For", "Target")
    for check in now.health:
        state = "[green]healthy[/]" if check.healthy else "[red]unhealthy[/]"
        checkers = f"{check.checkers_healthy}/{check.checkers}"
        table.add_row(check.id[:8], state, checkers, duration(now.now - check.since), check.target)
    return table


def functions_table(now: GlobeStatus) -> Table:
    table = plain_table("Function", "Region", "Environments", "Busy", "Invocations", "Errors")
    for region in now.regions:
        for function in region.functions:
            numbers = (function.environments, function.busy, function.invocations, function.errors)
            table.add_row(function.name, region.name, *(str(number) for number in numbers))
    return table


def duration(seconds: float) -> str:
    """'12 s', '3 min', '2 h'."""
    if seconds < 120:
        return f"{max(0, round(seconds))} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"
