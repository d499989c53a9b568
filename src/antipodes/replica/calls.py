"""Questions and answers between sites: one connection a peer, many calls on it at once.

What a message means is the caller's and the handler's business (a Region sends operations and their results or errors).
A call is not repeated by itself: when its connection breaks, or no answer comes in time, it may have taken effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from antipodes.replica.backbone import Backbone, Channel
from antipodes.world.world import ConnectionLost, Unreachable, World

PURPOSE = "call"
DIAL_TIMEOUT_S = 4.0  # however long the caller would wait: the next call may find the link mended

Message = dict[str, Any]
Answerer = Callable[[Message], Awaitable[Mapping[str, Any]]]


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A question. Numbers are unique on their connection."""

    number: int
    message: Message


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """Its answer, or the problem that kept the other side from answering."""

    number: int
    message: Message | None
    problem: str = ""


_ask = msgspec.msgpack.Decoder(Ask)
_answer = msgspec.msgpack.Decoder(Answer)


class CallFailed(Exception):
    """The other side's handler broke; the message says how. A defect over there, not an answer."""


class CallServer:
    """Answers calls with `handler`; register `serve` with `backbone.on(calls.PURPOSE, server.serve)`."""

    def __init__(self, world: World, handler: Answerer) -> None:
        self._world = world
        self._handler = handler

    async def serve(self, channel: Channel, hello: msgspec.Raw) -> None:
        while True:
            ask = await channel.receive(_ask)
            self._world.spawn(self._answer(channel, ask), "call")

    async def _answer(self, channel: Channel, ask: Ask) -> None:
        try:
            answer = Answer(ask.number, dict(await self._handler(ask.message)))
        except Exception as error:
            self._send(channel, Answer(ask.number, None, f"{type(error).__name__}: {error}"))
            raise  # the world reports it here as well
        self._send(channel, answer)

    def _send(self, channel: Channel, answer: Answer) -> None:
        try:
            channel.send(answer)
        except ConnectionLost:
            pass  # the caller knows by the same sign


class _Line:
    """The open connection to one peer and the calls that wait on it."""

    def __init__(self, channel: Channel, heard_at: float) -> None:
        self.channel = channel
        self.heard_at = heard_at
        self.waiting: dict[int, asyncio.Future[Answer]] = {}
        self.open = True

    def fail(self, error: ConnectionLost) -> None:
        self.open = False
        self.channel.close()
        waiting, self.waiting = self.waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost(str(error)))


class CallClient:
    """Calls other sites. address_of: a site's address; port: the backbone port of all sites."""

    def __init__(self, world: World, backbone: Backbone, address_of: Callable[[str], str], port: int) -> None:
        self._world = world
        self._backbone = backbone
        self._address_of = address_of
        self._port = port
        self._lines: dict[str, _Line] = {}
        self._dialling: dict[str, asyncio.Lock] = {}
        self._asked = 0

    async def call(self, site: str, message: Mapping[str, Any], timeout_s: float = 30.0) -> Message:
        """Asks and waits for the answer.

        Raises NetworkError (Refused and Unreachable before the call left; ConnectionLost, or Unreachable after
        timeout_s, when it may have been carried out) and CallFailed.
        """
        begun = self._world.monotonic()
        line: _Line | None = None
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._line(site, min(timeout_s, DIAL_TIMEOUT_S))
                return await self._ask(line, dict(message))
        except TimeoutError:
            if line is not None and line.heard_at <= begun:
                line.fail(ConnectionLost(f"{site} is silent"))  # the next call dials anew
            raise Unreachable(f"no answer from {site} within {timeout_s} s") from None

    def close(self) -> None:
        for site in sorted(self._lines):
            self._lines[site].fail(ConnectionLost("closed here"))

    async def _line(self, site: str, timeout_s: float) -> _Line:
        async with self._dialling.setdefault(site, asyncio.Lock()):
            line = self._lines.get(site)
            if line is None or not line.open:
                channel = await self._backbone.dial(self._address_of(site), self._port, PURPOSE, timeout_s=timeout_s)
                line = self._lines[site] = _Line(channel, self._world.monotonic())
                self._world.spawn(self._read(line), f"answers from {site}")
            return line

    async def _ask(self, line: _Line, message: Message) -> Message:
        self._asked += 1
        number = self._asked
        future = line.waiting[number] = asyncio.get_running_loop().create_future()
        try:
            line.channel.send(Ask(number, message))
            answer = await future
        finally:
            line.waiting.pop(number, None)
        message_back: Message | None = answer.message
        if message_back is None:
            raise CallFailed(answer.problem)
        return message_back

    async def _read(self, line: _Line) -> None:
        try:
            while True:
                answer = await line.channel.receive(_answer)
                line.heard_at = self._world.monotonic()
                future = line.waiting.get(answer.number)
                if future is not None and not future.done():
                    future.set_result(answer)
        except ConnectionLost as error:
            line.fail(error)
