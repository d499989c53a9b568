"""Which program runs a function's handler on this machine, by AWS's name of the runtime.

    python3.N     the interpreter of that version, if it is here; boto3, which AWS's runtimes have, is its own or lent
                  by ours. Else ours, which the log then says. On ours AWS's own runtime client (Linux), on others the
                  loop of handler_loop.py
    nodejsN.x     the `node` found on the PATH, whatever its version (said in the log); the loop of handler_loop.mjs
    provided.*    the archive's own executable `bootstrap`

Any other runtime is refused by name.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from antipodes.world.world import WorkerFailed

PYTHON = re.compile(r"python(\d+\.\d+)")
NODE = re.compile(r"nodejs(\d+)\.x")
PROVIDED = re.compile(r"provided(\.\w+)?")
LOOPS = Path(__file__).parent
PROBE_S = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """What is executed. `official`: AWS's own client on our interpreter, which a template process may fork.
    `note`: a line for the function's log, or ""."""

    argv: tuple[str, ...]
    official: bool = False
    note: str = ""


def command_of(runtime: str, handler: str, folder: Path) -> Command:
    """Raises WorkerFailed: this machine cannot run that runtime. May ask a program for its version: takes a moment."""
    if (python := PYTHON.fullmatch(runtime)) is not None:
        return _python(python[1], handler)
    if (node := NODE.fullmatch(runtime)) is not None:
        return _node(node[1], handler)
    if PROVIDED.fullmatch(runtime):
        return _provided(folder)
    raise WorkerFailed(
        f"antipodes cannot run {runtime} on this machine: Python, Node.js and provided runtimes are supported."
    )


def is_python(runtime: str) -> bool:
    return PYTHON.fullmatch(runtime) is not None


def has_official_client() -> bool:
    return sys.platform == "linux" and importlib.util.find_spec("awslambdaric") is not None


def _python(version: str, handler: str) -> Command:
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    note = ""
    if version != ours:
        other = shutil.which(f"python{version}")
        if other is not None and _answers(other, "-c", "import boto3"):
            return Command((other, str(LOOPS / "handler_loop.py"), handler))
        lent = _packages()
        if other is not None and lent and _answers(other, "-c", f"import sys; sys.path.append({lent!r}); import boto3"):
            return Command((other, str(LOOPS / "handler_loop.py"), handler, lent))
        note = f"antipodes: python{version} runs on the interpreter found here, python{ours}"
    if has_official_client():
        return Command((sys.executable, "-m", "awslambdaric", handler), official=True, note=note)
    return Command((sys.executable, str(LOOPS / "handler_loop.py"), handler), note=note)


def _packages() -> str:
    """The folder that our boto3 lies in; "" without."""
    found = importlib.util.find_spec("boto3")
    return str(Path(found.origin).parent.parent) if found is not None and found.origin is not None else ""


def _node(version: str, handler: str) -> Command:
    node = shutil.which("node")
    if node is None:
        raise WorkerFailed(f"nodejs{version}.x needs Node.js, and there is no `node` on the PATH of the planet.")
    found = _version(node)
    note = "" if found == version else f"antipodes: nodejs{version}.x runs on the Node.js found here, {found}"
    return Command((node, str(LOOPS / "handler_loop.mjs"), handler), note=note)


def _provided(folder: Path) -> Command:
    bootstrap = folder / "bootstrap"
    if not bootstrap.is_file():
        raise WorkerFailed("Couldn't find valid bootstrap(s): the function's code has no file `bootstrap`.")
    if not os.access(bootstrap, os.X_OK):
        raise WorkerFailed("The function's file `bootstrap` is not executable (chmod 755 before it is zipped).")
    return Command((str(bootstrap),))


def variables(runtime: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a runtime finds in its environment besides AWS's variables."""
    if is_python(runtime):
        # A folder that is used in place stays as it was.
        return {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if NODE.fullmatch(runtime) and "NODE_PATH" not in environment:
        return {"NODE_PATH": os.environ["NODE_PATH"]} if "NODE_PATH" in os.environ else {}
    return {}


def with_layers(environment: dict[str, str], runtime: str, layers: Path) -> dict[str, str]:
    """The environment with the search paths that lead into layers (AWS's guide, "Layer paths for each runtime")."""
    found = dict(environment)

    def lead(name: str, *folders: str) -> None:
        there = [str(layers / folder) for folder in folders if (layers / folder).is_dir()]
        if there:
            found[name] = os.pathsep.join([*there, *([found[name]] if found.get(name) else [])])

    if (python := PYTHON.fullmatch(runtime)) is not None:
        lead("PYTHONPATH", f"python/lib/python{python[1]}/site-packages", "python")
    if (node := NODE.fullmatch(runtime)) is not None:
        lead("NODE_PATH", f"nodejs/node{node[1]}/node_modules", "nodejs/node_modules")
    lead("PATH", "bin")
    lead("LD_LIBRARY_PATH", "lib")
    return found


def alone(command: Command, environment: Mapping[str, str], layers: Path) -> tuple[str, ...]:
    """What is executed where no template is forked. A function's wrapper script (AWS_LAMBDA_EXEC_WRAPPER) gets the
    interpreter and the runtime's program as its arguments; not for runtimes of the function's own, as on AWS. /opt/...
    is a layer's."""
    wrapper = environment.get("AWS_LAMBDA_EXEC_WRAPPER")
    program = str(LOOPS / "handler_bootstrap.py") if command.official else "".join(command.argv[1:2])
    if not wrapper or not program:
        return (command.argv[0], program) if command.official else command.argv
    place = str(layers / wrapper.removeprefix("/opt/")) if wrapper.startswith("/opt/") else wrapper
    return (place, command.argv[0], program)


@cache
def _answers(*command: str) -> bool:
    """Whether a program runs and ends with 0; asked once."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_S, check=False)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def _version(node: str) -> str:
    """Node's major version, or "?"."""
    try:
        said = subprocess.run((node, "--version"), capture_output=True, timeout=PROBE_S, check=False, text=True)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    return said.stdout.strip().removeprefix("v").partition(".")[0] or "?"
