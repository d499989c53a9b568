"""Calls between sites: many at once on one connection, and an error for each way they can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from antipodes.replica import calls
from antipodes.replica.backbone import Backbone
from antipodes.replica.calls import PURPOSE, CallClient, CallFailed, CallServer
from antipodes.world.world import ConnectionLost, Refused, Unreachable, World
from tests.worlds import Worlds

FAR = "ap-northeast-1"


class Callee:
    """Answers {"wait": seconds, "say": anything}; counts how many calls it had at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.backbone = Backbone(world, 0, "secret")
        self.backbone.on(PURPOSE, CallServer(world, self.answer).serve)
        self.at_once = self.most_at_once = 0

    async def answer(self, message: dict[str, Any]) -> Mapping[str, Any]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.world.sleep(message.get("wait", 0))
        self.at_once -= 1
        if "fail" in message:
            raise KeyError(message["fail"])
        return {"said": message["say"]}


async def pair(worlds: Worlds) -> tuple[Callee, CallClient]:
    world, far = worlds.world("us-east-1"), worlds.world(FAR)
    callee = Callee(far)
    await callee.backbone.start()
    client = CallClient(world, Backbone(world, 0, "secret"), lambda site: world.at(site).address, callee.backbone.port)
    return callee, client


def test_calls_share_a_connection_and_overtake_each_other(both_worlds: Worlds) -> None:
    async def story() -> None:
        callee, client = await pair(both_worlds)
        order: list[int] = []

        async def ask(number: int) -> None:
            says = {"n": number, "bytes": bytes([number]), "none": None, "text": "ä", "list": [1.5, True]}
            answer = await client.call(FAR, {"wait": (5 - number) * 0.03, "say": says})
            assert answer == {"said": says}
            order.append(number)

        await asyncio.gather(*(ask(n) for n in range(5)))
        assert order == [4, 3, 2, 1, 0]
        assert callee.most_at_once == 5
        assert len(callee.backbone._channels) == 1
        client.close()
        callee.backbone.close()

    both_worlds.run(story)


def test_a_call_whose_handler_breaks_says_so(both_worlds: Worlds) -> None:
    async def story() -> None:
        callee, client = await pair(both_worlds)
        with pytest.raises(CallFailed, match="KeyError: 'teapot'"):
            await client.call(FAR, {"fail": "teapot"})
        assert await client.call(FAR, {"say": 1}) == {"said": 1}
        client.close()
        callee.backbone.close()

    both_worlds.run(story, failures_expected=True)
    assert [type(failure.error) for failure in both_worlds.failures] == [KeyError], "reported where it broke"


def test_nobody_there_a_partition_and_a_late_answer(both_worlds: Worlds) -> None:
    async def story() -> None:
        callee, client = await pair(both_worlds)
        with pytest.raises(Unreachable):
            await client.call(FAR, {"wait": 5, "say": 1}, timeout_s=0.5)
        assert await client.call(FAR, {"say": 2}) == {"said": 2}
        both_worlds.links.partition("us-east-1", FAR)
        with pytest.raises((Unreachable, ConnectionLost)):
            await client.call(FAR, {"say": 3}, timeout_s=0.5)
        with pytest.raises(Unreachable):
            await client.call(FAR, {"say": 4}, timeout_s=0.5)
        both_worlds.links.heal()
        assert await client.call(FAR, {"say": 5}) == {"said": 5}
        callee.backbone.close()
        world = both_worlds.world("us-east-1")
        await world.sleep(0.5)
        with pytest.raises(Refused):
            await client.call(FAR, {"say": 6})
        client.close()

    both_worlds.run(story, failures_expected=True)


def test_a_dial_is_given_up_before_a_patient_caller(both_worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "DIAL_TIMEOUT_S", 0.3)

    async def story() -> None:
        _, client = await pair(both_worlds)
        both_worlds.links.partition("us-east-1", FAR)
        with pytest.raises(Unreachable, match=r"within 0\.3 s"):
            await client.call(FAR, {"say": 1}, timeout_s=30)
        client.close()

    both_worlds.run(story)


def test_calls_under_way_fail_when_the_connection_breaks(both_worlds: Worlds) -> None:
    async def story() -> None:
        callee, client = await pair(both_worlds)
        world = both_worlds.world("us-east-1")

        async def hang_up() -> None:
            await world.sleep(0.5)
            callee.backbone.close()

        results = await asyncio.gather(
            client.call(FAR, {"wait": 9, "say": 1}),
            client.call(FAR, {"wait": 9, "say": 2}),
            hang_up(),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [ConnectionLost, ConnectionLost, type(None)]
        client.close()

    both_worlds.run(story)
