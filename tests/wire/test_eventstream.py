"""Event streams, read by botocore."""

from __future__ import annotations

from botocore.eventstream import EventStreamBuffer

from antipodes.wire import eventstream


def test_botocore_reads_what_is_written() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(eventstream.event("PayloadChunk", "application/octet-stream", b"\x00zw\xc3\xb6lf"))
    buffer.add_data(eventstream.event("InvokeComplete", "application/json", b"{}"))
    first, last = list(buffer)
    assert first.headers == {
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    assert first.payload == b"\x00zw\xc3\xb6lf"
    assert (last.headers[":event-type"], last.payload) == ("InvokeComplete", b"{}")
