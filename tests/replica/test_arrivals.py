"""What counts as arrived, and how late it came."""

from __future__ import annotations

from antipodes.replica.arrivals import LAGS_KEPT, Arrivals
from antipodes.store.records import COUNTER_BITS, Change, Version


def change(at_ms: int) -> Change:
    return Change("toy/t", b"k", Version((1000 * at_ms) << COUNTER_BITS, "a"), b"v")


def test_a_change_has_arrived_when_it_is_durable() -> None:
    arrivals = Arrivals()
    arrivals.merged([change(1000), change(1040)], clock=7)
    assert (arrivals.clock, arrivals.lags_ms()) == (0, (None, None, None))
    arrivals.merged([change(1070)], clock=9)
    arrivals.durable(now=1.1)
    assert arrivals.clock == 9
    newest_ms, p50_ms, p99_ms = arrivals.lags_ms()
    assert [round(one or 0) for one in (newest_ms, p50_ms, p99_ms)] == [30, 60, 100]
    arrivals.durable(now=5.0)
    assert arrivals.lags_ms() == (newest_ms, p50_ms, p99_ms), "each counts once"


def test_clocks_differ_and_no_lag_is_below_zero() -> None:
    arrivals = Arrivals()
    arrivals.merged([change(2000)], clock=1)
    arrivals.durable(now=1.5)
    assert arrivals.lags_ms() == (0.0, 0.0, 0.0)


def test_another_session_begins_with_nothing_heard_and_keeps_the_lags() -> None:
    arrivals = Arrivals()
    arrivals.merged([change(1000)] * (2 * LAGS_KEPT), clock=5)
    arrivals.durable(now=1.25)
    arrivals.merged([change(1000)], clock=6)
    arrivals.begin()
    arrivals.durable(now=9.0)
    assert arrivals.clock == 0, "what an old session merged says nothing of the new one"
    assert [round(one or 0) for one in arrivals.lags_ms()] == [250, 250, 250]
