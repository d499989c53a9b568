"""HTTP/2 over world streams: streams side by side, windows, bounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from antipodes.edge.http2 import RESETS, STREAMS, Http2Connection
from antipodes.edge.listener import Limits, Listener
from antipodes.wire.http import HttpRequest, HttpResponse
from antipodes.world.world import Stream, World
from tests.worlds import Worlds

HERE, THERE = "us-east-1", "eu-west-1"
LIMITS = Limits(body_bytes=3_000_000, head_bytes=4096, body_s=5.0, idle_s=20.0)
Head = list[tuple[str, str]]


class Client:
    """An h2 client; `heads`, `bodies` and `resets` by stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.frames = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
        self.frames.initiate_connection()
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.resets: dict[int, int] = {}
        self.ended: list[int] = []
        self.goaway: int | None = None
        self.reads = True  # opens windows

    def ask(self, method: str = "GET", path: str = "/", body: bytes | None = None, *more: tuple[str, str]) -> int:
        one = self.frames.get_next_available_stream_id()
        head: Head = [(":method", method), (":path", path), (":scheme", "https"), (":authority", "h"), *more]
        self.frames.send_headers(one, head, end_stream=body is None)
        self.flush()
        return one

    async def upload(self, one: int, body: bytes) -> None:
        while body:
            room = min(self.frames.local_flow_control_window(one), self.frames.max_outbound_frame_size, len(body))
            if room == 0:
                await self.read()
                continue
            self.frames.send_data(one, body[:room], end_stream=room == len(body))
            body = body[room:]
            self.flush()

    async def answers(self, *streams: int) -> None:
        while not all(one in self.ended or one in self.resets for one in streams):
            await self.read()

    async def read(self) -> bool:
        data = await self.stream.read()
        for event in self.frames.receive_data(data) if data else ():
            if isinstance(event, h2.events.ResponseReceived):
                assert event.headers
                self.heads[event.stream_id] = {str(name): str(value) for name, value in event.headers}
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + (event.data or b"")
                if self.reads:
                    self.frames.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.append(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = int(event.error_code or 0)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goaway = int(event.error_code or 0)
        self.flush()
        return bool(data)

    def flush(self) -> None:
        data = self.frames.data_to_send()
        if data:
            self.stream.write(data)


SIMULATED = pytest.mark.parametrize("both_worlds", ["simulated"], indirect=True)  # it takes its time
Story = Callable[[Client, World], Awaitable[None]]


def play(worlds: Worlds, story: Story) -> None:
    running: list[int] = []

    async def handler(asked: HttpRequest) -> HttpResponse:
        if asked.path == "/slow":
            running.append(1)
            await worlds.world(THERE).sleep(1.0)
        size = int(asked.query or "0")
        told = (
            ("X-Method", asked.method),
            ("X-Host", asked.host),
            ("Connection", "close"),
            ("X-Cookie", asked.header("cookie") or ""),
        )
        return HttpResponse(200, told, b"y" * size if size else asked.body)

    async def whole() -> None:
        there = worlds.world(THERE)

        listener = Listener(there, handler, limits=LIMITS, local=there.address)
        server = await there.serve(0, lambda: Http2Connection(listener))
        here = worlds.world(HERE)
        client = Client(await here.connect(there.address, server.port))
        try:
            await story(client, here)
        finally:
            client.stream.close()
            server.close()

    worlds.run(whole)


def test_a_hundred_requests_at_once_and_bodies_both_ways(both_worlds: Worlds) -> None:
    async def story(client: Client, world: World) -> None:
        many = [client.ask(path="/slow?1000") for _ in range(100)]
        await client.answers(*many)
        assert all(client.bodies[one] == b"y" * 1000 for one in many)
        large = client.ask("POST", "/x", b"")
        await client.upload(large, b"z" * 2_500_000)
        await client.answers(large)
        assert client.bodies[large] == b"z" * 2_500_000
        assert client.heads[large]["x-method"] == "POST"
        assert client.heads[large]["x-host"] == "h"
        assert "connection" not in client.heads[large]
        head = client.ask("HEAD", "/x?5", None, ("cookie", "a=1"), ("cookie", "b=2"))
        await client.answers(head)
        assert (client.heads[head]["content-length"], client.bodies.get(head)) == ("5", None)
        assert client.heads[head]["x-cookie"] == "a=1; b=2"

    play(both_worlds, story)


@SIMULATED
def test_a_client_that_reads_nothing_of_one_answer_gets_the_others(both_worlds: Worlds) -> None:
    async def story(client: Client, world: World) -> None:
        client.reads = False
        stuck = client.ask(path="/x?200000")
        while len(client.bodies.get(stuck, b"")) < 65_535:
            await client.read()
        client.frames.increment_flow_control_window(1_000_000)  # of the connection, not of the stream
        other = client.ask(path="/x?1000")
        await client.answers(other)
        assert len(client.bodies[stuck]) == 65_535
        await client.answers(stuck)  # it is given up
        assert client.resets == {stuck: h2.errors.ErrorCodes.CANCEL}

    play(both_worlds, story)


@SIMULATED
def test_too_much_is_refused_stream_by_stream(both_worlds: Worlds) -> None:
    async def story(client: Client, world: World) -> None:
        client.frames.remote_settings.max_header_list_size = 1 << 20
        long = client.ask("POST", "/x", b"", ("content-length", "3000001"))
        heavy = client.ask("GET", "/x", None, ("x", "y" * 3900), ("z", "y" * 200))
        idle = client.ask("POST", "/x", b"")
        await client.answers(long, heavy, idle)
        assert [client.heads[one][":status"] for one in (long, heavy, idle)] == ["413", "431", "408"]
        fine = client.ask()
        await client.answers(fine)
        assert client.heads[fine][":status"] == "200"

    play(both_worlds, story)


def test_resetting_gains_nothing(both_worlds: Worlds) -> None:
    async def story(client: Client, world: World) -> None:
        for _ in range(STREAMS):
            client.frames.reset_stream(client.ask(path="/slow"))
        client.flush()
        refused = client.ask(path="/slow")
        await client.answers(refused)
        assert client.resets == {refused: h2.errors.ErrorCodes.REFUSED_STREAM}
        for _ in range(RESETS + 1 - STREAMS):
            client.frames.reset_stream(client.ask("POST", "/x", b""))
        client.flush()
        while await client.read():
            pass
        assert client.goaway == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM

    play(both_worlds, story)


@SIMULATED
def test_what_is_no_http2_ends_the_connection(both_worlds: Worlds) -> None:
    async def story(client: Client, world: World) -> None:
        client.flush()
        client.stream.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 6000)
        begun = world.monotonic()
        while await client.read():
            pass
        assert world.monotonic() - begun < LIMITS.idle_s / 2

    play(both_worlds, story)
