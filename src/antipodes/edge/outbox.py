"""Answers that are ready in one turn of the event loop, written together at its end.

Why: a write to a socket wakes who reads the other end, and that costs more than the write, except where the reader is
awake already. Of many answers one after the other only the first wakes. An answer waits no longer than the turn in
which it was made, and no longer than for LOT others.

Whoever writes to such a transport by another way, or closes it, flushes first: answers keep their order. What is left
for a transport that has ended by itself is dropped, as the transport would.

Measured with 32 connections on two cores, against writing at once: GetItem 36,000/s for 29,000, Query of ten items
20,000 for 12,500; lots of 4, 8 and 32 are slower than 16.
"""

from __future__ import annotations

import asyncio

LOT = 16  # so many answers do not wait for more
LARGE_BYTES = 64 * 1024  # one of this size neither


class Outbox:
    """Of one listener, or of several on one loop."""

    __slots__ = ("_loop", "_pending")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: list[tuple[asyncio.Transport, bytes]] = []

    def send(self, transport: asyncio.Transport, data: bytes) -> None:
        """Writes it before the next turn of the loop."""
        pending = self._pending
        pending.append((transport, data))
        if len(pending) >= LOT or len(data) >= LARGE_BYTES:
            self.flush()
        elif len(pending) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Writes all that waits."""
        pending = self._pending
        if pending:
            self._pending = []
            for transport, data in pending:
                if not transport.is_closing():
                    transport.write(data)
