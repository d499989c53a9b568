"""Disasters, drawn from a seed.

Decides: what breaks, when, for how long. Refuses to know: how a Region is killed, what the users do meanwhile.
How: every parameter is drawn by hashing the seed with the parameter's name, so a parameter added later does not
change what a seed meant for the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Choice = TypeVar("Choice")
Kind = Literal["crash", "partition", "destroy"]
KINDS: tuple[Kind, ...] = ("crash", "partition", "destroy")

DRAWN_KINDS: tuple[Kind, ...] = ("crash", "partition")  # a disk is destroyed only when somebody asks for it

AFTER_S = (4.0, 12.0)  # seconds of steady traffic before the disaster: from, to
LASTS_S = (12.0, 40.0)  # how long the Region stays down, the pair apart


@dataclass(frozen=True, slots=True)
class Disaster:
    """One thing that breaks, and when.

    kind: "crash" (SIGKILL), "destroy" (SIGKILL, and the disk is gone), "partition" (no byte between two Regions).
    region: the victim; of a partition, one side. other: the other side of a partition, else None.
    after_s: seconds of steady traffic before it; lasts_s: seconds until it is mended (at least: the story waits until
    users have moved before it mends a crash).
    """

    kind: Kind
    region: str
    after_s: float
    lasts_s: float
    other: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind of disaster {self.kind!r}; known: {', '.join(KINDS)}")
        if (self.kind == "partition") != (self.other is not None):
            raise ValueError("a partition needs two Regions, any other disaster one")
        if self.other == self.region:
            raise ValueError(f"{self.region} cannot be parted from itself")

    @property
    def kills(self) -> bool:
        """Whether a Region goes down (and not just a link)."""
        return self.kind != "partition"

    @property
    def destroys(self) -> bool:
        return self.kind == "destroy"

    def cuts(self, regions: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """The directions (from, to) in which no replication passes while it lasts."""
        if self.other is not None:
            return ((self.region, self.other), (self.other, self.region))
        return tuple((self.region, peer) for peer in regions if peer != self.region)

    def __str__(self) -> str:
        what = {
            "crash": f"{self.region} is killed",
            "destroy": f"{self.region} is killed and its disk destroyed",
            "partition": f"{self.region} and {self.other} are parted",
        }[self.kind]
        return f"{what} after {self.after_s:.1f} s, for {self.lasts_s:.1f} s"


def from_seed(seed: int, regions: Sequence[str], *, kind: Kind | None = None) -> Disaster:
    """The disaster that a seed means. `kind` fixes the kind, the rest stays as drawn.

    Raises ValueError: no Region to break, or a single one to part.
    """
    if not regions:
        raise ValueError("a disaster needs a Region")
    drawn: Kind = _one_of(DRAWN_KINDS if len(regions) > 1 else DRAWN_KINDS[:1], seed, "kind")
    kind = kind or drawn
    region = _one_of(regions, seed, "region")
    other = None
    if kind == "partition":
        rest = [name for name in regions if name != region]
        if not rest:
            raise ValueError("a partition needs two Regions")
        other = _one_of(rest, seed, "other")
    return Disaster(
        kind=kind,
        region=region,
        other=other,
        after_s=_between(*AFTER_S, seed, "after"),
        lasts_s=_between(*LASTS_S, seed, "lasts"),
    )


def draw(seed: int, what: str) -> float:
    """A number in [0, 1) that depends on the seed and the name of what is drawn, and on nothing else."""
    digest = hashlib.blake2b(f"{seed}/{what}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def _one_of(choices: Sequence[Choice], seed: int, what: str) -> Choice:
    return choices[int(draw(seed, what) * len(choices))]


def _between(low: float, high: float, seed: int, what: str) -> float:
    return round(low + (high - low) * draw(seed, what), 3)
