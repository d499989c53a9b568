"""What an API call through a function costs inside a Region: microseconds of CPU, in this process, without sockets.

    python -m benchmarks.inside_functions

As benchmarks/inside.py; and in the place of worker processes runtimes that answer at once: listener, API Gateway,
Lambda, the Runtime API, log lines and metrics are all that is measured. Steadier than benchmarks/serverless.py.
"""

from __future__ import annotations

import asyncio
import gc
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from antipodes.world.real import RealWorld, run_real
from antipodes.world.world import Certificates, Host, ProtocolFactory, Server, Worker, WorkerSpec
from benchmarks import serverless
from benchmarks.http_floor import Sink
from benchmarks.inside import REGION, ROUNDS, SECONDS, Bench

ID = re.compile(rb"Lambda-Runtime-Aws-Request-Id: (\S+)")
HEADERS = b" HTTP/1.1\r\nHost: 127.44.1.1:1\r\nAccept: */*\r\nUser-Agent: aws-lambda-python/3.11.7-4.2.2\r\n"
NEXT = b"GET /2018-06-01/runtime/invocation/next" + HEADERS + b"\r\n"
ANSWER = b'{"statusCode": 200, "body": "{\\"hello\\": \\"world\\"}"}'
RESPONSE = HEADERS + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)


class Runtime(Sink):
    """A runtime's end of its connection."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        protocol.connection_made(self)
        protocol.data_received(NEXT)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        taken = bytes(data)
        if taken.startswith(b"HTTP/1.1 202"):
            self._loop.call_soon(self._protocol.data_received, NEXT)
        elif (found := ID.search(taken)) is not None:
            response = b"POST /2018-06-01/runtime/invocation/%b/response%b" % (found[1], RESPONSE)
            self._loop.call_soon(self._protocol.data_received, response)


class PaperWorker:
    """A world.Worker."""

    pid: int | None = None

    def __init__(self) -> None:
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await self._ended

    def terminate(self) -> None:
        self.kill()

    def kill(self) -> None:
        if not self._ended.done():
            self._ended.set_result(-9)


class PaperServer:
    """A world.Server."""

    port = 1

    def close(self) -> None:
        """Nothing listens."""


class PaperWorld(RealWorld):
    """A machine whose workers are Runtimes. What listens on a port of no matter is a Runtime API's."""

    _connection: ProtocolFactory

    async def serve(
        self, port: int, factory: ProtocolFactory, *, address: str | None = None, tls: Certificates | None = None
    ) -> Server:
        if port:
            return await super().serve(port, factory, address=address, tls=tls)
        self._connection = factory
        return PaperServer()

    async def start_worker(self, spec: WorkerSpec, output: Callable[[bytes], None], host: Host | None = None) -> Worker:
        asyncio.get_running_loop().call_soon(Runtime, self._connection())
        return PaperWorker()


async def measure(seconds: float = SECONDS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), PaperWorld)
        await bench.start()
        apis = await asyncio.to_thread(serverless.deploy, bench.port, {}, bench.world.address)
        gc.collect()
        gc.freeze()
        asked = {
            "HTTP API": serverless.get(f"{apis['trivial']}.execute-api.{REGION}.amazonaws.com"),
            "Invoke": serverless.invocation("nothing", bench.port),
        }
        for name, request in asked.items():
            await bench.send([request], seconds)
            costs_us = [await bench.send([request], seconds) for _ in range(ROUNDS)]
            print(f"{name:16} {min(costs_us):7.1f} us", flush=True)
        await bench.region.stop()


if __name__ == "__main__":
    run_real(measure)
