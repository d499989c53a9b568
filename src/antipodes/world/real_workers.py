"""Lambda workers on a real machine: a process for each execution environment.

The code lies in a folder that the function's environments share (real_code; a folder of the user's is used in place).
/tmp and the layers, which are /opt, lie in a private one; it goes when the last process of the environment has ended.
Each process has them at these places by a mount namespace (real_mounts). Where the kernel refuses that, TMPDIR and
LAMBDA_LAYERS_ROOT (ours, not AWS's) alone name the folders: /tmp is this machine's, and who opens /opt/... by that name
does not find it. The search paths for modules, programs and shared objects lead into the layers in either case.
External extensions (real_extensions) start first.
Which program runs the handler is real_runtimes' choice; AWS's own Python client is forked from the Region's template
process (real_template) if the function allows it. The process stays in the Region's process group and, on Linux, is
told to die with the Region: SIGKILL to the group or to the Region alone leaves nothing behind. `kill` takes its
descendants along.

A machine that kills a Region may leave its folders, and processes that left its group: the folders lie under the
site's own disk folder and are removed, with such processes, when the Region's next worker starts.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import cast

from antipodes.world import real_extensions, real_mounts, real_processes, real_runtimes
from antipodes.world.archive import BadArchive
from antipodes.world.disk import FileDisk
from antipodes.world.real_code import Code, Codes, remove, unpack
from antipodes.world.real_extensions import RealExtensions
from antipodes.world.real_mounts import Mounts
from antipodes.world.real_template import Template, serves
from antipodes.world.world import Host, Link, Worker, WorkerFailed, WorkerSpec, World

LAYERS, TMP = "opt", "tmp"
MARK = "LAMBDA_LAYERS_ROOT"  # a variable that no two environments have with the same value
SEARCHED = ("PATH", "NODE_PATH", "PYTHONPATH", "LD_LIBRARY_PATH")  # variables with folders that programs look in


class _Home:
    """The private folder of an environment: it goes when the processes that were started here have ended, and what
    they have left running ends with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.code: Code | None = None  # lies elsewhere
        self._users = 1

    def enter(self) -> None:
        self._users += 1

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            _end_what_runs(self.path)
            remove(self.path)
            if self.code is not None:
                self.code.leave()


async def start(
    world: World,
    codes: Codes,
    template: Template | None,
    spec: WorkerSpec,
    output: Callable[[bytes], None],
    host: Host | None,
    link: Link | None,
) -> Worker:
    """Starts the worker, after its extensions. Raises WorkerFailed: a runtime that is not there, a bad archive, no such
    folder, an extension that does not start; and what the host raises."""
    lodging = _Home(await asyncio.to_thread(_fresh_home, world))
    home, layers = lodging.path, lodging.path / LAYERS
    extensions: RealExtensions | None = None
    try:
        for layer in spec.layers:
            await asyncio.to_thread(unpack, layer, layers)
        folder = await _place_code(spec, lodging, codes)
        (home / TMP).mkdir()
        command = await asyncio.to_thread(real_runtimes.command_of, spec.runtime, spec.handler, folder)
        if command.note:
            output(f"{command.note}\n".encode())
        environment = real_runtimes.with_layers(_environment(spec, folder, home), spec.runtime, layers)
        mounts = _mounts(home, folder, command.argv[0], environment)
        before = partial(_prepare_child, mounts, os.getpid()) if sys.platform == "linux" else None
        files = real_extensions.files_of(layers) if host is not None else []
        if host is not None and files:
            companions = RealExtensions(files, host, lodging.leave)
            host.starting(companions)
            extensions = companions
            lodging.enter()
            await extensions.start(environment, before)
            await host.registered()
        if template is not None and link is not None and command.official and serves(folder, spec.environment):
            return await template.start(
                list(command.argv[2:]), environment, folder, output, link, lodging.leave, mounts
            )
        loop = asyncio.get_running_loop()
        _, protocol = await loop.subprocess_exec(
            lambda: _WorkerProtocol(output, lodging.leave),
            *real_runtimes.alone(command, spec.environment, layers),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=before,
        )
    except BaseException as error:
        if extensions is not None:
            extensions.kill()
        lodging.leave()
        if isinstance(error, OSError | BadArchive):
            raise WorkerFailed(f"{spec.name}: {error}") from error
        raise
    return RealWorker(protocol)


