"""No timing of a call that is given up, while the other side still carries it out, may leave a replica empty."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from antipodes.gameday.proof.experiment import drawn
from antipodes.gameday.proof.simulated import prove
from antipodes.region.calls import PATIENCE_S, Calls
from antipodes.wire.errors import ServerFault

GIVEN_UP = 0.5  # the share of calls
LONGEST_S = 0.6  # further than the way to any Region and back

# Found by searching 320: each left replicas unequal for good. In 268 a copy began where the one before it had ended;
# 105 needs no call given up: a full disk took back what others had been told already.
SEEDS = (105, 268)


def giving_up(patch: pytest.MonkeyPatch) -> None:
    """Half of the calls that Regions repeat by themselves are given up at a drawn moment."""
    right = Calls.__call__

    async def call(
        self: Calls, service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None
    ) -> Mapping[str, Any]:
        chance = self._world.chance
        if operation not in PATIENCE_S or chance.random() >= GIVEN_UP:
            return await right(self, service, operation, params, region=region)
        try:
            async with asyncio.timeout(chance.random() * LONGEST_S):
                return await right(self, service, operation, params, region=region)
        except TimeoutError:
            raise ServerFault("RegionUnavailable", "given up", status=503) from None

    patch.setattr(Calls, "__call__", call)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_call_given_up_leaves_no_replica_behind(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    giving_up(monkeypatch)
    assert prove(drawn(seed, "membership")).breaches == ()


def test_what_a_full_disk_takes_back_was_told_to_nobody() -> None:
    assert prove(drawn(105, "membership")).breaches == ()
