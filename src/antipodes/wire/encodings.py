"""Content-Encoding of requests: SDKs compress large ones of some operations (PutMetricData from 10 KiB on). Pure.

The signature covers the body as it was sent, so a body is decoded after it was verified. DynamoDB's manners, seen on
AWS: gzip (of several members too) and deflate; whatever else, or broken, is an InternalServerError.
"""

from __future__ import annotations

import zlib

from antipodes.wire.errors import ServerFault

MAX_BYTES = 16 << 20  # of a request, compressed or not (Developer Guide, "Quotas")
_WINDOWS = {"gzip": 31, "deflate": 15}  # zlib's names for the two formats
_PLAIN = ("identity", "amz-1.0")  # the second is what AWS's older clients of JSON services say of their bodies


def decoded(body: bytes, encoding: str) -> bytes:
    """The body behind a Content-Encoding. Raises ServerFault (500): of another kind, broken, or too large."""
    encoding = encoding.strip().lower()
    if encoding in _PLAIN:
        return body
    window = _WINDOWS.get(encoding)
    if window is None:
        raise _undone(f"the Content-Encoding {encoding} is not known")
    found = b""
    rest = body
    while rest or not found:
        reader = zlib.decompressobj(window)
        try:
            found += reader.decompress(rest, MAX_BYTES + 1 - len(found))
        except zlib.error as error:
            raise _undone(str(error)) from error
        if len(found) > MAX_BYTES:
            raise _undone("it is too large")
        if not reader.eof:
            raise _undone("it breaks off")
        if not reader.unused_data and not found:
            break
        rest = reader.unused_data
    return found


def _undone(why: str) -> ServerFault:
    return ServerFault("InternalServerError", f"The request's body cannot be decoded: {why}", happened=False)
