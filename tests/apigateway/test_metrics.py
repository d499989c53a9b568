"""What APIs count, and how it reaches CloudWatch."""

from __future__ import annotations

import asyncio

import pytest

from antipodes.services.apigateway.metrics import HTTP, REST, ApiMeter
from antipodes.services.apigateway.v1.prepared import shown_name
from antipodes.services.apigateway.v1.records import Api
from tests.apigateway.conftest import Play, Room


def test_requests_become_metrics_of_each_set_of_dimensions(play_once: Play) -> None:
    async def story(room: Room) -> None:
        meter = ApiMeter(room.surroundings)
        tally = meter.tally(HTTP, {"ApiId": "a"}, {"ApiId": "a", "Stage": "s"})
        assert tally is meter.tally(HTTP, {"ApiId": "a"}, {"ApiId": "a", "Stage": "s"})
        tally.request(200, 0.0123456, 0.010, 7)
        tally.request(404, 0.001)
        tally.request(503, 0.0123461, 0.010, 7)
        await room.world.sleep(6.0)
        found = {(d["MetricName"], len(d["Dimensions"])): (d["Values"], d["Counts"]) for d in room.metrics}
        assert len(found) == len(room.metrics) == 12
        for dimensions in (1, 2):
            assert found["Count", dimensions] == ([1.0], [3])
            assert found["4xx", dimensions] == found["5xx", dimensions] == ([0.0, 1.0], [2, 1])
            assert found["Latency", dimensions] == ([1.0, 12.3], [1, 2])
            assert found["IntegrationLatency", dimensions] == ([10.0], [2])
            assert found["DataProcessed", dimensions] == ([0.0, 7.0], [1, 2])

    play_once(story)


@pytest.mark.parametrize(("name", "shown"), [("café", "caf"), ("東京", "a1")])
def test_names_of_apis_are_told_in_ascii(name: str, shown: str) -> None:
    assert shown_name(Api(id="a1", name=name, root_id="r", created=0.0)) == shown


def test_nothing_counted_nothing_told_and_the_gone_are_told_once_more(play_once: Play) -> None:
    async def story(room: Room) -> None:
        meter = ApiMeter(room.surroundings)
        tally = meter.tally(REST, {"ApiName": "a"})
        await room.world.sleep(20.0)
        assert room.metrics == []
        tally.event("Other", 2.0)
        meter.forget(tally)
        await meter.flush()
        assert [one["MetricName"] for one in room.metrics] == ["Other"]
        assert meter.tally(REST, {"ApiName": "a"}) is not tally

    play_once(story)


def test_what_comes_while_counts_are_handed_over_goes_with_the_next_ones(play_once: Play) -> None:
    async def story(room: Room) -> None:
        meter = ApiMeter(room.surroundings)
        tallies = [meter.tally(HTTP, {"ApiId": str(number)}) for number in range(30)]
        for tally in tallies:
            tally.request(200, 0.001)
        first = asyncio.ensure_future(meter.flush())
        while not room.metrics:
            await room.world.sleep(0)
        assert len(room.metrics) < 5 * len(tallies)  # a part of it
        handed_over_at = room.metrics[0]["Timestamp"]
        await room.world.sleep(0.001)
        for tally in tallies:
            tally.request(200, 0.001)
        await meter.flush()
        assert first.done()
        counts = [(one["Timestamp"], one["Counts"]) for one in room.metrics if one["MetricName"] == "Count"]
        assert [count for _, count in counts] == [[1]] * 60
        assert [at for at, _ in counts[:30]] == [handed_over_at] * 30

    play_once(story)
