"""Draws: how policies' draws come from a source of chance."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol


class Source(Protocol):
    """`World.chance` fits."""

    def randrange(self, stop: int, /) -> int: ...

    def sample(self, population: Sequence[int], k: int) -> list[int]: ...


class Draws:
    """Fulfils policies.Chance, and counts the draws that could have fallen otherwise."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.count = 0

    def pick(self, weights: Sequence[int]) -> int:
        if sum(1 for weight in weights if weight) == 1:
            return next(at for at, weight in enumerate(weights) if weight)
        self.count += 1
        sums = list(accumulate(weights))
        return bisect_right(sums, self._source.randrange(sums[-1]))

    def sample(self, population: Sequence[int], k: int) -> list[int]:
        self.count += 1
        return self._source.sample(population, k)
