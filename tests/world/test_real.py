"""What only the real world has: certificates, addresses of this machine, views, an end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from antipodes.edge.tls import Authority
from antipodes.world.disk import FileDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from antipodes.world.real_tls import server_name
from antipodes.world.world import HERE, ConnectionLost, NetworkError
from tests.world.test_conformance import Echo, OneName, read_exactly, until

SITE = "eu-west-1"


def run_with(world: RealWorld, story: Callable[[RealWorld], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        try:
            await story(world)
        finally:
            await world.close()

    run_real(main)


class AnyName(OneName):
    def certificate_for(self, name: str | None) -> tuple[bytes, bytes] | None:
        return self.pair


def test_certificates_are_checked_against_the_planets_ca(self_signed: tuple[bytes, bytes]) -> None:
    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Echo, tls=AnyName("", self_signed))
        stream = await world.connect(world.address, server.port, tls_name="api.example.com")
        stream.write(b"x")
        assert await read_exactly(stream, 1) == b"x"
        stream.close()
        with pytest.raises(ConnectionLost, match="certificate"):
            await world.connect(world.address, server.port, tls_name="other.example.com")

    run_with(RealWorld(SITE, links=Links(), disk=None, ca_pem=self_signed[0].decode()), story)


def test_tls_without_a_ca_must_be_asked_for(self_signed: tuple[bytes, bytes]) -> None:
    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Echo, tls=AnyName("", self_signed))
        with pytest.raises(ValueError, match="verify=False"):
            await world.connect(world.address, server.port, tls_name="api.example.com")

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


def test_private_keys_do_not_stay_on_disk(
    self_signed: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Echo, tls=AnyName("", self_signed))
        (await world.connect(world.address, server.port, tls_name="api.example.com")).close()

    run_with(RealWorld(SITE, links=Links(), disk=None, verify=False), story)
    assert list(tmp_path.iterdir()) == []


def test_a_plain_client_at_a_tls_door_loses_its_stream(self_signed: tuple[bytes, bytes]) -> None:
    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Echo, tls=AnyName("", self_signed))
        here = world.at(HERE)
        stream = await here.connect(world.address, server.port)
        stream.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionLost):
            while await stream.read():
                pass

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


def test_its_own_listeners_on_localhost_have_no_distance() -> None:
    """A Region's worker pool listens on 127.0.0.1, the globe's address: it is not 20 ms away from itself."""

    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Echo, address="127.0.0.1")
        world._machine.links.partition(SITE, "globe")
        (await world.connect("127.0.0.1", server.port, timeout_s=2)).close()

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


def test_a_foreign_address_is_explained() -> None:
    async def story(world: RealWorld) -> None:
        with pytest.raises(OSError, match=r"192\.0\.2\.1"):
            await world.serve(0, Echo, address="192.0.2.1")

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


def test_a_view_has_no_disk_of_its_own(tmp_path: Path) -> None:
    world = RealWorld(SITE, links=Links(), disk=FileDisk(tmp_path))
    assert world.disk() == FileDisk(tmp_path)
    with pytest.raises(LookupError, match="Tokyo"):
        world.at("Tokyo").disk()


def test_closing_a_world_ends_its_tasks_streams_and_servers() -> None:
    async def main() -> None:
        links = Links()
        world, other = (RealWorld(site, links=links, disk=None) for site in (SITE, HERE))
        server = await world.serve(0, Echo)
        stream = await other.connect(world.address, server.port)
        task = world.spawn(world.sleep(60), "sleeper")
        await world.close()
        assert task.cancelled()
        assert await stream.read() == b""
        with pytest.raises(NetworkError):
            await other.connect(world.address, server.port)
        await other.close()

    run_real(main)


def test_a_seed_repeats_the_draws() -> None:
    one, other = (RealWorld(SITE, links=Links(), disk=None, seed=5) for _ in range(2))
    assert one.chance.random() == other.chance.random()


def test_notes_reach_the_sink() -> None:
    lines: list[str] = []
    RealWorld(SITE, links=Links(), disk=None, sink=lines.append).trace("commit", position=7)
    assert lines[0].endswith("eu-west-1 commit position=7")


def test_a_slow_reader_holds_the_writer_back() -> None:
    written: list[int] = []

    class Flood(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.go_on()

        def go_on(self) -> None:
            self.full = False
            while not self.full and sum(written) < 64_000_000:
                written.append(100_000)
                self.transport.write(bytes(100_000))  # type: ignore[attr-defined]

        def pause_writing(self) -> None:
            self.full = True

        def resume_writing(self) -> None:
            self.go_on()

    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Flood)
        stream = await world.connect(world.address, server.port)
        await until(world, lambda: sum(written) > 4_000_000)
        await world.sleep(0.3)
        assert sum(written) < 40_000_000
        await read_exactly(stream, 64_000_000)

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


def test_a_run_that_fails_with_an_open_server_ends() -> None:
    """It once waited for ever: uvloop warned of the server in a callback, and the warning was an error there."""

    async def story() -> None:
        world = RealWorld(SITE, links=Links(), disk=None)
        await world.serve(0, Echo)
        raise ValueError("between start and close")

    with pytest.raises(ValueError, match="between start and close"):
        run_real(story)


def test_a_server_that_is_left_open_is_named() -> None:
    pytest.importorskip("uvloop", reason="asyncio's own loop tells when the server is collected, not when it ends")

    async def story() -> None:
        await RealWorld(SITE, links=Links(), disk=None).serve(0, Echo)

    with pytest.warns(ResourceWarning, match="unclosed"):
        run_real(story)


class Mutual(AnyName):
    """Clients of one name must show a certificate that `trusted` signed."""

    def __init__(self, name: str, pair: tuple[bytes, bytes], trusted: bytes) -> None:
        super().__init__(name, pair)
        self.trusted = trusted

    def trusted_for(self, name: str | None) -> bytes | None:
        return self.trusted if name == self.name else None


def client_of(authority: Authority, now: float) -> bytes:
    """A client's key and certificate (the authority's own are for servers alone)."""
    key, day = ec.generate_private_key(ec.SECP256R1()), timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.fromtimestamp(now, UTC) - day)
        .not_valid_after(datetime.fromtimestamp(now, UTC) + day)
        .sign(authority.key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem)


def test_a_name_may_want_certificates_of_its_clients(self_signed: tuple[bytes, bytes], tmp_path: Path) -> None:
    """Also of a client whose first message comes in pieces; and of no client of another name."""
    now = time.time()
    good, bad = Authority.create(now), Authority.create(now)
    files = {}
    for name, authority in (("good", good), ("bad", bad)):
        files[name] = tmp_path / name
        files[name].write_bytes(client_of(authority, now))

    async def asked(world: RealWorld, port: int, name: str, shown: str) -> bytes:
        context = ssl.create_default_context(cadata=self_signed[0].decode())
        context.check_hostname = False
        if shown:
            context.load_cert_chain(files[shown])
        try:
            reader, writer = await asyncio.open_connection(world.address, port, ssl=context, server_hostname=name)
            writer.write(b"x")
            answer = await reader.read(1)
        except (ssl.SSLError, ConnectionError):
            return b""
        writer.close()
        return answer

    async def story(world: RealWorld) -> None:
        server = await world.serve(0, Echo, tls=Mutual("api.example.com", self_signed, good.pem))
        assert await asked(world, server.port, "api.example.com", "good") == b"x"
        assert await asked(world, server.port, "api.example.com", "bad") == b""
        assert await asked(world, server.port, "api.example.com", "") == b""
        assert await asked(world, server.port, "other.example.com", "bad") == b"x"
        hello, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(hello, out, server_hostname="other.example.com")
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
        reader, writer = await asyncio.open_connection(world.address, server.port)
        for byte in out.read():
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.read(1)) == b"\x16"  # the server's part of the handshake
        writer.close()

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


@pytest.mark.parametrize("name", ["api.example.com", None])
def test_the_name_that_a_client_asks_for_is_read_from_any_part_of_its_hello(name: str | None) -> None:
    nothing, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(nothing, out, server_hostname=name).do_handshake()
    hello = out.read()
    assert server_name(hello) == (name or "")
    assert all(server_name(hello[:size]) is None for size in range(len(hello)))
    assert server_name(b"GET / HTTP/1.1\r\n\r\n") == ""


@given(st.binary(max_size=80))
def test_no_hello_is_too_odd(body: bytes) -> None:
    server_name(b"\x16\x03\x01" + len(body).to_bytes(2) + body)


def test_what_is_done_now_and_then_shares_one_timer() -> None:
    """A wake-up costs an idle process more than what it does then."""
    woken: list[str] = []

    async def upkeep(view: RealWorld, name: str) -> None:
        await view.tick(3600.0)
        woken.append(name)

    async def story(world: RealWorld) -> None:
        timers: list[tuple[Any, ...]] = []
        asyncio.get_running_loop().call_later = lambda *timer: timers.append(timer)  # type: ignore[assignment]
        views = {"a": world, "b": world.at("us-east-1"), "gone": world, "c": world}
        tasks = {name: world.spawn(upkeep(view, name), name) for name, view in views.items()}
        await asyncio.sleep(0)
        tasks["gone"].cancel()
        ((delay_s, fire, *arguments),) = timers
        assert 0 < delay_s <= 3600.001 and woken == []
        fire(*arguments)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert woken == ["a", "b", "c"]

    run_with(RealWorld(SITE, links=Links(), disk=None), story)


def test_a_clock_goes_on_ticking() -> None:
    async def story(world: RealWorld) -> None:
        before = world.monotonic()
        for _ in range(20):
            await world.tick(0.004)
        assert world.monotonic() - before >= 18 * 0.004, "none comes twice"

    run_with(RealWorld(SITE, links=Links(), disk=None), story)
