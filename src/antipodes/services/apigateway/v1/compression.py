"""Compressed bodies: clients' are taken apart, answers are compressed where the API wants it. Pure.

    a request    with Content-Encoding gzip or deflate is taken apart before anything looks at its body ("by default,
                 API Gateway supports decompression"); another coding, or a body that is not of its coding, is a 415.
                 The backend does not hear of the coding (a guess)
    an answer    of the integration is compressed if minimumCompressionSize is set and it has so many bytes, if it has
                 no Content-Encoding itself, and if the coding that the client likes best is gzip or deflate. A client
                 that says nothing, or "*", gets it as it is
    less than    minimumCompressionSize: neither

Source: Developer Guide, "Payload compression for REST APIs".
"""

from __future__ import annotations

import gzip
import zlib

import msgspec

from antipodes.services.apigateway.v1.gateway_responses import Rejected
from antipodes.services.apigateway.v1.records import bad_request
from antipodes.wire.http import HttpRequest, HttpResponse

LARGEST_BYTES = 10 * 1024 * 1024
ENCODING = "content-encoding"
WINDOWS = {"gzip": (31,), "deflate": (15, -15)}  # zlib's wbits: deflate with its frame, and (as some send it) without


def least_of(given: object) -> int | None:
    """minimumCompressionSize; None: nothing is compressed. Raises BadRequestException."""
    if given is None or given == "":
        return None
    text = str(given)
    if not text.isdecimal() or int(text) > LARGEST_BYTES:  # the words are a guess
        raise bad_request(f"Invalid minimum compression size '{text}': must be between 0 and {LARGEST_BYTES}")
    return int(text)


def unpacked(request: HttpRequest, least: int | None) -> HttpRequest:
    """The request as the client meant it. Raises Rejected."""
    coding = (request.header(ENCODING) or "").strip().lower()
    if coding in {"", "identity"} or (least is not None and len(request.body) < least):
        return request
    body = _decompressed(coding, request.body)
    if len(body) > LARGEST_BYTES:
        raise Rejected("REQUEST_TOO_LARGE")
    headers = tuple(one for one in request.headers if one[0].lower() != ENCODING)
    return msgspec.structs.replace(request, headers=headers, body=body)


def packed(answer: HttpResponse, accept: str | None, least: int) -> HttpResponse:
    """The answer as it goes to a client with this Accept-Encoding."""
    coding = preferred(accept or "")
    if not coding or not answer.body or len(answer.body) < least or answer.header(ENCODING) is not None:
        return answer
    body = gzip.compress(answer.body, mtime=0) if coding == "gzip" else zlib.compress(answer.body)
    return msgspec.structs.replace(answer, headers=(*answer.headers, ("Content-Encoding", coding)), body=body)


def preferred(accept: str) -> str:
    """ "gzip" or "deflate", if nothing else is liked better; else "" (RFC 9110 12.5.3)."""
    weighed: list[tuple[float, str]] = []
    for one in accept.lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        weights = [part[2:] for part in parameters if part.startswith("q=")]
        try:
            weighed.append((float(weights[0]) if weights else 1.0, name))
        except ValueError:
            continue
    most = max((weight for weight, _ in weighed), default=0.0)
    return next((name for weight, name in weighed if weight == most > 0 and name in WINDOWS), "")


def _decompressed(coding: str, body: bytes) -> bytes:
    """At most one byte more than may be. Raises Rejected."""
    for window in WINDOWS.get(coding, ()):
        unpacker = zlib.decompressobj(window)
        try:
            found = unpacker.decompress(body, LARGEST_BYTES + 1)
        except zlib.error:
            continue
        if unpacker.eof or len(found) > LARGEST_BYTES:
            return found
    raise Rejected("UNSUPPORTED_MEDIA_TYPE")
