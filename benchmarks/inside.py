"""What an operation costs inside a Region: microseconds of CPU from bytes to bytes, in this process, without sockets.

    python -m benchmarks.inside [operation ...]

A real Region on a folder of its own; 32 connections whose transports are sinks; each round hands every connection one
request and runs the loop until all are answered, so that writes share a sync as they do under load. What is missing
against benchmarks/dynamodb.py is the kernel's part: reading, writing, waking. Steadier than that benchmark, and what a
profiler should look at.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path

from antipodes.edge.http import HttpConnection
from antipodes.edge.listener import Listener
from antipodes.region.region import Region
from antipodes.services.contract import Settings
from antipodes.services.dynamodb import raw_items
from antipodes.wire import heads
from antipodes.world.disk import FileDisk
from antipodes.world.network import Links
from antipodes.world.real import RealWorld, run_real
from benchmarks import dynamodb, peers
from benchmarks.http_floor import Sink

CONNECTIONS, SECONDS, ROUNDS = 32, 1.5, 3
REGION = "us-east-1"


class Counting(Sink):
    """Counts the answers and keeps the last."""

    answers = 0
    last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        Counting.answers += 1
        Counting.last = bytes(data)


class Bench:
    """A Region and its connections."""

    def __init__(self, folder: Path, kind: type[RealWorld] = RealWorld) -> None:
        self.port = peers.free_port()
        self.world = kind(REGION, links=Links(), disk=FileDisk(folder))
        settings = Settings(regions=(REGION,), port=self.port, https_port=peers.free_port())
        self.region = Region(self.world, settings, token="t", authority=None, set_links=lambda rules: None)
        self.connections: list[HttpConnection] = []

    async def start(self) -> None:
        await self.region.start()
        path = self.region._path
        listener = Listener(self.world, path.respond, path.respond_usual)
        for _ in range(CONNECTIONS):
            connection = HttpConnection(listener)
            connection.connection_made(Counting())
            self.connections.append(connection)

    async def send(self, requests: list[bytes], seconds: float, at_most: int = 1 << 60) -> float:
        """Microseconds of CPU a request."""
        loop = asyncio.get_running_loop()
        begin_s, done, number = time.process_time(), Counting.answers, 0
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline and number < at_most:
            for connection in self.connections:
                # In a callback of the loop, as a transport does it: outside of any task.
                loop.call_soon(connection.data_received, requests[number % len(requests)])
                number += 1
            while Counting.answers < done + number:  # noqa: ASYNC110  (turns of the loop are what is measured)
                await asyncio.sleep(0)
            if not Counting.last.startswith(b"HTTP/1.1 200"):
                raise SystemExit(Counting.last.decode())
        return (time.process_time() - begin_s) / number * 1e6


async def measure(operations: list[str], seconds: float = SECONDS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        await bench.start()
        server = dynamodb.Target("inside", "127.44.1.1", bench.port, 0)
        await asyncio.to_thread(dynamodb.prepare, server)
        gc.collect()
        gc.freeze()
        for operation in operations:
            requests = dynamodb.signed(server, operation, dynamodb.WORK[operation].bodies())
            costs_us = [await bench.send(requests, seconds) for _ in range(ROUNDS)]
            print(f"{operation:16} {min(costs_us):7.1f} us", flush=True)
        await bench.region.stop()


def main() -> None:
    print(f"compiled: {heads.COMPILED and raw_items.COMPILED}")
    run_real(lambda: measure(sys.argv[1:] or list(dynamodb.WORK)))


if __name__ == "__main__":
    main()
