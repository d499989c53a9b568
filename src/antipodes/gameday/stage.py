"""The stage of a story: the plan, the planet, the observer's clock, the ledger of writes; and waiting.

Decides nothing about the plot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from antipodes.gameday.app import App
from antipodes.gameday.disaster import Disaster
from antipodes.gameday.teller import Teller
from antipodes.gameday.traffic import Ledger, Load
from antipodes.gameday.users import Caller
from antipodes.globe.globe import Globe
from antipodes.wire.http import HttpResponse
from antipodes.world import geography
from antipodes.world.world import HERE, NetworkError, World

CITIES = ("New York", "San Francisco", "Frankfurt", "Tokyo")


@dataclass(frozen=True, slots=True)
class StoryPlan:
    """What is played. Durations are seconds, in the world's own time."""

    disaster: Disaster
    app: App = field(default_factory=App)
    cities: tuple[str, ...] = CITIES
    load: Load = field(default_factory=Load)
    world: str = "real"  # or "simulated": said in the verdict
    seed: int | None = None  # said in the verdict
    calls: int = 5  # of each kind, in the first act
    last_writes: int = 6  # that the victim takes, its links to the other Regions down, right before it dies
    interval_s: float = 0.5  # between two looks at DNS and at health
    moved_s: float = 90.0  # deadlines: users have moved away,
    returned_s: float = 90.0  # ... and returned,
    converged_s: float = 60.0  # ... and all replicas are equal
    settled_s: float = 3.0  # traffic goes on for so long after users returned


@dataclass(slots=True)
class Stage:
    """One run's surroundings."""

    globe: Globe
    plan: StoryPlan
    tell: Teller
    ledger: Ledger = field(default_factory=Ledger)
    here: World = field(init=False)
    tool: Caller = field(init=False)  # a program that lives nowhere: pays no distance
    _epoch: float = field(init=False)

    def __post_init__(self) -> None:
        self.here = self.globe.world(HERE)
        self.tool = Caller(self.globe, HERE)
        self._epoch = self.here.now() - self.here.monotonic()

    def clock(self) -> float:
        """The observer's: begins at the wall clock, never steps back."""
        return self._epoch + self.here.monotonic()

    async def until(self, condition: Callable[[], bool], deadline_s: float, *, step_s: float = 0.1) -> bool:
        """Waits for a condition; False if the deadline came first."""
        end = self.clock() + deadline_s
        while not condition():
            if self.clock() >= end:
                return False
            await self.here.sleep(step_s)
        return True

    async def write_at(self, region: str, item: str) -> tuple[str, float] | None:
        """Creates an item through the app at one Region's own address: (write id, when acknowledged), or None."""
        write = self.ledger.begin(item, self.clock())
        app = self.plan.app
        try:
            response: HttpResponse = await self.tool.call_address(
                geography.address_of(region), app.host, app.create(item, write), timeout_s=10.0
            )
        except NetworkError:
            return None
        if not 200 <= response.status < 300:
            return None
        ended = self.clock()
        self.ledger.acknowledge(write, ended, region)
        return write, ended
