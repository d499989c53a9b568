"""`antipodes deploy [FOLDER]`: packages an app and creates or updates its stacks in their Regions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, fail, with_globe

DEFAULT_FOLDER = Path()


def deploy(
    folder: Annotated[Path, typer.Argument(help="The app's folder, or its antipodes.toml.")] = DEFAULT_FOLDER,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Creates or updates the stacks that antipodes.toml names, through each Region's CloudFormation."""
    from antipodes.globe import deploy as deployer
    from antipodes.globe import manifest as manifests

    try:
        manifest = manifests.load(folder)
    except manifests.ManifestError as error:
        raise fail(str(error), 2) from None
    report = with_globe(data_dir, lambda globe: deployer.deploy(manifest, globe, print))
    if not report.ok:
        raise fail(report.reason)
