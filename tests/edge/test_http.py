"""The listener, spoken to in raw bytes, in both worlds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from antipodes.edge.answers import encode_response
from antipodes.edge.http import serve_http
from antipodes.edge.listener import DEFAULT_LIMITS, Limits
from antipodes.wire.http import HttpHandler, HttpRequest, HttpResponse
from antipodes.world.world import ConnectionLost, Stream, World
from tests.worlds import Worlds

T = TypeVar("T")


async def echo(request: HttpRequest) -> HttpResponse:
    """Tells what came; on the way it may wait, or fail."""
    if request.path == "/fail":
        raise RuntimeError("the handler's own fault")
    return HttpResponse(200, (("X-Method", request.method),), request.target.encode() + b"|" + request.body)


def get(path: str, *more: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: h", *more, "", ""]).encode()


async def read_to_end(stream: Stream) -> bytes:
    received = b""
    try:
        while data := await stream.read():
            received += data
    except ConnectionLost:
        received += b"<broken>"
    return received


async def read_until(stream: Stream, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        data = await stream.read()
        assert data, f"closed after {received!r}"
        received += data
    return received


def told(worlds: Worlds, data: bytes, *, handler: HttpHandler = echo, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """All that comes back for these bytes until the listener closes."""

    async def talk(stream: Stream) -> bytes:
        stream.write(data)
        return await read_to_end(stream)

    return on_a_connection(worlds, talk, handler, limits)


def on_a_connection(worlds: Worlds, talk: Callable[[Stream], Awaitable[T]], handler: HttpHandler, limits: Limits) -> T:
    async def story() -> T:
        server = await serve_http(worlds.world("eu-west-1"), 0, handler, limits=limits)
        world = worlds.world("us-east-1")
        stream = await world.connect(worlds.world("eu-west-1").address, server.port)
        try:
            async with asyncio.timeout(20):
                return await talk(stream)
        finally:
            stream.close()
            server.close()

    return worlds.run(story)


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers of known length, in order."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        found.append(rest[:length])
        answers = rest[length:]
    return found


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_requests_of_a_connection_are_answered_one_after_the_other(both_worlds: Worlds) -> None:
    answers = told(both_worlds, get("/a") + get("/b?c=%20") + get("/d", "Connection: close"))
    assert bodies(answers) == [b"/a|", b"/b?c=%20|", b"/d|"]
    assert answers.count(b"Connection: close") == 1
    assert answers.count(b"Date: ") == 3


def test_a_slow_answer_keeps_its_place(both_worlds: Worlds) -> None:
    running = most = 0
    world = both_worlds.world("eu-west-1")

    async def handler(request: HttpRequest) -> HttpResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if request.target == "/slow":
            await world.sleep(0.05)
        running -= 1
        return HttpResponse(200, (), request.target.encode())

    answers = told(
        both_worlds, get("/slow") + get("/b") + get("/slow") + get("/c", "Connection: close"), handler=handler
    )
    assert bodies(answers) == [b"/slow", b"/b", b"/slow", b"/c"]
    assert most == 1


def test_a_thousand_pipelined_requests(both_worlds: Worlds) -> None:
    data = b"".join(get(f"/{index}") for index in range(999)) + get("/last", "Connection: close")
    assert [int(body[1:-1]) for body in bodies(told(both_worlds, data))[:-1]] == list(range(999))


def test_chunked_bodies_come_in_one_piece(both_worlds: Worlds) -> None:
    request = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    answers = told(both_worlds, request + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nTrailer: 1\r\n\r\n")
    assert bodies(answers) == [b"/x|hello world"]


def test_bytes_may_come_one_by_one(both_worlds: Worlds) -> None:
    async def talk(stream: Stream) -> bytes:
        for byte in b"POST /abc HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz":
            stream.write(bytes([byte]))
        return await read_to_end(stream)

    assert bodies(on_a_connection(both_worlds, talk, echo, Limits())) == [b"/abc|xyz"]


def test_expect_continue_is_answered_before_the_body(both_worlds: Worlds) -> None:
    async def talk(stream: Stream) -> bytes:
        stream.write(
            b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert await read_until(stream, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        stream.write(b"ok")
        return await read_to_end(stream)

    assert bodies(on_a_connection(both_worlds, talk, echo, Limits())) == [b"/k|ok"]


def test_an_unknown_expectation(both_worlds: Worlds) -> None:
    head = b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: tea\r\n\r\n"
    assert statuses(told(both_worlds, head)) == [417]


def test_a_body_too_large_is_refused_before_it_is_sent(both_worlds: Worlds) -> None:
    head = b"PUT /k HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
    assert statuses(told(both_worlds, head, limits=Limits(body_bytes=1000))) == [413]


def test_a_chunked_body_too_large(both_worlds: Worlds) -> None:
    data = b"PUT /k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + b"64\r\n" + b"x" * 100 + b"\r\n"
    assert statuses(told(both_worlds, data + b"64\r\n" + b"x" * 100, limits=Limits(body_bytes=150))) == [413]


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_headers_too_large(both_worlds: Worlds, end: bytes) -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-Long: " + b"x" * 3000 + end
    assert statuses(told(both_worlds, data, limits=Limits(head_bytes=2000))) == [431]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS client that took the wrong port
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nBroken\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_400_and_the_end(both_worlds: Worlds, data: bytes) -> None:
    answer = told(both_worlds, data)
    assert statuses(answer) == [400]
    assert b"Connection: close\r\n" in answer


def test_good_requests_before_a_bad_one_are_answered(both_worlds: Worlds) -> None:
    assert statuses(told(both_worlds, get("/a") + get("/b") + b"\x00\x00")) == [200, 200, 400]


def test_a_handler_that_raises_gives_500_and_the_connection_lives_on(
    both_worlds: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    assert statuses(told(both_worlds, get("/fail") + get("/b", "Connection: close"))) == [500, 200]
    assert "the handler's own fault" in caplog.text


def test_an_answer_that_would_forge_a_header_is_not_sent(both_worlds: Worlds) -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (("X-A", "b\r\nSet-Cookie: c"),), b"x")

    answer = told(both_worlds, get("/", "Connection: close"), handler=handler)
    assert statuses(answer) == [500]
    assert b"Set-Cookie" not in answer


def test_head_has_a_length_and_no_body(both_worlds: Worlds) -> None:
    async def handler(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (("Content-Length", "77"),) if request.path == "/77" else (), b"four")

    head = b"HEAD /%s HTTP/1.1\r\nHost: h\r\n%s\r\n"
    answer = told(both_worlds, head % (b"4", b"") + head % (b"77", b"Connection: close\r\n"), handler=handler)
    assert b"four" not in answer
    assert b"Content-Length: 4\r\n" in answer
    assert b"Content-Length: 77\r\n" in answer


def test_http_10_ends_unless_asked_to_stay(both_worlds: Worlds) -> None:
    stay = get("/a", "Connection: keep-alive", version="1.0")
    answer = told(both_worlds, stay + get("/b", version="1.0"))
    assert bodies(answer) == [b"/a|", b"/b|"]
    assert b"Connection: keep-alive" in answer


def test_an_upgrade_is_ignored(both_worlds: Worlds) -> None:
    """curl --http2 and Java's client ask for h2c with their first request."""
    upgrade = get("/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert bodies(told(both_worlds, upgrade)) == [b"/a|"]


def test_a_target_with_a_host_is_cut_to_its_path(both_worlds: Worlds) -> None:
    assert bodies(told(both_worlds, get("http://h:1/a?b", "Connection: close"))) == [b"/a?b|"]


@pytest.mark.parametrize(("data", "answers"), [(b"", []), (get("/a"), [200])])
def test_silent_connections_are_closed(both_worlds: Worlds, data: bytes, answers: list[int]) -> None:
    assert statuses(told(both_worlds, data, limits=Limits(idle_s=0.1))) == answers


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\nHost:", b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"]
)
def test_slow_heads_and_bodies_get_408(both_worlds: Worlds, data: bytes) -> None:
    assert statuses(told(both_worlds, data, limits=Limits(head_s=0.1, body_s=0.1))) == [408]


