"""Events come out of their rows in order, however batches overlapped and whoever wrote the rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from hypothesis import given
from hypothesis import strategies as st

from antipodes.services.logs import lots
from antipodes.services.logs.lots import Event, Place
from tests.logs.conftest import Desk

Tell = Callable[[Callable[[Desk], Awaitable[None]]], None]
BATCHES = st.lists(st.lists(st.integers(0, 4000), min_size=1, max_size=20), max_size=8)


@given(BATCHES)
def test_events_lie_in_order_whatever_the_order_of_batches(batches: list[list[int]]) -> None:
    rows: list[tuple[Place, bytes]] = []
    expected: list[tuple[Place, str]] = []
    for times in batches:
        said = [(time_ms, str(time_ms).encode()) for time_ms in times]
        for lot in lots.split(said):
            number = len(expected) + 1
            rows.append((Place(lot[0][0], number), lots.packed(number, 7, lot)))
            expected += [(Place(time_ms, number + at), text.decode()) for at, (time_ms, text) in enumerate(lot)]
    rows.sort()
    expected.sort()
    found = list(lots.in_order(lots.events_of(*row) for row in rows))
    assert [(one.place, one.message) for one in found] == expected
    backwards = list(lots.in_order((lots.events_of(*row) for row in reversed(rows)), reverse=True))
    assert backwards == found[::-1]


def test_a_lot_is_cut_where_it_would_be_too_long_too_large_or_out_of_order() -> None:
    assert list(lots.split([])) == []
    assert [len(lot) for lot in lots.split([(5, b"")] * (lots.MAX_EVENTS + 1))] == [lots.MAX_EVENTS, 1]
    assert [len(lot) for lot in lots.split([(5, b"x" * lots.MAX_BYTES)] * 2)] == [1, 1]
    times = [0, lots.SPAN_MS, lots.SPAN_MS + 1, lots.SPAN_MS, 5000]
    assert [[time_ms for time_ms, _ in lot] for lot in lots.split([(one, b"") for one in times])] == [
        [0, lots.SPAN_MS],
        [lots.SPAN_MS + 1],
        [lots.SPAN_MS],
        [5000],
    ]


def test_a_row_of_one_event_is_read_as_it_was_once_written() -> None:
    place = Place(1_800_000_000_000, 1 << 62)
    value = (1_800_000_000_123).to_bytes(8, "big") + "grüß dich".encode()
    assert lots.events_of(place, value) == [Event(place, 1_800_000_000_123, "grüß dich")]


def test_batches_that_overlap_are_read_as_one_stream_from_any_place_on(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.stream()
        now = desk.now_ms()
        await desk.put((now, "a"), (now + 600, "d"), (now + 900, "f"))
        await desk.put((now + 300, "b"), (now + 600, "e"), (now + 5000, "h"))
        await desk.put((now + 500, "c"), (now + 1200, "g"))
        assert "".join(await desk.found()) == "abcdefgh"
        for limit in (1, 2, 3):
            assert "".join(await desk.found(limit=limit, startTime=now + 300)) == "bcdefgh"
        read: dict[str, object] = {"logGroupName": "g", "logStreamName": "s", "limit": 3}
        newest = await desk.ask("GetLogEvents", **read)
        older = await desk.ask("GetLogEvents", **read, nextToken=newest["nextBackwardToken"])
        assert "".join(one["message"] for page in (older, newest) for one in page["events"]) == "cdefgh"

    tell(story)
