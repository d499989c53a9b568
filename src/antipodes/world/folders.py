"""What tells whether anything in a folder has changed: names, sizes and times of its files, not what is in them."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

# What tools write and no function is edited in; and what is large and seldom changes.
PASSED_OVER = frozenset({"__pycache__", ".git", ".venv", "node_modules"})


def stamp_of(folder: Path) -> int:
    """Another number when a file came, went or was written; 0 if there is no such folder."""
    stamp, waiting = 0, [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = sorted(entries, key=lambda one: one.name)
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in PASSED_OVER:
                        waiting.append(entry.path)
                else:
                    told = entry.stat()
                    stamp = zlib.crc32(f"{entry.path}\0{told.st_mtime_ns}\0{told.st_size}".encode(), stamp)
        except OSError:  # it went while we looked: that is a change too
            continue
    return stamp
