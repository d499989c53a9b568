"""What APIs count, and how it reaches CloudWatch."""

from __future__ import annotations

from antipodes.services.apigateway.metrics import HTTP, REST, ApiMeter
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
