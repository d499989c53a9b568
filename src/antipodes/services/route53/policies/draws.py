"""Draws: how policies' draws come from a source of chance, or are played through for every way they can fall."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Source(Protocol):
    """`World.chance` fits."""

    def random(self) -> float: ...

    def randrange(self, stop: int, /) -> int: ...

    def sample(self, population: Sequence[int], k: int) -> list[int]: ...


class Outcomes(NamedTuple, Generic[T]):
    """The ways that the draws of a play can fall."""

    ways: list[tuple[float, T]]  # probability and result, which sum up to 1
    sampled: int = 0  # above 0: there is one way, played with the whole population, of which so many are to be drawn


class Draws:
    """Fulfils policies.Chance."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._script: list[tuple[Sequence[int], int]] | None = None  # weights and index of each pick of this play
        self._at = 0
        self._samples: list[int] = []  # the sizes of those of this play

    def pick(self, weights: Sequence[int]) -> int:
        if sum(1 for weight in weights if weight) == 1:
            return next(at for at, weight in enumerate(weights) if weight)
        if self._script is None:
            sums = list(accumulate(weights))
            return bisect_right(sums, self._source.randrange(sums[-1]))
        if self._at == len(self._script):
            self._script.append((weights, _next(weights, -1)))
        self._at += 1
        return self._script[self._at - 1][1]

    def sample(self, population: Sequence[int], k: int) -> list[int]:
        if self._script is None:
            return self._source.sample(population, k)
        self._samples.append(k)
        return list(population)

    def outcomes(self, play: Callable[[], T], most: int) -> Outcomes[T] | None:
        """Calls `play` once for every way its picks can fall. None: there are more than `most`, or it samples and does
        other draws as well."""
        self._script = []
        found: list[tuple[float, T]] = []
        try:
            while True:
                self._at, self._samples = 0, []
                result = play()
                share = 1.0
                for weights, index in self._script:
                    share *= weights[index] / sum(weights)
                found.append((share, result))
                if self._samples:
                    alone = len(self._samples) == 1 and not self._script
                    return Outcomes(found, self._samples[0]) if alone else None
                if len(found) > most:
                    return None
                if not _advance(self._script):
                    return Outcomes(found)
        finally:
            self._script = None


def _advance(script: list[tuple[Sequence[int], int]]) -> bool:
    """The next way, as an odometer counts; False: that was the last."""
    while script:
        weights, index = script.pop()
        following = _next(weights, index)
        if following < len(weights):
            script.append((weights, following))
            return True
    return False


def _next(weights: Sequence[int], index: int) -> int:
    index += 1
    while index < len(weights) and not weights[index]:
        index += 1
    return index
