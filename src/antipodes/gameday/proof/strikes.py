"""What breaks during an experiment, and when: data, drawn from a seed; and the hand that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from antipodes.gameday.disaster import draw
from antipodes.globe.globe import Globe
from antipodes.world.rules import Fault, Full, Partition, Paused, Skewed, Slow
from antipodes.world.world import World

AIM_S = 0.5  # how long a killer waits for an acknowledgement to kill after
MOST_STRIKES = 5
KINDS: Mapping[str, float] = {  # name -> how often, of 1
    "kill": 0.24,
    "backlog": 0.10,
    "partition": 0.17,
    "one way": 0.05,
    "slow": 0.12,
    "pause": 0.14,
    "skew": 0.10,
    "full": 0.08,
}


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """SIGKILL to a Region. aimed: right after it acknowledged a write, the worst moment if it promised too much."""

    region: str
    aimed: bool = False

    def __str__(self) -> str:
        return f"kill: {self.region}{' after an acknowledgement' if self.aimed else ''}"


class Strike(msgspec.Struct, frozen=True):
    """Something breaks `at_s` seconds into the run, and is mended `lasts_s` later."""

    at_s: float
    lasts_s: float
    what: Fault | Kill

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s, for {self.lasts_s:5.2f} s: {self.what}"


def drawn_strikes(seed: int, regions: Sequence[str], lasts_s: float) -> tuple[Strike, ...]:
    """The strikes that a seed means, in the order in which they begin."""
    strikes: list[Strike] = []
    for number in range(int(draw(seed, "strikes") * (MOST_STRIKES + 1))):
        strikes += _drawn(seed, f"strike {number}", regions, lasts_s)
    return tuple(sorted(strikes, key=lambda one: one.at_s))


def _drawn(seed: int, name: str, regions: Sequence[str], run_s: float) -> list[Strike]:
    def chance(what: str) -> float:
        return draw(seed, f"{name} {what}")

    at_s = round(chance("at") * run_s * 0.8, 3)
    lasts_s = round(0.1 + chance("lasts") ** 2 * run_s * 0.6, 3)
    one = regions[int(chance("one") * len(regions))]
    rest = [region for region in regions if region != one]
    other = rest[int(chance("other") * len(rest))]
    match _kind(chance("kind")):
        case "kill":
            return [Strike(at_s, lasts_s, Kill(one, aimed=chance("aim") < 0.7))]
        case "backlog":  # it dies with all that it could not send
            dies_s = round(at_s + lasts_s * (0.3 + 0.5 * chance("dies")), 3)
            return [Strike(at_s, lasts_s, Paused(one)), Strike(dies_s, lasts_s, Kill(one, aimed=True))]
        case "partition":
            return [Strike(at_s, lasts_s, Partition(one, other))]
        case "one way":
            return [Strike(at_s, lasts_s, Partition(one, other, one_way=True))]
        case "slow":
            extra_ms, jitter_ms = round(chance("extra") ** 3 * 2000), round(chance("jitter") ** 3 * 500)
            loss = round(chance("loss") ** 3 * 0.3, 3)
            return [Strike(at_s, lasts_s, Slow(one, other, 1.0, extra_ms + 1, jitter_ms, loss))]
        case "pause":
            return [Strike(at_s, lasts_s, Paused(one, other if chance("toward") < 0.5 else ""))]
        case "skew":
            offset_s = round((chance("offset") - 0.5) * 120, 3) or 1.0
            return [Strike(at_s, lasts_s, Skewed(one, offset_s))]
        case _:
            return [Strike(at_s, lasts_s, Full(one))]


def _kind(drawn: float) -> str:
    for kind, share in KINDS.items():
        drawn -= share
        if drawn < 0:
            return kind
    return "kill"  # shares that do not add up to 1


async def strike(globe: Globe, world: World, one: Strike, acknowledged: Callable[[str], asyncio.Event]) -> None:
    """Carries out one strike, from its moment to its end. acknowledged: set whenever a Region acknowledges a write."""
    await world.sleep(one.at_s)
    if isinstance(one.what, Kill):
        await _kill(globe, world, one.what, one.lasts_s, acknowledged(one.what.region))
        return
    if one.what in (await globe.status()).faults:
        return  # another strike is doing it
    await globe.impose(one.what)
    await world.sleep(one.lasts_s)
    await globe.heal(one.what)


async def _kill(globe: Globe, world: World, kill: Kill, lasts_s: float, came: asyncio.Event) -> None:
    if kill.aimed:
        came.clear()
        try:
            async with asyncio.timeout(AIM_S):
                await came.wait()
        except TimeoutError:
            pass  # it is down, or its disk is full
    try:
        await globe.kill(kill.region)
    except ValueError:
        return  # already down: another strike was quicker
    await world.sleep(lasts_s)
    await bring_back(globe, world, kill.region)


async def bring_back(globe: Globe, world: World, region: str) -> None:
    """Restores a Region, as soon as it can be."""
    while True:
        try:
            await globe.restore(region)
            return
        except ValueError:  # its disk is full, or somebody else is restoring it
            if any(one.name == region and one.state == "up" for one in (await globe.status()).regions):
                return
            await world.sleep(0.5)
