"""`antipodes kill | restore | partition | heal`: break the planet on purpose, and mend it."""

from __future__ import annotations

from typing import Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, option, with_globe

RegionName = Annotated[str, typer.Argument(metavar="REGION", help="A Region of the planet, such as us-west-2.")]


def kill(
    region: RegionName,
    destroy: Annotated[bool, typer.Option("--destroy", help="Its disk is lost with it.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """SIGKILL to a Region: the process and its Lambda workers are gone at once."""
    with_globe(data_dir, lambda globe: globe.kill(region, destroy=destroy))
    back = f"antipodes restore {region}{option(data_dir)}"
    print(f"{region} is down{', its disk destroyed' if destroy else ''}. Bring it back: {back}")


def restore(region: RegionName, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Starts a killed Region again; returns when it serves."""
    with_globe(data_dir, lambda globe: globe.restore(region))
    print(f"{region} is up.")


def partition(one: RegionName, other: RegionName, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Cuts the network between two Regions, in both directions."""
    with_globe(data_dir, lambda globe: globe.partition(one, other))
    print(f"No byte passes between {one} and {other}. Mend it: antipodes heal{option(data_dir)}")


def heal(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Ends all partitions. Killed Regions stay down."""
    with_globe(data_dir, lambda globe: globe.heal())
    print("The network is whole.")
