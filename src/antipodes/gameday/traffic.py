"""Steady traffic: the users of all cities, and everything that happened to them.

Decides: who asks for what, and when, from the cities' own chance. Refuses to know: the story, the verdict.
How: requests begin at times drawn from the city's rate whether or not earlier ones have ended (an open loop: a dead
Region does not silence its users). A failed request is a failed request. Every write carries an id that is used once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from antipodes.gameday.app import App, served_region
from antipodes.gameday.history import Outcome, Write
from antipodes.gameday.users import REQUEST_TIMEOUT_S, Caller, DnsFailed
from antipodes.globe.globe import Globe
from antipodes.wire.http import HttpRequest
from antipodes.world.world import NetworkError

Clock = Callable[[], float]  # the observer's: one for all cities, whose own clocks may differ


@dataclass(frozen=True, slots=True)
class Load:
    """Steady traffic. Rates are requests a second, drawn per city between the two; shares are of all requests, the
    rest are reads."""

    rate_low: float = 2.0
    rate_high: float = 4.0
    new_share: float = 0.35
    overwrite_share: float = 0.25
    shared_items: int = 8  # that all cities overwrite and read
    timeout_s: float = REQUEST_TIMEOUT_S


class Ledger:
    """Every write that was ever begun, and whether it was acknowledged. Hands out the ids."""

    def __init__(self) -> None:
        self._writes: dict[str, Write] = {}

    def begin(self, item: str, now: float) -> str:
        """A new write's id. It counts as begun, and as one that may have happened, from now on."""
        write = f"w{len(self._writes) + 1}"
        self._writes[write] = Write(item=item, id=write, started=now, ended=None)
        return write

    def acknowledge(self, write: str, now: float, region: str | None) -> None:
        begun = self._writes[write]
        self._writes[write] = Write(item=begun.item, id=write, started=begun.started, ended=now, region=region)

    def all(self) -> list[Write]:
        """In the order they began."""
        return list(self._writes.values())


class Traffic:
    """Users of all cities. `outstanding` counts what still runs: it reaches 0 some time after `stop`."""

    def __init__(
        self, globe: Globe, app: App, load: Load, clock: Clock, ledger: Ledger, on_outcome: Callable[[Outcome], None]
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.outstanding = 0
        self._globe = globe
        self._app = app
        self._load = load
        self._clock = clock
        self._ledger = ledger
        self._on_outcome = on_outcome
        self._running = False
        self._items = 0
        self._callers: list[Caller] = []

    def start(self, cities: Sequence[str]) -> None:
        """Begins the traffic, each city at its own drawn rate."""
        self._running = True
        for city in cities:
            caller = Caller(self._globe, city)
            self._callers.append(caller)
            self.outstanding += 1
            self._globe.world(city).spawn(self._arrivals(caller), name=f"users in {city}")

    def stop(self) -> None:
        """No new request begins; those under way end by themselves."""
        self._running = False

    def close(self) -> None:
        """Closes the connections that users kept."""
        for caller in self._callers:
            caller.close()

    async def _arrivals(self, caller: Caller) -> None:
        world = self._globe.world(caller.city)
        rate = world.chance.uniform(self._load.rate_low, self._load.rate_high)
        mine: list[str] = []
        try:
            while self._running:
                kind, item = self._choose(caller.city, mine)
                self.outstanding += 1
                world.spawn(self._user(caller, kind, item), name=f"user in {caller.city}")
                await world.sleep(world.chance.expovariate(rate))
        finally:
            self.outstanding -= 1

    def _choose(self, city: str, mine: list[str]) -> tuple[str, str]:
        """(kind, item) of the next request; remembers in `mine` the items that this city made."""
        chance = self._globe.world(city).chance
        draw = chance.random()
        shared = f"shared-{chance.randrange(self._load.shared_items)}"
        if draw < self._load.new_share:
            self._items += 1
            mine.append(f"{city.lower().replace(' ', '-')}-{self._items}")
            return "new", mine[-1]
        if draw < self._load.new_share + self._load.overwrite_share:
            return "overwrite", shared
        if mine and chance.random() < 0.5:
            return "get", mine[chance.randrange(len(mine))]
        return "get", shared

    async def _user(self, caller: Caller, kind: str, item: str) -> None:
        try:
            outcome = await request(caller, self._app, self._ledger, self._clock, kind, item, self._load.timeout_s)
        finally:
            self.outstanding -= 1
        said = outcome.status or outcome.error
        self._globe.world(caller.city).trace(
            "user", does=kind, item=item, said=said, region=outcome.region, ms=round(outcome.latency_ms, 3)
        )
        self.outcomes.append(outcome)
        self._on_outcome(outcome)


async def request(
    caller: Caller, app: App, ledger: Ledger, clock: Clock, kind: str, item: str, timeout_s: float
) -> Outcome:
    """One request of one user; never raises for what the planet does to it."""
    began = clock()
    write = "" if kind == "get" else ledger.begin(item, began)
    message: HttpRequest = app.create(item, write) if write else app.read(item)
    try:
        fetched = await caller.call(app.host, message, timeout_s=timeout_s)
    except (NetworkError, DnsFailed) as error:
        return Outcome(caller.city, kind, began, clock(), None, type(error).__name__, None, item, write)
    ended, response = clock(), fetched.response
    region = served_region(response.body) or fetched.region
    outcome = Outcome(
        city=caller.city,
        kind=kind,
        at=began,
        ended=ended,
        status=response.status,
        error="" if response.status < 400 else f"HTTP {response.status}",
        region=region,
        item=item,
        write=write,
        addresses=fetched.known.addresses,
        dns_age_s=fetched.known.age_s,
    )
    if write and outcome.ok:
        ledger.acknowledge(write, ended, region)
    return outcome
