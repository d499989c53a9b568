"""One execution environment: a worker, its Runtime and Extensions API, its life from init to its end.

    init ──first /next of runtime and extensions──▶ ready ⇄ busy ──▶ gone
      └─init error, exit, timeout──────────▶ gone      busy ──timeout, exit──▶ gone

An invocation may be taken while the environment is still in init: it is delivered when the runtime is ready. It is
answered when the runtime answers, and over when the extensions have had enough of it too. Timers
and the task that watches the worker belong to the environment and not to the caller: a caller that goes away changes
nothing. After ten seconds of init the runtime is started once more, under the function's own timeout (facts 4.2).

An environment with extensions ends in order: SIGTERM to the runtime (after a failure SIGKILL at once), SHUTDOWN to the
extensions, SIGKILL to whatever is left after 2 s, or 500 ms where all are internal. It is `gone` from the first moment.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from antipodes.edge.http import serve_http
from antipodes.edge.listener import Limits
from antipodes.services.lambda_ import outcome as outcomes
from antipodes.services.lambda_.extensions import FAILURE, SPINDOWN, TIMEOUT, Extensions
from antipodes.services.lambda_.logs import LogBook
from antipodes.services.lambda_.memory import MemoryWatch
from antipodes.services.lambda_.outcome import Outcome
from antipodes.services.lambda_.platform_log import PlatformLog, Report
from antipodes.services.lambda_.records import Configuration
from antipodes.services.lambda_.runtime_api import Invocation, RuntimeApi
from antipodes.services.lambda_.runtime_link import RuntimeLink
from antipodes.services.lambda_.turns import Turn
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import ExtensionFailed, Server, Worker, WorkerFailed, WorkerSpec, World

INIT_TIMEOUT_S = 10.0
# A runtime keeps its connection while the handler works, and may send far too much: that is answered, not cut off.
LIMITS = Limits(body_bytes=32 * 1024 * 1024, body_s=1200.0, idle_s=1200.0)


class InitExpired(WorkerFailed):
    """The init phase took too long: what is being started is to be started anew."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an environment is made of. provisioned: it is initialised before anybody asks for it."""

    function: str
    configuration: Configuration
    code: bytes | Path
    layers: tuple[bytes, ...]
    number: int  # rises by one in a Region: names it in process lists
    log_stream: str
    variables: Callable[[str], dict[str, str]]  # (host:port of the Runtime API) -> environment variables
    provisioned: bool = False
    stamp: int = 0  # of the folder, where the code is one
    zone: str = ""  # the Availability Zone that it stands in
    account: str = ""


