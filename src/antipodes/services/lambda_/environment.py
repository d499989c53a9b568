"""One execution environment: a worker, its Runtime API, its life from init to its end.

    init ──first /next──▶ ready ⇄ busy ──▶ gone
      └─init error, exit, timeout──────────▶ gone      busy ──timeout, exit──▶ gone

An invocation may be taken while the environment is still in init: it is delivered when the runtime is ready. Timers
and the task that watches the worker belong to the environment and not to the caller: a caller that goes away changes
nothing. After ten seconds of init the runtime is started once more, under the function's own timeout (facts 4.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from antipodes.edge.http import serve_http
from antipodes.edge.listener import Limits
from antipodes.services.lambda_ import outcome as outcomes
from antipodes.services.lambda_.logs import LineSplitter, LogBook
from antipodes.services.lambda_.memory import MemoryWatch
from antipodes.services.lambda_.outcome import TAIL_BYTES, Outcome
from antipodes.services.lambda_.pool_rules import billed_ms
from antipodes.services.lambda_.records import Configuration
from antipodes.services.lambda_.runtime_api import Invocation, RuntimeApi
from antipodes.world.world import Server, Worker, WorkerFailed, WorkerSpec, World

INIT_TIMEOUT_S = 10.0
# A runtime keeps its connection while the handler works, and may send far too much: that is answered, not cut off.
LIMITS = Limits(body_bytes=32 * 1024 * 1024, idle_s=1200.0)


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
        self.duration_s = 0.0  # of the last invocation
        self.qualifier: str | None = None  # by which it was invoked
        self._world = world
        self._logs = logs
        self._released = released
        self._prepared = prepared
        self._api = RuntimeApi(self)
        self._server: Server | None = None
        self._worker: Worker | None = None
        self._ready = False
        self._invocation: Invocation | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began_s = 0.0  # of the init phase, then of the invocation
        self._init_ms: float | None = None  # reported once
        self._restarts = 0
        self._lines = LineSplitter()
        self._tail: list[str] | None = None
        self._report: Callable[[], None] | None = None
        self._memory = MemoryWatch(world, plan.configuration.memory_mb, self._memory_exceeded)

    @property
    def busy(self) -> bool:
        return self._invocation is not None

    def take(self, invocation: Invocation) -> None:
        """Runs the invocation; its `done` gets the outcome. The first one starts the worker."""
        assert self._invocation is None and not self.gone
        self._flush_report()
        self.qualifier = invocation.qualifier
        self._invocation = invocation
        if self._ready:
            self._begin()
        elif self._worker is None and self._began_s == 0.0:
            self._began_s = self._world.monotonic()
            self._world.spawn(self._live(), f"lambda {self.plan.function}#{self.plan.number}")

    def prepare(self) -> None:
        """Starts the worker, and has it initialised."""
        assert self._worker is None and self._began_s == 0.0
        self._began_s = self._world.monotonic()
        self._world.spawn(self._live(), f"lambda {self.plan.function}#{self.plan.number}")

    def end(self) -> None:
        """Kills the worker; an invocation under way ends as if the runtime had been killed. Idempotent."""
        if self._invocation is not None:
            self._finish(outcomes.exited(self._invocation.request_id, -9))
        self._end()

    # -- life of the worker --------------------------------------------------------------------------------------

    async def _live(self) -> None:
        plan = self.plan
        try:
            self._server = await serve_http(
                self._world, 0, self._api.respond, usual=self._api.respond_usual, limits=LIMITS
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
            while True:
                runs = self._restarts
                if not self._api.untouched:  # else the invocation's own timeout runs already
                    limit_s = INIT_TIMEOUT_S if runs == 0 else float(plan.configuration.timeout_s)
                    self._after(limit_s, self._init_expired)
                self._worker = await self._world.start_worker(spec, self._output)
                self._memory.attach(self._worker)
                if self.gone:  # ended while it was being started
                    self._worker.kill()
                code = await self._worker.wait()
                if self._ready and self._api.untouched and not self.gone:
                    # It ended between two invocations and the second has not reached it: a new runtime takes that.
                    self._ready = False
                    self._api.restart()
                elif runs == self._restarts or self.gone:
                    self._fail_init(outcomes.exited(self._request_id(), code))
                    break
        except (WorkerFailed, OSError) as error:
            self._fail_init(outcomes.not_started(self._request_id(), str(error)))
        except Exception:
            self.end()  # nobody waits for ever; the World reports what went wrong
            raise
        finally:
            self._end()
            if self.plan.provisioned:
                self._prepared(self)

    def _init_expired(self) -> None:
        self._timer = None
        if self._ready or self.gone:
            return
        if self._restarts:
            self._fail_init(outcomes.timed_out(self._request_id(), self.plan.configuration.timeout_s))
            return
        self._write(f"INIT_REPORT Init Duration: {INIT_TIMEOUT_S * 1000:.2f} ms\tPhase: init\tStatus: timeout")
        self._restarts += 1
        self._api.restart()
        if self._worker is not None:
            self._worker.kill()

    def _fail_init(self, outcome: Outcome) -> None:
        """Ends what is under way with this outcome, and the environment with it."""
        if self._invocation is not None:
            if not self._ready:
                self._start_line()
            self._finish(outcome)
        self._end()

    def _end(self) -> None:
        if self.gone:
            return
        self.gone = True
        self._cancel_timer()
        self._api.close()
        if self._worker is not None:
            self._worker.kill()
        if self._server is not None:
            self._server.close()
        self._flush_report()

    # -- what the Runtime API says ---------------------------------------------------------------------------------

    def runtime_ready(self) -> None:
        self._ready = True
        if self._api.untouched:  # begun already, with the runtime before this one
            return
        self._cancel_timer()
        self._init_ms = (self._world.monotonic() - self._began_s) * 1000
        if self._invocation is not None:
            self._begin()
        elif self.plan.provisioned:
            self._init_ms = None  # nobody waited for it: no REPORT tells of it
            self._prepared(self)

    def runtime_answered(self, outcome: Outcome) -> None:
        self._finish(outcome)

    def init_failed(self, outcome: Outcome) -> None:
        self._fail_init(outcome)

    # -- one invocation --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        invocation = self._invocation
        assert invocation is not None
        timeout_s = self.plan.configuration.timeout_s
        self._began_s = self._world.monotonic()
        invocation.deadline_ms = int((self._world.now() + timeout_s) * 1000)
        self._start_line()
        self._after(float(timeout_s), self._expired)
        self._memory.begin()
        self._api.deliver(invocation)

    def _start_line(self) -> None:
        invocation = self._invocation
        assert invocation is not None
        self._tail = [] if invocation.tail else None
        self._write(f"START RequestId: {invocation.request_id} Version: {self.plan.configuration.version}")

    def _expired(self) -> None:
        self._timer = None
        if self._invocation is not None:
            self._finish(outcomes.timed_out(self._invocation.request_id, self.plan.configuration.timeout_s))

    def _memory_exceeded(self) -> None:
        """The function is killed, as on AWS."""
        if self._invocation is not None:
            self._finish(outcomes.exited(self._invocation.request_id, -9))
        self._end()

    def _finish(self, outcome: Outcome) -> None:
        invocation = self._invocation
        assert invocation is not None
        self._cancel_timer()
        self._memory.end()
        self._api.forget()
        self._invocation = None
        self.duration_s = self._world.monotonic() - self._began_s
        duration_ms = self.duration_s * 1000
        if outcome.fatal:
            self._lose_worker()
        done = invocation.done

        def report() -> None:
            self._write_report(invocation, outcome, duration_ms)
            if invocation.tail and not done.done():
                tail = "\n".join(self._tail or ()).encode()[-TAIL_BYTES:]
                done.set_result(msgspec.structs.replace(outcome, tail=tail))

        # What the handler printed is on its way through a pipe: two turns of the loop let it arrive before END.
        self._report = report
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._flush_report)
        if not invocation.tail and not done.done():
            done.set_result(outcome)
        self._released(self, outcome)

    def _lose_worker(self) -> None:
        """After a timeout or a crash nothing of the environment is used again."""
        self._ready = False
        if self._worker is not None:
            self._worker.kill()
        self._cancel_timer()
        self._api.close()
        if self._server is not None:
            self._server.close()
        self.gone = True

    # -- logs ------------------------------------------------------------------------------------------------------

    def _output(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._write(line)

    def _write(self, text: str) -> None:
        self._logs.write(self.plan.function, self.plan.log_stream, self._world.now(), text)
        if self._tail is not None:
            self._tail.append(text)

    def _flush_report(self) -> None:
        report, self._report = self._report, None
        if report is not None:
            report()

    def _write_report(self, invocation: Invocation, outcome: Outcome, duration_ms: float) -> None:
        rest = self._lines.rest()
        if rest is not None:
            self._write(rest)
        init_ms, self._init_ms = self._init_ms, None
        parts = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {duration_ms:.2f} ms",
            f"Billed Duration: {billed_ms(duration_ms)} ms",
            f"Memory Size: {self.plan.configuration.memory_mb} MB",
        ]
        memory_mb = self._memory.peak_mb()
        if memory_mb is not None:
            parts.append(f"Max Memory Used: {memory_mb} MB")
        if init_ms is not None:
            parts.append(f"Init Duration: {init_ms:.2f} ms")
        if outcome.status:
            parts.append(f"Status: {outcome.status}")
        if outcome.status == "error":
            parts.append(f"Error Type: {outcome.error_type}")
        self._write(f"END RequestId: {invocation.request_id}")
        self._write("\t".join(parts) + "\t")

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
