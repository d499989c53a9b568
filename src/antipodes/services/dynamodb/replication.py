"""What global tables tell the replicator, and ask of it. They are made before it: the Region fills this in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Waiting(Protocol):
    """Changes of one topic that have not reached another Region."""

    @property
    def changes(self) -> int: ...

    @property
    def since_s(self) -> float: ...


async def _nothing_waits(site: str) -> Mapping[str, Waiting]:
    return {}


@dataclass(slots=True)
class Replication:
    """As it is without a replicator: nobody else has anything.

    refresh: holders of topics may have changed. missing: the Regions from which the copy of a topic here is not
    complete. settled: up to which time every holder of a topic has all changes of every other one. waiting: what a
    Region has not got of this one's log, by topic. complete: whether it has all the rest; not while it copies from
    here. copy_again: what others hold of a topic is copied once more.
    """

    refresh: Callable[[], None] = lambda: None
    missing: Callable[[str], Sequence[str]] = lambda topic: ()
    settled: Callable[[str], int] = lambda topic: 0
    waiting: Callable[[str], Awaitable[Mapping[str, Waiting]]] = _nothing_waits
    complete: Callable[[str], bool] = lambda region: True
    copy_again: Callable[[str], None] = lambda topic: None
