"""Bodies that a client has compressed."""

from __future__ import annotations

import gzip

import pytest

from antipodes.wire.encodings import MAX_BYTES, unzipped
from antipodes.wire.errors import ClientFault


def test_a_body_is_what_it_was_before_gzip() -> None:
    body = b'{"a": "%b"}' % (b"x" * 100_000)
    assert unzipped(gzip.compress(body)) == body
    assert unzipped(gzip.compress(b"")) == b""


@pytest.mark.parametrize(
    "body", [b"", b"{}", gzip.compress(b"{}")[:-1], gzip.compress(b"\0" * (MAX_BYTES + 1))], ids=range(4)
)
def test_what_is_broken_or_too_large_is_refused(body: bytes) -> None:
    with pytest.raises(ClientFault):
        unzipped(body)
