"""`antipodes deploy [FOLDER]`: packages an app and creates or updates its stacks in their Regions.

A line a stack when it is done; on a terminal what happens meanwhile is shown in passing, and stays with --verbose.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, fail, with_globe

if TYPE_CHECKING:
    from antipodes.globe.deploy import StackResult
    from antipodes.globe.manifest import Manifest

DEFAULT_FOLDER = Path()


def deploy(
    folder: Annotated[Path, typer.Argument(help="The app's folder, or its antipodes.toml.")] = DEFAULT_FOLDER,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every event of every stack, and outputs.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Creates or updates the stacks that antipodes.toml names, through each Region's CloudFormation."""
    from antipodes.cli.screen import Screen
    from antipodes.globe import deploy as deployer
    from antipodes.globe import manifest as manifests

    try:
        manifest = manifests.load(folder)
    except manifests.ManifestError as error:
        raise fail(str(error), 2) from None
    screen, began = Screen(), time.monotonic()
    names = name_width(manifest)

    def finished(result: StackResult) -> None:
        failed = result.action == "failed"
        text = f"{result.stack:{names}}  {result.region:14}  {result.action:9}  {result.took_s:5.1f} s"
        screen.line(text, "bad" if failed else "plain")
        for name, value in (result.outputs or {}).items() if verbose else ():
            screen.line(f"  {name} = {value}", "quiet")

    progress = (lambda text: screen.line(text, "quiet")) if verbose else screen.progress
    try:
        report = with_globe(data_dir, lambda globe: deployer.deploy(manifest, globe, progress, finished))
    finally:
        screen.progress("")
    if not report.ok:
        raise fail(report.reason)
    screen.line(f"{manifest.name} is deployed ({time.monotonic() - began:.1f} s)", "good")


def name_width(manifest: Manifest) -> int:
    return max(len(stack.name) for stack in manifest.stacks)
