"""What functions and the platform print: the newest lines of each function, in memory.

Lines are gone with the Region's process: they are a window, not a record (CloudWatch Logs will be one). Time is
epoch seconds of the Region's clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

LINES_KEPT = 1000  # of each function
LINE_LIMIT = 256 * 1024  # characters, as CloudWatch Logs bounds an event


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one environment's log stream. `number` rises by one over all functions of the Region."""

    number: int
    time: float
    stream: str
    text: str


@dataclass(slots=True)
class LogBook:
    """The lines of all functions of a Region."""

    _books: dict[str, deque[Line]] = field(default_factory=dict)
    _number: int = 0

    def write(self, function: str, stream: str, time: float, text: str) -> None:
        self._number += 1
        book = self._books.get(function)
        if book is None:
            book = self._books[function] = deque(maxlen=LINES_KEPT)
        book.append(Line(self._number, time, stream, text[:LINE_LIMIT]))

    def after(self, function: str, number: int = 0, limit: int = LINES_KEPT) -> list[Line]:
        """The newest `limit` lines of the function with a greater number, oldest first."""
        newer: list[Line] = []
        for line in reversed(self._books.get(function, ())):
            if line.number <= number or len(newer) >= limit:
                break
            newer.append(line)
        return newer[::-1]

    def forget(self, function: str) -> None:
        self._books.pop(function, None)


@dataclass(slots=True)
class LineSplitter:
    """Bytes of a pipe to whole lines; the rest waits for its end, or for `rest`."""

    _rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT:
            whole.append(self._rest)
            self._rest = b""
        for line in whole:
            yield _text(line)

    def rest(self) -> str | None:
        """What came after the last newline, if anything did."""
        rest, self._rest = self._rest, b""
        return _text(rest) if rest else None


def _text(line: bytes) -> str:
    # The official runtime client joins the lines of a traceback by \r, so that they stay one event.
    return line.decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")
