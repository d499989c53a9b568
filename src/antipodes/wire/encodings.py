"""Content-Encoding of requests. Pure.

The service models name the operations whose large requests SDKs compress (`requestcompression`): of ours CloudWatch's
PutMetricData alone, by gzip, from 10 KiB on. The signature covers a body as it was sent, so it is verified first.
"""

from __future__ import annotations

import zlib

from antipodes.wire.errors import ClientFault

MAX_BYTES = 16 << 20  # of what a body may come to
_GZIP = 31  # zlib's name for the format


def unzipped(body: bytes) -> bytes:
    """The body before gzip. Raises ClientFault: broken or too large; AWS's words for either are not known."""
    reader = zlib.decompressobj(_GZIP)
    try:
        found = reader.decompress(body, MAX_BYTES)
    except zlib.error as error:
        raise ClientFault("SerializationException", f"The request's body is no gzip: {error}") from error
    if not reader.eof:
        why = f"comes to more than {MAX_BYTES} bytes" if len(found) == MAX_BYTES else "breaks off"
        raise ClientFault("SerializationException", f"The request's body {why}")
    return found
