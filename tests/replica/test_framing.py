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
    payloads: list[bytes] = []
    for begin, end in pairwise(places):
        decoder.feed(stream[begin:end])
        while (payload := decoder.take()) is not None:
            payloads.append(payload)
    assert [msgspec.msgpack.decode(p) for p in payloads] == messages


def test_a_length_over_the_limit_is_refused_before_it_is_stored() -> None:
    decoder = FrameDecoder(3)
    decoder.feed(b"\0\0\0\3abc\0\0\0\4")
    assert decoder.take() == b"abc"
    with pytest.raises(FrameError, match="announced"):
        decoder.take()
    decoder.max_bytes = 4
    assert decoder.take() is None
    decoder.feed(b"abcd")
    assert decoder.take() == b"abcd"


def test_a_message_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_FRAME_BYTES", 100)
    with pytest.raises(FrameError):
        encode_frame(bytes(101))