class Environment:
    """`take` an invocation; `released` is called when it ended (the environment is ready again, or gone). `prepare` one
    without an invocation: `prepared` is called when it is ready, and once more when it is gone."""

    def __init__(
        self,
        world: World,
        plan: Plan,
        logs: LogBook,
        released: Callable[[Environment, Outcome], None],
        prepared: Callable[[Environment], None] = lambda _: None,
    ) -> None:
        self.plan = plan
        self.retired = False  # its code or configuration is no longer the function's: it goes when it is free
        self.gone = False
        self.idle_since_s = 0.0
        self.duration_s = 0.0  # of the last invocation, extensions included
        self.extensions_s: float | None = None  # of that, after the runtime had answered; None: it has no extensions
        self.qualifier: str | None = None  # by which it was invoked
        self.turn: Turn | None = None  # of the invocation, if it was one of many short ones
        self._world = world
        self._released = released
        self._prepared = prepared
        self._api = RuntimeApi(self)
        self._server: Server | None = None
        self._worker: Worker | None = None
        self._ready = False  # the runtime; with `_rested`, the environment
        self._rested = False  # the init phase is over for the extensions too
        self._invocation: Invocation | None = None
        self._outcome: Outcome | None = None  # of the invocation, while extensions still work
        self._answered_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._began_s = 0.0  # of the init phase, then of the invocation
        self._init_ms: float | None = None  # reported once
        self._restarts = 0
        self._report: Callable[[], None] | None = None
        self._log = PlatformLog(world.now, logs, plan.function, plan.configuration, plan.log_stream)
        self._memory = MemoryWatch(world, plan.configuration.memory_mb, self._memory_exceeded)
        about = {
            "functionName": plan.function,
            "functionVersion": plan.configuration.version,
            "handler": plan.configuration.handler,
        }
        self._extensions = Extensions(
            self,
            lambda: str(uuid.UUID(int=world.chance.getrandbits(128), version=4)),
            about,
            plan.account,
            self._log.printed,
        )

    @property
    def busy(self) -> bool:
        return self._invocation is not None

    def take(self, invocation: Invocation) -> None:
        """Runs the invocation; its `done` gets the outcome. The first one starts the worker."""
        assert self._invocation is None and not self.gone
        self._flush_report()
        self.qualifier = invocation.qualifier
        self._invocation = invocation
        if self._rested:
            self._begin()
        elif self._worker is None and self._began_s == 0.0:
            self._began_s = self._world.monotonic()
            self._world.spawn(self._live(), f"lambda {self.plan.function}#{self.plan.number}")

    def prepare(self) -> None:
        """Starts the worker, and has it initialised."""
        assert self._worker is None and self._began_s == 0.0
        self._began_s = self._world.monotonic()
        self._world.spawn(self._live(), f"lambda {self.plan.function}#{self.plan.number}")

    def end(self, *, now: bool = False) -> None:
        """Ends the worker; an invocation under way ends as if the runtime had been killed. Idempotent.

        now: extensions are killed, too, instead of being told."""
        if self._invocation is not None:
            self._finish(outcomes.exited(self._invocation.request_id, -9))
        self._end(None if now else SPINDOWN)

    # -- life of the worker --------------------------------------------------------------------------------------

    async def _live(self) -> None:
        plan = self.plan
        try:

            async def respond(request: HttpRequest) -> HttpResponse:
                return await self._extensions.respond(request) or await self._api.respond(request)

            self._server = await serve_http(
                self._world, 0, respond, usual=self._api.respond_usual, limits=LIMITS, intake=self._api.intake
            )
            runtime_api = f"{self._world.address}:{self._server.port}"
            spec = WorkerSpec(
                name=f"{plan.function}#{plan.number}",
                runtime=plan.configuration.runtime,
                handler=plan.configuration.handler,
                code=plan.code,
                layers=plan.layers,
                environment=plan.variables(runtime_api),
                memory_mb=plan.configuration.memory_mb,
            )
            while await self._run(spec):
                pass
        except ExtensionFailed as error:
            self._log.extension(error.name, "LaunchError", (), "UnknownError")
            self._fail_init(outcomes.extension_not_started(self._request_id(), str(error)))
        except (WorkerFailed, OSError) as error:
            self._fail_init(outcomes.not_started(self._request_id(), str(error)))
        except Exception:
            self.end()  # nobody waits for ever; the World reports what went wrong
            raise
        finally:
            self._end(FAILURE)
            if self.plan.provisioned:
                self._prepared(self)

    async def _run(self, spec: WorkerSpec) -> bool:
        """One runtime from its start to its end; whether another one is to be started."""
        runs = self._restarts
        if not self._api.untouched:  # else the invocation's own timeout runs already
            limit_s = INIT_TIMEOUT_S if runs == 0 else float(self.plan.configuration.timeout_s)
            self._after(limit_s, self._init_expired)
        self._worker = None
        try:
            link = RuntimeLink(self._api)
            worker = self._worker = await self._world.start_worker(spec, self._log.output, self._extensions, link)
        except InitExpired:
            return not self.gone
        self._memory.attach(worker, self._extensions.processes)
        if self.gone:  # ended while it was being started
            worker.kill()
        code = await worker.wait()
        if self._ready and self._api.untouched and not self.gone:
            # It ended between two invocations and the second has not reached it: a new runtime takes that.
            self._ready = False
            self._api.restart()
            self._extensions.start_anew(WorkerFailed("the runtime has ended"))
            return True
        if runs == self._restarts or self.gone:
            self._fail_init(outcomes.exited(self._request_id(), code))
            return False
        return True

    def _init_expired(self) -> None:
        self._timer = None
        if self._rested or self.gone:
            return
        if self._restarts:
            self._fail_init(outcomes.timed_out(self._request_id(), self.plan.configuration.timeout_s))
            return
        self._log.init_timeout(INIT_TIMEOUT_S * 1000)
        self._restarts += 1
        worker = self._worker
        self._api.restart()
        self._extensions.start_anew(InitExpired("the init phase took too long"))
        if worker is not None:
            worker.kill()

    def _fail_init(self, outcome: Outcome) -> None:
        """Ends what is under way with this outcome, and the environment with it."""
        if self._invocation is not None:
            if not self._rested:
                self._log.start(self._invocation.request_id, tail=self._invocation.tail)
            self._finish(outcome)
        self._end(FAILURE)

    def _end(self, reason: str | None) -> None:
        """reason: as extensions are told; None: they are not."""
        if self.gone:
            return
        self.gone = True
        self._cancel_timer()
        self._flush_report()
        if reason is None or not self._extensions.known:
            self._kill()
            return

        async def in_order(reason: str) -> None:
            try:
                await self._extensions.end(self._world, self._worker, reason)
            finally:
                self._kill()

        self._world.spawn(in_order(reason), f"lambda {self.plan.function} ends")

    def _kill(self) -> None:
        if self._worker is not None:
            self._worker.kill()  # first: it has nothing to say to the refusal of its question
        self._api.close()
        self._extensions.close(WorkerFailed("the environment has ended"))
        if self._server is not None:
            self._server.close()

    # -- what the Runtime API says ---------------------------------------------------------------------------------

    def runtime_ready(self) -> None:
        self._ready = True
        self._extensions.close_registration()
        self._look_ready()

    def extensions_rest(self) -> None:
        outcome = self._outcome
        if outcome is not None:
            self._finish(outcome)
        elif self._ready and not self._rested:
            self._look_ready()

    def extension_failed(self, outcome: Outcome) -> None:
        if self.gone:
            return
        if self._invocation is None:
            self._end(FAILURE)
        elif self._outcome is not None:  # the caller has its answer
            self._finish(
                msgspec.structs.replace(self._outcome, status="error", error_type=outcome.error_type, fatal=True)
            )
        else:
            self._fail_init(outcomes.of_request(outcome, self._invocation.request_id))

    def runtime_answered(self, outcome: Outcome) -> None:
        if self._extensions.at_rest:
            self._finish(outcome)
            return
        invocation = self._invocation
        assert invocation is not None
        self._outcome, self._answered_s = outcome, self._world.monotonic()
        if not invocation.tail and not invocation.done.done():
            invocation.done.set_result(outcome)  # extensions may go on; nobody waits for them

    def init_failed(self, outcome: Outcome) -> None:
        self._fail_init(outcome)

    def _look_ready(self) -> None:
        """The init phase is over, if it is."""
        if not self._extensions.at_rest:
            return
        for one in self._extensions.known.values() if not self._rested else ():
            self._log.extension(one.name, "Ready", one.events)
        self._rested = True
        if self._api.untouched:  # begun already, with the runtime before this one
            return
        self._cancel_timer()
        self._init_ms = (self._world.monotonic() - self._began_s) * 1000
        if self._invocation is not None:
            self._begin()
        elif self.plan.provisioned:
            self._init_ms = None  # nobody waited for it: no REPORT tells of it
            self._prepared(self)

    # -- one invocation --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        invocation = self._invocation
        assert invocation is not None
        timeout_s = self.plan.configuration.timeout_s
        self._began_s = self._world.monotonic()
        invocation.deadline_ms = int((self._world.now() + timeout_s) * 1000)
        self._log.start(invocation.request_id, tail=invocation.tail)
        self._after(float(timeout_s), self._expired)
        self._memory.begin()
        self._extensions.invoke(invocation)
        self._api.deliver(invocation)

    def _expired(self) -> None:
        self._timer = None
        if self._invocation is not None:
            self._finish(outcomes.timed_out(self._invocation.request_id, self.plan.configuration.timeout_s))

    def _memory_exceeded(self) -> None:
        """The function is killed, as on AWS."""
        if self._invocation is not None:
            self._finish(outcomes.exited(self._invocation.request_id, -9))
        self._end(FAILURE)

    def _finish(self, outcome: Outcome) -> None:
        invocation = self._invocation
        assert invocation is not None
        self._cancel_timer()
        self._memory.end()
        self._api.forget()
        self._invocation = None
        ended_s = self._world.monotonic()
        self.duration_s = ended_s - self._began_s
        self.extensions_s = None
        if self._extensions.known:
            self.extensions_s = ended_s - self._answered_s if self._outcome is not None else 0.0
        self._outcome = None
        duration_ms = self.duration_s * 1000
        if outcome.fatal:
            self._end(TIMEOUT if outcome.status == "timeout" else FAILURE)
        done = invocation.done

        def report() -> None:
            init_ms, self._init_ms = self._init_ms, None
            told = Report(invocation.request_id, outcome, duration_ms, init_ms, self._memory.peak_mb())
            tail = self._log.end(told)
            if invocation.tail and not done.done():
                done.set_result(msgspec.structs.replace(outcome, tail=tail))

        # What the handler printed is on its way through a pipe: two turns of the loop let it arrive before END.
        self._report = report
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._flush_report)
        if not invocation.tail and not done.done():
            done.set_result(outcome)
        self._released(self, outcome)

    def _flush_report(self) -> None:
        report, self._report = self._report, None
        if report is not None:
            report()

    # -- small ones ------------------------------------------------------------------------------------------------

    def _request_id(self) -> str:
        return self._invocation.request_id if self._invocation is not None else ""

    def _after(self, delay_s: float, callback: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, callback)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
