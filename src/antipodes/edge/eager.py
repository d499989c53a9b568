"""Starts a coroutine at once, on the caller's stack, and makes a task of it only if it suspends.

Most requests are answered without waiting for anything (a read is served from memory), and a task costs more than
parsing the request did. So the first step is driven by hand, and so are those that follow as long as Moments are all
that is waited for (a write's group commit, a function's answer). Code in those steps must not notice:
`asyncio.timeout` and its like ask for the current task, and cancel it. A StandIn is registered for the length of a
step, by the calls that asyncio documents for other task implementations, and afterwards passes on to the real task
whatever is asked of it.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # documented: docs.python.org/3/library/asyncio-extending.html
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Generic, TypeVar

from antipodes.world.moment import Moment
from antipodes.world.world import World

T = TypeVar("T")
Done = Callable[[T | None, BaseException | None], None]


class StandIn:
    """What `asyncio.current_task()` gives as long as there is no task."""

    __slots__ = ("_task", "cancelled", "later")

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self.cancelled = False
        self.later: Callable[[None], None] | None = None  # goes on, once, while a Moment is waited for

    def become(self, task: asyncio.Task[None]) -> None:
        self._task = task
        if self.cancelled:
            task.cancel()

    def cancel(self, msg: Any = None) -> bool:
        if self._task is not None:
            return self._task.cancel(msg)
        self.cancelled = True
        if self.later is not None:  # as a task does: it learns of it now, not when its wait is over
            asyncio.get_running_loop().call_soon(self.later, None)
        return True

    def cancelling(self) -> int:
        return self._task.cancelling() if self._task is not None else int(self.cancelled)

    def uncancel(self) -> int:
        return self._task.uncancel() if self._task is not None else 0

    def done(self) -> bool:
        return self._task is not None and self._task.done()

    def get_name(self) -> str:
        return self._task.get_name() if self._task is not None else "first step"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()


class Starter(Generic[T]):
    """Runs coroutines of one owner. `done(result, None)` or `done(None, error)` is called exactly once for each:
    before `run` returns if the coroutine did not suspend."""

    __slots__ = ("_loop", "_name", "_stand_in", "_world")

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._world = world
        self._loop = loop
        self._name = name
        self._stand_in = StandIn()

    def run(self, work: Coroutine[Any, Any, T], done: Done[T]) -> None:
        self._step(work, done)

    def _step(self, work: Coroutine[Any, Any, T], done: Done[T]) -> None:
        stand_in = self._stand_in
        try:
            _enter_task(self._loop, stand_in)  # type: ignore[arg-type]  # any object will do, see there
        except RuntimeError:  # we are inside a task already: let the loop take it up
            self._world.spawn(_finish(work, done), self._name)
            return
        result: T | None = None
        error: BaseException | None = None
        waits_for: Any = None
        suspended = False
        try:
            if stand_in.cancelled:  # while it waited
                stand_in.cancelled = False
                waits_for = work.throw(asyncio.CancelledError())
            else:
                waits_for = work.send(None)
            suspended = True
        except StopIteration as end:
            result = end.value
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        finally:
            _leave_task(self._loop, stand_in)  # type: ignore[arg-type]
        if not suspended:
            stand_in.cancelled = False  # that was for this coroutine
            done(result, error)
        elif type(waits_for) is Moment and not stand_in.cancelled:
            waits_for._asyncio_future_blocking = False  # as Task does: "I have seen that you are awaited"
            self._stand_in = StandIn()
            stand_in.later = later = _Later(self, stand_in, work, done)
            waits_for.add_done_callback(later)
        else:
            task = self._world.spawn(_finish(_rest(work, waits_for), done), self._name)
            stand_in.become(task)
            self._stand_in = StandIn()

    def resume(self, stand_in: StandIn, work: Coroutine[Any, Any, T], done: Done[T]) -> None:
        """The next step, when the Moment that the last one waited for is over."""
        stand_in.later = None
        self._stand_in = stand_in
        self._step(work, done)


class _Later(Generic[T]):
    """What is left to do when a Moment is over, or its waiter was cancelled."""

    __slots__ = ("_done", "_gone_on", "_stand_in", "_starter", "_work")

    def __init__(self, starter: Starter[T], stand_in: StandIn, work: Coroutine[Any, Any, T], done: Done[T]) -> None:
        self._starter = starter
        self._stand_in = stand_in
        self._work = work
        self._done = done
        self._gone_on = False

    def __call__(self, moment: asyncio.Future[Any] | None) -> None:
        if not self._gone_on:
            self._gone_on = True
            self._starter.resume(self._stand_in, self._work, self._done)


async def _finish(work: Coroutine[Any, Any, T], done: Done[T]) -> None:
    try:
        result = await work
    except (Exception, asyncio.CancelledError) as error:
        done(None, error)
        if isinstance(error, asyncio.CancelledError):
            raise
    else:
        done(result, None)


@coroutine
def _steps(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """The coroutine from its first suspension on: hands the loop what it waits for, and back what comes."""
    while True:
        got: Any = None
        thrown: BaseException | None = None
        try:
            got = yield waits_for
        except BaseException as error:
            thrown = error
        try:
            waits_for = work.send(got) if thrown is None else work.throw(thrown)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


async def _rest(work: Coroutine[Any, Any, T], waits_for: Any) -> T:
    return await _steps(work, waits_for)
