"""Coroutines driven by hand: what they cannot tell from a task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from antipodes.edge.eager import Starter
from antipodes.world.moment import Moment
from antipodes.world.world import World


class Tasks:
    """What a Starter asks of a World; counts the tasks."""

    def __init__(self) -> None:
        self.made = 0

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        self.made += 1
        return asyncio.get_running_loop().create_task(work, name=name)


Ended = list[tuple[str | None, BaseException | None]]


def drive(work: Callable[[Moment[None]], Awaitable[str]], *, end: Callable[[Moment[None]], None]) -> tuple[Ended, int]:
    """Starts `work` outside of any task, ends its Moment a turn later; what `done` was called with, and how many
    tasks were made."""
    ended: Ended = []
    tasks = Tasks()
    loop = asyncio.new_event_loop()

    async def coroutine(moment: Moment[None]) -> str:
        return await work(moment)

    def begin() -> None:
        moment: Moment[None] = Moment(loop=loop)
        starter: Starter[str] = Starter(cast("World", tasks), loop, "test")

        def done(result: str | None, error: BaseException | None) -> None:
            ended.append((result, error))
            loop.call_soon(loop.stop)

        starter.run(coroutine(moment), done)
        loop.call_soon(end, moment)

    loop.call_soon(begin)
    loop.call_later(5, loop.stop)
    loop.run_forever()
    loop.close()
    return ended, tasks.made


def over(moment: Moment[None]) -> None:
    moment.set_result(None)


async def waits(moment: Moment[None]) -> str:
    await moment
    return "over"


async def waits_twice(moment: Moment[None]) -> str:
    await moment
    await asyncio.sleep(0)
    return "over"


async def notices_its_task(moment: Moment[None]) -> str:
    before = asyncio.current_task()
    await moment
    assert asyncio.current_task() is before
    assert before is not None
    async with asyncio.timeout(3):
        await asyncio.sleep(0)
    return "over"


@pytest.mark.parametrize(
    ("work", "tasks"), [(waits, 0), (waits_twice, 1), (notices_its_task, 1)], ids=["once", "twice", "as a task"]
)
def test_a_moment_costs_no_task_and_anything_longer_one(work: Any, tasks: int) -> None:
    assert drive(work, end=over) == ([("over", None)], tasks)


def test_two_moments_cost_no_task_either() -> None:
    async def waits_again(moment: Moment[None]) -> str:
        await moment
        another: Moment[str] = Moment()
        moment.get_loop().call_soon(another.set_result, "over")
        return await another

    assert drive(waits_again, end=over) == ([("over", None)], 0)


def test_a_timeout_ends_the_wait_for_a_moment_that_does_not_end() -> None:
    never: list[Moment[None]] = []

    async def gives_up(moment: Moment[None]) -> str:
        never.append(Moment())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await never[0]
        await moment
        return "gave up"

    assert drive(gives_up, end=over) == ([("gave up", None)], 0)
    assert not never[0].done()  # others may wait for it too


def test_a_moments_error_is_raised_where_it_is_awaited() -> None:
    async def recovers(moment: Moment[None]) -> str:
        with pytest.raises(OSError, match="disk"):
            await moment
        return "told"

    def fail(moment: Moment[None]) -> None:
        moment.set_exception(OSError("disk"))

    assert drive(recovers, end=fail) == ([("told", None)], 0)


def test_cancelled_while_it_waits_it_learns_of_it() -> None:
    async def cancels_itself(moment: Moment[None]) -> str:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await moment
        return "not reached"

    def later(moment: Moment[None]) -> None:
        moment.get_loop().call_soon(over, moment)

    ended, _ = drive(cancels_itself, end=later)
    assert ended[0][0] is None
    assert isinstance(ended[0][1], asyncio.CancelledError)
