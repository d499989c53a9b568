"""Failover in time: detection lies in the band that AWS's arithmetic gives, and users see it plus what they cached.

worst = interval x threshold + probe timeout + propagation; a checker needs `threshold` failures in a row, and all but
one of eight must have turned (18 % rule), each in its own phase.
"""

from __future__ import annotations

import asyncio

import pytest

from antipodes.gameday.dnscache import Ask, DnsCache, Known
from antipodes.world import geography
from tests.route53.homes import Planet53, on_planet
from tests.route53.planes import plain
from tests.route53.test_nameserver import API, EUROPE, WEST, checked, until

PROBE_TIMEOUT_S = 6.0  # 4 s to connect, 2 s for the status
PROPAGATION_S = 2.0  # answering is here; a guess of AWS's is "seconds"


async def failing_over(planet: Planet53, *, interval_s: int, threshold: int, ttl_s: int = 60) -> None:
    await planet.boot_target("us-west-2")
    zone = await planet.zone()
    check = await checked(planet, WEST, RequestInterval=interval_s, FailureThreshold=threshold)
    info = await planet.change(
        zone,
        ("CREATE", plain(API, WEST, ttl=ttl_s, SetIdentifier="p", Failover="PRIMARY", HealthCheckId=check)),
        ("CREATE", plain(API, EUROPE, ttl=ttl_s, SetIdentifier="s", Failover="SECONDARY")),
    )
    await planet.in_sync(info["Id"])
    await asyncio.sleep(interval_s + 3)


def isolate(planet: Planet53, region: str) -> None:
    for other in geography.regions():
        if other != region:
            planet.simulation.links.partition(region, other)


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "is silent"])
@pytest.mark.parametrize(("interval_s", "threshold"), [(10, 1), (10, 3), (10, 10), (30, 1), (30, 3)])
def test_detection_lies_in_the_band(interval_s: int, threshold: int, silent: bool) -> None:
    async def story(planet: Planet53) -> None:
        await failing_over(planet, interval_s=interval_s, threshold=threshold)
        if silent:
            isolate(planet, "us-west-2")
        else:
            planet.simulation.crash("us-west-2")
            planet.simulation.links.down("us-west-2")
        worst_s = interval_s * threshold + PROBE_TIMEOUT_S + PROPAGATION_S
        took_s = await until(planet, [EUROPE], worst_s)
        assert took_s >= interval_s * (threshold - 1)

    for seed in (1, 2):
        on_planet(story, seed)


@pytest.mark.parametrize("threshold", [1, 3])
def test_coming_back_takes_as_many_successes(threshold: int) -> None:
    async def story(planet: Planet53) -> None:
        await failing_over(planet, interval_s=10, threshold=threshold)
        planet.simulation.crash("us-west-2")
        await until(planet, [EUROPE], 60)
        await asyncio.sleep(60)
        await planet.boot_target("us-west-2")
        # More than 18 % of eight: two checkers suffice to be healthy again.
        took_s = await until(planet, [WEST], 10 * threshold + PROPAGATION_S)
        assert took_s >= 10 * (threshold - 1)

    on_planet(story)


def test_a_partition_that_two_checkers_do_not_see_changes_nothing() -> None:
    async def story(planet: Planet53) -> None:
        await failing_over(planet, interval_s=10, threshold=1)
        for region in ("us-east-1", "us-west-1", "eu-west-1", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1"):
            planet.simulation.links.partition(region, "us-west-2")
        await asyncio.sleep(60)
        assert await planet.values(API) == [WEST]  # sa-east-1 and us-west-2 say healthy: 25 %
        planet.simulation.links.partition("sa-east-1", "us-west-2")
        assert await until(planet, [EUROPE], 30) > 0  # 12.5 %

    on_planet(story)


class User:
    """A stub resolver in a city that asks when its cache has nothing."""

    def __init__(self, planet: Planet53, city: str) -> None:
        self._planet = planet
        self._city = city
        self._cache = DnsCache()

    async def address(self) -> str:
        now = self._planet.simulation.elapsed_s
        known = self._cache.look(API, now)
        if isinstance(known, Ask):
            self._cache.learn(API, await self._planet.ask(API, self._city), now)
            known = self._cache.look(API, now)
        assert isinstance(known, Known)
        return known.addresses[0]


def test_users_fail_over_when_their_cached_answer_has_run_out() -> None:
    """What each user sees is detection and propagation (until the uncached answer changes) plus what was left of the
    TTL: at least nothing, at most all of it; users who asked at different times see different ends."""

    async def story(planet: Planet53) -> None:
        await failing_over(planet, interval_s=10, threshold=1, ttl_s=60)
        users = [User(planet, city) for city in ("Tokyo", "Paris", "New York", "Sydney")]
        for user in users:
            await user.address()
            await asyncio.sleep(15)
        planet.simulation.crash("us-west-2")
        planet.simulation.links.down("us-west-2")
        broken_s = planet.simulation.elapsed_s
        changed_s: float | None = None
        seen: dict[int, float] = {}
        while len(seen) < len(users):
            now_s = planet.simulation.elapsed_s - broken_s
            assert now_s < 10 + PROBE_TIMEOUT_S + PROPAGATION_S + 60
            if changed_s is None and await planet.values(API) == [EUROPE]:
                changed_s = now_s
            for number, user in enumerate(users):
                if number not in seen and await user.address() == EUROPE:
                    seen[number] = now_s
            await asyncio.sleep(0.5)
        assert changed_s is not None and changed_s <= 10 + PROBE_TIMEOUT_S + PROPAGATION_S
        cached_s = [seen[number] - changed_s for number in range(len(users))]
        assert all(-1 <= left_s <= 60 for left_s in cached_s)
        assert max(cached_s) - min(cached_s) > 15

    on_planet(story)
