"""What most workloads share: no setup, nothing to wait for, no law of their own."""

from __future__ import annotations

from antipodes.gameday.proof.bench import Bench
from antipodes.gameday.proof.laws import Planet


class Plain:
    """To be inherited."""

    async def setup(self, bench: Bench) -> None:
        pass

    async def settle(self, bench: Bench) -> None:
        pass

    def spared(self, regions: tuple[str, ...]) -> tuple[str, ...]:
        return ()

    def check(self, planet: Planet, bench: Bench) -> list[str]:
        return []
