"""What the kernel is asked about child processes: who descends from whom, their memory, to die with their parent."""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1


def dies_with(parent: int) -> Callable[[], None]:
    """To be run in the child between fork and exec (Linux): asks for SIGKILL when the parent ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask


def kill_descendants(pid: int) -> None:
    """SIGKILL to a process's children, their children, and so on (Linux; elsewhere none are found)."""
    for descendant in _descendants(pid):
        try:
            os.kill(descendant, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _descendants(pid: int) -> list[int]:
    """Deepest first."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += [*_descendants(int(child)), int(child)]
    return found


def peak_memory_mb(pid: int | None) -> int | None:
    """The most memory it ever held (VmHWM); None where /proc is not there."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    match = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return -(-int(match[1]) // 1024) if match else None


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
