"""`antipodes down`: ends the planet of a folder; its data stay on disk.

By signal, not by the admin API: it must work for a planet that no longer answers.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path

from antipodes.cli import pidfile
from antipodes.cli.options import DEFAULT_DATA_DIR, DataDir, fail

END_TIMEOUT_S = 20.0


def down(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Ends every process of the planet. What was acknowledged stays on disk for the next `up`."""
    if not pidfile.held(data_dir):
        raise fail(f"No planet runs in {data_dir}.")
    if not end_planet(data_dir):
        raise fail(f"The planet in {data_dir} (pid {pidfile.read(data_dir)}) does not end; see its globe.log.")
    print("The planet is down.")


def end_planet(data_dir: Path) -> bool:
    """Asks the supervisor to end everything (SIGTERM), SIGKILL if it does not; Region processes end with it.

    Whether it has ended.
    """
    pid = pidfile.read(data_dir)
    if pid is None or not pidfile.held(data_dir):
        return True
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + END_TIMEOUT_S
        while pidfile.held(data_dir):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            wait_for_exit(pid)
            return True
    return False


def wait_for_exit(pid: int) -> None:
    """The lock goes a moment before the process does. Where the system has no pidfd (macOS), that moment is let be."""
    if not hasattr(os, "pidfd_open"):
        return
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        select.select([process], [], [], 1.0)
        os.close(process)
