"""The event loop of simulated time.

- Time stands still while anything is ready and jumps to the next timer when nothing is.
- Among ready callbacks a seeded draw chooses: asyncio's first-come order is an accident of one machine, and code that
  needs it is wrong. What promises order (a stream, a queue) keeps it by its own queue.
- Timers of equal time become ready together; their sequence decides nothing but is fixed.
- Every callback runs in a context; the context variable `INCARNATION` says whose life it belongs to. A callback of a
  dead incarnation is dropped: code simply stops, as it does on SIGKILL.
- Nothing ready and nothing scheduled before the main task is done is a `Deadlock`, with the names of who waits.
- Tasks are kept alive until the run ends. Otherwise the garbage collector would close the coroutines of a dead
  incarnation, and run their `finally` blocks, at a moment that no seed decides.

It knows no sites, no network and no clock but its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
import sys
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn

STEPS_AT_ONE_INSTANT = 5_000_000  # more callbacks than this without time passing is a busy loop
Draw = Callable[[], float]


class Deadlock(Exception):
    """Nothing is ready and nothing is scheduled; the message names the waiting tasks and where they wait."""


class Livelock(Exception):
    """Callbacks go on and on and time does not pass."""


class Incarnation:
    """One life of a site, from boot to crash."""

    __slots__ = ("dead", "number", "site")

    def __init__(self, site: str, number: int) -> None:
        self.site = site
        self.number = number
        self.dead = False

    def __repr__(self) -> str:
        return f"{self.site}#{self.number}{' (dead)' if self.dead else ''}"


INCARNATION: contextvars.ContextVar[Incarnation | None] = contextvars.ContextVar("INCARNATION", default=None)


class ScheduledCall:
    """A callback waiting for its turn: what asyncio calls a Handle, without its weight."""

    __slots__ = ("args", "at_s", "callback", "context")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context, at_s: float) -> None:
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        self.at_s = at_s

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.at_s

    def __repr__(self) -> str:
        return f"<ScheduledCall {self.callback!r} at {self.at_s:.6f}>"


class VirtualLoop(asyncio.AbstractEventLoop):
    """asyncio's loop interface over virtual time; what it does not define (sockets, threads) does not exist here."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._now_s = 0.0
        self._ready: list[ScheduledCall] = []
        self._timers: list[tuple[float, int, ScheduledCall]] = []
        self._sequence = 0
        self._tasks: list[tuple[asyncio.Task[Any], Incarnation | None]] = []
        self._prune_at = 64
        self._running = False
        self._stopping = False
        self._closed = False
        self._raise: BaseException | None = None
        self._report: Callable[[str, BaseException | None], None] = lambda message, error: None
        self.steps = 0  # callbacks run
        self.course = 0  # a hash of when what ran: each moment, the callbacks before it, the timers that came due

    # What asyncio calls on every step

    def time(self) -> float:
        return self._now_s

    def get_debug(self) -> bool:
        return False

    def call_soon(  # type: ignore[override]  # a ScheduledCall does what asyncio asks of a Handle
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> ScheduledCall:
        call = ScheduledCall(callback, args, contextvars.copy_context() if context is None else context, self._now_s)
        self._ready.append(call)
        return call

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # there are no threads here

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> ScheduledCall:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> ScheduledCall:
        call = ScheduledCall(callback, args, contextvars.copy_context() if context is None else context, when)
        self._sequence += 1
        heapq.heappush(self._timers, (when, self._sequence, call))
        return call

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]  # coroutines only
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append((task, INCARNATION.get() if context is None else context.get(INCARNATION)))
        if len(self._tasks) >= self._prune_at:
            self._tasks = [entry for entry in self._tasks if not entry[0].done()]
            self._prune_at = max(64, 2 * len(self._tasks))
        return task

    # Running

    def run_until_complete(self, future: Any) -> Any:
        """Runs until the future is done. Raises its exception; Deadlock, Livelock; what `abort` was given."""
        if self._running or events._get_running_loop() is not None:
            raise RuntimeError("another event loop is running")
        main = asyncio.ensure_future(future, loop=self)
        main.add_done_callback(self._stop_when_done)
        hooks, collecting = sys.get_asyncgen_hooks(), gc.isenabled()
        # Finalizers are code as well: the collector runs when the loop says, not when some count of objects does.
        gc.disable()
        # A generator that is dropped half-way is closed where it is dropped: reference counts decide when.
        sys.set_asyncgen_hooks(finalizer=self._close_generator)
        events._set_running_loop(self)
        self._running, self._stopping = True, False
        try:
            self._run(main)
        finally:
            self._running = False
            events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)
            if collecting:
                gc.enable()
        if self._raise is not None:
            raise self._raise
        return main.result()

    def _run(self, main: asyncio.Future[Any]) -> None:
        ready, draw, incarnation_of = self._ready, self._draw, INCARNATION
        pop_last = ready.pop
        steps = self.steps
        while not self._stopping:
            if not ready:
                steps = self.steps
                self._advance(main)
            call = pop_last()
            if ready:
                chosen = int(draw() * (len(ready) + 1))
                if chosen < len(ready):
                    call, ready[chosen] = ready[chosen], call
            callback = call.callback
            if callback is None:
                continue
            context = call.context
            owner = context.get(incarnation_of)
            if owner is not None and owner.dead:
                continue
            self.steps += 1
            if not self.steps & 0xFFFF:
                gc.collect(1 if self.steps & 0xFFFFF else 2)
                if self.steps - steps > STEPS_AT_ONE_INSTANT:
                    raise Livelock(f"over {STEPS_AT_ONE_INSTANT} callbacks at {self._now_s:.6f} s")
            try:
                context.run(callback, *call.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # a callback's failure is reported, the loop goes on
                self._report(f"exception in callback {callback!r}", error)

    def _advance(self, main: asyncio.Future[Any]) -> None:
        """Jumps to the next timer that somebody still wants, and makes all of that moment ready."""
        timers, ready, pop = self._timers, self._ready, heapq.heappop
        while not ready:
            if not timers:
                self._deadlock(main)
            moment_s = timers[0][0]
            while timers and timers[0][0] <= moment_s:
                call = pop(timers)[2]
                if not _unwanted(call):
                    ready.append(call)
        self._now_s = max(self._now_s, moment_s)
        self.course = hash((self.course, moment_s, self.steps, len(ready)))  # of numbers alone: the same everywhere

    def _deadlock(self, main: asyncio.Future[Any]) -> NoReturn:
        waiting = [describe_task(task) for task in self.live_tasks()]
        raise Deadlock(
            f"deadlock at {self._now_s:.6f} s: nothing is ready and nothing is scheduled. Waiting:\n  "
            + "\n  ".join(waiting or [f"{main!r}: on something of a dead incarnation"])
        )

    def live_tasks(self) -> list[asyncio.Task[Any]]:
        """Unfinished tasks of the living, oldest first."""
        return [task for task, owner in self._tasks if not task.done() and not (owner and owner.dead)]

    def abort(self, error: BaseException) -> None:
        """Ends the run with this error after the current callback."""
        if self._raise is None:
            self._raise = error
        self._stopping = True

    def _stop_when_done(self, main: asyncio.Future[Any]) -> None:
        self._stopping = True

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Ends everything that still waits, in the order in which it began. No callback runs any more."""
        if self._closed:
            return
        self._closed = True
        tasks, self._tasks = self._tasks, []
        for task, _ in tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own way to say "on purpose"
                _close_coroutine(task)
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()

    # Faults of callbacks, tasks and generators

    def report_to(self, report: Callable[[str, BaseException | None], None]) -> None:
        """`report(message, exception)` is called for failures that nobody awaits."""
        self._report = report

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._closed:
            self._report(str(context.get("message", "")), context.get("exception"))

    def _close_generator(self, generator: Any) -> None:
        if not self._closed:
            self.create_task(generator.aclose(), name="close of a dropped generator")

    async def shutdown_asyncgens(self) -> None:
        return

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        return

    def _timer_handle_cancelled(self, handle: object) -> None:
        """asyncio's own TimerHandle would call this; there are none here."""


def _unwanted(call: ScheduledCall) -> bool:
    if call.callback is None:
        return True
    owner = call.context.get(INCARNATION)
    return owner is not None and owner.dead


def _close_coroutine(task: asyncio.Task[Any]) -> None:
    coroutine = task.get_coro()
    try:
        coroutine.close()
    except BaseException:  # noqa: S110 - a finally block that awaits or fails: the run is over, nobody is to hear it
        pass


def describe_task(task: asyncio.Task[Any]) -> str:
    """ "name: waits in function (file:line)", the innermost frame."""
    coroutine: Any = task.get_coro()
    frame = None
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None) or frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    where = f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})" if frame else "?"
    return f"{task.get_name()}: waits in {where}"
