"""A stage's cache: what is kept, under which key, for how long, and who may have it made anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from antipodes.services.apigateway.v1.caching import WARNING, StageCache, invalidates
from antipodes.wire.errors import AwsError
from antipodes.wire.http import HttpRequest, HttpResponse
from tests.apigateway.conftest import Play, Room, host_of, uri_of

COUNTS = """
count = 0
def handler(event, c):
    global count
    count += 1
    query = event['queryStringParameters'] or {}
    return {'statusCode': int(query.get('status', 200)), 'headers': {'X-Count': str(count)}, 'body': event['path']}
"""
AUTHORIZER = """
def handler(event, c):
    action = 'execute-api:*' if event['authorizationToken'] == 'admin' else 'execute-api:Invoke'
    statement = {'Effect': 'Allow', 'Action': action, 'Resource': '*'}
    return {'principalId': 'p', 'policyDocument': {'Version': '2012-10-17', 'Statement': [statement]}}
"""
KEYS = ["method.request.path.id", "method.request.querystring.kind"]
GET = "/items~1{id}/GET/caching"


class Cached:
    """An API with `GET` and `POST /items/{id}` and a stage `v1` with a cache, whose answers tell how often its function
    ran."""

    def __init__(self, room: Room, api: str) -> None:
        self.room, self.api = room, api
        self.where = {"restApiId": api, "stageName": "v1"}

    @classmethod
    async def made(cls, room: Room, **document: Any) -> Cached:
        counts = await room.function("counts", COUNTS)
        integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri_of(counts), "cacheKeyParameters": KEYS}
        method = {"x-amazon-apigateway-integration": integration, **document.pop("method", {})}
        whole = {"swagger": "2.0", "info": {"title": "c"}, "paths": {"/items/{id}": {"get": method, "post": method}}}
        made = await room.ask("ImportRestApi", body=json.dumps({**whole, **document}).encode())
        deployed = await room.ask("CreateDeployment", restApiId=made["id"])
        given = {"stageName": "v1", "deploymentId": deployed["id"], "cacheClusterEnabled": True}
        stage = await room.ask("CreateStage", restApiId=made["id"], **given)
        assert (stage["cacheClusterSize"], stage["cacheClusterStatus"]) == ("0.5", "AVAILABLE")
        cached = cls(room, made["id"])
        await cached.patch("/*/*/caching/enabled", "true")
        return cached

    async def patch(self, *pairs: str) -> dict[str, Any]:
        patches = [{"op": "replace", "path": pairs[n], "value": pairs[n + 1]} for n in range(0, len(pairs), 2)]
        return await self.room.ask("UpdateStage", **self.where, patchOperations=patches)

    async def answer(self, target: str = "/items/1", method: str = "GET", **headers: str) -> HttpResponse:
        return await self.room.get(host_of(self.api), f"/v1{target}", method, b"", **headers)

    async def count(self, target: str = "/items/1", method: str = "GET", **headers: str) -> int:
        answer = await self.answer(target, method, **headers)
        return int(answer.header("x-count") or -1)


def test_a_get_is_answered_from_the_cache_until_its_time_is_over(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        shown = await cached.patch("/*/*/caching/dataEncrypted", "false")
        assert shown["methodSettings"]["*/*"]["cacheTtlInSeconds"] == 300
        await cached.patch("/*/*/caching/ttlInSeconds", "60")
        first, second = await cached.answer(), await cached.answer()
        assert (first.header("x-count"), second.header("x-count")) == ("1", "1")
        assert (second.status, second.body) == (200, b"/items/1")
        assert first.header("x-amzn-requestid") != second.header("x-amzn-requestid")
        await room.world.sleep(59.0)
        assert await cached.count() == 1
        await room.world.sleep(2.0)
        assert await cached.count() == 2
        shown = await cached.patch(f"{GET}/ttlInSeconds", "10")
        assert shown["methodSettings"]["items/{id}/GET"]["cacheTtlInSeconds"] == 10
        assert await cached.count() == 2  # what is kept stays as long as it was to
        await room.ask("FlushStageCache", **cached.where)
        assert await cached.count() == 3
        await room.world.sleep(11.0)
        assert await cached.count() == 4
        await cached.patch(f"{GET}/ttlInSeconds", "0")
        assert [await cached.count(), await cached.count()] == [5, 6]

    play_once(story)


def test_the_key_is_of_the_named_parameters_and_of_nothing_else(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        assert await cached.count("/items/1?kind=a&other=x") == 1
        assert await cached.count("/items/1?kind=a&other=y") == 1
        assert await cached.count("/items/1?kind=b") == 2
        assert await cached.count("/items/1") == 3
        assert await cached.count("/items/2?kind=a") == 4
        assert (await cached.answer("/items/9?status=503")).status == 503
        assert (await cached.answer("/items/9?status=200")).status == 503  # answers of any status are kept

    play_once(story)


def test_other_methods_are_kept_where_their_own_settings_say_so(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        assert [await cached.count(method="POST") for _ in range(2)] == [1, 2]
        await cached.patch("/items~1{id}/POST/caching/enabled", "true")
        assert [await cached.count(method="POST") for _ in range(2)] == [3, 3]
        assert await cached.count() == 4  # and not for one another
        await cached.patch(f"{GET}/enabled", "false")
        assert [await cached.count() for _ in range(2)] == [5, 6]

    play_once(story)


def test_another_size_or_none_is_another_cache_and_a_deployment_is_not(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        assert await cached.count() == 1
        await room.ask("CreateDeployment", restApiId=cached.api, stageName="v1")
        assert await cached.count() == 1
        shown = await cached.patch("/cacheClusterSize", "1.6")
        assert (shown["cacheClusterSize"], await cached.count(), await cached.count()) == ("1.6", 2, 2)
        shown = await cached.patch("/cacheClusterEnabled", "false")
        assert (shown["cacheClusterEnabled"], shown["cacheClusterStatus"]) == (False, "NOT_AVAILABLE")
        await cached.patch("/cacheClusterEnabled", "true")
        assert [await cached.count(), await cached.count()] == [3, 3]
        for path, value in (("/cacheClusterSize", "7"), ("/*/*/caching/ttlInSeconds", "3601")):
            with pytest.raises(AwsError):
                await cached.patch(path, value)

    play_once(story)


def test_a_client_may_have_an_answer_made_anew_if_it_is_allowed_to(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        assert await cached.count() == 1
        answer = await cached.answer(Cache_Control="max-age=0")
        assert (answer.header("x-count"), answer.header("warning")) == ("1", WARNING[1])
        assert (await cached.answer()).header("warning") is None
        strategy = "/*/*/caching/unauthorizedCacheControlHeaderStrategy"
        await cached.patch(strategy, "SUCCEED_WITHOUT_RESPONSE_HEADER")
        answer = await cached.answer(Cache_Control="max-age=0")
        assert (answer.header("x-count"), answer.header("warning")) == ("1", None)
        await cached.patch(strategy, "FAIL_WITH_403")
        assert (await cached.answer(Cache_Control="max-age=0")).status == 403
        await cached.patch("/*/*/caching/requireAuthorizationForCacheControl", "false")
        assert [await cached.count(Cache_Control="no-store, max-age=0"), await cached.count()] == [2, 2]

    play_once(story)


def test_an_authorizers_policy_says_who_may_invalidate(play_once: Play) -> None:
    async def story(room: Room) -> None:
        uri = uri_of(await room.function("authorizer", AUTHORIZER))
        name = "x-amazon-apigateway-authorizer"
        scheme = {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            name: {"type": "token", "authorizerUri": uri},
        }
        security: dict[str, Any] = {"security": [{"a": []}]}
        cached = await Cached.made(room, securityDefinitions={"a": scheme}, method=security)
        await cached.patch("/*/*/caching/unauthorizedCacheControlHeaderStrategy", "FAIL_WITH_403")
        assert await cached.count(Authorization="user") == 1
        assert (await cached.answer(Authorization="user", Cache_Control="max-age=0")).status == 403
        assert await cached.count(Authorization="admin", Cache_Control="max-age=0") == 2
        assert (await cached.answer()).status == 401  # who may not pass is not answered by the cache either

    play_once(story)


def test_hits_and_misses_are_counted(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        for _ in range(4):
            await cached.answer()
        await cached.answer(method="POST")
        await room.gateway.stop()
        stage = [{"Name": "ApiName", "Value": "c"}, {"Name": "Stage", "Value": "v1"}]
        told = {one["MetricName"]: one for one in room.metrics if one["Dimensions"] == stage}
        assert (total(told["CacheHitCount"]), total(told["CacheMissCount"])) == ((3.0, 5.0), (1.0, 5.0))
        assert "CacheHitCount" in told and total(told["Count"])[0] == 5.0

    play_once(story)


def total(datum: Mapping[str, Any]) -> tuple[float, float]:
    """Sum and sample count."""
    counts = datum["Counts"]
    return sum(value * count for value, count in zip(datum["Values"], counts, strict=True)), sum(counts)


def test_a_canary_keeps_nothing_unless_it_is_to_use_the_stages_cache(play_once: Play) -> None:
    async def story(room: Room) -> None:
        cached = await Cached.made(room)
        assert await cached.count() == 1
        await cached.patch("/canarySettings/percentTraffic", "100")
        assert [await cached.count(), await cached.count()] == [2, 3]
        await cached.patch("/canarySettings/useStageCache", "true")
        assert await cached.count() == 1

    play_once(story)


def test_a_cache_holds_no_more_than_its_size() -> None:
    cache, answer = StageCache("0.00001"), HttpResponse(200, (), b"x" * 2_000)  # 10,000 bytes
    for name in "abcd":
        cache.keep((name,), answer, 0.0, 10)
    assert len(cache) == 3 and cache.find(("a",), 1.0) is None
    assert cache.find(("b",), 1.0) is answer  # and is the youngest now
    cache.keep(("e",), answer, 1.0, 10)
    assert cache.find(("c",), 1.0) is None and cache.find(("b",), 1.0) is answer
    assert cache.find(("b",), 10.0) is None  # its time is over
    cache.keep(("big",), HttpResponse(200, (), b"x" * 1_048_577), 0.0, 10)
    assert cache.find(("big",), 0.0) is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("max-age=0", True),
        ("no-cache, Max-Age=0", True),
        ("max-age=00", True),
        ("max-age=01", False),
        ("no-cache", False),
    ],
)
def test_max_age_0_alone_makes_anew(value: str, wanted: bool) -> None:
    assert invalidates(HttpRequest("GET", "/", (("Cache-Control", value),), b"")) is wanted
