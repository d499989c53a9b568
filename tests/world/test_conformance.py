"""What both worlds promise: the same stories, in virtual time and on sockets."""

from __future__ import annotations

import asyncio

import pytest

from antipodes.world.geography import round_trip_ms
from antipodes.world.rules import Full, Skewed
from antipodes.world.world import (
    HERE,
    ConnectionLost,
    PortInUse,
    Refused,
    SiteDown,
    Stream,
    Unreachable,
    World,
)
from tests.worlds import Worlds

NEAR, FAR = "eu-west-1", "ap-southeast-2"


class Echo(asyncio.Protocol):
    """Sends back what comes, and notes how it ended."""

    def __init__(self, ends: list[Exception | None] | None = None) -> None:
        self.ends = ends if ends is not None else []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport.get_extra_info("peername"), tuple)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ends.append(exc)


async def serve_echo(world: World, ends: list[Exception | None] | None = None) -> int:
    return (await world.serve(0, lambda: Echo(ends))).port


async def read_exactly(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await stream.read()
        assert more, f"the stream ended after {len(data)} of {size} bytes"
        data += more
    return data


async def until(world: World, condition: object) -> None:
    while not condition():  # type: ignore[operator]
        await world.sleep(0.01)


def test_sleep_passes_time(both_worlds: Worlds) -> None:
    async def story() -> None:
        world = both_worlds.world(NEAR)
        began, wall = world.monotonic(), world.now()
        await world.sleep(0.02)
        assert world.monotonic() - began >= 0.02
        assert world.now() > wall > 1_700_000_000

    both_worlds.run(story)


def test_bytes_come_back_in_order(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        stream = await near.connect(far.address, await serve_echo(far))
        sent = b""
        for number in range(500):
            piece = b"%d," % number
            stream.write(piece)
            sent += piece
            if number % 100 == 0:
                await near.sleep(0.001)
        await stream.drain()
        assert await read_exactly(stream, len(sent)) == sent
        stream.close()

    both_worlds.run(story)


def test_megabytes_pass_both_ways(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        stream = await near.connect(far.address, await serve_echo(far))
        block = bytes(range(256)) * 1024
        blocks = 40

        async def writer() -> None:
            for _ in range(blocks):
                stream.write(block)
                await stream.drain()

        writing = near.spawn(writer(), "writer")
        got = await read_exactly(stream, blocks * len(block))
        assert got == block * blocks
        await writing
        stream.close()

    both_worlds.run(story)


def test_distance_costs_a_round_trip_to_dial_and_one_to_ask(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        round_trip_s = round_trip_ms(NEAR, FAR) / 1e3 * both_worlds.scale
        port = await serve_echo(far)
        began = near.monotonic()
        stream = await near.connect(far.address, port)
        dialled = near.monotonic()
        # At least most of it: real timers are coarse, and these distances are short.
        assert dialled - began >= round_trip_s * 0.7
        stream.write(b"x")
        await stream.read()
        assert near.monotonic() - dialled >= round_trip_s * 0.7

    both_worlds.run(story)


def test_here_pays_nothing_and_knows_no_partition(both_worlds: Worlds) -> None:
    async def story() -> None:
        far = both_worlds.world(FAR)
        port = await serve_echo(far)
        for other in (NEAR, "globe"):
            both_worlds.links.partition(other, FAR)
        stream = await both_worlds.world(HERE).connect(far.address, port)
        stream.write(b"hello")
        assert await read_exactly(stream, 5) == b"hello"

    both_worlds.run(story)


class LastWords(asyncio.Protocol):
    """Says something and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"good")  # type: ignore[attr-defined]
        transport.write(b"bye")  # type: ignore[attr-defined]
        transport.close()


def test_what_was_written_before_the_close_arrives(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        server = await far.serve(0, LastWords)
        stream = await near.connect(far.address, server.port)
        assert await read_exactly(stream, 7) == b"goodbye"
        assert await stream.read() == b""
        with pytest.raises(ConnectionLost):
            for _ in range(3):
                stream.write(b"anybody there?")
                await near.sleep(0.2)

    both_worlds.run(story)


def test_the_diallers_close_reaches_the_listener(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        ends: list[Exception | None] = []
        stream = await near.connect(far.address, await serve_echo(far, ends))
        stream.write(b"x")
        await stream.read()
        stream.close()
        stream.close()
        await until(near, lambda: ends)
        assert ends == [None]
        assert await stream.read() == b""

    both_worlds.run(story)


def test_an_abort_breaks_the_stream(both_worlds: Worlds) -> None:
    class Abort(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.abort()  # type: ignore[attr-defined]

    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        stream = await near.connect(far.address, (await far.serve(0, Abort)).port)
        stream.write(b"x")
        # A socket that was aborted with nothing unread ends quietly; simulated time always tells.
        if both_worlds.name == "simulated":
            with pytest.raises(ConnectionLost):
                await stream.read()
        else:
            with pytest.raises(ConnectionLost):
                assert await stream.read() == b""
                stream.write(b"y")

    both_worlds.run(story)


def test_nobody_listens_is_refused(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        with pytest.raises(Refused, match=far.address):
            await near.connect(far.address, both_worlds.free_port())
        server = await far.serve(0, Echo)
        server.close()
        server.close()
        with pytest.raises(Refused):
            await near.connect(far.address, server.port)

    both_worlds.run(story)


def test_a_closed_server_closes_what_it_accepted(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        server = await far.serve(0, Echo)
        stream = await near.connect(far.address, server.port)
        stream.write(b"x")
        assert await stream.read() == b"x"
        server.close()
        assert await stream.read() == b""

    both_worlds.run(story)


def test_a_port_in_use_is_named(both_worlds: Worlds) -> None:
    async def story() -> None:
        far = both_worlds.world(FAR)
        port = await serve_echo(far)
        with pytest.raises(PortInUse, match=rf"{far.address} port {port}"):
            await far.serve(port, Echo)
        datagrams = await far.serve_datagrams(0, lambda data, client: data)
        with pytest.raises(PortInUse, match=rf"{far.address} port {datagrams.port}"):
            await far.serve_datagrams(datagrams.port, lambda data, client: data)

    both_worlds.run(story)


def test_a_partition_times_dials_out_until_it_heals(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        port = await serve_echo(far)
        both_worlds.links.partition(NEAR, FAR)
        began = near.monotonic()
        with pytest.raises(Unreachable):
            await near.connect(far.address, port, timeout_s=0.1)
        assert near.monotonic() - began >= 0.09
        other = await both_worlds.world("us-east-1").connect(far.address, port)
        other.close()
        both_worlds.links.heal()
        stream = await near.connect(far.address, port)
        stream.write(b"back")
        assert await read_exactly(stream, 4) == b"back"

    both_worlds.run(story)


@pytest.mark.parametrize("healed", [False, True])
def test_a_partition_severs_open_streams_at_both_ends(both_worlds: Worlds, healed: bool) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        ends: list[Exception | None] = []
        stream = await near.connect(far.address, await serve_echo(far, ends))
        stream.write(b"before")
        assert await read_exactly(stream, 6) == b"before"
        both_worlds.links.partition(FAR, NEAR)
        stream.write(b"lost")
        if healed:
            both_worlds.links.heal()
            stream.write(b"lost as well: a hole in a stream cannot be healed")
        with pytest.raises(ConnectionLost):
            await stream.read()
        with pytest.raises(ConnectionLost):
            stream.write(b"more")
        await until(near, lambda: ends)
        assert len(ends) == 1

    both_worlds.run(story)


def test_a_site_that_is_down_is_refused_and_cannot_call(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        port = await serve_echo(far)
        both_worlds.links.down(FAR)
        with pytest.raises(Refused):
            await near.connect(far.address, port)
        with pytest.raises(SiteDown):
            await far.connect(near.address, port)
        both_worlds.links.up(FAR)
        (await near.connect(far.address, port)).close()

    both_worlds.run(story)


def test_a_skewed_clock_is_wrong_at_its_site_alone_and_runs_on(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        both_worlds.links.add(Skewed(NEAR, -40.0))
        assert far.now() - near.now() == pytest.approx(40, abs=1)
        began = near.now(), near.monotonic()
        await near.sleep(0.05)
        assert near.now() - began[0] == pytest.approx(near.monotonic() - began[1], abs=0.02)
        both_worlds.links.heal()
        assert far.now() - near.now() == pytest.approx(0, abs=1)

    both_worlds.run(story)


def test_a_full_disk_is_full_until_it_is_healed_also_for_who_opens_it_later(both_worlds: Worlds) -> None:
    async def story() -> None:
        both_worlds.links.add(Full(NEAR))
        assert both_worlds.world(NEAR).disk().space.full
        assert not both_worlds.world(FAR).disk().space.full
        both_worlds.links.heal()
        assert not both_worlds.world(NEAR).disk().space.full

    both_worlds.run(story)


def test_datagrams_are_answered_refused_or_lost(both_worlds: Worlds) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        server = await far.serve_datagrams(0, lambda data, client: data.upper() if data != b"hush" else None)
        assert await near.ask(far.address, server.port, b"hello") == b"HELLO"
        with pytest.raises(Unreachable):
            await near.ask(far.address, server.port, b"hush", timeout_s=0.05)
        both_worlds.links.partition(NEAR, FAR)
        with pytest.raises(Unreachable):
            await near.ask(far.address, server.port, b"hello", timeout_s=0.05)
        both_worlds.links.heal()
        server.close()
        with pytest.raises(Refused):
            await near.ask(far.address, server.port, b"hello")

    both_worlds.run(story)


def test_a_failing_task_is_reported(both_worlds: Worlds) -> None:
    async def fails() -> None:
        raise ValueError("on purpose")

    async def story() -> None:
        world = both_worlds.world(NEAR)
        world.spawn(fails(), "unlucky")
        await until(world, lambda: both_worlds.failures)
        failure = both_worlds.failures[0]
        assert (failure.site, failure.what, str(failure.error)) == (NEAR, f"{NEAR}: unlucky", "on purpose")

    both_worlds.run(story, failures_expected=True)


def test_a_cancelled_task_is_not_a_failure(both_worlds: Worlds) -> None:
    async def story() -> None:
        world = both_worlds.world(NEAR)
        task = world.spawn(world.sleep(60), "sleeper")
        await world.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not both_worlds.failures

    both_worlds.run(story)


def test_a_view_from_another_site_has_its_distances(both_worlds: Worlds) -> None:
    async def story() -> None:
        far = both_worlds.world(FAR)
        port = await serve_echo(far)
        tokyo = both_worlds.world(NEAR).at("Tokyo")
        assert tokyo.site == "Tokyo"
        both_worlds.links.partition("Tokyo", FAR)
        with pytest.raises(Unreachable):
            await tokyo.connect(far.address, port, timeout_s=0.05)
        (await both_worlds.world(NEAR).connect(far.address, port)).close()

    both_worlds.run(story)


class OneName:
    """Certificates for one name."""

    def __init__(self, name: str, pair: tuple[bytes, bytes]) -> None:
        self.name, self.pair = name, pair

    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        return self.pair if name == self.name else None

    def trusted_for(self, name: str | None) -> bytes | None:
        return None


def test_tls_asks_for_the_name(both_worlds: Worlds, self_signed: tuple[bytes, bytes]) -> None:
    async def story() -> None:
        near, far = both_worlds.world(NEAR), both_worlds.world(FAR)
        told: list[bool] = []

        class Told(Echo):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                told.append(bool(transport.get_extra_info("ssl_object")))

        server = await far.serve(0, Told, tls=OneName("api.example.com", self_signed))
        stream = await near.connect(far.address, server.port, tls_name="api.example.com")
        stream.write(b"secret")
        assert await read_exactly(stream, 6) == b"secret"
        stream.close()
        assert told[0] is True
        with pytest.raises(ConnectionLost):
            await near.connect(far.address, server.port, tls_name="other.example.com")

    both_worlds.run(story)


def test_clients_in_both_directions_at_once(both_worlds: Worlds) -> None:
    """Many streams, dialled from both sides, do not disturb each other."""

    async def story() -> None:
        sites = [both_worlds.world(site) for site in (NEAR, FAR, "us-west-2")]
        ports = [await serve_echo(world) for world in sites]

        async def chat(world: World, other: World, port: int) -> None:
            stream = await world.connect(other.address, port)
            for number in range(10):
                message = f"{world.site} to {other.site} {number}".encode()
                stream.write(message)
                assert await read_exactly(stream, len(message)) == message
            stream.close()

        pairs = [(a, b, port) for a in sites for b, port in zip(sites, ports, strict=True) if a is not b]
        await asyncio.gather(*(chat(*pair) for pair in pairs * 3))

    both_worlds.run(story)
