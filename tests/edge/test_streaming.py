"""Bodies in parts: taken as they come, sent as they are made, never further than the other side reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from antipodes.edge.client import HttpClient
from antipodes.edge.http import serve_http
from antipodes.wire.http import Headers, HttpRequest, HttpResponse
from antipodes.world.simulated import Simulation
from antipodes.world.world import ConnectionLost, World

PART = bytes(64 * 1024)


def play(story: Callable[[World], object]) -> None:
    simulation = Simulation(3)

    async def region() -> None:
        await story(simulation.world("us-west-2"))  # type: ignore[misc]

    async def main() -> None:
        await simulation.boot("us-west-2", region)

    simulation.run(main())


def test_an_answer_is_made_no_further_than_it_is_read_and_a_break_is_seen() -> None:
    made = 0

    async def parts(fails: bool) -> AsyncIterator[bytes]:
        nonlocal made
        for number in range(400):
            made += 1
            yield b"%d|" % number + PART
        if fails:
            raise OSError("no more")

    async def respond(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (("X-Own", "1"),), parts=parts(request.target == "/fails"))

    async def story(world: World) -> None:
        await serve_http(world, 80, respond)
        client = HttpClient(world)
        answer = await client.send(world.address, 80, HttpRequest("GET", "/", (), b""), in_parts=True)
        assert answer.parts is not None and answer.header("x-own") == "1"
        first = await anext(answer.parts)
        assert first.startswith(b"0|")
        await world.sleep(5)
        assert made < 200  # nobody reads
        size = len(first)
        async for part in answer.parts:
            size += len(part)
        assert size == sum(len(b"%d|" % number) + len(PART) for number in range(400))
        whole = await client.send(world.address, 80, HttpRequest("GET", "/", (), b""))  # on the same connection
        assert len(whole.body) == size
        broken = await client.send(world.address, 80, HttpRequest("GET", "/fails", (), b""), in_parts=True)
        assert broken.parts is not None
        with pytest.raises(ConnectionLost):
            async for _ in broken.parts:
                pass

    play(story)


class Taker:
    """Takes one piece, then waits until it is told to go on."""

    def __init__(self) -> None:
        self.size = 0
        self.patient = True
        self.trailers: Headers = ()
        self.lost = False
        self.resume: Callable[[], None] = lambda: None

    def feed(self, data: bytes) -> bool:
        self.size += len(data)
        return not self.patient

    def end(self, trailers: Headers) -> None:
        self.trailers = trailers

    def broken(self) -> None:
        self.lost = True


def test_a_body_is_read_no_faster_than_it_is_taken_and_its_trailers_come_last() -> None:
    taker = Taker()

    def intake(request: HttpRequest, resume: Callable[[], None]) -> Taker | None:
        taker.resume = resume
        return taker if request.target == "/taken" else None

    async def respond(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (), b"%d %d" % (taker.size, len(request.body)))

    async def story(world: World) -> None:
        await serve_http(world, 80, respond, intake=intake)
        stream = await world.connect(world.address, 80, timeout_s=5)
        stream.write(b"POST /taken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(PART), PART)
        for _ in range(100):
            stream.write(chunk)
        stream.write(b"0\r\nX-End: yes\r\n\r\n")
        await world.sleep(5)
        assert 0 < taker.size < 50 * len(PART)
        taker.patient = False
        taker.resume()
        answer = b""
        while not answer.endswith(b"6553600 0"):
            answer += await stream.read()
        assert taker.trailers == (("X-End", "yes"),)
        stream.write(b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
        assert (await stream.read()).endswith(b"6553600 3")
        stream.write(b"POST /taken HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\nabc")
        await world.sleep(1)
        stream.close()
        await world.sleep(1)
        assert taker.lost

    play(story)
