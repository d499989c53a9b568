"""`antipodes logs FUNCTION`: what a function printed, in all Regions at once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, Json, fail, with_globe

if TYPE_CHECKING:
    from antipodes.gameday.logs import Line

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}
STYLES = ("cyan", "magenta", "blue", "yellow", "green")


def seconds(text: str) -> float:
    """'90s', '10m', '2h', '1d'. Ends the command with code 2 for anything else."""
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    if found is None:
        raise fail(f"--since {text}: give a number of seconds, minutes, hours or days, such as 90s, 10m, 2h, 1d", 2)
    return float(int(found[1]) * UNITS_S[found[2]])


def logs(
    function: Annotated[str, typer.Argument(help="A function's name (or part of it), or a log group's.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", help="How far to look back: 90s, 10m, 2h, 1d.")] = "10m",
    region: Annotated[list[str] | None, typer.Option("--region", help="Only this Region (may be repeated).")] = None,
    pattern: Annotated[
        str, typer.Option("--filter", help="A CloudWatch Logs filter pattern: ERROR, ?A ?B, {...}.")
    ] = "",
    as_json: Json = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Shows a function's log, the Regions' lines in order of time."""
    from antipodes.gameday import logs as reading
    from antipodes.globe.remote import RemoteGlobe
    from antipodes.world.world import HERE

    back_s = seconds(since)

    def unreachable(name: str, why: str) -> None:
        print(f"antipodes: {name} cannot be asked: its lines come when it is back ({why})", file=sys.stderr)

    async def work(globe: RemoteGlobe) -> int:
        unknown = [one for one in region or () if one not in globe.regions]
        if unknown:
            raise fail(f"this planet has no Region {unknown[0]}; it has {', '.join(globe.regions)}", 2)
        regions = tuple(region or globe.regions)
        groups = await reading.groups_of(globe, function, regions)
        reader = reading.Reader(globe, groups, pattern, unreachable)
        since_ms = int((globe.world(HERE).now() - back_s) * 1000)
        show = _json_line if as_json else _printer(regions)
        if follow:
            await reading.follow(reader, since_ms, show)
        lines = await reader.newer(since_ms)
        for line in lines:
            show(line)
        return len(lines)

    try:
        shown = with_globe(data_dir, work)
    except reading.NoSuchLog as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        return
    if not shown and not as_json:
        print(f"antipodes: nothing in the last {since}; --since looks further back", file=sys.stderr)


def _json_line(line: Line) -> None:
    told = {"time": line.time_ms, "region": line.region, "stream": line.stream, "message": line.message}
    print(json.dumps(told, ensure_ascii=False), flush=True)


def _printer(regions: tuple[str, ...]) -> Callable[[Line], None]:
    """Prints "22:01:07.123 us-west-2 message"; each Region has its colour where there are colours."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = max(len(one) for one in regions)

    def show(line: Line) -> None:
        time = datetime.fromtimestamp(line.time_ms / 1000, UTC)
        style = STYLES[regions.index(line.region) % len(STYLES)]
        moment = f"{time:%H:%M:%S}.{line.time_ms % 1000:03d} "
        text = Text.assemble((moment, "dim"), (f"{line.region:<{width}} ", style), line.message.rstrip("\n"))
        console.print(text, soft_wrap=True)

    return show
