"""What functions and the platform print, on its way to CloudWatch Logs.

Lines are handed over together (contract/reports.py), so that an invocation pays for none of it; a crash of the Region
may lose the last ones. The log group is the one that the function's LoggingConfig
names, else AWS's, /aws/lambda/<function>; it stays when the function
is deleted. Times are epoch seconds of the Region's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from antipodes.services.contract import Surroundings
from antipodes.services.contract.reports import LineReports

LINE_LIMIT = 256 * 1024  # characters of an event


class LogBook(LineReports):
    """The lines of all functions of a Region that are not handed over yet."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings, "lambda")


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
    return line.decode("utf-8", "replace").rstrip("\r").replace("\r", "\n")[:LINE_LIMIT]
