"""The HTTP message, as everything between the listeners and the services sees it.

Structs, because one of each is made for every request: a frozen dataclass costs ten times as much to build.
To change one, use `msgspec.structs.replace`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from typing import Any

import msgspec

Headers = tuple[tuple[str, str], ...]  # as they came: order, case and repetition kept


class IndexedHeaders(tuple[tuple[str, str], ...]):
    """Headers that know their values by lower-case name. The listener makes them, since a request's headers are asked
    for half a dozen times on its way; any tuple will do in their place."""

    by_name: dict[str, str]  # the first, where a name is repeated
    repeats: bool


class ClientCertificate(msgspec.Struct, frozen=True):
    """What a client has shown to a TLS listener, which has found it to be good."""

    name: str  # of the server, as the client called it
    pem: str


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """One request. `target` is the raw request target (path and query as on the wire, still percent-encoded)."""

    method: str
    target: str
    headers: Headers
    body: bytes
    client: str = "127.0.0.1"  # source address
    secure: bool = False  # came over TLS
    local: str = ""  # address of the listener that took it
    certificate: ClientCertificate | None = None  # of mutual TLS

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of that name; names compare without case."""
        headers = self.headers
        if type(headers) is IndexedHeaders:
            found = headers.by_name.get(name)
            if found is not None:
                return found
        return header_of(headers, name)

    @property
    def host(self) -> str:
        """Host header without its port, lower case."""
        return _host_of(self.header("host") or "")


class HttpResponse(msgspec.Struct, frozen=True, gc=False):
    """One response. Content-Length and Connection are the listener's business; do not set them."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    lines: bytes = b""  # header lines ready to go out, each with its line break, in the place of `headers`
    # Of a 101 alone: makes the protocol (asyncio.Protocol) that has the connection after this answer.
    takeover: Callable[[], Any] | None = None
    # The body where it is not known yet: `body` is empty then. An error of it breaks the answer off.
    parts: AsyncIterator[bytes] | None = None

    def header(self, name: str) -> str | None:
        return header_of(self.headers, name)


@lru_cache(maxsize=256)
def _host_of(header: str) -> str:
    return header.partition(":")[0].lower()


def header_of(headers: Headers, name: str) -> str | None:
    wanted = name.lower()
    if type(headers) is IndexedHeaders:
        return headers.by_name.get(wanted)
    for key, value in headers:
        if key.lower() == wanted:
            return value
    return None


HttpHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]
# The short way of a handler. False: this request is none for it, and nothing happened. True: `Answered` is called once,
# before this returns or later, with the answer or an error.
Answered = Callable[[HttpResponse | None, BaseException | None], None]
UsualHandler = Callable[[HttpRequest, Answered], bool]
