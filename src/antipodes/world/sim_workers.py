"""Lambda workers in simulated time: an execution environment is a task that polls the Runtime API like a real one.

The driver takes a drawn time to start, then runs the function's code in greenlets (`sim_greenlets`), inside a sandbox
(`sim_sandbox`), where botocore's calls become HTTP bytes over `world.connect`, in virtual time (`sim_boto`).
Processor time is not simulated: each invocation takes a small drawn time, and what it waits for.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import greenlet

from antipodes.world.archive import BadArchive, entries_of
from antipodes.world.handler_loop import BASE, Context, error_answer, load_handler, run_event
from antipodes.world.handler_loop import Answer as HandlerAnswer
from antipodes.world.sim_greenlets import run_sync
from antipodes.world.sim_http import Answer, Asker
from antipodes.world.sim_sandbox import Code, ProcessEnd, Sandbox
from antipodes.world.world import NetworkError, Worker, WorkerFailed, WorkerSpec, World

PYTHON_RUNTIME = re.compile(r"python\d+\.\d+")
COLD_START_S = (0.080, 0.250)
HANDLER_S = (0.0005, 0.002)  # stands for the processor time of one invocation
SIGKILL = 9


async def start(world: World, spec: WorkerSpec, output: Callable[[bytes], None]) -> Worker:
    """Starts the worker. Raises WorkerFailed: not a Python runtime, a bad archive, no such folder."""
    if not PYTHON_RUNTIME.fullmatch(spec.runtime):
        raise WorkerFailed(
            f"antipodes cannot run {spec.runtime} in simulated time: only Python runtimes are supported."
        )
    if not isinstance(spec.code, bytes) and not spec.code.is_dir():
        raise WorkerFailed(f"the function's folder {spec.code} does not exist")
    for layer in spec.layers:
        brought = [entry.path for entry in entries_of(layer) if entry.path.startswith("extensions/")]
        if brought:
            raise WorkerFailed(f"antipodes cannot run extensions ({brought[0]}) in simulated time: they are processes.")
    try:
        code = Code(spec.code, spec.layers, spec.runtime)
    except BadArchive as error:
        raise WorkerFailed(f"{spec.name}: {error}") from error
    return SimWorker(world, spec, code, output)


class SimWorker:
    """A simulated worker process."""

    def __init__(self, world: World, spec: WorkerSpec, code: Code, output: Callable[[bytes], None]) -> None:
        self._world = world
        self._spec = spec
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._asker = Asker(world)
        address, _, port = spec.environment["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
        self._runtime_api = (address, int(port))
        environment = {"LAMBDA_TASK_ROOT": code.root, "LAMBDA_RUNTIME_DIR": "/var/runtime", **spec.environment}
        self._output = output
        self._sandbox = Sandbox(world, self._asker, code, environment, self._print)
        self._task = world.spawn(self._drive(), f"worker {spec.name}")

    @property
    def pid(self) -> int | None:
        return None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        self.kill()

    def kill(self) -> None:
        """The code stops where it waits; what it prints while its frames unwind is not heard."""
        if not self._ended.done():
            self._ended.set_result(-SIGKILL)
            self._sandbox.killed = True
            self._task.cancel()

    def _print(self, data: bytes) -> None:
        if not self._sandbox.killed:
            self._output(data)

    async def _drive(self) -> None:
        code = 1
        try:
            await self._world.sleep(self._world.chance.uniform(*COLD_START_S))
            code = await self._live()
        except (ProcessEnd, SystemExit) as end:
            code = end.code if isinstance(end.code, int) else (0 if end.code is None else 1)
        except NetworkError:
            pass  # the Runtime API is gone, and so is the sense of this process
        finally:
            self._asker.close()
            if not self._ended.done():
                self._ended.set_result(code)

    async def _live(self) -> int:
        """The loop of a runtime; returns the exit code."""
        sandbox = self._sandbox
        handler = await run_sync(sandbox.run, self._load)
        if isinstance(handler, HandlerAnswer):
            await self._post("/init/error", handler)
            return 1
        while True:
            polled = await self._ask("GET", "/invocation/next")
            if polled.status != 200:
                return 1
            headers = dict(polled.headers)
            sandbox.request_id = headers["lambda-runtime-aws-request-id"]
            sandbox.set_variable("_X_AMZN_TRACE_ID", headers.get("lambda-runtime-trace-id", ""))
            await self._world.sleep(self._world.chance.uniform(*HANDLER_S))
            context = Context(headers, sandbox.variables())
            answer = await run_sync(sandbox.run, lambda: run_event(handler, polled.body, context))  # noqa: B023
            if isinstance(answer, greenlet.GreenletExit):
                return -SIGKILL
            await self._post(f"/invocation/{sandbox.request_id}/{answer.path}", answer)

    def _load(self) -> Any:
        try:
            return load_handler(self._spec.handler, self._sandbox.load)
        except Exception as error:
            return error_answer(error)

    async def _post(self, path: str, answer: HandlerAnswer) -> None:
        await self._ask("POST", path, tuple(answer.headers.items()), answer.body)

    async def _ask(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...] = (), body: bytes = b""
    ) -> Answer:
        address, port = self._runtime_api
        host = ("Host", f"{address}:{port}")
        return await self._asker.ask(address, port, method, BASE + path, (host, *headers), body)
