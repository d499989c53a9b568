"""Asynchronous invocations: acknowledged once on disk, retried as AWS retries, told to their destinations."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from antipodes.services.lambda_.queue import PREFIX
from antipodes.wire.errors import AwsError
from antipodes.world.simulated import Simulation
from tests.lambda_.conftest import REGION, Play, Room, play_simulated

ARN = f"arn:aws:lambda:{REGION}:000000000000:function:"
SAYS = "def handler(event, context):\n    print('got', event, context.aws_request_id)\n    return {'ok': event}\n"
FAILS = "import time\ndef handler(event, context):\n    print('try', int(time.time()))\n    raise ValueError('no')\n"
TOLD = "import json\ndef handler(event, context):\n    print('told', json.dumps(event))\n"


async def send(room: Room, name: str, event: Any = None, **more: Any) -> None:
    given = json.dumps({} if event is None else event).encode()
    answer = await room.ask("Invoke", FunctionName=name, InvocationType="Event", Payload=given, **more)
    assert (answer["StatusCode"], answer["Payload"]) == (202, b"")


async def lines(room: Room, name: str, word: str, count: int = 1, within_s: float = 10.0) -> list[str]:
    """The function's lines that begin with the word, once there are so many."""
    for _ in range(int(within_s / 0.25)):
        found = [line for line in await room.log(name) if line.startswith(word)]
        if len(found) >= count:
            return found
        await room.world.sleep(0.05)
    raise AssertionError(f"{name} did not say {word} {count} times")


def waiting(room: Room) -> int:
    return len(list(room.store.range(PREFIX, PREFIX + b"\xff")))


def test_an_event_is_acknowledged_and_runs_once(play: Play) -> None:
    async def story(room: Room) -> None:
        await room.create("says", SAYS)
        await send(room, "says", {"a": 1})
        (line,) = await lines(room, "says", "got")
        assert "{'a': 1}" in line
        await room.world.sleep(0.5)
        assert waiting(room) == 0

    play(story)