def test_a_slow_handler_is_not_a_slow_client(both_worlds: Worlds) -> None:
    world = both_worlds.world("eu-west-1")

    async def handler(request: HttpRequest) -> HttpResponse:
        await world.sleep(0.3)
        return HttpResponse(200)

    limits = Limits(head_s=0.1, body_s=0.1, idle_s=0.1)
    assert statuses(told(both_worlds, get("/", "Connection: close"), handler=handler, limits=limits)) == [200]


def test_a_client_that_leaves_stops_nothing_half_way(both_worlds: Worlds) -> None:
    world = both_worlds.world("eu-west-1")
    done: list[str] = []

    async def handler(request: HttpRequest) -> HttpResponse:
        await world.sleep(0.3)
        done.append(request.target)
        return HttpResponse(200)

    async def talk(stream: Stream) -> None:
        stream.write(get("/a"))
        await world.sleep(0.2)
        stream.close()
        await world.sleep(0.5)

    on_a_connection(both_worlds, talk, handler, Limits())
    assert done == ["/a"]


def test_a_client_that_does_not_read_stops_further_requests(both_worlds: Worlds) -> None:
    world: World = both_worlds.world("eu-west-1")
    answered = 0

    async def handler(request: HttpRequest) -> HttpResponse:
        nonlocal answered
        answered += 1
        return HttpResponse(200, (), b"x" * 1_000_000)

    async def talk(stream: Stream) -> int:
        for index in range(100):
            stream.write(get("/", *(["Connection: close"] if index == 99 else [])))
        await world.sleep(1.0)
        waiting = answered
        received = await read_to_end(stream)
        assert received.count(b"HTTP/1.1 200") == answered == 100
        return waiting

    assert on_a_connection(both_worlds, talk, handler, Limits()) < 60


