"""Runs as its own process: has imported what Python functions import, and forks itself for each new environment.

    python handler_template.py        stdin is a Unix socket (SOCK_SEQPACKET)

Standard library and what lies beside this, and nothing else of antipodes: it is started by its path. What takes a cold
start its time, the import of the runtime client and of boto3, is done here once; a fork is a few milliseconds.

    asked    {"id", "argv", "environment", "folder"}, perhaps "places" and "kept" (real_mounts.take); and two file
             descriptors: the child's stdout and stderr, and its link to the Region (handler_transport)
    answers  {"id", "pid"} and one file descriptor, the child's pidfd; or {"id", "error"}
             {"id", "exit"} when the child has ended: its code as subprocess has it, -9 for SIGKILL

The child sees nothing of this: its environment, folder, arguments and descriptors are those of a new process. Only
modules are there already, which is why a function that brings its own boto3 is not started here (`PRELOADED`, used by
real_template). What a child leaves running when it dies is handed to this process, which kills it. Ends when the
socket's other end is closed: its children ask the kernel to be killed with it.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import time
from typing import Any

real_mounts = importlib.import_module(
    "real_mounts" if __name__ == "__main__" else "antipodes.world.real_mounts"
)  # lies beside this

PRELOADED = (
    "awslambdaric", "snapshot_restore_py", "simplejson", "boto3", "botocore", "s3transfer", "urllib3", "jmespath",
    "dateutil", "six",
)  # fmt: skip
# Of the runtime client only what it is made of: it reads its environment when it is imported, in C even.
IMPORTS = (
    "boto3", "botocore.session", "botocore.client", "botocore.httpsession", "concurrent.futures.thread", "http.client",
    "logging", "simplejson", "snapshot_restore_py", "traceback",
)  # fmt: skip
MESSAGE_BYTES = 1 << 18
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def preload() -> None:
    """Imports what most functions import. What cannot be imported here is left to them."""
    importlib.import_module("handler_names").lead_home()
    for name in IMPORTS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # In the place of the client's own, by the name that it imports (handler_transport says why).
    sys.modules["runtime_client"] = importlib.import_module("handler_transport").RuntimeClient()
    del sys.modules["handler_transport"]  # a function may have a module of that name
    gc.collect()
    gc.freeze()  # the collector writes into every object that it visits: pages would be copied for nothing


def serve(link: socket.socket) -> None:
    """Until the other end is closed."""
    children: dict[int, str] = {}  # pid -> id
    wakes, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake)
    while True:
        ready, _, _ = select.select([link.fileno(), wakes], [], [])
        if wakes in ready:
            os.read(wakes, 4096)
            tell_ends(link, children)
        if link.fileno() in ready:
            data, fds = receive(link)
            if not data:
                return
            start(link, json.loads(data), fds, children, (wakes, wake))


def receive(link: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = link.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(8))
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def start(
    link: socket.socket, asked: dict[str, Any], given: list[int], children: dict[int, str], own: tuple[int, int]
) -> None:
    """Forks. The child does not come back from here. given: its descriptors."""
    template = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        for fd in given:
            os.close(fd)
        link.send(json.dumps({"id": asked["id"], "error": str(error)}).encode())
        return
    if pid == 0:
        for fd in own:
            os.close(fd)
        link.close()
        become(asked, given[0], given[1], template)
    for fd in given:
        os.close(fd)
    children[pid] = asked["id"]
    pidfd = os.pidfd_open(pid)
    answer = json.dumps({"id": asked["id"], "pid": pid}).encode()
    link.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [pidfd]))])
    os.close(pidfd)


def tell_ends(link: socket.socket, children: dict[int, str]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            identity = children.pop(pid, None)
            if identity is not None:
                link.send(json.dumps({"id": identity, "exit": os.waitstatus_to_exitcode(status)}).encode())
    end_orphans(children)


def end_orphans(children: dict[int, str]) -> None:
    """What a dead environment left running was handed to us: it ends too, and is reaped as a child nobody knows. Then
    we are handed its own children, and so on down."""
    own = os.getpid()
    with contextlib.suppress(OSError), open(f"/proc/{own}/task/{own}/children") as listed:  # noqa: PTH123
        for pid in map(int, listed.read().split()):
            if pid not in children:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def become(asked: dict[str, Any], output: int, runtime: int, template: int) -> None:
    """In the child: takes on the environment and runs the runtime client; ends the process."""
    code = 1
    try:
        if "places" in asked:
            real_mounts.take(asked["places"], asked["kept"])
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        if os.getppid() != template:  # it ended before we asked
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.modules["runtime_client"].connect(runtime)
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        time.tzset()
        random.seed()
        sys.argv = asked["argv"]
        sys.path[0] = asked["folder"]  # as "python -m" has it
        sys.path[1:1] = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
        run(asked["argv"][1])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def run(handler: str) -> None:
    """AWS's runtime client, as `python -m awslambdaric HANDLER` runs it."""
    importlib.import_module("awslambdaric.__main__").main(["awslambdaric", handler])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the Region's affair
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    preload()
    with socket.socket(fileno=os.dup(0)) as link:
        serve(link)
