"""The pool of execution environments of one Region: finds or starts one for each invocation, reaps the idle.

Decisions are in pool_rules and turns. Idle environments of one configuration are a stack: the newest idle is taken
first. When nothing has been idle for too long there is nothing that runs: no environments, no tasks (scale to zero).
Versions with provisioned concurrency have a Reserve, from which invocations are served first, and which stays. Code
that is a folder, used in place, may be edited: an environment that was started before the edit takes no further
invocation.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from antipodes.services.contract import Settings
from antipodes.services.lambda_ import pool_rules
from antipodes.services.lambda_.environment import Environment, Plan
from antipodes.services.lambda_.logs import LogBook
from antipodes.services.lambda_.metrics import Meter
from antipodes.services.lambda_.outcome import Outcome
from antipodes.services.lambda_.records import Configuration
from antipodes.services.lambda_.reserve import Reserve
from antipodes.services.lambda_.runtime_api import Invocation
from antipodes.services.lambda_.turns import Turn, Turns, quicker
from antipodes.services.lambda_.variables import variables_of
from antipodes.wire import session_keys
from antipodes.wire.errors import ClientFault
from antipodes.world.world import World

LOOK_S = 0.05  # a folder is looked at no more often: many calls a second are no edits
IDLE_S = 300.0  # AWS does not say how long it keeps an environment; minutes are what people observe

Key = tuple[str, str, str]  # function, version, revision


@dataclass(slots=True)
class Tally:
    """Counters of one function, all versions."""

    environments: list[Environment] = field(default_factory=list)
    busy: int = 0
    invocations: int = 0
    errors: int = 0
    cold_starts: int = 0
    in_reserve: int = 0  # invocations under way in provisioned environments
    quick_s: float = math.inf  # what its quick invocations take


class Pool:
    """`invoke` runs one invocation; `retire` and `stop` end environments."""

    def __init__(
        self,
        world: World,
        region: str,
        settings: Settings,
        logs: LogBook,
        meter: Meter,
        code_of: Callable[[Configuration], tuple[bytes | Path, tuple[bytes, ...]]],
        reserved_of: Callable[[str], int | None],
        reserved_total: Callable[[], int],
    ) -> None:
        self._logs = logs
        self._meter = meter
        self._world = world
        self._region = region
        self._settings = settings
        self._code_of = code_of
        self._reserved_of = reserved_of
        self._reserved_total = reserved_total
        self._idle_s = float(settings.options.get("lambda.idle_s", IDLE_S))
        self._account = int(settings.options.get("lambda.concurrency", pool_rules.ACCOUNT_CONCURRENCY))
        self._planet_key = settings.options.get("planet_key", "test")
        self._idle: dict[Key, list[Environment]] = {}
        self._tallies: dict[str, Tally] = {}
        self._reserves: dict[Key, Reserve] = {}
        self._stamps: dict[str, tuple[float, int]] = {}  # folder -> when it was looked at, its stamp
        self._turns = Turns(world)
        self._busy = 0
        self._started = 0
        self._reaping = False

    @property
    def account_concurrency(self) -> int:
        return self._account

    def tally(self, name: str) -> Tally:
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = Tally()
        return tally

    async def invoke(self, name: str, configuration: Configuration, invocation: Invocation) -> Outcome:
        """Runs it to its end. Raises TooManyRequestsException (429)."""
        self.begin(name, configuration, invocation)
        return await invocation.done

    def begin(self, name: str, configuration: Configuration, invocation: Invocation) -> None:
        """Its `done` gets the outcome. Raises TooManyRequestsException."""
        tally = self.tally(name)
        key = (name, configuration.version, configuration.revision)
        reserve = self._reserves.get(key)
        environment = reserve.take() if reserve is not None else None
        if environment is not None:
            tally.in_reserve += 1
        else:
            self._admit(name, tally, invocation.qualifier)
            if not self._idle.get(key) or not self._turns.wanted(tally.quick_s):
                environment = self._environment(name, configuration)
        tally.busy += 1
        tally.invocations += 1
        self._busy += 1
        self._meter.admitted(name, invocation.qualifier, tally.busy, (self._busy, *self._claims()))
        if reserve is not None and reserve.wanted:
            used, spilled_over = reserve.at_work, environment is None or not environment.plan.provisioned
            meter = self._meter.provisioned
            meter(name, invocation.qualifier, used=used, of=reserve.wanted, spilled_over=spilled_over)
        if environment is not None:
            environment.take(invocation)
            return
        # Whichever became idle last when the turn comes is the one to take.

        def start(turn: Turn) -> None:
            try:
                chosen = self._environment(name, configuration)
            except Exception as error:  # the store, say: who called is told, as if it had been at once
                self._turns.ended(turn)
                tally.busy -= 1
                self._busy -= 1
                invocation.done.set_exception(error)
                return
            chosen.turn = turn
            chosen.take(invocation)

        self._turns.enter(start)

    def provide(self, name: str, configuration: Configuration, count: int) -> None:
        """From now on so many environments of that version are kept initialised."""
        key = (name, configuration.version, configuration.revision)
        reserve = self._reserves.get(key)
        if reserve is None:
            if not count:
                return

            def start() -> Environment:
                environment = self._new_environment(name, configuration, provisioned=True)
                self.tally(name).environments.append(environment)
                environment.prepare()
                return environment

            reserve = self._reserves[key] = Reserve(start)
        reserve.want(count)

    def reserve_of(self, name: str, configuration: Configuration) -> Reserve | None:
        return self._reserves.get((name, configuration.version, configuration.revision))

    def retire(self, name: str, keep: Callable[[Configuration], bool] = lambda _: False) -> None:
        """The function's code or configuration changed: environments of others than `keep` go as they become free."""
        self._turns.hurry()
        for environment in self.tally(name).environments:
            if not keep(environment.plan.configuration):
                environment.retired = True
                if not environment.busy:
                    environment.end()
        self._sweep(name)

    def forget(self, name: str) -> None:
        """The function is deleted: running invocations end by themselves."""
        for key in [key for key in self._reserves if key[0] == name]:
            self._reserves.pop(key).want(0)
        self.retire(name)

    def stop(self) -> None:
        """Kills every environment."""
        self._turns.hurry()
        for reserve in self._reserves.values():
            reserve.wanted = 0
        for tally in self._tallies.values():
            for environment in list(tally.environments):
                environment.end(now=True)
            tally.environments.clear()
        self._idle.clear()

    # -- one environment ------------------------------------------------------------------------------------------

    def _admit(self, name: str, tally: Tally, qualifier: str | None) -> None:
        reserved = self._reserved_of(name)
        reserved_total = self._reserved_total()
        if reserved is None and not self._reserves and self._busy < self._account - reserved_total:
            return
        load = pool_rules.Load(
            busy=tally.busy if reserved is None else tally.busy - tally.in_reserve + self._wanted(name),
            reserved=reserved,
            unreserved_busy=sum(
                t.busy - t.in_reserve + self._wanted(n)
                for n, t in self._tallies.items()
                if self._reserved_of(n) is None
            ),
            reserved_total=reserved_total,
            account=self._account,
        )
        reason = pool_rules.refusal(load)
        if reason is not None:
            self._meter.throttled(name, qualifier)
            raise ClientFault("TooManyRequestsException", "Rate Exceeded.", status=429, Reason=reason, Type="User")

    def _claims(self) -> tuple[int, int]:
        """Invocations that no reserved or provisioned concurrency holds; and how much those hold, used or not."""
        reserved_total = self._reserved_total()
        if not reserved_total and not self._reserves:
            return self._busy, 0
        free = [(n, t) for n, t in self._tallies.items() if self._reserved_of(n) is None]
        return sum(t.busy - t.in_reserve for _, t in free), reserved_total + sum(self._wanted(n) for n, _ in free)

    def _wanted(self, name: str) -> int:
        """Provisioned concurrency of a function: taken from its share, used or not."""
        return sum(reserve.wanted for key, reserve in self._reserves.items() if key[0] == name)

    def _environment(self, name: str, configuration: Configuration) -> Environment:
        """The one that became idle last, or a new one."""
        key = (name, configuration.version, configuration.revision)
        environment = self._idle_environment(key, configuration.folder)
        if environment is None:
            environment = self._new_environment(name, configuration)
            tally = self.tally(name)
            tally.environments.append(environment)
            tally.cold_starts += 1
        return environment

    def _idle_environment(self, key: Key, folder: str) -> Environment | None:
        stack = self._idle.get(key)
        while stack:
            environment = stack.pop()
            if not environment.gone and (not folder or environment.plan.stamp == self._stamp(folder)):
                return environment
            environment.end()
        return None

    def _stamp(self, folder: str) -> int:
        now_s = self._world.monotonic()
        known = self._stamps.get(folder)
        if known is None or now_s - known[0] >= LOOK_S:
            known = self._stamps[folder] = now_s, self._world.folder_stamp(Path(folder))
        return known[1]

    def _new_environment(self, name: str, configuration: Configuration, *, provisioned: bool = False) -> Environment:
        self._started += 1
        stream = _log_stream(self._world.now(), configuration.version, self._world.chance.getrandbits(128))
        endpoint = f"http://{self._world.address}:{self._settings.port}"
        session = session_keys.issue(self._planet_key, configuration.role, self._region)

        def variables(runtime_api: str) -> dict[str, str]:
            return variables_of(
                name,
                configuration,
                region=self._region,
                endpoint=endpoint,
                runtime_api=runtime_api,
                credentials=session,
                log_stream=stream,
                provisioned=provisioned,
            )

        code, layers = self._code_of(configuration)
        living = [one.plan.zone for one in self.tally(name).environments if not one.gone]
        zone = pool_rules.zone([self._region + letter for letter in pool_rules.ZONES], living)
        stamp = self._stamp(configuration.folder) if configuration.folder else 0
        account = self._settings.account
        plan = Plan(
            name, configuration, code, layers, self._started, stream, variables, provisioned, stamp, zone, account
        )
        return Environment(self._world, plan, self._logs, self._released, self._prepared)

    def _prepared(self, environment: Environment) -> None:
        """A provisioned environment is ready, or gone."""
        name, configuration = environment.plan.function, environment.plan.configuration
        reserve = self.reserve_of(name, configuration)
        if environment.gone:
            self._sweep(name)
        elif reserve is None:
            environment.end()
        if reserve is not None:
            reserve.told(environment)

    def _released(self, environment: Environment, outcome: Outcome) -> None:
        """Its invocation has ended."""
        turn, environment.turn = environment.turn, None
        self._give_back(environment, outcome)
        if turn is not None:
            self._turns.ended(turn)

    def _give_back(self, environment: Environment, outcome: Outcome) -> None:
        name, configuration = environment.plan.function, environment.plan.configuration
        tally = self.tally(name)
        tally.busy -= 1
        self._busy -= 1
        tally.quick_s = quicker(tally.quick_s, environment.duration_s)
        if outcome.failed:
            tally.errors += 1
        self._meter.ended(name, environment.qualifier, outcome, environment.duration_s, environment.extensions_s)
        reserve = self.reserve_of(name, configuration) if environment.plan.provisioned else None
        if environment.plan.provisioned:
            tally.in_reserve -= 1
        if (environment.retired or (environment.plan.provisioned and reserve is None)) and not environment.gone:
            environment.end()
        if environment.gone:
            self._sweep(name)
        if reserve is not None:
            reserve.give(environment)
        if environment.gone or reserve is not None:
            return
        environment.idle_since_s = self._world.monotonic()
        key = (name, configuration.version, configuration.revision)
        stack = self._idle.get(key)
        if stack is None:
            stack = self._idle[key] = []
        stack.append(environment)
        if not self._reaping:
            self._reaping = True
            self._world.spawn(self._reap(), "lambda reaper")

    def _sweep(self, name: str) -> None:
        """Forgets environments that are gone."""
        tally = self.tally(name)
        tally.environments = [e for e in tally.environments if not e.gone]
        for key in [k for k in self._idle if k[0] == name]:
            self._idle[key] = [e for e in self._idle[key] if not e.gone]
            if not self._idle[key]:
                del self._idle[key]

    async def _reap(self) -> None:
        """Runs while something is idle: sleeps until the oldest is due."""
        while self._idle:
            now_s = self._world.monotonic()
            due_s = now_s + self._idle_s
            for key in list(self._idle):
                stack = self._idle[key]  # the oldest idle lies at the bottom
                for environment in stack[: pool_rules.expired([e.idle_since_s for e in stack], now_s, self._idle_s)]:
                    environment.end()
                self._sweep(key[0])
            for stack in self._idle.values():
                due_s = min(due_s, stack[0].idle_since_s + self._idle_s)
            if self._idle:
                await self._world.sleep(max(due_s - now_s, 0.01))
        self._reaping = False


def _log_stream(now: float, version: str, drawn: int) -> str:
    """`YYYY/MM/DD/[$LATEST]<32 hex>` (facts 4.7)."""
    return f"{time.strftime('%Y/%m/%d', time.gmtime(now))}/[{version}]{drawn:032x}"
