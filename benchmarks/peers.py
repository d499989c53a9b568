"""Peers to compare with, each installed into a folder of the benchmark's own and ended with it: npm's dynalite and
serverless-offline, PyPI's MiniStack."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DYNALITE = "dynalite@4.0.0"
MINISTACK = "ministack==1.5.33"
SERVERLESS = ("osls@3.77.1", "serverless-offline@13.10.1")  # the last one that needs no account


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that runs, on 127.0.0.1."""

    port: int
    pid: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, host: str = "127.0.0.1", seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on {host}:{port}")
        time.sleep(0.05)


def install_dynalite(folder: Path) -> Path | None:
    """The path of its command, or None where there is no npm."""
    return _from_npm(folder, "dynalite/cli.js", DYNALITE)


def install_serverless_offline(folder: Path) -> Path | None:
    """The path of the framework's command, or None where there is no npm."""
    return _from_npm(folder, "osls/bin/serverless.js", *SERVERLESS)


def _from_npm(folder: Path, command: str, *packages: str) -> Path | None:
    npm = shutil.which("npm")
    if npm is None:
        return None
    path = folder / "node_modules" / command
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [npm, "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--prefix", str(folder), *packages],
            check=True,
            capture_output=True,
        )
    return path


def install_ministack(folder: Path) -> Path | None:
    """The path of its command, or None where it cannot be installed."""
    command = folder / "bin" / "ministack"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", MINISTACK, "boto3"]
        if subprocess.run(pip, check=False, capture_output=True).returncode:
            return None
    return command


@contextlib.contextmanager
def _running(command: list[str], port: int, folder: Path | None = None, **environment: str) -> Iterator[Peer]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, env={**os.environ, **environment}
    )
    try:
        wait_for_port(port, seconds=60)
        yield Peer(port, process.pid)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def dynalite(command: Path, data: Path | None) -> Iterator[Peer]:
    """Runs it, in memory or on a folder."""
    port = free_port()
    arguments = ["node", str(command), "--port", str(port), "--createTableMs", "0"]
    if data is not None:
        arguments += ["--path", str(data)]
    with _running(arguments, port) as peer:
        yield peer


@contextlib.contextmanager
def floor(data: Path) -> Iterator[Peer]:
    """Our own: what no server in Python can leave out (floor.py)."""
    port = free_port()
    with _running([sys.executable, "-m", "benchmarks.floor", str(port), str(data)], port) as peer:
        yield peer


@contextlib.contextmanager
def ministack(command: Path) -> Iterator[Peer]:
    """Runs it in its default mode: all in memory."""
    port = free_port()
    with _running([str(command)], port, GATEWAY_PORT=str(port)) as peer:
        yield peer


@contextlib.contextmanager
def serverless_offline(command: Path, service: Path) -> Iterator[Peer]:
    """Runs it on the folder of a service (serverless.yml)."""
    port, other = free_port(), free_port()
    ports = ["--httpPort", str(port), "--lambdaPort", str(other), "--noPrependStageInUrl"]
    with _running(["node", str(command), "offline", *ports], port, service, SLS_TELEMETRY_DISABLED="1") as peer:
        yield peer
