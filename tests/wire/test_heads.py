"""The two readers of usual requests: what one accepts, the other reads alike."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.wire import heads
from antipodes.wire.heads import read_request_by_lines

START = len(b"POST / HTTP/1.1\r\n")
HEAD_BYTES = 2000
READERS = [read_request_by_lines, *([heads.read_request] if heads.COMPILED else [])]
compiled = pytest.mark.skipif(not heads.COMPILED, reason="no C compiler was there at installation")

names = st.one_of(
    st.sampled_from(["Host", "host", "Content-Length", "X-Amz-Date", "Transfer-Encoding", "Connection", "te", "-", ""]),
    st.text(st.sampled_from("aZ0-_ :é\t"), max_size=5),
)
contents = st.one_of(
    st.sampled_from(["0", "3", "keep-alive", "Keep-Alive", "close", "a b", " a", "a ", "", "x" * 100]),
    st.text(st.sampled_from("aZ0:,= é\t\r\n\x00\x7f"), max_size=6),
)
colons = st.sampled_from([": ", ": ", ": ", ":", ":  ", " : "])
lines = st.lists(st.tuples(names, colons, contents).map("".join), max_size=5)


def message(head: list[str], body: bytes) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", *head, "", ""]).encode("latin-1") + body


@compiled
@settings(max_examples=500)
@given(lines, st.sampled_from([b"", b"abc", b"\r\n\r\n"]), st.booleans())
def test_readers_agree(head: list[str], body: bytes, measured: bool) -> None:
    data = message([*head, f"Content-Length: {len(body)}"] if measured else head, body)
    one, other = (reader(data, START, HEAD_BYTES) for reader in READERS)
    assert one == other


@pytest.mark.parametrize("reader", READERS)
def test_a_whole_request_is_taken_apart(reader: heads.Reader) -> None:
    data = message(["Host: here:80", "X-Amz-Date: 2", "Connection: Keep-Alive", "Content-Length: 3"], b"abc")
    pairs = [("Host", "here:80"), ("X-Amz-Date", "2"), ("Connection", "Keep-Alive"), ("Content-Length", "3")]
    assert reader(data, START, HEAD_BYTES) == (pairs, {name.lower(): value for name, value in pairs}, b"abc")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "head",
    [
        [],
        ["Host: a"],  # no length
        ["Content-Length: 2"],
        ["Content-Length: 03"],
        ["Content-Length: +3"],
        ["Content-Length: 3", "content-length: 3"],
        ["Content-Length: 3", "Host: a", "host: a"],
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Content-Length: 3", "Connection: close"],
        ["Content-Length: 3", "Expect: 100-continue"],
        ["Content-Length: 3", "Host:a"],
        ["Content-Length: 3", "Host:  a"],
        ["Content-Length: 3", "Host: a "],
        ["Content-Length: 3", "Host: é"],
        ["Content-Length: 3", "Ho st: a"],
        ["Content-Length: 3", "Host: a\rb"],
        ["Content-Length: 3", " folded: a"],
        ["Content-Length: 3", "Long: " + "x" * HEAD_BYTES],
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(reader: heads.Reader, head: list[str]) -> None:
    assert reader(message(head, b"abc"), START, HEAD_BYTES) is None


@pytest.mark.parametrize("reader", READERS)
def test_pieces_of_a_request_are_left_to_the_parser(reader: heads.Reader) -> None:
    data = message(["Host: a", "Content-Length: 3"], b"abc")
    for size in range(START, len(data)):
        assert reader(data[:size], START, HEAD_BYTES) is None
    assert reader(data + b"d", START, HEAD_BYTES) is None
    assert reader(data, START, data.index(b"\r\n\r\n") + 3) is None
    assert reader(data, START, data.index(b"\r\n\r\n") + 4) is not None
