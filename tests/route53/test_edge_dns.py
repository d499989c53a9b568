"""DNS on the wire: UDP and TCP in both worlds, dig as a client, packets that are none."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from antipodes.edge.dns import MAX_CONNECTIONS, TCP_IDLE_S, serve_dns
from antipodes.edge.mmsg import SIZE, Batch
from antipodes.wire import dns, dns_client
from antipodes.wire.http import HttpResponse
from antipodes.world.disk import MemoryDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.simulated import Simulation
from antipodes.world.world import GLOBE, HERE, ConnectionLost, PortInUse, Stream
from tests.route53.homes import Planet53
from tests.route53.planes import Plane, alias, plain
from tests.route53.responders import responder
from tests.worlds import Worlds

DIG, KDIG = shutil.which("dig") or "", shutil.which("kdig") or ""
HTTP_FINE = HttpResponse(200, (), b"fine")
TEXT = " ".join(f'"{letter * 255}"' for letter in "abcdefgh")


def answer(message: bytes, client_ip: str, over_tcp: bool = False) -> bytes | None:
    """The name server's answering, over one zone of the policy tests."""
    try:
        query = dns.parse_query(message)
    except dns.Refused as refused:
        return refused.answer
    except dns.Ignored:
        return None
    plane = Plane(plain("a.example.com", "192.0.2.1"), plain("big.example.com", TEXT, kind="TXT"))
    found = plane.resolve(dns.decode_name(query.name), dns.TYPE_NAMES[query.type])
    return dns.build_answer(query, found.rcode, found.answers, limit_bytes=dns.MAX_TCP_BYTES if over_tcp else None)


