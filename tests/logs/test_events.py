"""Events are put, kept, read forwards and backwards, and found; a bad batch is refused and leaves nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antipodes.services.logs.service import HELD_S
from tests.logs.conftest import Desk

Tell = Callable[[Callable[[Desk], Awaitable[None]]], None]


def test_acknowledged_events_are_there_after_a_crash(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        await desk.put((now, "eins"), (now, "zwei ü"))
        await desk.die()
        await desk.put((now, "drei"))
        answer = await desk.ask("GetLogEvents", logGroupName="g", logStreamName="s")
        assert [one["message"] for one in answer["events"]] == ["eins", "zwei ü", "drei"]
        assert all(one["timestamp"] == now and one["ingestionTime"] >= now for one in answer["events"])

    tell(story)


def test_a_stream_is_read_forwards_backwards_and_followed(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        await desk.put(*((now + number, str(number)) for number in range(10)))

        async def read(**more: object) -> tuple[str, dict[str, str]]:
            answer = await desk.ask("GetLogEvents", logGroupName="g", logStreamName="s", limit=4, **more)
            return "".join(one["message"] for one in answer["events"]), answer

        text, newest = await read()
        assert text == "6789"
        text, older = await read(nextToken=newest["nextBackwardToken"])
        assert text == "2345"
        text, oldest = await read(nextToken=older["nextBackwardToken"])
        assert text == "01"
        text, begin = await read(nextToken=oldest["nextBackwardToken"])
        assert text == "" and begin["nextBackwardToken"] == oldest["nextBackwardToken"]
        text, head = await read(startFromHead=True)
        assert text == "0123"
        text, next_page = await read(nextToken=head["nextForwardToken"])
        assert text == "4567"
        text, end = await read(nextToken=next_page["nextForwardToken"])
        text, again = await read(nextToken=end["nextForwardToken"])
        assert text == "" and again["nextForwardToken"] == end["nextForwardToken"]
        await desk.put((now + 20, "x"))
        text, _ = await read(nextToken=again["nextForwardToken"])
        assert text == "x"
        text, _ = await read(startTime=now + 2, endTime=now + 4, startFromHead=True)
        assert text == "23"

    tell(story)


def test_filtering_goes_through_all_streams_in_order_of_time(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream("g", "a", "b", "other")
        now = desk.now_ms()
        await desk.put((now, "1"), (now + 3, "4"), stream="a")
        await desk.put((now + 1, "2"), (now + 2, "3"), stream="b")
        await desk.put((now + 1, "x"), stream="other")
        assert await desk.found(logStreamNames=["b", "a"], limit=1) == ["1", "2", "3", "4"]
        assert await desk.found(logStreamNamePrefix="o") == ["x"]
        assert await desk.found(startTime=now + 2, endTime=now + 3) == ["3", "4"]
        assert await desk.found("-x") == ["1", "2", "3", "4"]
        answer = await desk.ask("FilterLogEvents", logGroupName="g", filterPattern="x")
        (found,) = answer["events"]
        assert found["logStreamName"] == "other" and len(found["eventId"]) == 56
        code, _ = await desk.refused("FilterLogEvents", logGroupName="g", logStreamNames=["none"])
        assert code == "ResourceNotFoundException"

    tell(story)


def test_a_batch_out_of_order_too_long_or_too_large_is_refused_whole(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        batches = {
            "chronological order": [(now, "b"), (now - 1, "a")],
            "cannot span more than 24 hours": [(now - 86_400_001, "a"), (now, "b")],
            "Upload too large: 1048577 bytes exceeds limit of 1048576": [(now, "x" * (1_048_577 - 26))],
        }
        for sentence, events in batches.items():
            given = [{"timestamp": time, "message": text} for time, text in events]
            code, message = await desk.refused("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=given)
            assert code == "InvalidParameterException" and sentence in message
        assert await desk.found() == []

    tell(story)


def test_events_from_too_far_away_in_time_are_named_and_the_others_kept(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        answer = await desk.put((now, "fine"), (now + 3 * 3_600_000, "from tomorrow"))
        assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
        answer = await desk.put((now - 15 * 86_400_000, "from long ago"))
        assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
        assert await desk.found() == ["fine"]

    tell(story)


def test_a_long_stream_comes_in_pages_of_a_megabyte(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        for number in range(5):
            await desk.put((now + number, str(number) * 400_000))
        answer = await desk.ask("GetLogEvents", logGroupName="g", logStreamName="s", startFromHead=True)
        assert [one["message"][0] for one in answer["events"]] == ["0", "1"]
        assert [message[0] for message in await desk.found()] == list("01234")

    tell(story)


def test_what_services_say_is_seen_at_once_and_written_a_little_later(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        async def say(*texts: str) -> None:
            events = [(desk.now_ms(), text) for text in texts]
            await desk.ask("Record", streams=[{"logGroupName": "g", "logStreamName": "s", "logEvents": events}])

        await say("one", "two")
        await desk.world.sleep(HELD_S + 0.1)
        await say("three")
        await desk.die()
        assert await desk.found() == ["one", "two"]
        await say("four")
        assert await desk.found() == ["one", "two", "four"]  # which writes it, too
        await desk.die()
        await say("five")
        await desk.put((desk.now_ms(), "six"))
        await desk.die()
        assert await desk.found() == ["one", "two", "four", "five", "six"]

    tell(story)
