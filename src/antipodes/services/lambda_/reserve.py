"""Environments that are initialised before anybody asks for them: provisioned concurrency of one version.

    short ──enough are started, each becomes ready──▶ READY
      └─one fails before it was ever ready──▶ FAILED, until the version is provisioned anew

An environment that ends later (a timeout, a crash, a kill) is replaced. Decides nothing about which invocation runs
where: the pool takes from here first, and what finds nothing here runs as if there were no reserve (it spills over).
"""

from __future__ import annotations

from collections.abc import Callable

from antipodes.services.lambda_.environment import Environment


class Reserve:
    """Of one version: `take` a ready environment, `give` it back; `told` by its environments what becomes of them."""

    def __init__(self, start: Callable[[], Environment]) -> None:
        self._start = start
        self._ready: list[Environment] = []
        self._every: list[Environment] = []
        self._once_ready: list[Environment] = []
        self.wanted = 0
        self.failed = False

    @property
    def allocated(self) -> int:
        """How many are initialised, at work or not."""
        return sum(1 for one in self._once_ready if not one.gone)

    @property
    def available(self) -> int:
        """How many wait for an invocation."""
        return len(self._ready)

    @property
    def at_work(self) -> int:
        return self.allocated - self.available

    @property
    def status(self) -> str:
        if self.allocated >= self.wanted:
            return "READY"
        return "FAILED" if self.failed else "IN_PROGRESS"

    def want(self, count: int) -> None:
        """So many from now on; 0: all go as they become free."""
        self.wanted, self.failed = count, False
        self._fill()
        self._shrink()

    def take(self) -> Environment | None:
        return self._ready.pop() if self._ready else None

    def give(self, environment: Environment) -> None:
        """Its invocation has ended."""
        if not environment.gone:
            self._ready.append(environment)
        self._settle(environment)

    def told(self, environment: Environment) -> None:
        """It became ready, or it is gone."""
        if environment.gone:
            self.failed = self.failed or (environment not in self._once_ready and environment in self._every)
        elif environment in self._every:
            self._once_ready.append(environment)
            self._ready.append(environment)
        self._settle(environment)

    def _settle(self, environment: Environment) -> None:
        if environment.gone:
            for place in (self._ready, self._every, self._once_ready):
                if environment in place:
                    place.remove(environment)
        self._shrink()
        self._fill()

    def _fill(self) -> None:
        while len(self._every) < self.wanted and not self.failed:
            self._every.append(self._start())

    def _shrink(self) -> None:
        while len(self._every) > self.wanted and self._ready:
            environment = self._ready.pop()
            self._every.remove(environment)
            self._once_ready.remove(environment)
            environment.end()
