"""What functions and the platform print, on its way to CloudWatch Logs.

Lines are gathered for FLUSH_S and handed over together (`logs Record`), so that an invocation pays for none of it; a
crash of the Region may lose the last ones. The log group is AWS's, /aws/lambda/<function>; it stays when the function
is deleted. Times are epoch seconds of the Region's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from antipodes.services.contract import Surroundings
from antipodes.wire.errors import AwsError

FLUSH_S = 0.1
LINE_LIMIT = 256 * 1024  # characters


class LogBook:
    """The lines of all functions of a Region that are not handed over yet."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._world = surroundings.world
        self._call = surroundings.call
        self._lines: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self._flushing: asyncio.Task[None] | None = None

    def write(self, function: str, stream: str, time: float, text: str) -> None:
        """One event of a function's log stream."""
        self._lines.setdefault((function, stream), []).append((int(time * 1000), text[:LINE_LIMIT]))
        if self._flushing is None or self._flushing.done():
            self._flushing = self._world.spawn(self._flush_later(), "lambda: hand over logs")

    async def flush(self) -> None:
        """Hands over what there is."""
        while self._lines:
            lines, self._lines = self._lines, {}
            for (function, stream), events in lines.items():
                record = {"logGroupName": f"/aws/lambda/{function}", "logStreamName": stream, "logEvents": events}
                try:
                    await self._call("logs", "Record", record)
                except AwsError as error:  # the disk refuses: functions go on, their words are lost
                    self._world.trace("lambda.logs_lost", function=function, error=str(error))

    async def _flush_later(self) -> None:
        while self._lines:
            await self._world.sleep(FLUSH_S)
            await self.flush()


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
