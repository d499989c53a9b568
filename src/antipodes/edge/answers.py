"""An HTTP/1.1 answer's bytes."""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType

from antipodes.wire.http import HttpResponse

KEEP, KEEP_OLD, CLOSE = "", "Connection: keep-alive\r\n", "Connection: close\r\n"  # KEEP_OLD: to HTTP/1.0

STATUS_LINES = MappingProxyType({s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n" for s in HTTPStatus})
# What the listener alone decides; from a handler (a Lambda function, a forwarded answer) it is dropped.
OWN_HEADERS = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive"})


@lru_cache(maxsize=512)
def _kind_of(name: str) -> str:
    """The header's name in lower case if it needs a look; "" for most."""
    lowered = name.lower()
    return lowered if lowered in OWN_HEADERS or lowered == "date" else ""


def encode_response(
    response: HttpResponse,
    *,
    date_line: str = "",
    head_only: bool = False,
    connection: str = "",
    framing: str | None = None,
) -> bytes:
    """The bytes of an answer. Raises ValueError on a header with a line break in it, or a status below 200.

    For a HEAD, a Content-Length that the handler gave stands: it says what a GET would bring. framing: in the place of
    Content-Length, what says where a body that is to follow ends.
    """
    status = response.status
    body = response.body
    if response.lines and not head_only:
        above = STATUS_LINES[status] + date_line + f"Content-Length: {len(body)}\r\n" + connection
        return b"%b%b\r\n%b" % (above.encode("ascii"), response.lines, body)
    if not 200 <= status <= 999:
        raise ValueError(f"status {status}")
    parts = [STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"]
    length: str | None = None
    for name, value in response.headers:
        kind = _kind_of(name)
        if kind:
            if kind == "date":
                date_line = ""
            else:
                if head_only and kind == "content-length":
                    length = value
                continue
        parts.append(f"{name}: {value}\r\n")
    text = "".join(parts)
    if text.count("\n") != len(parts) or text.count("\r") != len(parts) or "\0" in text:
        raise ValueError("a line break in a header")
    text += date_line
    if status not in {204, 304}:
        text += framing if framing is not None else f"Content-Length: {length or len(body)}\r\n"
    text += connection + "\r\n"
    try:
        head = text.encode("latin-1")
    except UnicodeEncodeError:
        head = text.encode("utf-8")
    return head if head_only or not body or status in {204, 304} else head + body
