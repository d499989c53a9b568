"""/opt of one process: the folder of its function's layers, as on AWS (Linux).

    take(folder)      in the child, between fork and exec: from here on /opt is that folder, for it and its children

/opt belongs to this machine; a mount namespace of the process's own leaves the machine's as it is. The kernel lets an
ordinary user have one inside a user namespace (many distributions do, some need a setting); where it does not, or where
there is no /opt to be covered, `can_take` says no, and layers are found by LAMBDA_LAYERS_ROOT alone.

Standard library only, and nothing of antipodes: the template process of Python functions imports it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from functools import cache

OPT = "/opt"
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000


def take(folder: str) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if uid != 0 or libc.unshare(CLONE_NEWNS) != 0:
        _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
        _tell("/proc/self/setgroups", "deny")
        _tell("/proc/self/uid_map", f"{uid} {uid} 1")
        _tell("/proc/self/gid_map", f"{gid} {gid} 1")
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    _check(libc.mount(os.fsencode(folder), OPT.encode(), None, MS_BIND | MS_REC, None))


@cache
def can_take() -> bool:
    """Whether this machine lets a process of ours have its own /opt; tried once."""
    if sys.platform != "linux" or not os.path.isdir(OPT):  # noqa: PTH112 - no pathlib: it costs start time
        return False
    try:
        done = subprocess.run(("/bin/sh", "-c", ":"), preexec_fn=lambda: take(OPT), check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _tell(file: str, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
