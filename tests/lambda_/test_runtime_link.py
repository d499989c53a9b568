"""A runtime on its link does what AWS's client does over HTTP: the same invocations in, answers and errors out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

import antipodes.world.handler_transport
from antipodes.edge.http import serve_http
from antipodes.services.lambda_.environment import LIMITS
from antipodes.services.lambda_.outcome import Outcome
from antipodes.services.lambda_.runtime_api import Invocation, RuntimeApi
from antipodes.services.lambda_.runtime_link import HEAD_LIMIT_BYTES, RuntimeLink
from antipodes.world.disk import MemoryDisk
from antipodes.world.handler_transport import FRAME
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real

OURS = Path(antipodes.world.handler_transport.__file__).parent
# Asks everything in turn, and prints what came of it. argv: the module, our folder, and perhaps the link's descriptor.
CLIENT = """
import importlib, json, sys
sys.path.insert(0, sys.argv[2])
module = importlib.import_module(sys.argv[1])
client = getattr(module, "RuntimeClient", lambda: module)()
client.initialize_client("agent/1")
if len(sys.argv) > 3:
    client.connect(int(sys.argv[3]))
steps = [
    (client.next,), (client.post_invocation_result, "1", b'{"a": 1}', "application/json", None),
    (client.next,), (client.post_invocation_result, "2", b"", "application/unknown", "again"),
    (client.next,), (client.post_invocation_result, "3", b"x" * 3_000_000, "application/json", None),
    (client.next,), (client.post_error, "4", '{"errorType": "\\u00fc"}', '{"fault": 1}', None),
    (client.next,), (client.post_error, "5", "no JSON", "", None),
    (client.next,), (client.post_invocation_result, "6", b"x" * 7_000_000, "application/json", None),
    (client.next,),
]
for function, *arguments in steps:
    try:
        got = function(*arguments)
    except RuntimeError as error:
        got = repr(error)
    print(json.dumps([function.__name__, got], default=lambda body: [len(body), body[:50].decode()]), flush=True)
"""


class Story:
    """The Region's part: gives the runtime one invocation after the other, and ends when there is none left."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.api = RuntimeApi(self)
        self.ready = 0
        self._left = deque(
            Invocation(
                request_id=str(number),
                payload=b"p" * (5_000_000 if number == 3 else number),
                arn="arn:x",
                deadline_ms=1795849866361,
                trace_id="Root=1-x",
                client_context='{"custom":\n{}}' if number == 4 and self.linked else "",
            )
            for number in range(1, 8)
        )

    linked = False  # HTTP's headers have no line breaks

    def runtime_ready(self) -> None:
        self.ready += 1
        self._deliver()

    def runtime_answered(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._deliver()

    def init_failed(self, outcome: Outcome) -> None:
        raise AssertionError(outcome)

    def _deliver(self) -> None:
        self.api.deliver(self._left.popleft())


class LinkedStory(Story):
    linked = True


class End(asyncio.Protocol):
    """The Region's end of the socket."""

    def __init__(self, link: RuntimeLink) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._link.opened(transport.write)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), 40_000):  # frames come in pieces
            assert self._link.received(data[at : at + 40_000])


async def runtime(module: str, address: str, descriptor: int | None = None) -> list[str]:
    """What the client said came of it."""
    given = [] if descriptor is None else [str(descriptor)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, module, str(OURS), *given),
        env={**os.environ, "AWS_LAMBDA_RUNTIME_API": address},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=[] if descriptor is None else [descriptor],
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    # AWS's module prints its errors too, some to stdout, with the time of day.
    lines = [re.sub(r"\[\d+\]", "[now]", line) for line in said.decode().splitlines()]
    return [line for line in lines if line.startswith("[")]


def over_http() -> tuple[Story, list[str]]:
    async def main() -> tuple[Story, list[str]]:
        story = Story()
        world = RealWorld("eu-west-1", links=Links(), disk=MemoryDisk())
        server = await serve_http(world, 0, story.api.respond, usual=story.api.respond_usual, limits=LIMITS)
        said = await runtime("runtime_client", f"{world.address}:{server.port}")
        await world.close()
        return story, said

    return run_real(main)