@cache
def _machine_folders() -> set[str]:
    """What every environment needs of the interpreter and of antipodes, if it lies in /tmp."""
    return real_mounts.in_tmp((str(real_runtimes.LOOPS), sys.prefix, sys.base_prefix, *sys.path))


def _mounts(home: Path, folder: Path, program: str, environment: Mapping[str, str]) -> Mounts | None:
    """For real_mounts.take; None: the environment shares the machine's folders."""
    if not real_mounts.can_take():
        return None
    own_tmp = str(home / TMP)
    places = [(own_tmp, real_mounts.TMP)]
    if (home / LAYERS).is_dir() and Path(real_mounts.OPT).is_dir():
        places.insert(0, (str(home / LAYERS), real_mounts.OPT))  # while its path leads there
    searched = os.pathsep.join(environment.get(name, "") for name in SEARCHED).split(os.pathsep)
    needed = (str(home), str(folder), str(Path(program).parent), *searched, *_machine_folders())
    return places, real_mounts.kept_in(own_tmp, needed)


def _prepare_child(mounts: Mounts | None, parent: int) -> None:
    """In the child, between fork and exec."""
    if mounts is not None:
        real_mounts.take(*mounts)
    real_processes.dies_with(parent)()


class RealWorker:
    """A worker process."""

    def __init__(self, protocol: _WorkerProtocol) -> None:
        self._protocol = protocol

    @property
    def pid(self) -> int | None:
        return self._protocol.transport.get_pid()

    async def wait(self) -> int:
        return await asyncio.shield(self._protocol.ended)

    def terminate(self) -> None:
        if self.pid is not None and not self._protocol.ended.done():
            real_processes.send(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        if self.pid is not None and not self._protocol.ended.done():
            real_processes.kill(self.pid)

    def peak_memory_mb(self) -> int | None:
        return real_processes.peak_memory_mb(self.pid)

    def memory_mb(self) -> float | None:
        return real_processes.memory_mb(self.pid)


class _WorkerProtocol(asyncio.SubprocessProtocol):
    """Hands on the output; `left` is called when the process has ended."""

    def __init__(self, output: Callable[[bytes], None], left: Callable[[], None]) -> None:
        self._output = output
        self._left = left
        self.transport: asyncio.SubprocessTransport
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's does not inherit from it

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._output(data)

    def process_exited(self) -> None:
        code = self.transport.get_returncode()
        self._left()
        # A grandchild may hold the pipe open for ever; what the process itself wrote is read in this turn of the loop.
        asyncio.get_running_loop().call_soon(self.transport.close)
        if not self.ended.done():
            self.ended.set_result(0 if code is None else code)


def _environment(spec: WorkerSpec, folder: Path, home: Path) -> dict[str, str]:
    """The function's variables, and what any program on this machine needs."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        **({} if real_mounts.can_take() else {"TMPDIR": str(home / TMP)}),
        **real_runtimes.variables(spec.runtime, spec.environment),
        **spec.environment,
        MARK: str(home / LAYERS),
        "LAMBDA_TASK_ROOT": str(folder),
        "LAMBDA_RUNTIME_DIR": str(real_runtimes.LOOPS),
        "PWD": str(folder),
    }


def _fresh_home(world: World) -> Path:
    disk = world.disk()
    if not isinstance(disk, FileDisk):
        return Path(tempfile.mkdtemp(prefix="antipodes-worker-"))
    homes = disk.folder / "workers"
    homes.mkdir(parents=True, exist_ok=True)
    _remove_orphans(homes)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=homes))


def _remove_orphans(homes: Path) -> None:
    """Homes of Region processes that are no more (they carry its process id)."""
    for home in homes.iterdir():
        owner = home.name.partition("-")[0]
        if owner != str(os.getpid()) and owner.isdigit() and not real_processes.alive(int(owner)):
            _end_what_runs(home)
            shutil.rmtree(home, ignore_errors=True)


def _end_what_runs(home: Path) -> None:
    """What was started there, and is nobody's child any more."""
    real_processes.kill_marked(f"{MARK}={home / LAYERS}")


async def _place_code(spec: WorkerSpec, home: _Home, codes: Codes) -> Path:
    """The folder of the code. Raises WorkerFailed, BadArchive, OSError."""
    if isinstance(spec.code, Path):
        if not spec.code.is_dir():
            raise WorkerFailed(f"the function's folder {spec.code} does not exist")
        return spec.code
    home.code = await codes.of(spec.name.partition("#")[0], spec.code, home.path.parent)
    return home.code.folder
