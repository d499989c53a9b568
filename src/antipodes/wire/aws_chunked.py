"""aws-chunked bodies of S3: pieces that carry signatures, and trailers with checksums.

    400;chunk-signature=ad80…\r\n<1024 bytes>\r\n0;chunk-signature=…\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n

What is decoded: the pieces, the trailers (they become headers, so that checksum members are found), the declared
length. What is not verified: the pieces' own signatures; the request's signature covers the first of them only as a
seed. Source: "Signature calculations: transferring payload in multiple chunks", S3 API reference.
"""

from __future__ import annotations

from msgspec.structs import replace

from antipodes.wire.errors import ClientFault
from antipodes.wire.http import Headers, HttpRequest


def is_chunked(request: HttpRequest) -> bool:
    if (request.header("x-amz-content-sha256") or "").startswith("STREAMING-"):
        return True
    return "aws-chunked" in (request.header("content-encoding") or "")


def decode_body(request: HttpRequest) -> HttpRequest:
    """The request with its body in one piece; others pass unchanged. Raises ClientFault (IncompleteBody)."""
    if not is_chunked(request):
        return request
    body, trailers = decode(request.body)
    declared = request.header("x-amz-decoded-content-length")
    if declared is not None and declared.isdigit() and int(declared) != len(body):
        raise _incomplete()
    headers: list[tuple[str, str]] = []
    for name, value in request.headers:
        if name.lower() == "content-encoding":
            rest = ",".join(part.strip() for part in value.split(",") if part.strip() != "aws-chunked")
            if not rest:
                continue
            headers.append((name, rest))
        else:
            headers.append((name, value))
    return replace(request, body=body, headers=(*headers, *trailers))


def decode(data: bytes) -> tuple[bytes, Headers]:
    """(the body, the trailers). Raises ClientFault (IncompleteBody)."""
    pieces: list[bytes] = []
    at = 0
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            raise _incomplete()
        try:
            size = int(data[at:line_end].partition(b";")[0], 16)
        except ValueError:
            raise _incomplete() from None
        at = line_end + 2
        if size == 0:
            return b"".join(pieces), _trailers(data[at:])
        if size < 0 or at + size > len(data):
            raise _incomplete()
        pieces.append(data[at : at + size])
        at += size
        if data[at : at + 2] != b"\r\n":
            raise _incomplete()
        at += 2


def _trailers(data: bytes) -> Headers:
    trailers = []
    for line in data.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and not name.startswith("x-amz-trailer-signature"):
            trailers.append((name.strip(), value.strip()))
    return tuple(trailers)


def _incomplete() -> ClientFault:
    return ClientFault(
        "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"
    )
