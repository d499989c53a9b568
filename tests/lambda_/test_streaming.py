"""Responses that are streamed: through the API as events, through function URLs, of Node.js and of any runtime."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer

from antipodes.services.lambda_ import url_stream
from antipodes.services.lambda_.streaming import ResponseStream
from antipodes.wire.operation import Request
from antipodes.world.simulated import Simulation
from tests.lambda_.conftest import REGION, Room, play_real
from tests.lambda_.test_runtimes import call, make
from tests.lambda_.test_urls import ANYBODY, to
from tests.lambda_.test_urls import call as call_url

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed here")

SOURCE = """
const { existsSync } = require("node:fs");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
exports.slow = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType("text/plain");
  stream.write("one ");
  while (event.until && !existsSync(event.until)) await wait(20);
  stream.write("two");
  if (event.fails) throw new RangeError("too far");
  stream.end();
});
exports.page = awslambda.streamifyResponse(async (event, stream) => {
  const head = { statusCode: 201, headers: { "X-Own": "yes", "Content-Type": "text/html" }, cookies: ["a=1"] };
  stream = awslambda.HttpResponseStream.from(stream, head);
  stream.write("<p>");
  await wait(50);
  stream.write(event.rawPath);
  if (event.rawPath === "/fails") throw new Error("no");
  stream.end();
});
exports.early = awslambda.streamifyResponse(async () => { throw new TypeError("at once"); });
exports.whole = async (event) => ({ statusCode: 418, body: "tea" });
const { pipeline } = require("node:stream/promises");
const { Readable } = require("node:stream");
exports.large = awslambda.streamifyResponse(async (event, stream) => {
  const parts = (function* () { for (let i = 0; i < 100; i++) yield Buffer.alloc(65536, i); })();
  await pipeline(Readable.from(parts), stream);
});
"""


async def events_of(room: Room, name: str, event: Any = None, **params: Any) -> list[tuple[str, bytes]]:
    """(its type, its payload) of each."""
    return [one async for one in events(room, name, event, **params)]


async def events(room: Room, name: str, event: Any = None, **params: Any) -> AsyncIterator[tuple[str, bytes]]:
    """As they come."""
    params = {"FunctionName": name, "Payload": json.dumps(event or {}).encode(), **params}
    request = Request(service="lambda", operation="InvokeWithResponseStream", params=params, region=REGION)
    answer = await room.service.operations["InvokeWithResponseStream"](request)
    assert isinstance(answer, Mapping) and answer["ExecutedVersion"] == "$LATEST"
    buffer = EventStreamBuffer()
    async for data in answer["EventStream"]:
        buffer.add_data(data)
        for one in buffer:
            yield one.headers[":event-type"], one.payload


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that the function sees too: /tmp is its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)


def test_events_come_while_the_function_makes_them_and_tell_how_it_ended(shared: Path) -> None:
    gate = shared / "gate"

    async def story(room: Room) -> None:
        await make(room, "f", {"index.js": SOURCE}, Handler="index.slow")
        coming = events(room, "f", {"until": str(gate)}, LogType="Tail")
        assert await anext(coming) == ("PayloadChunk", b"one ")
        gate.touch()  # the function goes on when it sees it
        part, last = [one async for one in coming]
        assert part == ("PayloadChunk", b"two")
        assert last[0] == "InvokeComplete" and list(json.loads(last[1])) == ["LogResult"]
        *parts, last = await events_of(room, "f", {"fails": True})
        assert b"".join(one[1] for one in parts) == b"one two"
        complete = json.loads(last[1])
        assert complete["ErrorCode"] == "Unhandled"
        assert json.loads(complete["ErrorDetails"])["errorType"] == "RangeError"
        await room.ask("UpdateFunctionConfiguration", FunctionName="f", Timeout=2)
        await room.active("f")
        *parts, last = await events_of(room, "f", {"until": str(shared / "never")})
        assert [one[1] for one in parts] == [b"one "]
        assert json.loads(last[1])["ErrorCode"] == "Sandbox.Timedout"
        assert any("Status: timeout" in line for line in await room.log("f"))

    play_real(story)


def test_who_wants_the_whole_gets_it_and_who_does_not_stream_answers_in_one_piece() -> None:
    async def story(room: Room) -> None:
        await make(room, "f", {"index.js": SOURCE}, Handler="index.page")
        answer = await room.ask("Invoke", FunctionName="f", Payload=b'{"rawPath": "/x"}')
        head, _, body = bytes(answer["Payload"]).partition(bytes(8))
        assert json.loads(head)["statusCode"] == 201 and body == b"<p>/x"
        await make(room, "early", {"index.js": SOURCE}, Handler="index.early")
        assert (await call(room, "early"))[1]["errorType"] == "TypeError"
        (last,) = await events_of(room, "early")
        assert json.loads(json.loads(last[1])["ErrorDetails"])["errorMessage"] == "at once"
        await make(room, "whole", {"index.js": SOURCE}, Handler="index.whole")
        part, last = await events_of(room, "whole")
        assert (json.loads(part[1])["statusCode"], json.loads(last[1])) == (418, {})

    play_real(story)


def test_function_urls_stream() -> None:
    async def story(room: Room) -> None:
        await make(room, "f", {"index.js": SOURCE}, Handler="index.page")
        await room.ask("AddPermission", FunctionName="f", FunctionUrlAuthType="NONE", **ANYBODY)
        url = await room.ask("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE", InvokeMode="RESPONSE_STREAM")
        assert url["InvokeMode"] == "RESPONSE_STREAM"
        answer = await call_url(room, to(url, "/x"))
        assert answer.parts is not None
        assert (answer.status, answer.header("x-own"), answer.header("set-cookie")) == (201, "yes", "a=1")
        assert b"".join([part async for part in answer.parts]) == b"<p>/x"
        broken = await call_url(room, to(url, "/fails"))
        assert broken.parts is not None
        with pytest.raises(url_stream.BrokenOff):
            async for _ in broken.parts:
                pass
        for handler, expected in (
            ("early", (502, b"Internal Server Error")),
            ("whole", (200, b'{"statusCode":418,"body":"tea"}')),
        ):
            await room.ask("UpdateFunctionConfiguration", FunctionName="f", Handler=f"index.{handler}")
            await room.active("f")
            answer = await call_url(room, to(url))
            assert (answer.status, answer.body) == expected
        await room.ask("UpdateFunctionUrlConfig", FunctionName="f", InvokeMode="BUFFERED")
        answer = await call_url(room, to(url))
        assert (answer.status, answer.body) == (418, b"tea")

    play_real(story)


def test_a_large_response_is_more_than_a_whole_one_may_be() -> None:
    async def story(room: Room) -> None:
        await make(room, "f", {"index.js": SOURCE}, Handler="index.large", Timeout=30)
        failed, body = await call(room, "f")
        assert (failed, body["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
        assert sum(len(one[1]) for one in await events_of(room, "f") if one[0] == "PayloadChunk") == 100 * 65536

    play_real(story)


def test_after_six_megabytes_a_response_is_slowed_down_and_a_slow_caller_holds_the_runtime_up() -> None:
    simulation, mega = Simulation(1), 1024 * 1024
    took: list[float] = []

    async def region() -> None:
        world = simulation.world(REGION)
        stream = ResponseStream(world)
        stream.begin("text/plain", lambda: None)
        assert stream.feed(bytes(1000)) and not stream.feed(bytes(mega))
        for _ in range(9):
            stream.feed(bytes(mega))
        stream.over()
        began = world.monotonic()
        size = sum([len(part) async for part in stream.parts()])
        assert size == 10 * mega + 1000
        took.append(world.monotonic() - began)
        assert stream.feed(b"late")  # nobody reads: it goes nowhere

    async def main() -> None:
        await simulation.boot(REGION, region)

    simulation.run(main())
    assert took == [pytest.approx((4 * mega + 1000) / (2 * mega))]
