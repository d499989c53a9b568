"""What an API call through a function costs inside a Region: microseconds of CPU, in this process, without sockets.

    python -m benchmarks.inside_functions

As benchmarks/inside.py; and in the place of worker processes runtimes that answer at once: listener, API Gateway,
Lambda, the runtimes' links, log lines and metrics are all that is measured. Steadier than benchmarks/serverless.py.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import Callable
from pathlib import Path

from antipodes.world.handler_transport import FRAME
from antipodes.world.real import RealWorld, run_real
from antipodes.world.world import Host, Link, Worker, WorkerSpec
from benchmarks import serverless
from benchmarks.inside import REGION, ROUNDS, SECONDS, Bench

ANSWER = b'{"statusCode": 200, "body": "{\\"hello\\": \\"world\\"}"}'


class Runtime:
    """A runtime's end of its link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        link.opened(self.take)
        link.received(FRAME.pack(b"N", 0, 0))

    def take(self, frame: bytes) -> None:
        """An invocation."""
        request_id = frame[FRAME.size : frame.index(b"\n")]
        answer = FRAME.pack(b"R", len(request_id), len(ANSWER)) + request_id + ANSWER
        self._loop.call_soon(self._link.received, answer)


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


class PaperWorld(RealWorld):
    """A machine whose workers are Runtimes."""

    async def start_worker(
        self, spec: WorkerSpec, output: Callable[[bytes], None], host: Host | None = None, link: Link | None = None
    ) -> Worker:
        assert link is not None
        asyncio.get_running_loop().call_soon(Runtime, link)
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
