"""Peers to compare with: npm's dynalite, installed into a folder of the benchmark's own and ended with it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

DYNALITE = "dynalite@4.0.0"


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
    npm = shutil.which("npm")
    if npm is None:
        return None
    command = folder / "node_modules" / "dynalite" / "cli.js"
    if not command.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [npm, "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--prefix", str(folder), DYNALITE],
            check=True,
            capture_output=True,
        )
    return command


@contextlib.contextmanager
def dynalite(command: Path, data: Path | None) -> Iterator[int]:
    """Runs it, in memory or on a folder; yields its port."""
    port = free_port()
    arguments = ["node", str(command), "--port", str(port), "--createTableMs", "0"]
    if data is not None:
        arguments += ["--path", str(data)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield port
    finally:
        process.kill()
        process.wait()
