"""StartLiveTail: what comes, and nothing else, once a second; samples of too much; an end after three hours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from antipodes.services.logs import live_tail
from antipodes.wire.errors import ClientFault
from tests.logs.conftest import SITE, Desk

Tell = Callable[[Callable[[Desk], Awaitable[None]]], None]
ARN = f"arn:aws:logs:{SITE}:000000000000:log-group:"


async def begun(desk: Desk, *groups: str, **more: Any) -> AsyncIterator[bytes]:
    """A session that has said that it started."""
    answer = await desk.ask("StartLiveTail", logGroupIdentifiers=[ARN + one for one in groups or ("g",)], **more)
    parts: AsyncIterator[bytes] = answer["responseStream"]
    assert (await told(parts))[0] == "initial-response"
    kind, start = await told(parts)
    assert kind == "sessionStart" and start["logGroupIdentifiers"] == [ARN + one for one in groups or ("g",)]
    return parts


async def told(parts: AsyncIterator[bytes]) -> tuple[str, dict[str, Any]]:
    """The next message: its type and what it says."""
    buffer = EventStreamBuffer()
    buffer.add_data(await anext(parts))
    (message,) = list(buffer)
    kind = message.headers.get(":event-type") or message.headers[":exception-type"]
    return kind, json.loads(message.payload)


async def heard(parts: AsyncIterator[bytes]) -> list[str]:
    """The messages of the next update."""
    kind, update = await told(parts)
    assert kind == "sessionUpdate"
    return [one["message"] for one in update["sessionResults"]]


def test_a_session_hears_what_comes_after_it_began(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream("g", "s", "t")
        await desk.stream("other")
        await desk.put((desk.now_ms(), "before"))
        parts = await begun(desk)
        now_ms = desk.now_ms()
        await desk.put((now_ms, "one"), (now_ms + 1, "two"))
        await desk.put((now_ms, "elsewhere"), group="other")
        recorded = {"logGroupName": "g", "logStreamName": "t", "logEvents": [(now_ms, "from a service")]}
        await desk.ask("Record", streams=[recorded])
        _, update = await told(parts)
        assert [one["message"] for one in update["sessionResults"]] == ["one", "two", "from a service"]
        assert update["sessionMetadata"] == {"sampled": False}
        first = update["sessionResults"][0]
        assert first["logGroupIdentifier"] == "000000000000:g" and first["logStreamName"] == "s"
        assert first["timestamp"] == now_ms <= first["ingestionTime"]
        assert await heard(parts) == []

    tell(story)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"logStreamNames": ["s"]}, ["ERROR s", "fine s"]),
        ({"logStreamNamePrefixes": ["t", "x"]}, ["ERROR t1", "fine t1"]),
        ({"logEventFilterPattern": "ERROR"}, ["ERROR s", "ERROR t1"]),
    ],
)
def test_streams_and_patterns_choose(tell: Tell, asked: dict[str, Any], expected: list[str]) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream("g", "s", "t1")
        parts = await begun(desk, **asked)
        for stream in ("s", "t1"):
            await desk.put((desk.now_ms(), f"ERROR {stream}"), (desk.now_ms(), f"fine {stream}"), stream=stream)
        assert await heard(parts) == expected

    tell(story)


def test_of_too_many_events_a_sample_is_sent_in_order(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        parts = await begun(desk)
        await desk.put(*[(desk.now_ms(), str(number)) for number in range(2000)])
        _, update = await told(parts)
        numbers = [int(one["message"]) for one in update["sessionResults"]]
        assert update["sessionMetadata"] == {"sampled": True} and len(numbers) == live_tail.MOST_EVENTS
        assert numbers == sorted(numbers) and numbers[-1] > 1500
        assert await heard(parts) == []

    tell(story)


def test_a_session_ends_after_three_hours_and_one_that_is_left_counts_no_more(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_tail, "MOST_SESSIONS", 1)

    async def story(desk: Desk) -> None:
        await desk.stream()
        parts = await begun(desk)
        with pytest.raises(ClientFault, match="Live Tail"):
            await begun(desk)
        await parts.aclose()  # type: ignore[attr-defined]
        parts = await begun(desk)
        began_s = desk.world.monotonic()
        while (await told(parts))[0] == "sessionUpdate":
            pass
        assert 3 * 3600 <= desk.world.monotonic() - began_s < 3 * 3600 + 2
        with pytest.raises(StopAsyncIteration):
            await told(parts)
        await begun(desk)

    tell(story)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"logGroupIdentifiers": ["g"]}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [ARN + "g:*"]}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [ARN + "nowhere"]}, "ResourceNotFoundException"),
        ({"logStreamNames": ["s"], "logStreamNamePrefixes": ["s"]}, "InvalidParameterException"),
        ({"logGroupIdentifiers": [ARN + "g", ARN + "h"], "logStreamNames": ["s"]}, "InvalidParameterException"),
        ({"logEventFilterPattern": "{ $."}, "InvalidParameterException"),
    ],
)
def test_what_cannot_be_followed_is_refused(tell: Tell, asked: dict[str, Any], code: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream("g")
        await desk.stream("h")
        with pytest.raises(ClientFault) as refused:
            await desk.ask("StartLiveTail", **{"logGroupIdentifiers": [ARN + "g"], **asked})
        assert refused.value.code == code

    tell(story)