def test_a_failing_function_is_tried_three_times_a_minute_and_two_minutes_apart() -> None:
    async def story(room: Room) -> None:
        await room.create("fails", FAILS)
        await room.create("told", TOLD)
        await room.ask(
            "PutFunctionEventInvokeConfig",
            FunctionName="fails",
            DestinationConfig={"OnFailure": {"Destination": ARN + "told"}},
        )
        await send(room, "fails", {"n": 7})
        tries = [int(line.split()[1]) for line in await lines(room, "fails", "try", 3, 300)]
        assert [later - earlier for earlier, later in pairwise(tries)] == [60, 120]
        (line,) = await lines(room, "told", "told")
        record = json.loads(line.partition(" ")[2])
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 3
        assert record["requestContext"]["functionArn"] == ARN + "fails:$LATEST"
        assert record["requestPayload"] == {"n": 7}
        assert record["responseContext"] == {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
        assert record["responsePayload"]["errorType"] == "ValueError"
        assert len(await lines(room, "fails", "try", 3)) == 3 and waiting(room) == 0

    play_simulated(story)


def test_success_is_told_too_and_age_and_attempts_are_bounded() -> None:
    async def story(room: Room) -> None:
        await room.create("says", SAYS)
        await room.create("fails", FAILS)
        await room.create("told", TOLD)
        told = {"Destination": ARN + "told"}
        await room.ask("PutFunctionEventInvokeConfig", FunctionName="says", DestinationConfig={"OnSuccess": told})
        await room.ask(
            "PutFunctionEventInvokeConfig",
            FunctionName="fails",
            MaximumEventAgeInSeconds=60,
            DestinationConfig={"OnFailure": told},
        )
        await send(room, "says", 1)
        (line,) = await lines(room, "told", "told")
        assert '"condition": "Success"' in line and '"responsePayload": {"ok": 1}' in line
        await send(room, "fails")
        await room.world.sleep(1)
        assert '"condition": "EventAgeExceeded"' in (await lines(room, "told", "told", 2))[1]
        await room.ask("UpdateFunctionEventInvokeConfig", FunctionName="fails", MaximumRetryAttempts=0)
        await send(room, "fails")
        assert '"condition": "RetriesExhausted"' in (await lines(room, "told", "told", 3))[2]

    play_simulated(story)


def test_throttled_events_wait_and_a_closed_function_s_go_straight_to_the_end() -> None:
    async def story(room: Room) -> None:
        slow = "import time\ndef handler(event, context):\n    time.sleep(3)\n    print('did', event)\n"
        await room.create("slow", slow, Timeout=10)
        await room.create("told", TOLD)
        await room.ask("PutFunctionConcurrency", FunctionName="slow", ReservedConcurrentExecutions=1)
        for number in range(4):
            await send(room, "slow", number)
        assert len(await lines(room, "slow", "did", 4, 120)) == 4
        await room.ask("PutFunctionConcurrency", FunctionName="slow", ReservedConcurrentExecutions=0)
        await room.ask(
            "PutFunctionEventInvokeConfig",
            FunctionName="slow",
            DestinationConfig={"OnFailure": {"Destination": ARN + "told"}},
        )
        await send(room, "slow", "closed")
        (line,) = await lines(room, "told", "told")
        assert '"requestPayload": "closed"' in line and "responseContext" not in line

    play_simulated(story)


def test_events_wait_in_a_region_that_is_down() -> None:
    simulation = Simulation(5)
    rooms: list[Room] = []

    async def region() -> None:
        room = Room(simulation.world(REGION))
        await room.start()
        rooms.append(room)

    async def main() -> None:
        await simulation.boot(REGION, region)
        await rooms[0].create("fails", FAILS)
        await send(rooms[0], "fails", {"n": 1})
        await lines(rooms[0], "fails", "try")
        simulation.crash(REGION)
        await simulation.world("here").sleep(1000)
        await simulation.boot(REGION, region)
        await lines(rooms[1], "fails", "try", 1, 200)
        await rooms[1].stop()

    simulation.run(main())


def test_settings_are_kept_shown_and_refused() -> None:
    async def refused(room: Room, operation: str, **params: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as raised:
            await room.ask(operation, **params)
        return raised.value.code, raised.value.message

    async def story(room: Room) -> None:
        await room.create("f", SAYS)
        code, message = await refused(room, "GetFunctionEventInvokeConfig", FunctionName="f")
        assert code == "ResourceNotFoundException" and "doesn't have an EventInvokeConfig" in message
        put = await room.ask(
            "PutFunctionEventInvokeConfig", FunctionName="f", Qualifier="$LATEST", MaximumRetryAttempts=1
        )
        assert put["FunctionArn"] == ARN + "f:$LATEST"
        assert (put["MaximumRetryAttempts"], put["MaximumEventAgeInSeconds"]) == (1, 21600)
        listed = await room.ask("ListFunctionEventInvokeConfigs", FunctionName="f")
        assert listed["FunctionEventInvokeConfigs"] == [put]
        queue = {"OnFailure": {"Destination": "arn:aws:sqs:us-west-2:000000000000:q"}}
        code, message = await refused(
            room, "UpdateFunctionEventInvokeConfig", FunctionName="f", DestinationConfig=queue
        )
        assert code == "UnsupportedOperation" and "sqs" in message
        code, _ = await refused(room, "PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=3)
        assert code == "ValidationException"
        too_much = b'"' + b"x" * (1 << 20) + b'"'
        code, _ = await refused(room, "Invoke", FunctionName="f", InvocationType="Event", Payload=too_much)
        assert code == "RequestTooLargeException"
        await room.ask("DeleteFunctionEventInvokeConfig", FunctionName="f")
        assert (await room.ask("ListFunctionEventInvokeConfigs", FunctionName="f"))["FunctionEventInvokeConfigs"] == []

    play_simulated(story)
