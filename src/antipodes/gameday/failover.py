"""Failover of one name, measured from cities: how long until users there are led elsewhere, and where the time went.

Decides: when an answer counts as changed, and how the time is split. Refuses to know: stories, apps, requests. How: in
each city one user asks through a stub resolver just before the break (the worst case: a cache filled to the brim), and
goes on asking; beside it the uncached answer is asked for, and the planet for its health checks. Then

    detection     the break to the first health check turned unhealthy
    propagation   from there to the city's changed uncached answer
    cached        from there to the end of what the user had cached

A city whose answer does not change within the limit did not fail over: `antipodes dig NAME --from CITY --explain`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from antipodes.gameday.users import DnsFailed, Resolver, dig
from antipodes.globe.globe import Globe
from antipodes.world import geography
from antipodes.world.world import HERE

EVERY_S = 0.25


class CityFailover(msgspec.Struct, frozen=True):
    """What a city's users saw. Addresses; None: no address. Times in seconds, None: it did not happen."""

    city: str
    before: str | None
    after: str | None
    detection_s: float | None = None
    propagation_s: float | None = None
    cached_s: float | None = None
    total_s: float | None = None
    depended: bool = True  # whether its answer led to what was broken


class Failover(msgspec.Struct, frozen=True):
    """The outcome for one name."""

    name: str
    cities: tuple[CityFailover, ...]
    checks: tuple[str, ...] = ()  # targets of the health checks that turned unhealthy, in that order


async def measure(
    globe: Globe,
    name: str,
    cities: Sequence[str],
    break_it: Callable[[], Awaitable[None]] | None = None,
    *,
    region: str | None = None,
    limit_s: float = 300.0,
) -> Failover:
    """Breaks something (None: somebody else does) and watches until every city's users are led elsewhere, or the limit.
    `region`: only cities that are led there depend on it; None: all do.

    Raises DnsFailed: the name does not lead anywhere to begin with.
    """
    world = globe.world(HERE)
    clock = world.monotonic
    resolvers = {city: Resolver(globe, city) for city in cities}
    before = {city: (await resolvers[city].resolve(name)).addresses[0] for city in cities}
    struck = [city for city in cities if region in (None, geography.site_of(before[city]))]
    began, wall = clock(), (await globe.status()).now
    if break_it is not None:
        await break_it()
    changed: dict[str, float] = {}
    left: dict[str, tuple[float, str | None]] = {}
    flips: dict[str, tuple[float, str]] = {}
    while clock() - began < limit_s and len(left) < len(struck):
        for check in (await globe.status()).health:
            if not check.healthy and check.since >= wall and check.id not in flips:
                flips[check.id] = (check.since - wall, check.target)
        for city in struck:
            if city not in changed and await _uncached(globe, name, city) != before[city]:
                changed[city] = clock() - began
            if city in changed and city not in left:
                held = await _cached(resolvers[city], name)
                if held != before[city]:
                    left[city] = (clock() - began, held)
        await world.sleep(EVERY_S)
    first_s = min((at for at, _ in flips.values()), default=None)
    return Failover(
        name,
        tuple(
            _city(city, before[city], first_s, changed.get(city), left.get(city))
            if city in struck
            else CityFailover(city, before[city], before[city], depended=False)
            for city in cities
        ),
        tuple(target for _, target in sorted(flips.values())),
    )


def _city(
    city: str, before: str, flip_s: float | None, changed_s: float | None, left: tuple[float, str | None] | None
) -> CityFailover:
    if changed_s is None or left is None:
        return CityFailover(city, before, before, detection_s=_rounded(flip_s))
    detection_s = None if flip_s is None or flip_s > changed_s else flip_s
    return CityFailover(
        city,
        before,
        left[1],
        detection_s=_rounded(detection_s),
        propagation_s=_rounded(changed_s - (detection_s or 0.0)),
        cached_s=_rounded(left[0] - changed_s),
        total_s=_rounded(left[0]),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


async def _uncached(globe: Globe, name: str, city: str) -> str | None:
    """The end of the chain, asked for anew."""
    try:
        answer = await dig(globe, name, city)
    except DnsFailed:
        return None
    addresses = [one.value for one in answer.answers if one.type == "A"]
    return addresses[0] if addresses else None


async def _cached(resolver: Resolver, name: str) -> str | None:
    try:
        return (await resolver.resolve(name)).addresses[0]
    except DnsFailed:
        return None
