"""Synchronous code in simulated time: user handlers are ordinary functions that call boto3 and time.sleep.

`run_sync(fn, ...)` runs `fn` in a greenlet of its own. Inside, `await_only(coroutine)` switches back to the loop, which
awaits the coroutine in virtual time, and returns its result or raises its exception, as if the call had blocked.
A handler's greenlet carries a copy of the context it was started in: the code in it belongs to the same incarnation.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import greenlet

T = TypeVar("T")


class HandlerGreenlet(greenlet.greenlet):  # type: ignore[misc]  # greenlet ships no types
    """A greenlet whose blocking calls the loop can take over."""


def in_handler() -> bool:
    """Whether this code runs under `run_sync`."""
    return isinstance(greenlet.getcurrent(), HandlerGreenlet)


def await_only(work: Coroutine[Any, Any, T]) -> T:
    """From code under `run_sync`: waits for the coroutine, raises what it raises. Elsewhere RuntimeError."""
    current = greenlet.getcurrent()
    if not isinstance(current, HandlerGreenlet):
        work.close()
        raise RuntimeError("await_only outside run_sync: nothing could go on while this waits")
    return cast("T", current.parent.switch(work))


async def run_sync(fn: Callable[..., T], *args: Any) -> T:
    """Runs synchronous code to its end; what it waits for with `await_only`, the loop waits for.

    Raises what `fn` raises. When the task is cancelled, CancelledError is raised where `fn` waits.
    """
    runner = HandlerGreenlet(fn)
    runner.gr_context = contextvars.copy_context()
    answer = runner.switch(*args)
    while not runner.dead:
        try:
            value = await answer
        except GeneratorExit:
            # The run is over: the handler's frames are unwound without a word.
            runner.throw(greenlet.GreenletExit)
            raise
        except BaseException as error:
            answer = runner.throw(error)
        else:
            answer = runner.switch(value)
    return cast("T", answer)
