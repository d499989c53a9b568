"""Planets of real processes, started by the command line on free ports in folders of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from antipodes.globe.planet import Planet, read
from antipodes.world import geography
from antipodes.world.real import check_free
from antipodes.world.world import PortInUse

SUITE_KEY = "suite:it/has+a:secret"  # what the shared planet takes besides test:test
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "globaldb"


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


def antipodes(*arguments: str, timeout_s: float = 90) -> Done:
    command = [sys.executable, "-m", "antipodes.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now on 127.0.0.1, with their backbone neighbours free too."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            with contextlib.suppress(PortInUse):
                check_free("127.0.0.1", geography.backbone_port(port))
                found.append(port)
    return found


@dataclass(frozen=True, slots=True)
class Running:
    """A planet that runs."""

    data_dir: Path
    planet: Planet

    def command(self, *arguments: str, timeout_s: float = 90) -> Done:
        return antipodes(*arguments, "--data-dir", str(self.data_dir), timeout_s=timeout_s)

    def client(self, service: str, region: str, **more: Any) -> Any:
        given = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        settings = {**given, "endpoint_url": f"http://127.0.0.1:{self.planet.port}", **more}
        return boto3.client(
            service,
            region_name=region,
            config=Config(retries={"max_attempts": 0}),
            **settings,
        )

    def processes(self) -> list[int]:
        """Every process that has this planet's folder on its command line."""
        return processes_of(self.data_dir)


def processes_of(data_dir: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if os.fsencode(data_dir) in words:
                    found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    """Polls; fails naming what did not come."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for: {what}"
        time.sleep(0.05)


def up_arguments(data_dir: Path, regions: str) -> list[str]:
    port, https_port, dns_port = free_ports(3)
    return [
        *("up", "--data-dir", str(data_dir), "--regions", regions),
        *("--port", str(port), "--https-port", str(https_port), "--dns-port", str(dns_port)),
    ]


@contextlib.contextmanager
def running(data_dir: Path, regions: str = "us-east-1,us-west-2,eu-west-1", *more: str) -> Iterator[Running]:
    done = antipodes(*up_arguments(data_dir, regions), *more, "--detach")
    assert done.code == 0, done.err
    try:
        yield Running(data_dir, read(data_dir))
    except BaseException:
        for log in sorted((data_dir / "logs").glob("*.log")):
            print(f"{log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-60:]))
        raise
    finally:
        antipodes("down", "--data-dir", str(data_dir))
        for pid in processes_of(data_dir):  # only after a failure: the tests assert that `down` leaves none
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
