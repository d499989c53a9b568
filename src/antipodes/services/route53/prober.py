"""Probing: one call of one health checker, and the fleet of all checkers of all checks.

Rules. A checker dials from its own Region (`World.at`), so distance, partitions and dead Regions act on it: a checker
whose Region is down sees nothing and says nothing. Checkers are not coordinated: each has a phase drawn for itself.
Limits are AWS's: TCP checks connect within 10 s; HTTP checks connect within 4 s, the status is there within 2 s more,
for string matches the body within another 2 s. 2xx and 3xx are healthy, redirects are not followed, the search string
must lie within the first 5,120 bytes, the certificate is not validated (the World given here does not).

Ports 443 and 80 of the planet's own addresses (127.0.0.0/8) stand for its HTTPS and HTTP ports.
Status texts are from memory where AWS's documentation does not give them.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import httptools

from antipodes.services.contract import Settings
from antipodes.services.route53.health import CHECKER_REGIONS, Observation
from antipodes.services.route53.records import Check
from antipodes.world.world import ConnectionLost, NetworkError, Refused, SiteDown, Stream, World

TCP_CONNECT_S, HTTP_CONNECT_S, STATUS_S, BODY_S = 10.0, 4.0, 2.0, 2.0
SEARCHED_BYTES = 5120
MAX_HEAD_BYTES = 16 * 1024
MAX_PACKED_BYTES = 1 << 20  # of a compressed body, to find its first 5,120 in
USER_AGENT = "Amazon-Route53-Health-Check-Service (ref {}; report http://amzn.to/1vsZADi)"
TIMED_OUT = (
    "Failure: Connection timed out. The endpoint or the internet connection is down, or requests are being blocked "
    "by your firewall. See https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-router-firewall-rules.html"
)

Resolve = Callable[[str, str], tuple[str | None, str]]  # name, checker Region -> IPv4 address or None, rcode
Observed = Callable[[str, str, Observation], None]  # check id, checker Region, what it saw


class _Failed(Exception):
    """The endpoint is not healthy; the message is the status text without "Failure: "."""


class _Reader:
    """Collects an answer as far as a checker needs it."""

    def __init__(self, first_byte: Callable[[], None]) -> None:
        self._first_byte = first_byte
        self.parser = httptools.HttpResponseParser(self)
        self.head_done = self.done = False
        self.head_bytes = 0
        self.encoding = ""
        self.body = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-encoding":
            self.encoding = value.decode("latin-1").lower()

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_body(self, data: bytes) -> None:
        self.body += data
        plain = self.encoding in ("", "identity")
        if len(self.body) >= (SEARCHED_BYTES if plain else MAX_PACKED_BYTES):
            self.done = True

    def on_message_complete(self) -> None:
        self.done = True

    def feed(self, data: bytes) -> None:
        if not self.head_bytes:
            self._first_byte()
        if not self.head_done:
            self.head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.head_done:
                raise _Failed(f"The endpoint's answer is not HTTP: {error}") from None
            self.done = True  # bytes after the body are of no interest
        if not self.head_done and self.head_bytes > MAX_HEAD_BYTES:
            raise _Failed("The response headers are too long.")

    @property
    def text(self) -> bytes:
        """The searched part of the body, unpacked."""
        if self.encoding not in ("gzip", "deflate"):
            return bytes(self.body[:SEARCHED_BYTES])
        try:
            return zlib.decompressobj(47).decompress(
                bytes(self.body), SEARCHED_BYTES
            )  # 47: gzip or zlib, by its header
        except zlib.error:
            return b""


@dataclass(slots=True)
class Timed:
    """How long the steps of one call took, as far as it came."""

    connect_ms: float | None = None
    first_byte_ms: float | None = None


async def probe(world: World, check: Check, address: str, settings: Settings, timed: Timed) -> str:
    """One call; the success text. Raises _Failed, SiteDown."""
    assert check.port is not None
    port = check.port
    if address.startswith("127."):
        port = {443: settings.https_port, 80: settings.port}.get(port, port)
    secure = check.type.startswith("HTTPS")
    # Without SNI the TLS name is the address, which is not sent in the handshake.
    tls_name = (check.fqdn if check.sni and check.fqdn else address) if secure else None
    began_s = world.monotonic()
    stream = await _connect(world, address, port, tls_name, TCP_CONNECT_S if check.type == "TCP" else HTTP_CONNECT_S)
    connected_s = world.monotonic()
    timed.connect_ms = (connected_s - began_s) * 1000

    def first_byte() -> None:
        timed.first_byte_ms = (world.monotonic() - connected_s) * 1000

    try:
        if check.type == "TCP":
            return "Success: The connection was established."
        return await _ask(stream, check, address, first_byte)
    except (ConnectionLost, TimeoutError) as error:
        lost = isinstance(error, ConnectionLost)
        raise _Failed("The connection broke." if lost else "The endpoint did not respond in time.") from None
    finally:
        stream.close()


async def _connect(world: World, address: str, port: int, tls_name: str | None, limit_s: float) -> Stream:
    try:
        return await world.connect(address, port, tls_name=tls_name, timeout_s=limit_s)
    except SiteDown:
        raise
    except Refused:
        raise _Failed("The connection was refused.") from None
    except NetworkError:
        raise _Failed(TIMED_OUT.removeprefix("Failure: ")) from None


async def _ask(stream: Stream, check: Check, address: str, first_byte: Callable[[], None]) -> str:
    reader = _Reader(first_byte)
    async with asyncio.timeout(STATUS_S):
        stream.write(_request(check, address))
        await _read(stream, reader, lambda: reader.head_done)
    status = reader.parser.get_status_code()
    phrase = HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else ""
    said = f"HTTP Status Code {status}, {phrase}"
    if not 200 <= status < 400:
        raise _Failed(said)
    if check.search:
        async with asyncio.timeout(BODY_S):
            await _read(stream, reader, lambda: reader.done)
        if check.search.encode() not in reader.text:
            raise _Failed(f"{said}. The search string was not found in the first {SEARCHED_BYTES} bytes of the body")
    return f"Success: {said}"


async def _read(stream: Stream, reader: _Reader, enough: Callable[[], bool]) -> None:
    while not enough():
        data = await stream.read()
        if not data:
            if not reader.head_done:
                raise ConnectionLost("closed")
            return
        reader.feed(data)


def _request(check: Check, address: str) -> bytes:
    host = check.fqdn.rstrip(".") or (f"[{address}]" if ":" in address else address)
    if check.port != (443 if check.type.startswith("HTTPS") else 80):
        host = f"{host}:{check.port}"
    lines = (
        f"GET {check.path or '/'} HTTP/1.1",
        f"Host: {host}",
        "Connection: close",
        f"User-Agent: {USER_AGENT.format(check.id)}",
        "Accept: */*",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Fleet:
    """All checkers. One task for each check and checker Region."""

    def __init__(
        self, world: World, probe_world: World, settings: Settings, resolve: Resolve, observed: Observed
    ) -> None:
        self._world = world
        self._probe_world = probe_world
        self._settings = settings
        self._resolve = resolve
        self._observed = observed
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}

    def follow(self, check: Check) -> None:
        """Probes by these settings from now on."""
        self.drop(check.id)
        if not check.probes:
            return
        self._tasks[check.id] = [
            self._world.spawn(self._run(check, region), f"health checker {region} {check.id}")
            for region in check.regions or CHECKER_REGIONS
        ]

    def drop(self, check_id: str) -> None:
        for task in self._tasks.pop(check_id, ()):
            task.cancel()

    async def stop(self) -> None:
        tasks = [task for group in self._tasks.values() for task in group]
        for check_id in list(self._tasks):
            self.drop(check_id)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, check: Check, region: str) -> None:
        world = self._probe_world.at(region)
        due_s = self._world.monotonic() + self._world.chance.uniform(0, check.interval_s)
        while True:
            await self._world.sleep(max(0.0, due_s - self._world.monotonic()))
            seen = await self._look(world, check, region)
            if seen is not None:
                self._observed(check.id, region, seen)
            # The next turn of the checker's own clock; turns that a suspended machine has missed are not made up for.
            late_s = max(0.0, self._world.monotonic() - due_s)
            due_s += check.interval_s * (1 + late_s // check.interval_s)

    async def _look(self, world: World, check: Check, region: str) -> Observation | None:
        address, rcode = (check.ip, "") if check.ip else self._resolve(check.fqdn, region)
        if address is None:
            failure = f"Failure: DNS resolution failed: DNS response error code {rcode}"
            return Observation(self._world.now(), False, failure)
        resolved = "" if check.ip else f". Resolved IP: {address}"
        timed = Timed()
        try:
            status, ok = await probe(world, check, address, self._settings, timed), True
        except _Failed as failed:
            status, ok = f"Failure: {str(failed).rstrip('.')}", False
        except SiteDown:
            return None
        return Observation(self._world.now(), ok, f"{status}{resolved}", address, timed.connect_ms, timed.first_byte_ms)
