"""One planet a folder: a lock that the supervisor holds while it lives (the kernel lets go of it when it dies)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

FILE = "globe.pid"


def take(data_dir: Path) -> IO[str] | None:
    """The lock, to be kept open for life; None if another process holds it."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (data_dir / FILE).open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def held(data_dir: Path) -> bool:
    """Whether a supervisor lives in that folder."""
    path = data_dir / FILE
    if not path.exists():
        return False
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def read(data_dir: Path) -> int | None:
    """The process id that was written last."""
    try:
        return int((data_dir / FILE).read_text())
    except (OSError, ValueError):
        return None
