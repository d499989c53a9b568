"""`antipodes region NAME` (hidden): the process of one Region. The supervisor starts it and holds its stdin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def region(
    name: Annotated[str, typer.Argument()],
    data_dir: Annotated[Path, typer.Option("--data-dir")],
) -> None:
    """Runs one Region until its stdin closes or SIGTERM comes."""
    from antipodes.globe.region_process import run

    run(name, data_dir)
