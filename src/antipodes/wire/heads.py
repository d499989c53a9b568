"""The usual HTTP/1.1 request, whole in one piece of input, taken apart without the parser. Pure.

Most requests come so, thousands of times with nearly the same lines; half the parser's time is saved on them. The
compiled reader (_heads.c, where there is a compiler) and its twin in Python say None to everything that is not plain:
that needs the parser's judgement.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

# The headers as they came, the same by lower-case name (none is there twice), and the body.
Parts = tuple[list[tuple[str, str]], dict[str, str], bytes]
Reader = Callable[[bytes, int, int], "Parts | None"]

PLAIN_LINE_CHARS = 4096
_NOT_PLAIN = frozenset({"transfer-encoding", "connection", "expect", "upgrade", "keep-alive", "proxy-connection", "te"})


def read_request_by_lines(data: bytes, start: int, head_bytes: int) -> Parts | None:
    """The reader in Python. start: behind the request line; head_bytes: a longer head is not plain."""
    end = data.find(b"\r\n\r\n", start, head_bytes)
    if end < 0:
        return None
    pairs: list[tuple[str, str]] = []
    by_name: dict[str, str] = {}
    for line in data[start:end].decode("latin-1").split("\r\n"):
        plain = _plain_line(line) if len(line) < PLAIN_LINE_CHARS else None
        if plain is None:
            return None
        pair, lowered = plain
        pairs.append(pair)
        by_name[lowered] = pair[1]
    body = data[end + 4 :]
    if len(by_name) != len(pairs) or by_name.get("content-length", "" if body else "0") != str(len(body)):
        return None
    return pairs, by_name, body


@lru_cache(maxsize=256)
def _plain_line(line: str) -> tuple[tuple[str, str], str] | None:
    """(name and value as they came, the name in lower case); None for a line that needs the parser's judgement.

    Cached: most lines of a request were in the one before.
    """
    name, colon, value = line.partition(": ")
    lowered = name.lower()
    if (
        not colon
        or not line.isascii()
        or not line.isprintable()
        or not name.replace("-", "").isalnum()
        or not value
        or value != value.strip()
        or (lowered in _NOT_PLAIN and line.lower() != "connection: keep-alive")
    ):
        return None
    return (name, value), lowered


try:
    from antipodes.wire import _heads
except ImportError:
    COMPILED = False
    read_request: Reader = read_request_by_lines
else:
    COMPILED = True
    read_request = _heads.read_request
