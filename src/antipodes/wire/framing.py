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
    """Cuts a byte stream into the payloads of its frames. `max_bytes` may be changed between frames."""

    __slots__ = ("_buffer", "_start", "max_bytes")

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()
        self._start = 0  # where the next frame begins

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def take(self) -> bytes | None:
        """The next payload, or None while it is not complete. Raises FrameError: a frame longer than max_bytes."""
        begin = self._start + _HEADER_BYTES
        if len(self._buffer) < begin:
            return None
        size = int.from_bytes(self._buffer[self._start : begin], "big")
        if size > self.max_bytes:
            raise FrameError(f"a frame of {size} bytes announced; at most {self.max_bytes} are allowed")
        if len(self._buffer) < begin + size:
            return None
        self._start = begin + size
        return bytes(self._buffer[begin : begin + size])