def test_timeouts_work_in_the_step_before_a_handler_first_waits(both_worlds: Worlds) -> None:
    """The first step runs without a task of its own; asyncio.timeout must not notice."""
    world = both_worlds.world("eu-west-1")

    async def handler(request: HttpRequest) -> HttpResponse:
        try:
            async with asyncio.timeout(0.05):
                await world.sleep(10)
        except TimeoutError:
            return HttpResponse(504)
        return HttpResponse(200)

    assert statuses(told(both_worlds, get("/", "Connection: close"), handler=handler)) == [504]


def test_encoding() -> None:
    assert encode_response(HttpResponse(204, (), b"ignored")) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert encode_response(HttpResponse(299)) == b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n"
    named = HttpResponse(200, (("Transfer-Encoding", "chunked"), ("content-length", "9"), ("A", "é日")), b"x")
    assert encode_response(named) == "HTTP/1.1 200 OK\r\nA: é日\r\nContent-Length: 1\r\n\r\nx".encode()
    with pytest.raises(ValueError, match="status 99"):
        encode_response(HttpResponse(99))


def post(*lines: str, body: str = "{}") -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: h", *lines, "", body]).encode("latin-1")


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("Content-Length: 2", "X-Amz-Target: A.B"), "{}"),
        (("content-length: 0",), ""),
        (("Content-Length: 2", "Connection: Keep-Alive"), "{}"),
        (("Content-Length: 2", "X-Twice: 1", "X-Twice: 2"), "{}"),
        (("Content-Length: 2", "X-Spaced:   a  b  "), "{}"),
        (("Content-Length:2", "X-Empty:"), "{}"),
        (("Content-Length: 2", "X-Latin: \u00e9"), "{}"),
        (("Transfer-Encoding: chunked",), "2\r\n{}\r\n0\r\n\r\n"),
    ],
)
def test_a_whole_usual_request_is_read_as_the_parser_reads_it(
    both_worlds: Worlds, lines: tuple[str, ...], body: str
) -> None:
    """The same bytes in one piece and as head and body, which may be read the short way, and in pieces that the parser
    must read."""

    async def shown(request: HttpRequest) -> HttpResponse:
        found = [(name, value, request.header(name), request.header(name.upper())) for name, value in request.headers]
        return HttpResponse(200, (), repr((request.method, request.target, found, request.body)).encode())

    data = post(*lines, body=body)

    async def talk(stream: Stream) -> bytes:
        for piece in (data, data[:5], data[5:], *halves, *thirds, get("/end", "Connection: close")):
            stream.write(piece)
            await asyncio.sleep(0.02)
        return await read_to_end(stream)

    at = data.index(b"\r\n\r\n") + 4
    halves = (data[:at], data[at:]) if len(data) > at else (data,)
    thirds = (data[:at], data[at : at + 1], data[at + 1 :])
    short, parsed, in_two, in_three, _ = bodies(on_a_connection(both_worlds, talk, shown, DEFAULT_LIMITS))
    assert short == parsed == in_two == in_three


def test_a_body_that_does_not_follow_its_head_gets_408(both_worlds: Worlds) -> None:
    head = post("Content-Length: 2", body="")
    assert statuses(told(both_worlds, head, limits=Limits(head_s=0.1, body_s=0.1))) == [408]


def test_more_than_the_body_may_follow_a_head(both_worlds: Worlds) -> None:
    async def talk(stream: Stream) -> bytes:
        stream.write(post("Content-Length: 2", body=""))
        await asyncio.sleep(0.02)
        stream.write(b"ok" + get("/next", "Connection: close"))
        return await read_to_end(stream)

    assert bodies(on_a_connection(both_worlds, talk, echo, DEFAULT_LIMITS)) == [b"/|ok", b"/next|"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Content-Length: 2", "Content-Length: 2"), 400),
        (("Content-Length: 2", "Bad Name: 1"), 400),
        (("Content-Length: 2", "Transfer-Encoding: chunked"), 400),
        (("Content-Length: 2", "X-Bad: a\0b"), 400),
        (("Content-Length: 2", "no colon"), 400),
        (("Content-Length: 99999999",), 413),
    ],
)
def test_what_is_wrong_with_a_usual_request_is_seen(both_worlds: Worlds, lines: tuple[str, ...], status: int) -> None:
    assert statuses(told(both_worlds, post(*lines))) == [status]
