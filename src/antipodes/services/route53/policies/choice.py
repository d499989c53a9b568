"""What a policy is asked and what it says.

Rules. Pure. A policy picks among candidates that may be picked; who may is decided here, once for all policies: the
healthy ones, or, if none is healthy, all of them ("fail open": when no record is healthy, Route 53 treats all as
healthy; health-checks-how-route-53-chooses-records.html). Explaining is apart from choosing: answers do not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from antipodes.services.route53.networks import Blocks, Network
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
    subdivision: str = ""  # of the country, where it is known: "CA"
    network: Network | None = None  # the client subnet, else the resolver's own address


class Candidate(NamedTuple):
    """One record set of the group."""

    record: RecordSet
    healthy: bool
    position: int  # in the whole group, in ListResourceRecordSets' order
    blocks: Blocks | None = None  # of its CIDR location; None: it has none, or the location is not there


class Choice(NamedTuple):
    """What a policy picked, as positions in the group; () is "no answer"."""

    chosen: tuple[int, ...]
    # Another site might get another answer: the client subnet's scope is then a site's prefix, and an answer is
    # prepared for each site.
    located: bool = False
    # The client's address itself matters: everybody in the client's prefix of this length gets the same answer, which
    # is the scope. None: the address plays no part.
    network_bits: int | None = None


class Policy(Protocol):
    """A module of this folder."""

    @property
    def choose(self) -> Callable[[Sequence[Candidate], Client, Chance], Choice]:
        """Picks among candidates that may be picked; there is at least one."""
        ...

    @property
    def measure(self) -> Callable[[Candidate, Client], str]:
        """What the policy compares, of one candidate, healthy or not: "us-west-2: 107.3 ms"."""
        ...

    @property
    def why(self) -> Callable[[Sequence[Candidate], Client, Choice], str]:
        """The reason of a choice among these."""
        ...


def eligible(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that may be picked."""
    healthy = [one for one in candidates if one.healthy]
    return healthy or candidates


def picked(candidates: Sequence[Candidate], choice: Choice) -> Candidate:
    """The first one chosen."""
    return next(one for one in candidates if one.position == choice.chosen[0])
