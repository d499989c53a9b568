"""Runs inside a Lambda worker process: the lower half of AWS's Python runtime client, its requests to its API.

AWS's own is a C++ module, `runtime_client`, over curl. A warm invocation costs it more of the worker's time than the
rest of the client: two dozen system calls, and what curl makes anew for each request. This one stands in its place
in environments that a template forks (handler_template): the same functions, which send the same requests and give the
same answers and errors (tests/world/test_handler_transport.py asks both). All that a handler sees is AWS's.

Standard library only, and nothing of antipodes: it is imported by its path.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any, NamedTuple

READ_BYTES = 1 << 16
NEXT = "GET /2018-06-01/runtime/invocation/next"
INVOCATION = "POST /2018-06-01/runtime/invocation/"


class Answer(NamedTuple):
    """Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Exchange:
    """One connection to the Runtime API, kept, and made anew if it has ended meanwhile."""

    def __init__(self, address: str, agent: str) -> None:
        """address: host:port."""
        host, _, port = address.rpartition(":")
        self._place = (host, int(port or 80))
        self._middle = f" HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\n"
        self._agent = f"User-Agent: {agent}\r\n"
        self._socket: socket.socket | None = None

    def ask(self, line: str, headers: str = "", more: str = "", body: bytes | None = None) -> Answer:
        """headers, more: whole lines, before and behind the agent's. Raises OSError: no answer. Asks once more on a
        new connection if the kept one had ended; not what has a body, which may have been taken."""
        if body is not None:
            more += f"content-length: {len(body)}\r\n"
        request = f"{line}{self._middle}{headers}{self._agent}{more}\r\n".encode() + (body or b"")
        kept = self._kept()
        if kept is not None:
            try:
                kept.sendall(request)
                data = kept.recv(READ_BYTES)
            except ConnectionError:
                data = b""
            if data or body is not None:
                return self._read(kept, data)
            self._close()
        made = self._socket = socket.create_connection(self._place)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.sendall(request)
        return self._read(made, made.recv(READ_BYTES))

    def _kept(self) -> socket.socket | None:
        """The connection, if it has not ended meanwhile."""
        if self._socket is not None:
            try:
                self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return self._socket
            except ConnectionError:
                pass
            self._close()
        return None

    def _read(self, end: socket.socket, data: bytes) -> Answer:
        """data: how the answer begins."""
        while (head := data.find(b"\r\n\r\n")) < 0:
            more = end.recv(READ_BYTES) if data else b""
            if not more:
                self._close()
                raise ConnectionError("the Runtime API ended the connection")
            data += more
        first, *lines = data[:head].decode().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = data[head + 4 :]
        missing = int(headers.get("content-length", "0")) - len(body)
        if missing:
            body = b"".join([body, *self._rest(end, missing)])
        if headers.get("connection", "").lower() == "close":
            self._close()
        return Answer(int(first.split(" ", 2)[1]), headers, body)

    def _rest(self, end: socket.socket, missing: int) -> list[bytes]:
        parts = []
        while missing > 0:
            part = end.recv(min(missing, 1 << 20))
            if not part:
                self._close()
                raise ConnectionError("the Runtime API ended the connection")
            parts.append(part)
            missing -= len(part)
        return parts

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class RuntimeClient:
    """The functions of AWS's module."""

    def __init__(self) -> None:
        self._exchange: Exchange | None = None

    def initialize_client(self, agent: str) -> None:
        """Once, before anything else."""
        self._exchange = Exchange(os.environ["AWS_LAMBDA_RUNTIME_API"], agent)

    def next(self) -> tuple[bytes, dict[str, Any]]:
        """Waits for the next invocation: (event, headers). Raises RuntimeError."""
        assert self._exchange is not None
        try:
            answer = self._exchange.ask(NEXT)
        except (OSError, ValueError):
            raise RuntimeError("Failed to get next") from None
        get = answer.headers.get
        request_id = get("lambda-runtime-aws-request-id")
        if not 200 <= answer.status <= 299:
            _say(f"Failed to get next invocation. Http Response code: {answer.status}")
        elif request_id is None:
            _say("Failed to find header lambda-runtime-aws-request-id in response")
        else:
            return answer.body, {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Trace-Id": get("lambda-runtime-trace-id"),
                "Lambda-Runtime-Invoked-Function-Arn": get("lambda-runtime-invoked-function-arn", ""),
                "Lambda-Runtime-Deadline-Ms": int(get("lambda-runtime-deadline-ms") or 0),
                "Lambda-Runtime-Client-Context": get("lambda-runtime-client-context"),
                "Content-Type": get("content-type"),
                "Lambda-Runtime-Cognito-Identity": get("lambda-runtime-cognito-identity"),
                "Lambda-Runtime-Aws-Tenant-Id": get("lambda-runtime-aws-tenant-id"),
                "Lambda-Runtime-Invocation-Id": get("lambda-runtime-invocation-id"),
            }
        raise RuntimeError("Failed to get next")

    def post_invocation_result(
        self, invoke_id: str, data: bytes, content_type: str, invocation_id: str | None = None
    ) -> None:
        """Raises RuntimeError: it was not taken."""
        headers = f"content-type: {content_type}\r\n"
        if not self._posted(f"{INVOCATION}{invoke_id}/response", headers, invocation_id, data):
            raise RuntimeError("Failed to post invocation response")

    def post_error(self, invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None) -> None:
        """error, xray_fault: JSON. Raises RuntimeError: it was not taken."""
        headers = "content-type: application/json\r\n"
        if xray_fault:
            headers += f"lambda-runtime-function-xray-error-cause: {xray_fault}\r\n"
        if not self._posted(f"{INVOCATION}{invoke_id}/error", headers, invocation_id, error.encode()):
            raise RuntimeError("Failed to post invocation error")

    def _posted(self, line: str, headers: str, invocation_id: str | None, body: bytes) -> bool:
        assert self._exchange is not None
        more = "" if invocation_id is None else f"lambda-runtime-invocation-id: {invocation_id}\r\n"
        try:
            answer = self._exchange.ask(line, headers, more, body)
        except (OSError, ValueError):
            return False
        if 200 <= answer.status <= 299:
            return True
        text = answer.body.decode("utf-8", "replace")
        _say(f"Failed to post handler success response. Http response code: {answer.status}. {text}")
        return False


def _say(text: str) -> None:
    """As AWS's module writes its errors, past whatever sys.stdout is."""
    os.write(1, f"[ERROR] [{int(time.time() * 1000)}] LAMBDA_RUNTIME {text}\n".encode())
