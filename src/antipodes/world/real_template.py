"""The Region's side of handler_template.py: one template process a Region, started when the first function wants it.

It goes when nothing has been started from it for IDLE_S and no environment of it lives: an idle Region runs no process
but its own. Linux only (pidfd, SCM_RIGHTS); elsewhere environments are started one by one (real_workers).
"""

from __future__ import annotations

import array
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import cast

from antipodes.world import real_processes
from antipodes.world.handler_template import MESSAGE_BYTES, PRELOADED
from antipodes.world.real_mounts import Mounts
from antipodes.world.world import Link, WorkerFailed

SCRIPT = Path(__file__).with_name("handler_template.py")
IDLE_S = 300.0
READ_BYTES = 1 << 16
# What an interpreter reads when it starts: a function that sets one of these gets a process of its own.
STARTUP_VARIABLES = ("AWS_LAMBDA_EXEC_WRAPPER", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHON")
UNLIKE_STARTUP = frozenset({"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"})


def serves(folder: Path, environment: Mapping[str, str]) -> bool:
    """Whether an environment of that folder may come from a template: it brings no module of its own that the template
    has imported already (in another version), and sets nothing that an interpreter reads only at its start."""
    places = [folder, *(Path(one) for one in environment.get("PYTHONPATH", "").split(os.pathsep) if one)]
    for place in places:
        for name in PRELOADED:
            if ((place / name).exists() or (place / f"{name}.py").exists()) and not _is_ours(place, name):
                return False
    return not any(name.startswith(STARTUP_VARIABLES) and name not in UNLIKE_STARTUP for name in environment)


def _is_ours(place: Path, name: str) -> bool:
    """Whether the package there is the version that is installed here, by the record that pip leaves beside it."""
    installed = _version(name)
    return installed is not None and [one.name for one in place.glob(f"{name}-*.dist-info")] == [
        f"{name}-{installed}.dist-info"
    ]


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


class ForkedWorker:
    """One environment (world.Worker), forked from the template."""

    def __init__(
        self,
        output: Callable[[bytes], None],
        reader: int,
        link: asyncio.BaseTransport,
        ended: Callable[[], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.pid: int | None = None
        self.started: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._output = output
        self._reader = reader
        self._link = link
        self._pidfd = -1
        self._on_end = ended
        loop.add_reader(reader, self._read)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def terminate(self) -> None:
        if self._pidfd >= 0 and not self._ended.done():
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
            except ProcessLookupError:
                pass

    def kill(self) -> None:
        if self._pidfd >= 0 and not self._ended.done():
            assert self.pid is not None
            try:
                signal.pidfd_send_signal(self._pidfd, signal.SIGSTOP)  # it starts no more of them
                real_processes.kill_descendants(self.pid)
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def peak_memory_mb(self) -> int | None:
        return real_processes.peak_memory_mb(self.pid)

    def memory_mb(self) -> float | None:
        return real_processes.memory_mb(self.pid)

    # what the template says of it

    def began(self, pid: int, pidfd: int) -> None:
        self.pid, self._pidfd = pid, pidfd
        if not self.started.done():
            self.started.set_result(None)
        else:  # whoever wanted it has gone
            self.kill()

    def failed(self, why: str) -> None:
        """It never began."""
        self._close()
        if not self.started.done():
            self.started.set_exception(WorkerFailed(why))

    def exited(self, code: int) -> None:
        """What it wrote is read to the end; a grandchild may hold the pipe open for ever, that is not waited for."""
        if not self.started.done():
            self.failed("the template process ended")
            return
        self._read()
        self._close()
        if not self._ended.done():
            self._ended.set_result(code)

    def _read(self) -> None:
        while self._reader >= 0:
            try:
                data = os.read(self._reader, READ_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                asyncio.get_running_loop().remove_reader(self._reader)
                os.close(self._reader)
                self._reader = -1
                return
            self._output(data)

    def _close(self) -> None:
        self._link.close()
        if self._reader >= 0:
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        self._on_end()


class _LinkEnd(asyncio.Protocol):
    """Hands on what a runtime says."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._link.opened(self._transport.write)

    def data_received(self, data: bytes) -> None:
        if not self._link.received(data):
            self._transport.close()


class Template:
    """The template process of one Region: `start` gives an environment; `warm` only has it ready."""

    def __init__(self) -> None:
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._workers: dict[str, ForkedWorker] = {}
        self._number = 0
        self._idle: asyncio.TimerHandle | None = None

    async def start(
        self,
        argv: list[str],
        environment: Mapping[str, str],
        folder: Path,
        output: Callable[[bytes], None],
        runtime: Link,
        ended: Callable[[], None],
        mounts: Mounts | None = None,
    ) -> ForkedWorker:
        """runtime: whom it speaks to. `ended` is called once, when nothing of the environment is left. mounts: for
        real_mounts.take. Raises WorkerFailed, OSError."""
        self.warm()
        link = self._link
        assert link is not None
        self._number += 1
        identity = str(self._number)
        asked: dict[str, object] = {
            "id": identity,
            "argv": argv,
            "environment": dict(environment),
            "folder": str(folder),
        }
        if mounts is not None:
            asked["places"], asked["kept"] = mounts
        near, far = socket.socketpair()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(lambda: _LinkEnd(runtime), sock=near)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        worker = ForkedWorker(output, reader, transport, ended)
        self._workers[identity] = worker
        self._work()
        try:
            await _send(link, json.dumps(asked).encode(), writer, far.fileno())
        except OSError as error:
            del self._workers[identity]
            worker.failed(f"the template process cannot be reached: {error}")
        finally:
            os.close(writer)
            far.close()
        await worker.started
        return worker

    def warm(self) -> None:
        """Starts the process if it does not run; it imports while nobody waits."""
        self._work()
        if self._link is None:
            own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            own.setblocking(False)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own script on our own interpreter
                    [sys.executable, str(SCRIPT)],
                    stdin=its.fileno(),
                    stdout=subprocess.DEVNULL,
                    preexec_fn=real_processes.dies_with(os.getpid()),  # noqa: PLW1509 - it calls prctl, no more
                    env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
                )
            except BaseException:
                own.close()
                raise
            finally:
                its.close()
            self._link = own
            asyncio.get_running_loop().add_reader(own, self._heard)
        self._rest()

    def close(self) -> None:
        """Ends the process, and with it every environment that came from it."""
        self._work()
        link, self._link = self._link, None
        if link is not None:
            asyncio.get_running_loop().remove_reader(link)
            link.close()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        workers, self._workers = self._workers, {}
        for worker in workers.values():
            worker.exited(-signal.SIGKILL)

    def _heard(self) -> None:
        while self._link is not None:
            try:
                data, ancillary, _, _ = self._link.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(4))
            except BlockingIOError:
                return
            except OSError:
                data, ancillary = b"", []
            if not data:  # it is gone, killed from outside: its children were told to die with it
                self.close()
                return
            fds = array.array("i")
            for _, _, content in ancillary:
                fds.frombytes(content)
            self._told(json.loads(data), fds[0] if fds else -1)

    def _told(self, said: Mapping[str, object], pidfd: int) -> None:
        identity = str(said["id"])
        worker = self._workers[identity]
        if "pid" in said:
            worker.began(int(str(said["pid"])), pidfd)
            return
        del self._workers[identity]
        if "error" in said:
            worker.failed(str(said["error"]))
        else:
            worker.exited(int(str(said["exit"])))
        self._rest()

    def _work(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest(self) -> None:
        if not self._workers and self._link is not None and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.close)


async def _send(link: socket.socket, data: bytes, *fds: int) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    while True:
        try:
            link.sendmsg([data], rights)
            return
        except BlockingIOError:  # many start at once: the template reads them in a moment
            await asyncio.sleep(0.005)
