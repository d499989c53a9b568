"""Archives unpacked on a real machine: one folder for all environments of a function that run the same code.

It is unpacked when the first of them wants it, and goes when the last one has left it: thousands of files, which would
hold up a cold start and, when they are removed, the Region. No file of it may be written, as on AWS (root may write:
what one environment changes there, another one finds). Layers are not shared: /opt is an environment's own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from antipodes.world.archive import entries_of

READ_ONLY = 0o444


class Codes:
    """The folders of one Region."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bytes], Code] = {}  # by the function, and the archive's SHA-256

    async def of(self, function: str, archive: bytes, where: Path) -> Code:
        """Where the archive is unpacked: a folder in `where`. Who gets it must `leave` it. Raises BadArchive,
        OSError."""
        key = function, (await asyncio.to_thread(hashlib.sha256, archive)).digest()
        code = self._kept.get(key)
        if code is None:
            folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-code-", dir=where))
            code = self._kept[key] = Code(archive, folder, partial(self._kept.pop, key))
        code.enter()
        try:
            await asyncio.shield(code.unpacking)
        except BaseException:
            code.leave()
            raise
        return code


class Code:
    """One unpacked archive. left: called when the last user has left."""

    def __init__(self, archive: bytes, folder: Path, left: Callable[[], object]) -> None:
        self.folder = folder
        self.unpacking = asyncio.get_running_loop().run_in_executor(None, unpack, archive, folder, READ_ONLY)
        self._left = left
        self._users = 0

    def enter(self) -> None:
        self._users += 1

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._left()
            self.unpacking.add_done_callback(lambda _: remove(self.folder))


def unpack(archive: bytes, folder: Path, mode: int = 0o644) -> None:
    """Over what is there already: of a file that two layers have, the later one's stays, as on AWS. Raises BadArchive,
    OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[Path, bool] = {}
    for entry in entries_of(archive):
        file = folder / entry.path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(entry.content)
        files[file] = entry.executable
    for file, executable in files.items():
        file.chmod(mode | 0o111 if executable else mode)


def remove(folder: Path) -> None:
    """Beside the loop: it may be thousands of files. What the end of this process leaves, the next one removes."""
    asyncio.get_running_loop().run_in_executor(None, partial(shutil.rmtree, folder, ignore_errors=True))
