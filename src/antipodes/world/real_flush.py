"""Flushing a file to the disk beside the loop: a thread of its own waits for it, because nobody else does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class Flushing:
    """Makes durable what has been written to a file up to now. The file may be closed meanwhile."""

    def __init__(self, file: int, flush: Callable[[int], None]) -> None:
        """flush: os.fdatasync or its like."""
        self._file = os.dup(file)
        self._flush = flush
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="flush", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._flush(self._file)
        except OSError as error:
            self._error = error
        finally:
            os.close(self._file)

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Returns when it is done. Raises OSError: the disk may lack what was written since the last flush."""
        self._thread.join()
        if self._error is not None:
            raise self._error
