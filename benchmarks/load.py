"""A closed-loop HTTP load: N connections, each sends the next prepared request when the last answer has come.

Requests are signed beforehand, so that the client's cost stays small and equal for every server measured. Every
answer is checked: status 200 and, where given, a part of the body.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Figures:
    """What one load measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int
    bad: int


def dynamodb_request(operation: str, body: bytes, host: str, port: int, region: str = "us-east-1") -> bytes:
    """A signed DynamoDB request as bytes."""
    url = f"http://{host}:{port}/"
    headers = {
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        "Content-Type": "application/x-amz-json-1.0",
        "Host": f"{host}:{port}",
    }
    request = AWSRequest("POST", url, data=body, headers=headers)
    SigV4Auth(Credentials("test", "test"), "dynamodb", region).add_auth(request)
    head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(slots=True)
class Tally:
    """Shared by all connections of one load."""

    requests: Sequence[bytes]
    expect: bytes
    deadline: float
    at_most: float  # answers
    next: int = 0
    bad: int = 0
    times: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """One connection of the load."""

    def __init__(self, tally: Tally, done: asyncio.Future[None]) -> None:
        self._tally = tally
        self._done = done
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        tally = self._tally
        assert self._transport is not None
        now = time.perf_counter()
        if now >= tally.deadline or tally.next >= tally.at_most:
            self._transport.close()
            return
        self._sent = now
        self._transport.write(tally.requests[tally.next % len(tally.requests)])
        tally.next += 1

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 : (head + b"\r\n").find(b"\r\n", at)]) if at >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        tally = self._tally
        tally.times.append(time.perf_counter() - self._sent)
        if not self._buffer.startswith(b"HTTP/1.1 200") or tally.expect not in self._buffer:
            tally.bad += 1
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._tally.bad += 1
        if not self._done.done():
            self._done.set_result(None)


async def run(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    at_most: float = math.inf,
    expect: bytes = b"",
) -> Figures:
    """Runs the load for that long, or until so many requests are sent."""
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()
    tally = Tally(requests, expect, begin + seconds, at_most)
    ends = [loop.create_future() for _ in range(connections)]
    await asyncio.gather(*(loop.create_connection(partial(Connection, tally, end), host, port) for end in ends))
    await asyncio.gather(*ends)
    took = time.perf_counter() - begin
    times = sorted(tally.times)
    if not times:
        return Figures(0, 0, 0, 0, tally.bad)
    return Figures(
        per_second=len(times) / took,
        p50_ms=times[len(times) // 2] * 1000,
        p99_ms=times[int(len(times) * 0.99)] * 1000,
        answers=len(times),
        bad=tally.bad,
    )
