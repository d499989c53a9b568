"""The client over world streams, in both worlds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from antipodes.edge.client import HttpClient, encode_request
from antipodes.edge.http import serve_http
from antipodes.edge.listener import Limits
from antipodes.wire.http import HttpHandler, HttpRequest, HttpResponse
from antipodes.world.world import ConnectionLost, NetworkError, Refused, Stream, Unreachable, World
from tests.worlds import Worlds

Send = Callable[[HttpRequest], Awaitable[HttpResponse]]
Story = Callable[[HttpClient, World, str, int], Awaitable[None]]

HERE, THERE = "us-east-1", "eu-west-1"


class BrokenOnRead:
    """A stream that takes a request and breaks."""

    def __init__(self, stream: Stream) -> None:
        self.write, self.drain, self.close = stream.write, stream.drain, stream.close

    async def read(self) -> bytes:
        raise ConnectionLost("gone")


def request(method: str = "GET", target: str = "/", body: bytes = b"", *headers: tuple[str, str]) -> HttpRequest:
    return HttpRequest(method, target, (("Host", "h"), *headers), body)


def play(worlds: Worlds, handler: HttpHandler, story: Story, limits: Limits = Limits(idle_s=1.0)) -> None:  # noqa: B008
    async def whole() -> None:
        server = await serve_http(worlds.world(THERE), 0, handler, limits=limits)
        world = worlds.world(HERE)
        client = HttpClient(world)
        try:
            await story(client, world, worlds.world(THERE).address, server.port)
        finally:
            client.close()
            server.close()

    worlds.run(whole)


async def echo(asked: HttpRequest) -> HttpResponse:
    return HttpResponse(201, (("X-Method", asked.method), ("X-Client", asked.client)), asked.body)


def test_an_exchange(both_worlds: Worlds) -> None:
    async def story(client: HttpClient, world: World, address: str, port: int) -> None:
        answer = await client.send(address, port, request("PUT", "/x", b"hello"))
        assert (answer.status, answer.body, answer.header("x-method")) == (201, b"hello", "PUT")
        answer = await client.send(address, port, request("HEAD", "/x"))
        assert (answer.status, answer.body, answer.header("content-length")) == (201, b"", "0")
        answer = await client.send(address, port, request("POST", "/x", b"y" * 300_000))
        assert len(answer.body) == 300_000

    play(both_worlds, echo, story)


def test_a_connection_is_kept_for_the_next_request(both_worlds: Worlds) -> None:
    async def story(client: HttpClient, world: World, address: str, port: int) -> None:
        await client.send(address, port, request())
        kept = [one.stream for one in client._kept[(address, port, None, None)]]
        for _ in range(4):
            await client.send(address, port, request())
        assert [one.stream for one in client._kept[(address, port, None, None)]] == kept
        assert len(kept) == 1

    play(both_worlds, echo, story)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_that_the_server_closed_is_not_used(both_worlds: Worlds, method: str) -> None:
    async def story(client: HttpClient, world: World, address: str, port: int) -> None:
        assert (await client.send(address, port, request())).status == 201
        await world.sleep(0.6)  # the listener closes after 0.2 s
        assert (await client.send(address, port, request(method))).status == 201

    play(both_worlds, echo, story, Limits(idle_s=0.2))


def test_a_break_before_the_answer_repeats_only_what_may_be_repeated(both_worlds: Worlds) -> None:
    """A listener that takes the second request of a connection and dies without a word."""
    seen: list[str] = []

    async def handler(asked: HttpRequest) -> HttpResponse:
        seen.append(asked.method)
        return HttpResponse(200)

    async def story(client: HttpClient, world: World, address: str, port: int) -> None:
        for method in ("GET", "POST"):
            await client.send(address, port, request())
            kept = client._kept[(address, port, None, None)]
            kept[0].stream = BrokenOnRead(kept[0].stream)
            if method == "GET":
                assert (await client.send(address, port, request(method))).status == 200
            else:
                with pytest.raises(ConnectionLost):
                    await client.send(address, port, request(method))

    play(both_worlds, handler, story)


def test_a_timeout_covers_the_whole_exchange(both_worlds: Worlds) -> None:
    world = both_worlds.world(THERE)

    async def slow(asked: HttpRequest) -> HttpResponse:
        await world.sleep(1.0)
        return HttpResponse(200)

    async def story(client: HttpClient, world: World, address: str, port: int) -> None:
        began = world.monotonic()
        with pytest.raises(Unreachable):
            await client.send(address, port, request(), timeout_s=0.3)
        assert world.monotonic() - began < 0.9
        assert not client._kept
        await world.sleep(1.2)

    play(both_worlds, slow, story)


def test_nobody_listens(both_worlds: Worlds) -> None:
    async def story(client: HttpClient, world: World, address: str, port: int) -> None:
        with pytest.raises(Refused):
            await client.send(address, both_worlds.free_port(), request())

    play(both_worlds, echo, story)


def test_a_request_cannot_hide_another() -> None:
    for bad in [
        request("GET", "/a b"),
        request("GET", "/", b"", ("X", "1\r\nY: 2")),
        request("GET", "/\r\nX: 1"),
    ]:
        with pytest.raises(NetworkError):
            encode_request(bad, "127.0.0.1", 80)


def test_the_bytes_of_a_request() -> None:
    forwarded = request("POST", "/x?y", b"ab", ("Transfer-Encoding", "chunked"), ("Expect", "100-continue"), ("A", "b"))
    assert encode_request(forwarded, "a", 1) == b"POST /x?y HTTP/1.1\r\nHost: h\r\nA: b\r\nContent-Length: 2\r\n\r\nab"
    bare = HttpRequest("GET", "/", (), b"")
    assert encode_request(bare, "127.0.0.1", 81) == b"GET / HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n"
