"""What functions tell CloudWatch of themselves."""

from __future__ import annotations

import asyncio
import json

import pytest

from antipodes.services.contract.reports import METRICS_S
from antipodes.wire.errors import ClientFault
from tests.lambda_.conftest import Room, play_simulated
from tests.lambda_.test_invoke import invoked

SOURCE = """
import time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return 1 / event.get("by", 1)
"""


def total(room: Room, metric: str, **dimensions: str) -> tuple[float, float, int]:
    """(sum, largest, how many values) of a metric."""
    wanted = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    found = [one for one in room.measured if (one["MetricName"], one["Dimensions"]) == (metric, wanted)]
    pairs = [pair for one in found for pair in zip(one["Values"], one["Counts"], strict=True)]
    return sum(v * n for v, n in pairs), max((v for v, _ in pairs), default=0.0), sum(n for _, n in pairs)


def test_invocations_errors_throttles_and_concurrency_are_counted_by_function_and_alias() -> None:
    async def story(room: Room) -> None:
        await room.create("f", SOURCE, Timeout=10)
        await room.ask("PublishVersion", FunctionName="f")
        await room.ask("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        await room.ask("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=2)
        long = [asyncio.ensure_future(invoked(room, "f", {"sleep": 2}, Qualifier="live")) for _ in range(2)]
        await room.world.sleep(1)
        with pytest.raises(ClientFault, match="Rate Exceeded"):
            await invoked(room, "f")
        await asyncio.gather(*long)
        await invoked(room, "f", {"by": 0})
        await room.world.sleep(METRICS_S + 1)
        assert total(room, "Invocations", FunctionName="f") == (3.0, 1.0, 3)
        assert total(room, "Invocations", FunctionName="f", Resource="f:live") == (2.0, 1.0, 2)
        assert total(room, "Invocations") == (3.0, 1.0, 3)
        assert total(room, "Errors", FunctionName="f") == (1.0, 1.0, 3)
        assert total(room, "Throttles", FunctionName="f") == (1.0, 1.0, 4)
        assert total(room, "ConcurrentExecutions")[1] == 2.0
        assert 2000 <= total(room, "Duration", FunctionName="f")[1] < 2100

    play_simulated(story)


def test_an_event_that_fails_for_good_may_be_told_to_a_bucket() -> None:
    async def story(room: Room) -> None:
        await room.create("f", SOURCE)
        room.objects["failures", "first"] = b""
        for bucket, fits in (("nowhere", False), ("failures", True)):
            destination = {"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}}
            asked = {"FunctionName": "f", "MaximumRetryAttempts": 0, "DestinationConfig": destination}
            if fits:
                await room.ask("PutFunctionEventInvokeConfig", **asked)
            else:
                with pytest.raises(ClientFault, match="no such bucket"):
                    await room.ask("PutFunctionEventInvokeConfig", **asked)
        await room.ask("Invoke", FunctionName="f", InvocationType="Event", Payload=b'{"by": 0}')
        await room.world.sleep(5)
        _, (_, key) = room.objects
        assert key.startswith("aws/lambda/async/f/")
        record = json.loads(room.objects["failures", key])
        assert (record["requestContext"]["condition"], record["requestPayload"]) == ("RetriesExhausted", {"by": 0})

    play_simulated(story)


def test_asynchronous_events_are_counted_from_their_coming_to_their_end() -> None:
    async def story(room: Room) -> None:
        await room.create("f", SOURCE)
        await room.create("told", SOURCE)
        arn = (await room.ask("GetFunctionConfiguration", FunctionName="told"))["FunctionArn"]
        destination = {"OnFailure": {"Destination": arn}}
        await room.ask(
            "PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=1, DestinationConfig=destination
        )
        await room.ask("DeleteFunction", FunctionName="told")
        await room.ask("Invoke", FunctionName="f", InvocationType="Event", Payload=b'{"by": 1}')
        await room.ask("Invoke", FunctionName="f", InvocationType="Event", Payload=b'{"by": 0}')
        await room.world.sleep(70)
        assert total(room, "AsyncEventsReceived", FunctionName="f") == (2.0, 1.0, 2)
        age_ms, oldest_ms, attempts = total(room, "AsyncEventAge", FunctionName="f")
        assert attempts == 3 and 60_000 <= oldest_ms <= age_ms < 65_000  # once more, a minute later
        assert total(room, "AsyncEventsDropped", FunctionName="f") == (1.0, 1.0, 1)
        assert total(room, "DestinationDeliveryFailures", FunctionName="f") == (1.0, 1.0, 1)
        assert total(room, "ClaimedAccountConcurrency")[1] == total(room, "UnreservedConcurrentExecutions")[1] == 2.0

    play_simulated(story)
