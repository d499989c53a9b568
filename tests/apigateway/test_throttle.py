"""Token buckets."""

from __future__ import annotations

from antipodes.services.apigateway.throttle import Bucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = Bucket(10.0, 3, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.15), bucket.take(0.15)] == [True, False]
    assert [bucket.take(0.25), bucket.take(0.25)] == [True, False]  # halves are kept
    assert [bucket.take(9.0) for _ in range(4)] == [True, True, True, False]


def test_nothing_passes_where_nothing_may() -> None:
    assert not Bucket(0.0, 0, 0.0).take(100.0)
    assert not Bucket(5.0, 0, 0.0).take(100.0)
