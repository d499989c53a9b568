"""Zip archives of functions, unpacked safely. Pure: bytes in, named contents out.

An archive is input from a stranger: entries must stay inside their folder (no absolute paths, no `..`), be files or
folders (no links), and keep to Lambda's 250 MB unpacked, checked on what is really unpacked and not on what the
archive claims.
"""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

UNPACKED_LIMIT_BYTES = 250 * 1024 * 1024
ENTRIES_LIMIT = 100_000


class BadArchive(ValueError):
    """The archive cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path inside the folder ("pkg/mod.py"), its bytes, whether it may be executed."""

    path: str
    content: bytes
    executable: bool


def entries_of(archive: bytes) -> Iterator[Entry]:
    """The files of the archive in their order. Raises BadArchive."""
    try:
        opened = zipfile.ZipFile(io.BytesIO(archive))
    except (zipfile.BadZipFile, ValueError) as error:
        raise BadArchive(f"Could not unzip uploaded file: {error}") from error
    with opened:
        infos = opened.infolist()
        if len(infos) > ENTRIES_LIMIT:
            raise BadArchive(f"more than {ENTRIES_LIMIT} entries")
        total = 0
        for info in infos:
            path = _checked(info)
            if info.is_dir():
                continue
            try:
                with opened.open(info) as content:
                    data = content.read(UNPACKED_LIMIT_BYTES - total + 1)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
                raise BadArchive(f"Could not unzip uploaded file: {info.filename!r}: {error}") from error
            total += len(data)
            if total > UNPACKED_LIMIT_BYTES:
                raise BadArchive("Unzipped size must be smaller than 262144000 bytes")
            yield Entry(path, data, bool(info.external_attr >> 16 & 0o111))


def unpacked_bytes(archive: bytes) -> int:
    """What the files of the archive come to, as it claims itself. Raises BadArchive."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return sum(info.file_size for info in opened.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise BadArchive(f"Could not unzip uploaded file: {error}") from error


def _checked(info: zipfile.ZipInfo) -> str:
    path = info.filename
    parts = path.replace("\\", "/").rstrip("/").split("/")
    if path.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in path:
        raise BadArchive(f"the entry {path!r} leads out of the archive")
    mode = info.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise BadArchive(f"the entry {path!r} is neither a file nor a folder")
    return "/".join(part for part in parts if part not in {"", "."})
