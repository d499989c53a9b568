"""What breaks during an experiment, and when: data, drawn from a seed; and the hand that does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from antipodes.gameday.disaster import draw
from antipodes.globe.globe import Globe
from antipodes.world.geography import round_trip_ms
from antipodes.world.rules import Fault, Full, Partition, Paused, Skewed, Slow
from antipodes.world.world import World

AIM_S = 0.5  # how long a killer waits for an acknowledgement to kill after
AT_ARRIVAL = 0.5  # share of kills that wait for a write elsewhere
SYNC_S = 0.002  # as a disk of simulated time takes at most
LEAST_STRIKES, MOST_STRIKES = 1, 8
KINDS: Mapping[str, float] = {  # name -> how often, of 1
    "kill": 0.38,
    "backlog": 0.08,
    "partition": 0.14,
    "one way": 0.04,
    "slow": 0.10,
    "pause": 0.10,
    "skew": 0.10,
    "full": 0.06,
}


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """SIGKILL to a Region, `late_s` after the next acknowledgement of a write in the Region `after` ("": at once).

    After its own is the worst moment if it promised too much; one link's delay after another's that write comes in.
    """

    region: str
    after: str = ""
    late_s: float = 0.0

    def __str__(self) -> str:
        aim = f", {self.late_s * 1000:.1f} ms after an acknowledgement in {self.after}" if self.after else ""
        return f"kill: {self.region}{aim}"


class Strike(msgspec.Struct, frozen=True):
    """Something breaks `at_s` seconds into the run, and is mended `lasts_s` later."""

    at_s: float
    lasts_s: float
    what: Fault | Kill

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s, for {self.lasts_s:5.2f} s: {self.what}"


def drawn_strikes(seed: int, regions: Sequence[str], lasts_s: float, sync_s: float = SYNC_S) -> tuple[Strike, ...]:
    """The strikes that a seed means, in the order in which they begin. sync_s: how long a disk takes at most."""
    strikes: list[Strike] = []
    count = LEAST_STRIKES + int(draw(seed, "strikes") * (MOST_STRIKES - LEAST_STRIKES + 1))
    for number in range(count):
        strikes += _drawn(seed, f"strike {number}", regions, lasts_s, sync_s)
    return tuple(sorted(strikes, key=lambda one: one.at_s))


def _drawn(seed: int, name: str, regions: Sequence[str], run_s: float, sync_s: float) -> list[Strike]:
    def chance(what: str) -> float:
        return draw(seed, f"{name} {what}")

    at_s = round(chance("at") * run_s * 0.8, 3)
    lasts_s = round(0.1 + chance("lasts") ** 3 * run_s * 0.6, 3)
    one = regions[int(chance("one") * len(regions))]
    rest = [region for region in regions if region != one]
    other = rest[int(chance("other") * len(rest))]
    match _kind(chance("kind")):
        case "kill":
            aim = chance("aim")
            if aim < AT_ARRIVAL:  # while a write from elsewhere is taken in
                late_s = round_trip_ms(one, other) / 2e3 + chance("late") * 1.5 * sync_s
                return [Strike(at_s, lasts_s, Kill(one, other, round(late_s, 4)))]
            late_s = max(0.0, chance("late") - 0.5) * 4 * sync_s  # half of them at once, when all should be on the disk
            return [Strike(at_s, lasts_s, Kill(one, one, round(late_s, 4)))]
        case "backlog":  # it dies with all that it could not send
            dies_s = round(at_s + lasts_s * (0.3 + 0.5 * chance("dies")), 3)
            return [Strike(at_s, lasts_s, Paused(one)), Strike(dies_s, lasts_s, Kill(one, one))]
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
        await _kill(globe, world, one.what, one.lasts_s, acknowledged(one.what.after) if one.what.after else None)
        return
    if one.what in (await globe.status()).faults:
        return  # another strike is doing it
    await globe.impose(one.what)
    await world.sleep(one.lasts_s)
    await globe.heal(one.what)


async def _kill(globe: Globe, world: World, kill: Kill, lasts_s: float, came: asyncio.Event | None) -> None:
    if came is not None:
        came.clear()
        try:
            async with asyncio.timeout(AIM_S):
                await came.wait()
        except TimeoutError:
            pass  # it is down, or its disk is full
        await world.sleep(kill.late_s)
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
