"""The Region's end of the link with a worker that was forked from a template; world/handler_transport.py is the other.

It says what the Runtime API says over HTTP, to the same RuntimeApi, in fewer and smaller steps: a response asks for the
next invocation as well, and is not answered when it is taken. What a handler might write to the socket by itself ends
the link, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

from antipodes.services.lambda_.runtime_api import ACCEPTED, Invocation, RuntimeApi
from antipodes.world.handler_transport import FRAME, framed

KINDS = (b"N", b"R", b"W", b"E")
HEAD_LIMIT_BYTES = 1 << 16
BODY_LIMIT_BYTES = 32 * 1024 * 1024


class RuntimeLink:
    """One runtime's (world.Link). `cut` it when the runtime is not wanted any more: what still comes is dropped."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        api.given_up = self.cut
        self._send: Callable[[bytes], None] | None = None
        self._data: list[bytes] = []  # of a frame that has not come whole
        self._missing = 0  # so much of it at least

    def opened(self, send: Callable[[bytes], None]) -> None:
        """send: to the runtime."""
        self._send = send

    def cut(self) -> None:
        """Idempotent."""
        self._send = None
        self._data.clear()

    def received(self, data: bytes) -> bool:
        """Some bytes of the runtime's. False: not of this language."""
        if self._data:
            self._data.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return True
            data = b"".join(self._data)
            self._data.clear()
        while data and self._send is not None:
            if len(data) < FRAME.size:
                return self._keep(data, FRAME.size)
            kind, head, body = FRAME.unpack_from(data)
            if kind not in KINDS or head > HEAD_LIMIT_BYTES or body > BODY_LIMIT_BYTES:
                return False
            begin = FRAME.size + head
            end = begin + body
            if len(data) < end:
                return self._keep(data, end)
            self._take(kind, data[FRAME.size : begin], data[begin:end])
            data = data[end:]
        return True

    def _keep(self, data: bytes, wanted: int) -> bool:
        self._data.append(data)
        self._missing = wanted - len(data)
        return True

    def _take(self, kind: bytes, head: bytes, body: bytes) -> None:
        api = self._api
        if kind == b"N":
            api.next(self._give)
            return
        answer = api.answer(head.decode("latin-1"), body, failed=kind == b"E")
        if answer is not ACCEPTED:
            self._tell(b"X", str(answer.status).encode(), answer.body)
        elif kind == b"R":
            api.next(self._give)
        elif kind == b"W":
            self._tell(b"A")

    def _give(self, invocation: Invocation | None) -> None:
        if invocation is None:  # it is being ended
            return
        head = (
            f"{invocation.request_id}\n{invocation.deadline_ms}\n{invocation.arn}\n"
            f"{invocation.trace_id}\n{invocation.client_context}"
        )
        self._tell(b"I", head.encode(), invocation.payload)

    def _tell(self, kind: bytes, head: bytes = b"", body: bytes = b"") -> None:
        if self._send is not None:
            self._send(framed(kind, head, body))
