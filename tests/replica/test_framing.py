"""Frames survive any cutting of the stream, and nonsense is refused."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.wire import framing
from antipodes.wire.framing import FrameDecoder, FrameError, encode_frame

MESSAGES = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5) | st.binary(max_size=300),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=5,
)


@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 2000), max_size=8))
def test_what_goes_in_comes_out_wherever_the_stream_is_cut(messages: list[object], cuts: list[int]) -> None:
    stream = b"".join(map(encode_frame, messages))
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    decoder = FrameDecoder()
    payloads = [p for a, b in pairwise(places) for p in decoder.feed(stream[a:b])]
    assert [msgspec.msgpack.decode(p) for p in payloads] == messages


def test_a_length_over_the_limit_is_refused_before_it_is_stored() -> None:
    with pytest.raises(FrameError, match="announced"):
        FrameDecoder().feed(b"GET / HTTP/1.1\r\n")
    assert FrameDecoder(3).feed(b"\0\0\0\3abc") == [b"abc"]
    with pytest.raises(FrameError):
        FrameDecoder(2).feed(b"\0\0\0\3")


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_FRAME_BYTES", 100)
    with pytest.raises(FrameError):
        encode_frame(bytes(101))