def soon(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """The story, with an end: uvloop does not heed the signal of pytest's timeout."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story()

    return bounded


async def over_tcp(worlds: Worlds, port: int, messages: list[bytes], pieces: int) -> bytes:
    stream = await worlds.world(HERE).connect("127.0.0.1", port)
    data = b"".join(len(message).to_bytes(2, "big") + message for message in messages)
    step = -(-len(data) // pieces)
    for at in range(0, len(data), step):
        stream.write(data[at : at + step])
        await stream.drain()
        await asyncio.sleep(0.01)
    got = b""
    while sum(1 for _ in framed(got)) < len(messages):
        more = await stream.read()
        if not more:
            break
        got += more
    stream.close()
    return got


def framed(data: bytes) -> list[bytes]:
    found = []
    while len(data) >= 2 and len(data) >= 2 + int.from_bytes(data[:2], "big"):
        end = 2 + int.from_bytes(data[:2], "big")
        found.append(data[2:end])
        data = data[end:]
    return found


@pytest.mark.parametrize("raw", [False, True])
def test_udp_then_tcp_for_what_does_not_fit(both_worlds: Worlds, raw: bool) -> None:
    raw = raw and both_worlds.name == "real"

    async def story() -> None:
        server = await serve_dns(both_worlds.world(GLOBE), 0, answer, address="127.0.0.1", raw_socket=raw)
        world = both_worlds.world(HERE)
        small = dns_client.build_query("a.example.com", "A", 1)
        big = dns_client.build_query("big.example.com", "TXT", 2)
        got = dns_client.parse_answer(await world.ask("127.0.0.1", server.port, small))
        assert got.addresses() == ("192.0.2.1",)
        assert dns_client.parse_answer(await world.ask("127.0.0.1", server.port, big)).truncated
        both = framed(await over_tcp(both_worlds, server.port, [small, big], pieces=7))
        assert [dns_client.parse_answer(one).id for one in both] == [1, 2]
        assert dns_client.parse_answer(both[1]).answers[0].value == TEXT
        server.close()

    both_worlds.run(soon(story))


def test_garbage_is_survived(both_worlds: Worlds) -> None:
    async def story() -> None:
        server = await serve_dns(both_worlds.world(GLOBE), 0, answer, address="127.0.0.1")
        world = both_worlds.world(HERE)
        broken = await world.ask("127.0.0.1", server.port, b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1")
        assert dns_client.parse_answer(broken).rcode == "FORMERR"
        assert await over_tcp(both_worlds, server.port, [b"junk"], pieces=1) == b""  # closed without an answer
        small = dns_client.build_query("a.example.com", "A", 1)
        assert dns_client.parse_answer(await world.ask("127.0.0.1", server.port, small)).addresses()
        server.close()

    both_worlds.run(soon(story))


def test_a_port_in_use_is_told() -> None:
    async def story() -> None:
        world = RealWorld(GLOBE, links=Links(), disk=MemoryDisk())
        taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        taken.bind(("127.0.0.1", 0))
        for raw in (False, True):
            with pytest.raises(PortInUse):
                await serve_dns(world, taken.getsockname()[1], answer, raw_socket=raw)
        taken.close()
        await world.close()

    run_real(soon(story))


def test_the_planet_answers_in_both_worlds(both_worlds: Worlds) -> None:
    """Zone, latency records, a probed health check: followed over the backbone, asked over UDP."""
    planet = Planet53(worlds=both_worlds)

    async def story() -> None:
        await planet.home()
        await planet.globe()
        planet.bodies["us-west-2"] = HTTP_FINE
        await planet.serve_target("us-west-2")
        zone = await planet.zone()
        config = {"Type": "HTTP", "IPAddress": "127.44.4.1", "Port": 80, "RequestInterval": 10}
        check = (await planet.do("CreateHealthCheck", CallerReference="r", HealthCheckConfig=config))["HealthCheck"][
            "Id"
        ]
        info = await planet.change(
            zone,
            *(
                ("CREATE", alias("api.example.com", f"d-1.execute-api.{region}.amazonaws.com", zone="ZAPI",
                                 SetIdentifier=region, Region=region, HealthCheckId=check))
                for region in planet.settings.regions
            ),
        )  # fmt: skip
        await planet.in_sync(info["Id"])
        assert await planet.values("api.example.com", "San Francisco") == ["127.44.4.1"]
        assert await planet.values("api.example.com", "London") == ["127.44.9.1"]
        assert await planet.values("api.example.com", "New York") == ["127.44.1.1"]
        status: dict[str, Any] = {}
        for _ in range(120):
            status = await planet.do("GetHealthCheckStatus", HealthCheckId=check)
            if status["HealthCheckObservations"]:
                break
            await asyncio.sleep(0.1)
        assert status["HealthCheckObservations"][0]["StatusReport"]["Status"] == "Success: HTTP Status Code 200, OK"
        assert planet.nameserver is not None
        await planet.nameserver.stop()

    both_worlds.run(soon(story))


@pytest.mark.skipif(not DIG, reason="dig is not installed here (Debian: bind9-dnsutils)")
def test_dig_is_content() -> None:
    """The real dig, over the raw socket: an answer by place, its subnet's scope, truncation and the turn to TCP."""

    async def story() -> None:
        world = RealWorld(GLOBE, links=Links(), disk=MemoryDisk())
        server = await serve_dns(world, 0, answer, raw_socket=True)
        process = await asyncio.create_subprocess_exec(
            *(DIG, "@127.0.0.1", "-p", str(server.port), "+tries=1", "+time=2", "+subnet=198.18.1.0/24"),
            *("A.example.com", "A", "big.example.com", "TXT", "none.example.com", "A"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        server.close()
        await world.close()
        assert "A.example.com.\t\t60\tIN\tA\t192.0.2.1" in said
        assert "CLIENT-SUBNET: 198.18.1.0/24/0" in said
        assert "status: NXDOMAIN" in said and said.count("status: NOERROR") == 2
        assert "retrying in TCP mode" in said and "aaaaaaaa" in said
        assert "Warning" not in said and "malformed" not in said

    run_real(soon(story))


def test_many_questions_at_once_over_tcp_are_all_answered(both_worlds: Worlds) -> None:
    async def story() -> None:
        server = await serve_dns(both_worlds.world(GLOBE), 0, answer, address="127.0.0.1")
        asked = [dns_client.build_query("a.example.com", "A", ident) for ident in range(300)]
        got = framed(await over_tcp(both_worlds, server.port, asked, pieces=1))
        assert [dns_client.parse_answer(one).id for one in got] == list(range(300))
        server.close()

    both_worlds.run(soon(story))


def test_an_idle_connection_ends_however_slowly_a_question_dribbles_in() -> None:
    simulation = Simulation(1)

    async def story() -> None:
        server = await serve_dns(simulation.world(GLOBE), 53, answer, address="127.0.0.1")
        stream = await simulation.world(HERE).connect("127.0.0.1", 53)
        whole = dns_client.build_query("a.example.com", "A", 1)
        stream.write(len(whole).to_bytes(2, "big") + whole)
        began_s = simulation.elapsed_s
        assert framed(await stream.read())
        for byte in (b"\0", b"\x40", b"x"):
            await asyncio.sleep(3)
            stream.write(byte)
        with pytest.raises(ConnectionLost):
            await stream.read()
        assert TCP_IDLE_S - 0.1 < simulation.elapsed_s - began_s < TCP_IDLE_S + 0.1
        server.close()

    simulation.run(soon(story)())


def test_of_too_many_connections_the_idlest_ends() -> None:
    simulation = Simulation(1)

    async def story() -> None:
        server = await serve_dns(simulation.world(GLOBE), 53, answer, address="127.0.0.1")
        world = simulation.world(HERE)
        whole = dns_client.build_query("a.example.com", "A", 1)

        async def asks(stream: Stream) -> Stream:
            stream.write(len(whole).to_bytes(2, "big") + whole)
            assert framed(await stream.read())
            return stream

        streams = [await asks(await world.connect("127.0.0.1", 53)) for _ in range(MAX_CONNECTIONS)]
        await asks(streams[0])
        late = await asks(await world.connect("127.0.0.1", 53))
        assert await streams[1].read() == b""  # the first one was busy since
        for stream in (streams[0], streams[2], late):
            await asks(stream)
        server.close()

    simulation.run(soon(story)())


@pytest.mark.skipif(not Batch.possible(), reason="no recvmmsg and sendmmsg here (Linux has them)")
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_batch_answers_each_to_its_asker(family: int, address: str) -> None:
    server = socket.socket(family, socket.SOCK_DGRAM)
    try:
        server.bind((address, 0))
    except OSError:
        pytest.skip(f"no {address} here")
    clients = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(SIZE + 10)]
    for number, client in enumerate(clients):
        client.settimeout(5)
        client.connect(server.getsockname())
        client.send(b"%d" % number + b"x" * (number * 10))
    batch, asked = Batch(server), []

    def told(message: bytes, client_ip: str) -> bytes | None:
        asked.append(client_ip)
        number = int(message.rstrip(b"x"))
        assert len(message) == len(str(number)) + number * 10
        return None if number % 7 == 3 else b"to %d" % number + b"y" * number

    assert batch.exchange(told) == SIZE
    assert batch.exchange(told) == 10
    assert batch.exchange(told) == 0
    assert set(asked) == {address}
    for number, client in enumerate(clients):
        client.settimeout(0.05 if number % 7 == 3 else 5)
        if number % 7 == 3:
            with pytest.raises(TimeoutError):
                client.recv(4096)
        else:
            assert client.recv(4096) == b"to %d" % number + b"y" * number
        client.close()
    server.close()


@pytest.mark.skipif(not Batch.possible(), reason="no recvmmsg and sendmmsg here (Linux has them)")
def test_an_asker_that_has_gone_does_not_keep_the_others_waiting() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(6)]
    for end in ends:
        end.settimeout(5)
        end.connect(server.getsockname())
        end.send(b"?")
    for end in ends[:3]:
        end.close()
    batch = Batch(server)
    taken = batch.exchange(lambda message, client_ip: b"!")
    assert taken == 6
    assert [end.recv(10) for end in ends[3:]] == [b"!"] * 3
    for end in ends[3:]:
        end.close()
    server.close()


@pytest.mark.skipif(not KDIG, reason="kdig is not installed here (Debian: knot-dnsutils)")
def test_kdig_is_content() -> None:
    """Knot's client, several questions over one TCP connection, and over UDP with a subnet."""

    async def story() -> None:
        world = RealWorld(GLOBE, links=Links(), disk=MemoryDisk())
        plane = Plane(plain("a.example.com", "192.0.2.1"), plain("big.example.com", TEXT, kind="TXT"))
        server = await serve_dns(world, 0, responder(plane.plane).answer, raw_socket=True)
        said = ""
        for options in (("+tcp", "+keepopen"), ("+subnet=198.18.1.0/24", "+cookie", "+padding=64")):
            process = await asyncio.create_subprocess_exec(
                *(KDIG, "@127.0.0.1", "-p", str(server.port), "+retry=0", "+time=2", *options),
                *("A.example.com", "A", "big.example.com", "TXT", "none.example.com", "A", "a.example.com", "TYPE1000"),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said += (await process.communicate())[0].decode()
        server.close()
        await world.close()
        assert said.count("\t60\tIN\tA\t192.0.2.1\n") == 2, said
        assert said.count("status: NXDOMAIN") == 2 and said.count("status: NOERROR") == 6
        assert said.count("aaaaaaaa") and "CLIENT-SUBNET: 198.18.1.0/24/0" in said and "COOKIE:" in said
        assert said.count("WARNING") == said.count("truncated reply") == 1 and "malformed" not in said

    run_real(soon(story))
