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
    """The draws that policies make. All draws go through here: answers are prepared by playing a policy once for
    every way its draws can fall, so that nothing but `pick` and `sample` may differ from one play to the next."""

    def pick(self, weights: Sequence[int]) -> int:
        """An index, drawn by weight. At least one weight is above 0."""
        ...

    def sample(self, population: Sequence[int], k: int) -> list[int]:
        """k of the population, in a drawn order. Answers that sample are drawn anew for each question."""
        ...


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
    # Another site might get another answer: the client subnet's scope is then a site's prefix, and an answer is
    # prepared for each site.
    located: bool = False
    # The client's address itself matters: everybody in the client's prefix of this length gets the same answer, which
    # is the scope. None: the address plays no part.
    network_bits: int | None = None


Chooser = Callable[[Sequence[Candidate], Client, Chance], Choice]


def eligible(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that may be picked."""
    healthy = [one for one in candidates if one.healthy]
    return healthy or candidates
