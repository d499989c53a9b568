"""`antipodes zone export` and `zone import`: hosted zones as master files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, fail, with_globe

app = typer.Typer(help="Hosted zones as master files.", no_args_is_help=True, rich_markup_mode=None)

ZoneName = Annotated[str, typer.Argument(help="The hosted zone's name, or its id.")]


@app.command("export")
def export(name: ZoneName, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Prints a hosted zone as a master file; what such a file has no word for stands in comments that import reads."""
    from antipodes.gameday import zones

    try:
        print(with_globe(data_dir, lambda globe: zones.export_zone(globe, name)), end="")
    except zones.NoSuchZone as error:
        raise fail(str(error)) from None


@app.command("import")
def import_(
    name: ZoneName,
    file: Annotated[Path, typer.Argument(help="A master file; - reads it from standard input.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Writes a master file's records into a hosted zone, which is made if there is none. What else it holds stays."""
    from antipodes.gameday import zones
    from antipodes.wire.masterfile import BadFile

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file} cannot be read: {error}", 2) from None
    try:
        done = with_globe(data_dir, lambda globe: zones.import_zone(globe, name, text))
    except BadFile as error:
        raise fail(f"{file} is no master file of {name}: {error}", 2) from None
    except zones.NoSuchZone as error:
        raise fail(str(error)) from None
    for line in done.passed_over:
        print(f"antipodes: passed over {line}", file=sys.stderr)
    made = " (new)" if done.made else ""
    print(f"{done.record_sets} record sets written to {name}{made}, hosted zone {done.zone_id}.")
    if not done.in_sync:
        raise fail("the name server does not answer by them yet (PENDING)")
