"""Writing to files, in place, and flushing them."""

from __future__ import annotations

import os

# Data without the file's times is enough; macOS has only fsync.
flush_data = getattr(os, "fdatasync", os.fsync)


def write_all(file: int, data: bytes, at: int) -> None:
    """Raises OSError: a part may be written."""
    written = os.pwrite(file, data, at)
    while written < len(data):
        written += os.pwrite(file, data[written:], at + written)
