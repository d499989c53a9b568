"""What the kernel is asked about child processes: who descends from whom, their memory, to die with their parent."""

from __future__ import annotations

import ctypes
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MB = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
KILL_ROUNDS = 100  # of looking for what was started while others were told to end
SMALLEST_MB = 128.0  # of functions: less than that is not looked at more closely
LOOKED_AT = 32  # descendants; a close look takes a millisecond
_SHARE = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def dies_with(parent: int) -> Callable[[], None]:
    """To be run in the child between fork and exec (Linux): asks for SIGKILL when the parent ends, and to be handed its
    orphaned descendants, so that they can be found."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask


def send(pid: int, number: signal.Signals) -> None:
    """A signal to a process, if there still is one that may be told."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def kill(pid: int) -> None:
    """SIGKILL to a process, and to its descendants first."""
    send(pid, signal.SIGSTOP)  # it starts no more of them
    kill_descendants(pid)
    send(pid, signal.SIGKILL)


def kill_descendants(pid: int) -> None:
    """SIGKILL to a process's children, their children, and so on (Linux; elsewhere none are found); also to those that
    are started meanwhile."""
    told: dict[int, None] = {}
    for _ in range(KILL_ROUNDS):
        found = [one for one in _descendants(pid) if one not in told]
        if not found:
            break
        for descendant in found:
            told[descendant] = None
            send(descendant, signal.SIGKILL)


def kill_marked(mark: str) -> None:
    """SIGKILL to every process that was started with these bytes in its environment, whose child it may be by now
    (Linux; elsewhere none are found)."""
    for _ in range(KILL_ROUNDS):
        try:
            listed = os.listdir("/proc")  # noqa: PTH208 - names alone
        except OSError:
            return
        found = [int(one) for one in listed if one.isdigit() and mark.encode() in _contents(f"/proc/{one}/environ")]
        if not found:
            return
        for one in found:
            kill(one)


def _descendants(pid: int) -> list[int]:
    """Deepest first."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - asked ten times a second of each busy environment
    except OSError:
        return found
    for task in tasks:
        for child in _contents(f"/proc/{pid}/task/{task}/children").split():
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


def memory_mb(pid: int | None) -> float | None:
    """What a process and its descendants hold now; None where /proc is not there. Pages that a fork shares with its
    parent are there once, as AWS counts them; where all resident pages together are few, or the descendants many, each
    one's are counted."""
    if pid is None:
        return None
    found = _resident_bytes(pid)
    if found is None:
        return None
    descendants = _descendants(pid)
    at_most_mb = (found + sum(_resident_bytes(one) or 0 for one in descendants)) / MB
    if at_most_mb <= SMALLEST_MB or len(descendants) > LOOKED_AT:
        return at_most_mb
    return (found + sum(_share_bytes(one) for one in descendants)) / MB


def _resident_bytes(pid: int) -> int | None:
    fields = _contents(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE_BYTES if fields else None


def _share_bytes(pid: int) -> int:
    """Its pages, each divided by the number of processes that have it."""
    found = _SHARE.search(_contents(f"/proc/{pid}/smaps_rollup"))
    return int(found[1]) << 10 if found is not None else _resident_bytes(pid) or 0


def _contents(path: str) -> bytes:
    """Of a small file; b"" where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 1 << 16)
        finally:
            os.close(descriptor)
    except OSError:
        return b""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
