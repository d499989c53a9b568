"""Groups and streams are made, described, kept and removed; what is wrong is refused in AWS's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from antipodes.services.logs.ledger import EVENT, GONE
from antipodes.services.logs.service import SWEEP_S
from tests.logs.conftest import SITE, Desk

Tell = Callable[[Callable[[Desk], Awaitable[None]]], None]
ARN = f"arn:aws:logs:{SITE}:000000000000:log-group:/aws/lambda/a"


def test_a_group_is_there_after_a_crash_with_all_that_was_said_of_it(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.ask("CreateLogGroup", logGroupName="/aws/lambda/a", tags={"team": "x"})
        await desk.ask("PutRetentionPolicy", logGroupName="/aws/lambda/a", retentionInDays=7)
        await desk.ask("TagResource", resourceArn=ARN, tags={"stage": "prod"})
        await desk.die()
        (found,) = (await desk.ask("DescribeLogGroups", logGroupNamePrefix="/aws/"))["logGroups"]
        assert found == {
            "logGroupName": "/aws/lambda/a",
            "creationTime": found["creationTime"],
            "retentionInDays": 7,
            "metricFilterCount": 0,
            "arn": f"{ARN}:*",
            "logGroupArn": ARN,
            "logGroupClass": "STANDARD",
            "storedBytes": 0,
        }
        assert (await desk.ask("ListTagsForResource", resourceArn=ARN))["tags"] == {"team": "x", "stage": "prod"}
        await desk.ask("UntagLogGroup", logGroupName="/aws/lambda/a", tags=["team"])
        assert (await desk.ask("ListTagsLogGroup", logGroupName="/aws/lambda/a"))["tags"] == {"stage": "prod"}
        await desk.ask("DeleteRetentionPolicy", logGroupName="/aws/lambda/a")
        (found,) = (await desk.ask("DescribeLogGroups"))["logGroups"]
        assert "retentionInDays" not in found

    tell(story)


def test_lists_are_in_order_and_come_in_pages(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        for name in ("b", "a", "C"):
            await desk.stream(name)
        first = await desk.ask("DescribeLogGroups", limit=2)
        assert [one["logGroupName"] for one in first["logGroups"]] == ["C", "a"]
        rest = await desk.ask("DescribeLogGroups", limit=2, nextToken=first["nextToken"])
        assert [one["logGroupName"] for one in rest["logGroups"]] == ["b"] and "nextToken" not in rest
        part = await desk.ask("DescribeLogGroups", logGroupNamePattern="c")
        assert [one["logGroupName"] for one in part["logGroups"]] == ["C"]
        code, _ = await desk.refused("DescribeLogStreams", logGroupName="a", nextToken=first["nextToken"])
        assert code == "InvalidParameterException"

    tell(story)


def test_streams_are_ordered_by_name_or_by_their_last_event(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream("g", "a", "b", "c")
        now = desk.now_ms()
        await desk.put((now + 1, "x"), stream="c")
        await desk.put((now + 2, "x"), stream="a")
        by_name = await desk.ask("DescribeLogStreams", logGroupName="g")
        assert [one["logStreamName"] for one in by_name["logStreams"]] == ["a", "b", "c"]
        by_time = await desk.ask("DescribeLogStreams", logGroupName="g", orderBy="LastEventTime", descending=True)
        assert [one["logStreamName"] for one in by_time["logStreams"]] == ["a", "c", "b"]
        last, empty = by_time["logStreams"][0], by_time["logStreams"][2]
        assert last["firstEventTimestamp"] == last["lastEventTimestamp"] == now + 2
        assert "lastEventTimestamp" not in empty and empty["arn"].endswith(":log-group:g:log-stream:b")

    tell(story)


def test_a_group_that_is_made_again_starts_from_nothing_and_old_events_are_swept(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        await desk.put(*((desk.now_ms(), f"old {number}") for number in range(1200)))
        await desk.ask("DeleteLogGroup", logGroupName="g")
        await desk.stream()
        await desk.put((desk.now_ms(), "new"))
        assert await desk.found() == ["new"]
        await desk.die()
        await desk.here.sleep(SWEEP_S + 1)
        assert len(list(desk.store.range(EVENT, EVENT + b"\xff"))) == 1
        assert not list(desk.store.range(GONE, GONE + b"\xff"))
        await desk.ask("DeleteLogStream", logGroupName="g", logStreamName="s")
        assert await desk.found() == []

    tell(story)


def test_events_older_than_the_retention_are_not_shown_and_go(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        await desk.put((now - 2 * 86_400_000, "two days old"))
        await desk.put((now, "fresh"))
        await desk.ask("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
        assert await desk.found() == ["fresh"]
        rejected = (await desk.put((now - 2 * 86_400_000, "late")))["rejectedLogEventsInfo"]
        assert rejected == {"expiredLogEventEndIndex": 1}
        await desk.here.sleep(SWEEP_S + 1)
        assert len(list(desk.store.range(EVENT, EVENT + b"\xff"))) == 1
        await desk.ask("DeleteRetentionPolicy", logGroupName="g")
        assert await desk.found() == ["fresh"]

    tell(story)


def test_refusals_are_in_awss_words(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        missing = "ResourceNotFoundException", "The specified log group does not exist."
        assert await desk.refused("CreateLogGroup", logGroupName="g") == (
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        )
        assert await desk.refused("CreateLogStream", logGroupName="g", logStreamName="s") == (
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        )
        assert await desk.refused("DeleteLogGroup", logGroupName="none") == missing
        assert await desk.refused("DescribeLogStreams", logGroupName="none") == missing
        assert await desk.refused("DeleteLogStream", logGroupName="g", logStreamName="none") == (
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        )
        code, message = await desk.refused("CreateLogGroup", logGroupName="not allowed")
        assert code == "InvalidParameterException" and "at 'logGroupName'" in message
        code, message = await desk.refused("PutRetentionPolicy", logGroupName="g", retentionInDays=2)
        assert code == "InvalidParameterException" and "Value '2' at 'retentionInDays'" in message
        code, message = await desk.refused("CreateLogGroup", logGroupName="k", kmsKeyId="arn:aws:kms:x")
        assert code == "UnsupportedOperation" and "kmsKeyId" in message
        code, _ = await desk.refused(
            "DescribeLogStreams", logGroupName="g", logStreamNamePrefix="s", orderBy="LastEventTime"
        )
        assert code == "InvalidParameterException"
        assert [one["logGroupName"] for one in (await desk.ask("DescribeLogGroups"))["logGroups"]] == ["g"]

    tell(story)
