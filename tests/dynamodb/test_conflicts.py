"""Conflicts: which lost writes are written down, and which are not; how tombstones go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from antipodes.services.dynamodb import conflicts, keys, rows
from antipodes.services.dynamodb.conflicts import Conflict, together
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.services.dynamodb.tombstones import collected
from antipodes.store.records import Change, Version
from tests.dynamodb.conftest import REGIONS, Planet, ask, make_table
from tests.dynamodb.test_replicas import EAST, EUROPE, KEY, NAME, WEST, everywhere, item

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]


async def recorded(*services: DynamoDB) -> list[Conflict]:
    found: list[Conflict] = []
    for service in services:
        answer = await ask(service, "ReplicaConflicts", {"table": "Things"})
        found += msgspec.convert(answer["conflicts"], list[Conflict])
    return together(found)


def values(found: list[Conflict]) -> list[tuple[Any, Any]]:
    def value(write: conflicts.Write) -> Any:
        return None if write.item is None else write.item.get("v", {}).get("S")

    return [(value(one.lost), value(one.won)) for one in found]


def test_a_write_that_another_region_overwrote_unseen_is_written_down_once(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        await ask(east, "PutItem", item("first"))
        await ask(west, "PutItem", item("second"))
        planet.carry()
        planet.carry()
        winner = (await ask(europe, "GetItem", KEY))["Item"]["v"]["S"]
        loser = {"first": "second", "second": "first"}[winner]
        found = await recorded(east, west, europe)
        assert values(found) == [(loser, winner)]
        assert found[0].key == {"pk": {"S": "a"}}
        assert found[0].lost.region != found[0].won.region

    run(story)


def test_a_write_on_top_of_what_was_seen_is_no_conflict(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        for round_ in range(3):
            for service in (east, west, europe):
                await ask(service, "PutItem", item(f"{round_} {service.database.region}"))
                planet.carry()
        await ask(west, "DeleteItem", KEY)
        planet.carry()
        await ask(east, "PutItem", item("again"))
        planet.carry()
        assert await recorded(east, west, europe) == []

    run(story)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4), st.sampled_from(REGIONS[1:]), st.booleans())))
def test_changes_that_are_taken_together_come_to_what_they_come_to_one_by_one(
    drawn: list[tuple[str, int, str, bool]],
) -> None:
    """Several of one item, conflicts among them, the same one twice."""

    async def taken(planet: Planet, lots: list[list[Change]]) -> tuple[object, ...]:
        service = await planet.start(EAST)
        await make_table(service)
        await service.stop()  # no task collects tombstones meanwhile
        database = service.database
        table = database.tables["Things"]
        table.replicated = table.logged = True
        for lot in lots:
            database.merge(table, [msgspec.structs.replace(change, topic=table.topic) for change in lot])
        await database.store.durable()
        space = table.description.space.encode()
        kept = [(key.replace(space, b""), row) for key, row in database.store.range(b"dynamodb/item/", b"dynamodb/j")]
        graves = [key.replace(space, b"") for key, _ in database.store.range(b"dynamodb/tomb", b"dynamodb/tomc")]
        told = [
            (one.change.key, one.change.version, one.change.value)
            for one in database.store.changes(0, 1000)
            if one.change.topic == table.topic
        ]
        seen = [(one.key, one.lost, one.won) for one in table.conflicts(database.store).all()]
        return kept, graves, told, seen, table.items, table.size_bytes

    async def story() -> None:
        planets = [Planet(), Planet()]
        changes = [made(*one) for one in drawn]
        try:
            together = await taken(planets[0], [changes])
            assert together == await taken(planets[1], [[change] for change in changes])
        finally:
            for planet in planets:
                await planet.stop_all()

    asyncio.run(story())


def made(key: str, time: int, region: str, deleted: bool) -> Change:
    version = Version(time << 12, region)
    body = b'{"pk":{"S":"%b"},"v":{"S":"%d %b"}}' % (key.encode(), time, region.encode())
    row = rows.tombstone_row(version) if deleted else rows.item_row(version, len(body), body)
    return Change("", keys.item_key(key.encode()), version, None if deleted else row)


def test_of_a_regions_own_writes_only_the_last_can_be_lost(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await ask(east, "PutItem", item("one"))
        planet.carry()
        before = planet.changes(EAST)
        await ask(east, "PutItem", item("two"))
        two = planet.changes(EAST)
        planet.pass_time(60)
        await ask(west, "PutItem", item("other"))
        planet.pass_time(60)
        await ask(east, "PutItem", item("three"))  # builds on two, knows nothing of other
        for change in (*before, *two, *planet.changes(EAST)):
            west.carried.merge(change.topic, [change])
        planet.carry()
        assert values(await recorded(east, west)) == [("other", "three")]

    run(story)


def test_a_deletion_can_lose_and_win(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await ask(east, "PutItem", item("there"))
        planet.carry()
        await ask(east, "UpdateItem", {**KEY, "UpdateExpression": "SET v = :v", "ExpressionAttributeValues": V})
        planet.pass_time(60)
        await ask(west, "DeleteItem", KEY)
        planet.carry()
        planet.carry()
        found = await recorded(east, west)
        assert [(one.lost.region, one.won.region, one.won.deleted) for one in found] == [(EAST, WEST, True)]
        assert await ask(east, "GetItem", KEY) == {}
        await ask(east, "PutItem", item("new"))
        planet.carry()
        assert len(await recorded(east, west)) == 1, "the deletion was known by then"

    run(story)


V = {":v": {"S": "changed"}}


def test_the_record_is_bounded_and_survives_a_restart(run: Run, monkeypatch: Any) -> None:
    monkeypatch.setattr(conflicts, "MAX_KEPT", 3)
    monkeypatch.setattr(conflicts, "MAX_ITEM_BYTES", 50)

    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        for number in range(5):
            key = {"pk": {"S": str(number)}}
            await ask(east, "PutItem", {**NAME, "Item": {**key, "v": {"S": "e" * 100}}})
            await ask(west, "PutItem", {**NAME, "Item": {**key, "v": {"S": "w"}}})
        planet.carry()
        await west.database.settle()
        await planet.stop(WEST)
        west = await planet.start(WEST)
        found = await recorded(west)
        assert [one.key["pk"]["S"] for one in found] == ["2", "3", "4"]
        lost = found[0].lost if found[0].lost.region == EAST else found[0].won
        assert (lost.item, lost.deleted, lost.size_bytes) == (None, False, 104)

    run(story)


def test_the_past_of_a_row_names_what_was_seen_of_each_region() -> None:
    first = rows.item_row(Version(10, EAST), 1, b"{}")
    assert rows.past_after(first, EAST) == b""
    second = rows.item_row(Version(20, WEST), 1, b"{}", rows.past_after(first, WEST))
    third = rows.tombstone_row(Version(30, EUROPE), rows.past_after(second, EUROPE))
    assert rows.version_of(third) == Version(30, EUROPE)
    assert rows.body_of(second) == b"{}"
    past = rows.past_of(third)
    assert rows.knows(past, Version(20, WEST))
    assert rows.knows(past, Version(10, EAST))
    assert not rows.knows(past, Version(11, EAST))
    assert rows.past_after(third, EUROPE) == past
    again = rows.past_after(third, EAST)
    assert rows.knows(again, Version(30, EUROPE))
    assert not rows.knows(again, Version(10, EAST)), "of oneself nothing need be said"


def test_a_row_of_the_first_format_is_read() -> None:
    old = bytes([1]) + rows.item_row(Version(10, EAST), 7, b'{"a":1}')[1:]
    assert (rows.version_of(old), rows.size_of(old), rows.body_of(old)) == (Version(10, EAST), 7, b'{"a":1}')
    assert rows.past_of(old) == b""


def test_tombstones_go_when_all_replicas_have_passed_them(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, _ = await everywhere(planet, EAST, WEST)
        table = east.database.tables["Things"]
        for name in ("a", "b"):
            await ask(east, "PutItem", {**NAME, "Item": {"pk": {"S": name}}})
            await ask(east, "DeleteItem", {**NAME, "Key": {"pk": {"S": name}}})
        planet.carry()
        await ask(east, "PutItem", {**NAME, "Item": {"pk": {"S": "b"}}})  # its tombstone has been replaced
        dead = [one for one in planet.changes(EAST) if one.value is None]
        assert len(dead) == 1
        space, prefix = table.description.space, table.rows_prefix
        assert collected(east.database.store, space, prefix, dead[0].version.time - 1) == []
        gone = collected(east.database.store, space, prefix, east.database.store.stamp().time)
        east.database.store.write(gone)
        assert [one.value is None for one in planet.changes(EAST)] == [False]
        assert collected(east.database.store, space, prefix, east.database.store.stamp().time) == []
        assert (await ask(east, "Scan", NAME))["Count"] == 1
        assert [one.value is None for one in planet.changes(WEST)].count(True) == 2

    run(story)
