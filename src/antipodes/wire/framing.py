"""Frames on the backbone: a 4-byte big-endian length, then one msgpack value. Pure.

Refuses to know what the values mean. A frame longer than the limit is an error, not a reason to allocate.
"""

from __future__ import annotations

import msgspec

MAX_FRAME_BYTES = 64 << 20
_HEADER_BYTES = 4

_encoder = msgspec.msgpack.Encoder()


class FrameError(ValueError):
    """The bytes are no frames of ours; the stream cannot be read on."""


def encode_frame(message: object) -> bytes:
    """One frame holding the message (anything msgspec encodes). Raises FrameError: it is too long."""
    buffer = bytearray(_HEADER_BYTES)
    _encoder.encode_into(message, buffer, _HEADER_BYTES)
    size = len(buffer) - _HEADER_BYTES
    if size > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {size} bytes; at most {MAX_FRAME_BYTES} are allowed")
    buffer[:_HEADER_BYTES] = size.to_bytes(_HEADER_BYTES, "big")
    return bytes(buffer)


class FrameDecoder:
    """Cuts a byte stream into the payloads of its frames."""

    __slots__ = ("_buffer", "_max_bytes")

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._buffer = bytearray()
        self._max_bytes = max_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes; returns the payloads which they complete. Raises FrameError: one is too long."""
        buffer = self._buffer
        buffer += data
        payloads = []
        start = 0
        while len(buffer) - start >= _HEADER_BYTES:
            size = int.from_bytes(buffer[start : start + _HEADER_BYTES], "big")
            if size > self._max_bytes:
                raise FrameError(f"a frame of {size} bytes announced; at most {self._max_bytes} are allowed")
            end = start + _HEADER_BYTES + size
            if len(buffer) < end:
                break
            payloads.append(bytes(buffer[start + _HEADER_BYTES : end]))
            start = end
        del buffer[:start]
        return payloads
