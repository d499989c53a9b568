"""What a policy is asked and what it says.

Rules. Pure. A policy picks among candidates that may be picked; who may is decided here, once for all policies: the
healthy ones, or, if none is healthy, all of them ("fail open": when no record is healthy, Route 53 treats all as
healthy; health-checks-how-route-53-chooses-records.html).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from antipodes.services.route53.records import RecordSet


class Chance(Protocol):
    """The draws that policies make; `World.chance` fits."""

    def randrange(self, stop: int, /) -> int: ...

    def sample(self, population: Sequence[int], k: int) -> list[int]: ...


class Client(NamedTuple):
    """Where the question comes from. `site` is a Region or city, known to world.geography."""

    site: str
    country: str = ""
    continent: str = ""


class Candidate(NamedTuple):
    """One record set of the group."""

    record: RecordSet
    healthy: bool
    position: int  # in the whole group, in ListResourceRecordSets' order


class Choice(NamedTuple):
    """What a policy picked, as indices into the group; () is "no answer"."""

    chosen: tuple[int, ...]
    why: str
    measures: tuple[str, ...] = ()  # one for each candidate asked, for explanations
    located: bool = False  # another client might get another answer: matters for the client subnet's scope
    drawn: bool = False  # the same client might get another answer next time: matters for preparing answers


Chooser = Callable[[Sequence[Candidate], Client, Chance], Choice]


def eligible(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that may be picked."""
    healthy = [one for one in candidates if one.healthy]
    return healthy or candidates
