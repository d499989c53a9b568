"""Compressed bodies of requests."""

from __future__ import annotations

import gzip
import zlib

import pytest

from antipodes.wire.encodings import MAX_BYTES, decoded
from antipodes.wire.errors import ServerFault

BODY = b'{"TableName": "Things"}' * 100


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY[:7]) + gzip.compress(BODY[7:])),
        ("deflate", zlib.compress(BODY)),
        ("amz-1.0", BODY),
    ],
)
def test_a_compressed_body_is_read(encoding: str, sent: bytes) -> None:
    assert decoded(sent, encoding) == BODY


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("garbage", BODY),
        ("gzip", BODY),
        ("gzip", b""),
        ("gzip", gzip.compress(BODY)[:-1]),
        ("gzip", gzip.compress(BODY) + b"junk"),
        ("deflate", b""),
        ("gzip", gzip.compress(b" " * (MAX_BYTES + 1))),
    ],
)
def test_what_cannot_be_read_is_an_internal_error_as_on_aws(encoding: str, sent: bytes) -> None:
    with pytest.raises(ServerFault, match=r"^InternalServerError"):
        decoded(sent, encoding)
