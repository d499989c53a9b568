"""Watches a planet during a run: health checks through its status, DNS answers as each city gets them.

Decides when something changed. Refuses to know what should happen. DNS is asked without a cache, in each city, at a
steady interval: a change is dated when it was seen, so at most one interval late. A health flip carries its own date.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from antipodes.gameday.history import DnsChange, Flip
from antipodes.gameday.traffic import Clock
from antipodes.gameday.users import DnsFailed, Resolver
from antipodes.globe.globe import Globe, GlobeStatus
from antipodes.world import geography
from antipodes.world.world import HERE


class Watch:
    """Runs from `start` to `stop`; what it saw stays."""

    def __init__(
        self, globe: Globe, host: str, clock: Clock, interval_s: float, tell: Callable[[Flip | DnsChange], None]
    ) -> None:
        self.flips: list[Flip] = []
        self.dns_changes: list[DnsChange] = []
        self.answers: dict[str, tuple[str, ...]] = {}  # city -> addresses now
        self.ttl_s = 0.0  # of the answers, as first seen
        self.status: GlobeStatus | None = None  # the newest
        self._globe = globe
        self._host = host
        self._clock = clock
        self._interval_s = interval_s
        self._tell = tell
        self._running = False
        self._healthy: dict[str, bool] = {}
        self.outstanding = 0

    async def start(self, cities: Sequence[str]) -> None:
        """Returns when each city's answer and the health checks were seen once."""
        self._running = True
        await self._look_at_health()
        for city in cities:
            await self._look_at_dns(city)
        self._spawn(HERE, self._look_at_health)
        for city in cities:
            self._spawn(city, partial(self._look_at_dns, city))

    def stop(self) -> None:
        self._running = False

    def region_of(self, city: str) -> str | None:
        """The Region that DNS names for a city now."""
        return region_of(self.answers.get(city, ()))

    def regions_by_city(self) -> Mapping[str, str | None]:
        return {city: region_of(addresses) for city, addresses in self.answers.items()}

    def _spawn(self, site: str, look: Callable[[], Awaitable[None]]) -> None:
        self.outstanding += 1
        self._globe.world(site).spawn(self._repeat(site, look), name=f"watch from {site}")

    async def _repeat(self, site: str, look: Callable[[], Awaitable[None]]) -> None:
        world = self._globe.world(site)
        try:
            while self._running:
                await world.sleep(self._interval_s)
                await look()
        finally:
            self.outstanding -= 1

    async def _look_at_health(self) -> None:
        self.status = await self._globe.status()
        for check in self.status.health:
            before = self._healthy.get(check.id)
            self._healthy[check.id] = check.healthy
            if before is not None and before != check.healthy:
                flip = Flip(check.since, check.id, check.target, check.healthy, check.reason)
                self.flips.append(flip)
                self._tell(flip)

    async def _look_at_dns(self, city: str) -> None:
        try:
            known = await Resolver(self._globe, city).resolve(self._host)
            addresses, ttl_s = known.addresses, known.ttl_s
        except DnsFailed:
            addresses, ttl_s = (), 0.0
        before = self.answers.get(city)
        self.answers[city] = addresses
        self.ttl_s = self.ttl_s or ttl_s
        if before is not None and before != addresses:
            change = DnsChange(self._clock(), city, before, addresses, region_of(addresses))
            self.dns_changes.append(change)
            await self._look_at_health()  # the flip that caused it is told first
            self._tell(change)


def region_of(addresses: Sequence[str]) -> str | None:
    """Whose address the first one is; None of none."""
    return geography.site_of(addresses[0]) if addresses else None
