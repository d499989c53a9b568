"""`antipodes kill | restore | partition | slow | pause | skew | fill | heal`: break the planet on purpose, mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, option, with_globe
from antipodes.world.rules import Fault, Full, Partition, Paused, Skewed, Slow

RegionName = Annotated[str, typer.Argument(metavar="REGION", help="A Region of the planet, such as us-west-2.")]
OneName = Annotated[str, typer.Argument(metavar="ONE", help="A Region of the planet, such as us-east-1.")]
OtherName = Annotated[str, typer.Argument(metavar="OTHER", help="Another Region.")]


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


def partition(
    one: OneName,
    other: OtherName,
    one_way: Annotated[bool, typer.Option("--one-way", help="Only what ONE sends to OTHER is lost.")] = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Cuts the network between two Regions, in both directions.

    A connection needs both ways: with --one-way connections between the two break as well, and only datagrams from
    OTHER to ONE get through. To stop replication in one direction: antipodes pause ONE --toward OTHER.
    """
    impose(data_dir, Partition(one, other, one_way))
    way = f"from {one} to {other}" if one_way else f"between {one} and {other}"
    print(f"No byte passes {way}. {mend(data_dir)}")


def slow(
    one: OneName,
    other: OtherName,
    delay_ms: Annotated[float, typer.Option("--delay-ms", help="Added to each direction.")] = 0.0,
    jitter_ms: Annotated[float, typer.Option("--jitter-ms", help="Up to so much more, drawn each time.")] = 0.0,
    loss: Annotated[
        float, typer.Option("--loss", help="Share of parcels lost, 0 to 1; streams send them again after a timeout.")
    ] = 0.0,
    factor: Annotated[float, typer.Option("--factor", help="The link's own delay takes so many times as long.")] = 1.0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Makes the link between two Regions slow, unsteady or lossy."""
    impose(data_dir, Slow(one, other, factor, delay_ms, jitter_ms, loss))
    print(f"The link between {one} and {other} is slow. {mend(data_dir)}")


def pause(
    region: RegionName,
    toward: Annotated[
        str, typer.Option("--toward", metavar="OTHER", help="Only what REGION sends to OTHER is held back.")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Pauses replication into and out of a Region; other pairs, and everything else, go on.

    What AWS FIS does with aws:dynamodb:global-table-pause-replication; here all tables of the Region pause.
    """
    impose(data_dir, Paused(region, toward))
    what = f"from {region} to {toward}" if toward else f"into and out of {region}"
    print(f"Replication {what} is paused. {mend(data_dir)}")


def skew(
    region: RegionName,
    seconds: Annotated[float, typer.Option("--seconds", help="How far its clock is ahead; negative: behind.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Sets a Region's wall clock wrong. From five minutes on, signatures of requests count as expired, as on AWS."""
    impose(data_dir, Skewed(region, seconds))
    print(f"The clock of {region} is {abs(seconds):g} s {'ahead' if seconds > 0 else 'behind'}. {mend(data_dir)}")


def fill(region: RegionName, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Fills a Region's disk: it serves reads, and refuses writes with an error that clients retry."""
    impose(data_dir, Full(region))
    print(f"The disk of {region} is full. {mend(data_dir)}")


def heal(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Ends all partitions, slow links, pauses, skews and full disks. Killed Regions stay down."""
    with_globe(data_dir, lambda globe: globe.heal())
    print("All faults are mended.")


def impose(data_dir: Path, fault: Fault) -> None:
    with_globe(data_dir, lambda globe: globe.impose(fault))


def mend(data_dir: Path) -> str:
    return f"Mend it: antipodes heal{option(data_dir)}"
