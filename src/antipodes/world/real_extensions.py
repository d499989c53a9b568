"""External extensions on a real machine: every executable file in the layers' folder `extensions`, a process each.

They start together, before the runtime, with the function's variables but those that AWS keeps from them, and share
its folders. What they leave running ends with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import cast

from antipodes.world import real_processes
from antipodes.world.world import ExtensionFailed, Host

FOLDER = "extensions"
# Of the runtime alone (Developer Guide, "Accessing environment variables" of extensions).
NOT_THEIRS = frozenset(
    {
        "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT", "PWD", "_HANDLER",
    }
)  # fmt: skip


def files_of(layers: Path) -> list[Path]:
    """In the order of their names."""
    folder = layers / FOLDER
    return sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else []


class RealExtensions:
    """The processes (world.Companions). `left` is called once, when the last one has ended."""

    def __init__(self, files: list[Path], host: Host, left: Callable[[], None]) -> None:
        self.names = tuple(one.name for one in files)
        self._files = files
        self._host = host
        self._left = left
        self._running: dict[str, _Extension] = {}
        self._killed = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, environment: Mapping[str, str], before: Callable[[], None] | None) -> None:
        """before: to be run in each child. Raises ExtensionFailed; then none of them runs on."""
        loop = asyncio.get_running_loop()
        own = {name: value for name, value in environment.items() if name not in NOT_THEIRS}
        try:
            for file in self._files:
                _, process = await loop.subprocess_exec(
                    partial(_Extension, file.name, self),
                    str(file),
                    cwd=file.parent.parent,
                    env=own,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    preexec_fn=before,
                )
                self._running[file.name] = process
        except (OSError, ValueError) as error:
            self.kill()
            if not self._running:
                self._end()
            raise ExtensionFailed(file.name, str(error)) from error

    async def wait(self) -> None:
        await asyncio.shield(self._ended)

    def kill(self, name: str | None = None) -> None:
        self._killed = self._killed or name is None
        for one in list(self._running.values()):
            if name in (None, one.name):
                one.kill()

    def memory_mb(self) -> float | None:
        held = [real_processes.memory_mb(one.pid) for one in self._running.values()]
        return sum(one or 0.0 for one in held)

    def told(self, extension: _Extension, code: int) -> None:
        """One has ended."""
        self._running.pop(extension.name, None)
        if not self._killed:
            self._host.ended(extension.name, code)
        if not self._running:
            self._end()

    def wrote(self, name: str, data: bytes) -> None:
        self._host.wrote(name, data)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
            self._left()


class _Extension(asyncio.SubprocessProtocol):
    """One process."""

    def __init__(self, name: str, owner: RealExtensions) -> None:
        self.name = name
        self._owner = owner
        self._transport: asyncio.SubprocessTransport

    @property
    def pid(self) -> int | None:
        return self._transport.get_pid()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._owner.wrote(self.name, data)

    def process_exited(self) -> None:
        code = self._transport.get_returncode()
        asyncio.get_running_loop().call_soon(self._transport.close)
        self._owner.told(self, 0 if code is None else code)

    def kill(self) -> None:
        if self.pid is not None and self._transport.get_returncode() is None:
            real_processes.kill(self.pid)
