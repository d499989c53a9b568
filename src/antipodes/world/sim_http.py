"""HTTP/1.1, asking side, over a World's streams: what a simulated execution environment speaks.

Two users: the driver that polls the Runtime API, and botocore inside a handler. Real bytes, so that the listener at
the other end runs as it does in the real world. One connection for each address is kept between requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import httptools

from antipodes.world.world import ConnectionLost, Stream, World

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; header names in lower case, in their order."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


class Asker:
    """Sends requests one after the other; not for concurrent use."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._idle: dict[tuple[str, int], Stream] = {}

    async def ask(
        self,
        address: str,
        port: int,
        method: str,
        target: str,
        headers: Headers,
        body: bytes = b"",
        *,
        connect_timeout_s: float = 60.0,
    ) -> Answer:
        """Raises NetworkError. A kept connection that turns out closed before it answered is dialled anew, once."""
        head = [f"{method} {target} HTTP/1.1\r\n"]
        head += [f"{name}: {value}\r\n" for name, value in headers]
        data = "".join([*head, f"Content-Length: {len(body)}\r\n\r\n"]).encode("latin-1") + body
        stream = self._idle.pop((address, port), None)
        if stream is not None:
            try:
                return await self._exchange(stream, (address, port), data)
            except _NeverAnswered:
                pass
        stream = await self._world.connect(address, port, timeout_s=connect_timeout_s)
        try:
            return await self._exchange(stream, (address, port), data)
        except _NeverAnswered as error:
            raise ConnectionLost(str(error)) from error

    def close(self) -> None:
        for stream in self._idle.values():
            stream.close()
        self._idle.clear()

    async def _exchange(self, stream: Stream, key: tuple[str, int], data: bytes) -> Answer:
        reading = _Reading()
        try:
            stream.write(data)
            while not reading.complete:
                received = await stream.read()
                if not received:
                    raise ConnectionLost("the connection was closed before the answer was complete")
                reading.feed(received)
        except ConnectionLost as error:
            stream.close()
            if reading.begun:
                raise
            raise _NeverAnswered(str(error)) from error
        except BaseException:
            stream.close()
            raise
        if reading.keep:
            self._idle[key] = stream
        else:
            stream.close()
        return Answer(reading.status, tuple(reading.headers), b"".join(reading.body))


class _NeverAnswered(Exception):
    """The connection broke before a byte of the answer came."""


class _Reading:
    """Callbacks of the parser for one response."""

    def __init__(self) -> None:
        self.begun = False
        self.complete = False
        self.keep = False
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self.begun = True
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status == 100:  # Continue: the answer is still to come
            self.headers.clear()
            return
        self.keep = self._parser.should_keep_alive()
        self.complete = True
