"""What only the real world has: certificates, addresses of this machine, views, an end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from antipodes.world.disk import FileDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
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
