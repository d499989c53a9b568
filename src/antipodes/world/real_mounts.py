"""Folders of a process's own in the place of the machine's: its /tmp, and /opt for its layers, as on AWS (Linux).

    take(places, kept)      in the child, between fork and exec

places: (folder, "/tmp"), ...: from here on /tmp is that folder, for the process and its children. kept: folders under
/tmp that it needs all the same, each at its own path; `kept_in` finds them, and makes room for them.

/tmp and /opt belong to this machine; a mount namespace of the process's own leaves the machine's as they are. The
kernel lets an ordinary user have one inside a user namespace (many distributions do, some need a setting); where it
does not, `can_take` says no: then TMPDIR and LAMBDA_LAYERS_ROOT alone name the folders.

Standard library only, and nothing of antipodes: the template process of Python functions imports it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache

TMP, OPT = "/tmp", "/opt"  # noqa: S108 - a function's, not ours
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_DUMPABLE = 4

Mounts = tuple[list[tuple[str, str]], list[str]]  # arguments of `take`


def take(places: Sequence[tuple[str, str]], kept: Sequence[str] = ()) -> None:
    """Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if uid != 0 or libc.unshare(CLONE_NEWNS) != 0:
        _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS))
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # else its own files in /proc would be closed to it
        _tell("/proc/self/setgroups", "deny")
        _tell("/proc/self/uid_map", f"{uid} {uid} 1")
        _tell("/proc/self/gid_map", f"{gid} {gid} 1")
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    held = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in kept]
    for folder, place in places:
        _bind(libc, folder, place)
    for path, handle in held:
        _bind(libc, f"/proc/self/fd/{handle}", path)
        os.close(handle)


def in_tmp(folders: Iterable[str]) -> set[str]:
    """Those that there are in the machine's /tmp, as they lie there."""
    found = {os.path.realpath(folder) for folder in folders if os.path.isdir(folder)}  # noqa: PTH112
    return {folder for folder in found if folder.startswith(TMP + "/")}


def kept_in(own_tmp: str, needed: Iterable[str]) -> list[str]:
    """Those of the needed folders that lie in the machine's /tmp and in none of the others; in the one that is to be
    /tmp there is a place for each afterwards. On AWS /tmp is empty: so it is for those who have nothing there."""
    found: list[str] = []
    for path in sorted(in_tmp(needed)):
        if not f"{path}/".startswith(tuple(found)):
            found.append(f"{path}/")
            os.makedirs(own_tmp + path.removeprefix(TMP), exist_ok=True)  # noqa: PTH103 - no pathlib: start time
    return [path.rstrip("/") for path in found]


@cache
def can_take() -> bool:
    """Whether this machine lets a process of ours have mounts of its own; tried once."""
    if sys.platform != "linux" or os.path.realpath(TMP) != TMP:
        return False
    try:
        done = subprocess.run(("/bin/sh", "-c", ":"), preexec_fn=lambda: take([(TMP, TMP)]), check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def _bind(libc: ctypes.CDLL, folder: str, place: str) -> None:
    _check(libc.mount(os.fsencode(folder), os.fsencode(place), None, MS_BIND | MS_REC, None))


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