def over_the_link() -> tuple[Story, list[str]]:
    async def main() -> tuple[Story, list[str]]:
        story = LinkedStory()
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(lambda: End(RuntimeLink(story.api)), sock=near)
        said = await runtime("handler_transport", "nowhere:1", far.fileno())
        transport.close()
        far.close()
        return story, said

    return run_real(main)


@pytest.mark.skipif(sys.platform != "linux", reason="AWS's client is for Linux alone")
def test_it_says_and_hears_what_the_client_of_aws_does() -> None:
    theirs, ours = over_http(), over_the_link()
    assert ours[0].outcomes == theirs[0].outcomes and len(ours[0].outcomes) == 6
    assert ours[0].ready == theirs[0].ready == 1
    for mine, aws in zip(ours[1], theirs[1], strict=True):
        assert plain(mine) == plain(aws)
    assert r"{\"custom\":\n{}}" in "".join(ours[1])
    assert any("413" in line for line in ours[1])


def test_a_link_that_ends_ends_the_wait_for_the_next_invocation() -> None:
    near, far = socket.socketpair()
    client = antipodes.world.handler_transport.RuntimeClient()
    client.connect(far.fileno())
    near.close()
    with pytest.raises(RuntimeError, match="Failed to get next"):
        client.next()
    with pytest.raises(RuntimeError, match="Failed to post invocation response"):
        client.post_invocation_result("1", b"{}", "application/json")
    assert client._link is not None
    client._link._socket.detach()
    far.close()


def plain(line: str) -> object:
    """Without what the two ways say differently: AWS's header of the content's type, and the context of one."""
    if not line.startswith('["next"'):
        return line.partition(" message")[0]
    got = json.loads(line)[1]
    if not isinstance(got, str):
        got[1].pop("Lambda-Runtime-Client-Context")
    return got


class Desk:
    """A link whose sends are kept."""

    def __init__(self) -> None:
        self.story = LinkedStory()
        self.link = RuntimeLink(self.story.api)
        self.sent: list[bytes] = []
        self.link.opened(self.sent.append)

    def kinds(self) -> bytes:
        return b"".join(FRAME.unpack_from(one)[0] for one in self.sent)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())  # invocations are made without one that runs
        yield Desk()
        asyncio.set_event_loop(None)


def frame(kind: bytes, head: bytes = b"", body: bytes = b"") -> bytes:
    return struct.pack("!cII", kind, len(head), len(body)) + head + body


def test_a_response_asks_for_the_next_invocation_and_an_error_does_not(desk: Desk) -> None:
    desk.link.received(frame(b"N") + frame(b"R", b"1", b"{}"))
    assert desk.kinds() == b"II"
    desk.link.received(frame(b"E", b"2", b"{}"))
    assert desk.kinds() == b"II" and desk.story.api.untouched
    desk.link.received(frame(b"N"))
    assert desk.kinds() == b"III"


def test_an_answer_to_another_invocation_is_refused_and_asks_for_nothing(desk: Desk) -> None:
    desk.link.received(frame(b"N") + frame(b"R", b"other", b"{}"))
    assert desk.kinds() == b"IX" and b"InvalidRequestID" in desk.sent[1] and not desk.story.outcomes


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param(frame(b"?"), id="a kind that is none"),
        pytest.param(struct.pack("!cII", b"R", HEAD_LIMIT_BYTES + 1, 0), id="a head without end"),
        pytest.param(struct.pack("!cII", b"R", 1, 1 << 31), id="a body without end"),
    ],
)
def test_what_is_not_of_the_language_ends_the_link(desk: Desk, nonsense: bytes) -> None:
    assert desk.link.received(frame(b"N"))
    assert not desk.link.received(nonsense)


def test_what_a_runtime_says_after_it_was_given_up_is_dropped(desk: Desk) -> None:
    desk.link.received(frame(b"N")[:5])
    desk.link.cut()
    assert desk.link.received(frame(b"N")[5:]) and desk.story.ready == 0
    assert desk.link.received(frame(b"N")) and desk.story.ready == 0
