"""Short invocations take turns where handlers share processors; nothing else waits, and nobody waits for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from antipodes.services.lambda_.turns import PATIENCE_S, SHORT_S, YOUNG_S, Turn, Turns, quicker
from antipodes.world.simulated import SimulatedWorld, Simulation
from tests.lambda_.conftest import REGION, Room

PROCESSORS = 2
PLACES = PROCESSORS + 1
TOLD = """
import random, time
OWN = random.random()
def handler(event, context):
    time.sleep(event.get("wait", 0))
    return OWN
"""


class Line:
    """Invocations that stand in line, by number."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.turns = Turns(world)
        self.begun: dict[int, Turn] = {}
        self.began_s: dict[int, float] = {}
        self._world = world

    def enter(self, *numbers: int) -> None:
        for number in numbers:
            self.turns.enter(self._starter(number))

    def _starter(self, number: int) -> Callable[[Turn], None]:
        def start(turn: Turn) -> None:
            self.begun[number] = turn
            self.began_s[number] = self._world.monotonic()

        return start

    def end(self, number: int) -> None:
        self.turns.ended(self.begun[number])


def in_line(story: Callable[[Line], None], later_s: float = 0.0, then: Callable[[Line], None] | None = None) -> Line:
    simulation = Simulation(1)
    world = simulation.world(REGION)
    world.processors = PROCESSORS

    async def main() -> Line:
        line = Line(world)
        story(line)
        await asyncio.sleep(later_s)
        if then is not None:
            then(line)
        return line

    return simulation.run(main())


def test_no_more_are_begun_than_there_are_places_and_the_next_in_line_as_one_ends() -> None:
    def story(line: Line) -> None:
        line.enter(*range(PLACES + 2))
        assert list(line.begun) == list(range(PLACES))
        line.end(1)
        assert list(line.begun) == [*range(PLACES), PLACES]
        line.end(0)
        line.end(2)
        line.enter(PLACES + 2)
        assert list(line.begun) == list(range(PLACES + 3))

    in_line(story)


def test_one_that_ends_after_it_had_given_up_its_place_frees_none() -> None:
    def late(line: Line) -> None:
        line.enter(*range(PLACES, 2 * PLACES + 1))
        assert len(line.begun) == 2 * PLACES
        line.end(0)
        assert len(line.begun) == 2 * PLACES

    in_line(lambda line: line.enter(*range(PLACES)), YOUNG_S * 1.1, late)


def test_one_that_runs_on_gives_up_its_place() -> None:
    line = in_line(lambda line: line.enter(*range(2 * PLACES)), 4 * PATIENCE_S)
    assert [round(line.began_s[n] - line.began_s[0], 6) for n in range(2 * PLACES)] == [0.0] * PLACES + [
        YOUNG_S
    ] * PLACES


def test_nobody_waits_longer_than_the_patience() -> None:
    line = in_line(lambda line: line.enter(*range(20 * PLACES)), 4 * PATIENCE_S)
    waited_s = [line.began_s[n] - line.began_s[0] for n in range(20 * PLACES)]
    assert max(waited_s) == pytest.approx(PATIENCE_S)


def test_all_start_at_once_when_their_function_changes() -> None:
    def story(line: Line) -> None:
        line.enter(*range(10 * PLACES))
        line.turns.hurry()
        assert len(line.begun) == 10 * PLACES

    in_line(story)


def test_a_function_is_short_by_its_quick_invocations_and_where_handlers_share_processors() -> None:
    def story(line: Line) -> None:
        assert line.turns.wanted(SHORT_S / 2) and not line.turns.wanted(SHORT_S)

    in_line(story)
    assert not Turns(Simulation(1).world(REGION)).wanted(0.0)
    quick_s = 0.001
    for _ in range(2000):
        quick_s = quicker(quick_s, 1.0)
    assert SHORT_S < quick_s < 1.0 and quicker(quick_s, 0.002) == 0.002


def play(processors: int, wait_s: float = 0.0, burst: int = 12) -> tuple[int, int]:
    """Of the second of two bursts at a function that may run 12 times at once: how many environments served it, and how
    many invocations were refused."""
    simulation = Simulation(3)
    world = simulation.world(REGION)
    world.processors = processors
    served_by: set[object] = set()
    refused: list[BaseException] = []

    async def region() -> None:
        room = Room(world)
        await room.start()
        await room.create("told", TOLD)
        await room.ask("PutFunctionConcurrency", FunctionName="told", ReservedConcurrentExecutions=12)
        payload = json.dumps({"wait": wait_s}).encode()
        for count in (12, burst):
            calls = (room.ask("Invoke", FunctionName="told", Payload=payload) for _ in range(count))
            answers = await asyncio.gather(*calls, return_exceptions=True)
            served_by.clear()
            served_by.update(bytes(one["Payload"]) for one in answers if isinstance(one, dict))
            refused.extend(one for one in answers if isinstance(one, BaseException))
        await room.stop()

    async def main() -> None:
        await simulation.boot(REGION, region)

    simulation.run(main())
    assert all("TooManyRequestsException" in repr(one) or "Rate Exceeded" in str(one) for one in refused)
    return len(served_by), len(refused)


def test_short_invocations_are_served_by_few_environments_and_count_as_concurrent_all_the_same() -> None:
    served_by, refused = play(PROCESSORS, burst=14)
    assert served_by <= PLACES and refused == 2


def test_invocations_that_wait_for_something_do_not_take_turns() -> None:
    assert play(PROCESSORS, wait_s=0.05) == (12, 0)
    assert play(0) == (12, 0)
