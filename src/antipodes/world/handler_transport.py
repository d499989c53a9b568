"""Runs inside a Lambda worker process: the lower half of AWS's Python runtime client, over a link to the Region.

AWS's own is a C++ module, `runtime_client`, over curl. A warm invocation costs it more of the worker's time than the
rest of the client: two dozen system calls, and what curl makes anew for each request. This one stands in its place
in environments that a template forks (handler_template): the same functions with the same answers and errors
(tests/world/test_handler_transport.py asks both). All that a handler sees is AWS's. It speaks to the Region over a Unix
socket that it was given at its birth; the Runtime API over HTTP is there as well, for whoever asks it.

A frame is a kind, the lengths of its head and its body, and these (services/lambda_/runtime_link.py, the other end):

    to the Region    N            asks for the next invocation
                     R id body    a response; the next invocation is asked for with it
                     W id body    a response that the worker waits to hear of
                     E id body    the error that an invocation ended with
    to the worker    I head body  an invocation: request id, deadline in ms, ARN, trace id, client context, a line each
                     A            W is taken
                     X code body  what was sent last is not taken: the Runtime API's status and error

Standard library only, and nothing of antipodes: it is imported by its path.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Any

FRAME = struct.Struct("!cII")
READ_BYTES = 1 << 16
LARGE_BYTES = 1 << 20  # a response of this size may be refused for it: that is waited for


def framed(kind: bytes, head: bytes = b"", body: bytes = b"") -> bytes:
    """One frame."""
    return FRAME.pack(kind, len(head), len(body)) + head + body


class Link:
    """The worker's end. Raises OSError: it has ended."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        self._data = b""  # what came, and belongs to the next frame

    def send(self, kind: bytes, head: str = "", body: bytes = b"") -> None:
        self._socket.sendall(framed(kind, head.encode(), body))

    def receive(self) -> tuple[bytes, str, bytes]:
        """Waits for the next frame: its kind, head and body."""
        data = self._data
        if len(data) < FRAME.size:
            data = self._more(data, FRAME.size)
        kind, head, body = FRAME.unpack_from(data)
        begin = FRAME.size + head
        end = begin + body
        if len(data) < end:
            data = self._more(data, end)
        self._data = data[end:]
        return kind, data[FRAME.size : begin].decode(), data[begin:end]

    def _more(self, data: bytes, wanted: int) -> bytes:
        parts, missing = [data], wanted - len(data)
        while missing > 0:
            part = self._socket.recv(max(missing, READ_BYTES))
            if not part:
                raise ConnectionError("the Region ended the link")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


class RuntimeClient:
    """The functions of AWS's module."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._asked = False  # for the next invocation

    def connect(self, descriptor: int) -> None:
        """Once, before anything else: the link's socket."""
        self._link = Link(descriptor)

    def initialize_client(self, agent: str) -> None:
        """agent: named in requests over HTTP; here nobody asks for it."""

    def next(self) -> tuple[bytes, dict[str, Any]]:
        """Waits for the next invocation: (event, headers). Raises RuntimeError."""
        assert self._link is not None
        try:
            if not self._asked:
                self._link.send(b"N")
            self._asked = False
            kind, head, body = self._link.receive()
        except OSError:
            raise RuntimeError("Failed to get next") from None
        if kind == b"X":
            _say_refused(head, body)
            raise RuntimeError("Failed to post invocation response")
        request_id, deadline_ms, arn, trace_id, context = head.split("\n", 4)
        return body, {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Trace-Id": trace_id,
            "Lambda-Runtime-Invoked-Function-Arn": arn,
            "Lambda-Runtime-Deadline-Ms": int(deadline_ms),
            "Lambda-Runtime-Client-Context": context or None,
            "Content-Type": "application/json",
            "Lambda-Runtime-Cognito-Identity": None,
            "Lambda-Runtime-Aws-Tenant-Id": None,
            "Lambda-Runtime-Invocation-Id": None,
        }

    def post_invocation_result(
        self, invoke_id: str, data: bytes, content_type: str, invocation_id: str | None = None
    ) -> None:
        """Raises RuntimeError: it was not taken. Of a small one the next call of `next` tells that."""
        assert self._link is not None
        waits = len(data) >= LARGE_BYTES
        try:
            self._link.send(b"W" if waits else b"R", invoke_id, data)
            if not waits:
                self._asked = True
                return
            kind, head, body = self._link.receive()
        except OSError:
            raise RuntimeError("Failed to post invocation response") from None
        if kind == b"X":
            _say_refused(head, body)
            raise RuntimeError("Failed to post invocation response")

    def post_error(self, invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
        """error: JSON. Raises RuntimeError: it was not taken."""
        assert self._link is not None
        try:
            self._link.send(b"E", invoke_id, error.encode())
        except OSError:
            raise RuntimeError("Failed to post invocation error") from None


def _say_refused(status: str, body: bytes) -> None:
    """As AWS's module writes its errors, past whatever sys.stdout is."""
    text = f"Failed to post handler success response. Http response code: {status}. {body.decode('utf-8', 'replace')}"
    os.write(1, f"[ERROR] [{int(time.time() * 1000)}] LAMBDA_RUNTIME {text}\n".encode())
