"""Expiry: its settings, what is deleted and by whom, and what streams tell of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.services.dynamodb import live_indexes, ttl
from antipodes.services.dynamodb.orders import expiry_entry, expiry_of
from tests.dynamodb.conftest import REGIONS, Planet, active, ask, make_table, refused, until
from tests.dynamodb.streaming import all_records

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
EAST, WEST, _ = REGIONS
BOTH: dict[str, Any] = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
NOW = 1_700_000_000  # where the clock of LoopWorld begins; it goes on by a second with every look
PAST, FUTURE = str(NOW - 100), str(NOW + 10_000_000)


def expiry(enabled: bool = True, attribute: str = "ttl") -> dict[str, Any]:
    return {"TableName": "Things", "TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": attribute}}


def item(pk: str, time: dict[str, str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"pk": {"S": pk}}
    return {"TableName": "Things", "Item": found | ({"ttl": time} if time is not None else {})}


async def status(service: Any) -> dict[str, Any]:
    answer = await ask(service, "DescribeTimeToLive", {"TableName": "Things"})
    found: dict[str, Any] = answer["TimeToLiveDescription"]
    return found


async def held(service: Any) -> list[str]:
    return sorted(one["pk"]["S"] for one in (await ask(service, "Scan", {"TableName": "Things"}))["Items"])


def test_settings_and_their_refusals(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east)
        assert await status(east) == {"TimeToLiveStatus": "DISABLED"}
        code, message = await refused(east, "UpdateTimeToLive", expiry(False))
        assert (code, message) == ("ValidationException", "TimeToLive is already disabled")
        answer = await ask(east, "UpdateTimeToLive", expiry())
        assert answer == {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"}}
        assert await status(east) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
        code, message = await refused(east, "UpdateTimeToLive", expiry())
        assert (code, message) == ("ValidationException", "TimeToLive is already enabled")
        for wanted in (expiry(True, "other"), expiry(False, "other")):
            code, message = await refused(east, "UpdateTimeToLive", wanted)
            assert message == "TimeToLive is active on a different AttributeName: current AttributeName is ttl"
        await ask(east, "UpdateTimeToLive", expiry(False))
        assert await status(east) == {"TimeToLiveStatus": "DISABLED"}
        for wanted, told in (
            (expiry(attribute=""), "timeToLiveSpecification.attributeName"),
            (expiry(attribute="x" * 256), "length less than or equal to 255"),
            ({"TableName": "Things", "TimeToLiveSpecification": {"Enabled": True}}, "attributeName"),
            ({"TableName": "Things", "TimeToLiveSpecification": {"AttributeName": "x"}}, "enabled"),
            ({"TableName": "Things"}, "timeToLiveSpecification"),
        ):
            code, message = await refused(east, "UpdateTimeToLive", wanted)
            assert code == "ValidationException" and told in message
        for operation, params in (("UpdateTimeToLive", expiry()), ("DescribeTimeToLive", expiry())):
            code, message = await refused(east, operation, {**params, "TableName": "Nothing"})
            assert code == "ResourceNotFoundException" and "Table: Nothing not found" in message

    run(story)


def test_a_change_takes_its_time_where_it_is_told_to(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.ttl_state_s": "1000000"}
        east = await planet.start(EAST)
        await make_table(east)
        await ask(east, "UpdateTimeToLive", expiry())
        assert await status(east) == {"TimeToLiveStatus": "ENABLING", "AttributeName": "ttl"}
        _, message = await refused(east, "UpdateTimeToLive", expiry(False))
        assert message == "Time to live has been modified multiple times within a fixed interval"

    run(story)


def test_what_has_expired_is_deleted_and_its_stream_says_by_whom(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        index = {
            "IndexName": "byTime",
            "KeySchema": [{"AttributeName": "ttl", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        await make_table(
            east, **BOTH, attributes=[{"AttributeName": "ttl", "AttributeType": "N"}], GlobalSecondaryIndexes=[index]
        )
        await ask(east, "PutItem", item("before", {"N": PAST}))
        await ask(east, "UpdateTimeToLive", expiry())
        await ask(east, "PutItem", item("after", {"N": PAST}))
        await ask(east, "PutItem", item("fraction", {"N": PAST + ".5"}))
        await ask(east, "PutItem", item("later", {"N": FUTURE}))
        await ask(east, "PutItem", item("longAgo", {"N": str(NOW - 6 * 365 * 86400)}))
        await ask(east, "PutItem", item("never"))
        await ask(east, "PutItem", item("negative", {"N": "-5"}))

        async def done() -> bool:
            return await held(east) == ["later", "longAgo", "negative", "never"]

        await until(done)
        removed = [one for one in await all_records(east) if one["eventName"] == "REMOVE"]
        assert sorted(one["dynamodb"]["Keys"]["pk"]["S"] for one in removed) == ["after", "before", "fraction"]
        for one in removed:
            assert one["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
            assert "OldImage" in one["dynamodb"]
        indexed = (await ask(east, "Scan", {"TableName": "Things", "IndexName": "byTime"}))["Items"]
        assert sorted(one["pk"]["S"] for one in indexed) == ["later", "longAgo", "negative"]
        await ask(east, "DeleteItem", {"TableName": "Things", "Key": {"pk": {"S": "never"}}})
        assert "userIdentity" not in (await all_records(east))[-1]

    run(story)


def test_what_is_due_is_read_until_it_is_deleted_and_saved_by_a_later_time(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.ttl_sweep_s": "1000000"}
        east = await planet.start(EAST)
        await make_table(east)
        await ask(east, "UpdateTimeToLive", expiry())
        await ask(east, "PutItem", item("due", {"N": PAST}))
        await ask(east, "PutItem", item("saved", {"N": PAST}))
        assert await held(east) == ["due", "saved"]
        await ask(east, "PutItem", item("saved", {"N": FUTURE}))
        await east.sweeper.sweep()
        assert await held(east) == ["saved"]

    run(story)


def test_many_items_expire_and_a_disabled_table_forgets_its_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ttl, "SLICE", 7)
    monkeypatch.setattr(live_indexes, "SLICE", 5)

    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.ttl_sweep_s": "1000000"}
        east = await planet.start(EAST)
        await make_table(east)
        for number in range(40):
            await ask(east, "PutItem", item(f"k{number}", {"N": PAST if number % 2 else FUTURE}))
        await ask(east, "UpdateTimeToLive", expiry())
        assert (await status(east))["TimeToLiveStatus"] == "ENABLING", "more than a slice: filled in the background"
        await planet.stop(EAST)
        east = await planet.start(EAST)

        async def enabled() -> bool:
            return await status(east) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}

        await until(enabled)
        await east.sweeper.sweep()
        assert len(await held(east)) == 20
        await ask(east, "UpdateTimeToLive", expiry(False))
        table = east.database.tables["Things"]
        await until(lambda: not table.description.leaving)
        prefix = b"dynamodb/index/" + table.description.space.encode() + b"/"
        assert list(east.database.store.range(prefix, prefix + b"\xff")) == []
        await ask(east, "PutItem", item("k1", {"N": PAST}))
        await east.sweeper.sweep()
        assert "k1" in await held(east)

    run(story)


def test_in_a_global_table_the_region_that_wrote_the_item_deletes_it(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.ttl_sweep_s": "1000000"}
        east, west = await planet.start(EAST), await planet.start(WEST)
        await make_table(east, **BOTH)
        updates = {"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]}
        await ask(east, "UpdateTable", updates)
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        await active(east)
        await ask(east, "UpdateTimeToLive", expiry())

        async def told() -> bool:
            return (await status(west)).get("AttributeName") == "ttl"

        await until(told)
        soon = int(planet.worlds[EAST].now()) + 5
        await ask(east, "PutItem", item("a", {"N": str(soon)}))
        planet.carry()
        for world in planet.worlds.values():
            world.now = lambda: float(soon + 10)  # type: ignore[method-assign]
        await west.sweeper.sweep()
        assert await held(west) == ["a"], "it is for the other Region to delete it"
        await east.sweeper.sweep()
        assert await held(east) == []
        planet.carry()
        assert await held(west) == []
        here, there = (await all_records(east))[-1], (await all_records(west))[-1]
        assert here["eventName"] == there["eventName"] == "REMOVE"
        assert "userIdentity" in here and "userIdentity" not in there
        await ask(east, "PutItem", item("b", {"N": str(soon)}))
        planet.carry()
        planet.worlds[WEST].now = lambda: soon + ttl.TAKEOVER_S + 1  # type: ignore[method-assign]
        await west.sweeper.sweep()
        assert await held(west) == ["b"], "written ten seconds after its time, it is due for no longer than that"
        planet.worlds[WEST].now = lambda: soon + 10 + ttl.TAKEOVER_S + 1  # type: ignore[method-assign]
        await west.sweeper.sweep()
        assert await held(west) == [], "the Region that should have done it is away"

    run(story)


def test_a_replica_that_joins_later_expires_items_too(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.options = {"dynamodb.table_state_s": "0", "dynamodb.ttl_sweep_s": "1000000"}
        east, west = await planet.start(EAST), await planet.start(WEST)
        await make_table(east, **BOTH)
        await ask(east, "UpdateTimeToLive", expiry())
        soon = int(planet.worlds[EAST].now()) + 1000
        await ask(east, "PutItem", item("a", {"N": str(soon)}))
        await ask(east, "UpdateTable", {"TableName": "Things", "ReplicaUpdates": [{"Create": {"RegionName": WEST}}]})
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        planet.carry()
        assert await status(west) == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
        planet.worlds[WEST].now = lambda: soon + ttl.TAKEOVER_S + 1  # type: ignore[method-assign]
        await west.sweeper.sweep()
        assert await held(west) == []

    run(story)


def test_what_is_a_time() -> None:
    def of(value: dict[str, str]) -> int | None:
        entry = expiry_entry("t", {"t": value}, b"key")
        assert entry is None or entry.endswith(b"key")
        return None if entry is None else expiry_of(entry)

    assert of({"N": "1700000000"}) == 1_700_000_000
    assert of({"N": "1700000000.9"}) == 1_700_000_000
    assert of({"N": "0.5"}) == 0
    assert of({"N": "-1"}) is None and of({"S": "1700000000"}) is None and of({"N": "1" + "0" * 100}) is None
    assert expiry_entry("t", {}, b"key") is None
