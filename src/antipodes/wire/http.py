"""The HTTP message, as everything between the listeners and the services sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]  # as they came: order, case and repetition kept


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `target` is the raw request target (path and query as on the wire, still percent-encoded)."""

    method: str
    target: str
    headers: Headers
    body: bytes
    client: str = "127.0.0.1"  # source address
    secure: bool = False  # came over TLS
    local: str = ""  # address of the listener that took it

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of that name; names compare without case."""
        return header_of(self.headers, name)

    @property
    def host(self) -> str:
        """Host header without its port, lower case."""
        return (self.header("host") or "").partition(":")[0].lower()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response. Content-Length and Connection are the listener's business; do not set them."""

    status: int
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return header_of(self.headers, name)


def header_of(headers: Headers, name: str) -> str | None:
    wanted = name.lower()
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return None


HttpHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]
