"""Global tables: how Regions come to hold a table, how items merge, and what happens when Regions are away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antipodes.replica.leader import Waiting as Lacking
from antipodes.services.dynamodb import departing
from antipodes.services.dynamodb.membership import with_member
from antipodes.services.dynamodb.replication import Waiting
from antipodes.services.dynamodb.schema import KeyPart, Member, Settings, Shared, merged
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.store.records import Version
from antipodes.world.disk import MemoryDisk
from tests.dynamodb.conftest import Planet, active, ask, make_table, refused, until

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
EAST, WEST, EUROPE = "us-east-1", "us-west-2", "eu-west-1"
NAME = {"TableName": "Things"}
LACKING = Lacking(changes=1, since_s=0.0)
KEY = {"TableName": "Things", "Key": {"pk": {"S": "a"}}}


def creating(*regions: str) -> dict[str, Any]:
    return {**NAME, "ReplicaUpdates": [{"Create": {"RegionName": region}} for region in regions]}


def deleting(region: str) -> dict[str, Any]:
    return {**NAME, "ReplicaUpdates": [{"Delete": {"RegionName": region}}]}


def item(value: str) -> dict[str, Any]:
    return {**NAME, "Item": {"pk": {"S": "a"}, "v": {"S": value}}}


async def everywhere(planet: Planet, *regions: str) -> list[DynamoDB]:
    """A table in all the Regions given, ACTIVE in each."""
    services = [await planet.start(region) for region in regions]
    await make_table(services[0])
    await ask(services[0], "UpdateTable", creating(*regions[1:]))
    for service in services:
        await until(lambda service=service: "Things" in service.database.tables)
        await active(service)
    return services


async def replicas(service: DynamoDB) -> dict[str, str]:
    found = (await ask(service, "DescribeTable", NAME))["Table"].get("Replicas", [])
    return {one["RegionName"]: one["ReplicaStatus"] for one in found}


def test_a_replica_is_made_and_each_region_lists_the_others(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        assert await replicas(east) == {EUROPE: "ACTIVE", WEST: "ACTIVE"}
        assert await replicas(west) == {EUROPE: "ACTIVE", EAST: "ACTIVE"}
        assert await replicas(europe) == {EAST: "ACTIVE", WEST: "ACTIVE"}
        topics = list(east.carried.topics())
        assert topics == list(europe.carried.topics())
        assert east.carried.holders(topics[0]) == (EUROPE, EAST, WEST)
        described = [(await ask(one, "DescribeTable", NAME))["Table"] for one in (east, west)]
        assert described[0]["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert described[0]["GlobalTableVersion"] == "2019.11.21"
        assert described[0]["KeySchema"] == described[1]["KeySchema"]
        assert described[0]["TableId"] != described[1]["TableId"]

    run(story)


def test_the_last_writer_wins_by_whole_item_in_any_order(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await ask(east, "PutItem", item("east"))
        await ask(west, "PutItem", item("west"))
        planet.carry()
        planet.carry()
        found = [(await ask(one, "GetItem", KEY))["Item"]["v"]["S"] for one in (east, west)]
        assert found[0] == found[1]
        await ask(west, "UpdateItem", {**KEY, "UpdateExpression": "REMOVE v"})
        planet.carry()
        assert await ask(east, "GetItem", KEY) == {"Item": {"pk": {"S": "a"}}}
        assert east.table_sizes() == west.table_sizes() == {"Things": 1}

    run(story)


def test_a_delete_travels_and_its_tombstone_stays_unseen(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await ask(east, "PutItem", item("x"))
        planet.carry()
        old = west.carried.snapshot(next(iter(west.carried.topics())), b"", 10)
        await ask(west, "DeleteItem", KEY)
        planet.carry()
        for service in (east, west):
            assert await ask(service, "GetItem", KEY) == {}
            assert (await ask(service, "Scan", NAME))["Count"] == 0
            assert service.table_sizes() == {"Things": 0}
            for change in old:  # a late copy of the write must not bring it back
                service.carried.merge(change.topic, [change])
            assert await ask(service, "GetItem", KEY) == {}
        condition = {**item("again"), "ConditionExpression": "attribute_not_exists(pk)"}
        await ask(east, "PutItem", condition)
        planet.carry()
        assert (await ask(west, "GetItem", KEY))["Item"]["v"] == {"S": "again"}

    run(story)


def test_merged_items_enter_the_indexes(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        index = {
            "IndexName": "by-v",
            "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        await make_table(
            east, attributes=[{"AttributeName": "v", "AttributeType": "S"}], GlobalSecondaryIndexes=[index]
        )
        await ask(east, "PutItem", item("x"))
        await ask(east, "UpdateTable", creating(WEST))
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        planet.carry()
        query = {
            **NAME,
            "IndexName": "by-v",
            "KeyConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"S": "x"}},
        }
        assert (await ask(west, "Query", query))["Count"] == 1
        await ask(east, "DeleteItem", KEY)
        planet.carry()
        assert (await ask(west, "Query", query))["Count"] == 0

    run(story)


def test_a_region_out_of_reach_joins_when_it_is_back(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east)
        await ask(east, "UpdateTable", creating(WEST))
        assert await replicas(east) == {WEST: "CREATING"}
        assert (await ask(east, "DescribeTable", NAME))["Table"]["TableStatus"] == "UPDATING"
        assert (await refused(east, "UpdateTable", creating(EUROPE)))[0] == "ResourceInUseException"
        await ask(east, "PutItem", item("x"))  # items are served meanwhile
        await planet.stop(EAST)
        east = await planet.start(EAST)  # what was to be told survives a restart
        west = await planet.start(WEST)
        await active(east)
        await active(west)
        assert await replicas(west) == {EAST: "ACTIVE"}

    run(story)


def test_a_replica_is_removed_and_the_last_one_is_a_plain_table(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await ask(east, "PutItem", item("x"))
        planet.carry()
        await ask(east, "UpdateTable", deleting(WEST))
        await until(lambda: not west.table_sizes())
        await active(east)
        assert await replicas(east) == {}
        assert "GlobalTableVersion" not in (await ask(east, "DescribeTable", NAME))["Table"]
        assert list(east.carried.topics()) == []
        await ask(east, "UpdateTable", creating(WEST))  # and it can come again
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        planet.carry()
        assert (await ask(west, "GetItem", KEY))["Item"]["v"] == {"S": "x"}

    run(story)


def test_delete_table_takes_a_replica_out_of_the_group(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        await planet.stop(EUROPE)
        await ask(west, "DeleteTable", NAME)
        await until(lambda: not west.table_sizes())

        async def east_knows() -> bool:
            return await replicas(east) == {EUROPE: "ACTIVE"}

        await until(east_knows)
        await planet.stop(WEST)
        west = await planet.start(WEST)
        europe = await planet.start(EUROPE)  # it missed the news

        async def europe_knows() -> bool:
            return await replicas(europe) == {EAST: "ACTIVE"}

        await until(europe_knows)
        assert west.table_sizes() == {}

    run(story)


def test_a_region_whose_disk_was_lost_gets_its_tables_again(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, _ = await everywhere(planet, EAST, WEST)
        await ask(east, "PutItem", item("x"))
        await planet.stop(WEST)
        planet.disks[WEST] = MemoryDisk()
        west = await planet.start(WEST)
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        planet.carry()
        assert (await ask(west, "GetItem", KEY))["Item"]["v"] == {"S": "x"}
        assert await replicas(east) == {WEST: "ACTIVE"}

    run(story)


def test_regions_that_were_apart_agree_on_what_both_changed(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        planet.cut = {frozenset((EAST, WEST)), frozenset((EAST, EUROPE))}
        throughput = {"ReadCapacityUnits": 3, "WriteCapacityUnits": 4}
        await ask(east, "UpdateTable", {**NAME, "BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput})
        await ask(west, "DeleteTable", NAME)
        await until(lambda: not west.table_sizes())
        planet.cut = set()

        async def agreed() -> bool:
            found = [(await ask(one, "DescribeTable", NAME))["Table"] for one in (east, europe)]
            reads = [one["ProvisionedThroughput"]["ReadCapacityUnits"] for one in found]
            members = [[one["RegionName"] for one in table["Replicas"]] for table in found]
            return reads == [3, 3] and members == [[EUROPE], [EAST]]

        await until(agreed)

    run(story)


def test_what_cannot_be_is_refused_in_awss_words(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        europe = await planet.start(EUROPE)
        await make_table(europe)
        assert (await refused(east, "UpdateTable", creating(EAST)))[1] == (
            "Cannot add, delete, or update the local region through ReplicaUpdates. "
            "Use CreateTable, DeleteTable, or UpdateTable as required."
        )
        taken = "Failed to create a the new replica of table because one or more replicas already existed as tables."
        assert (await refused(east, "UpdateTable", creating(EUROPE)))[1] == taken
        assert (await refused(east, "UpdateTable", creating(WEST)))[1] == taken
        assert (await refused(east, "UpdateTable", deleting(EUROPE)))[1] == (
            "Update global table operation failed because one or more replicas were not part of the global table"
        )
        assert await replicas(west) == {EAST: "ACTIVE"}

    run(story)


def test_a_table_made_meanwhile_in_an_unreachable_region_fails_the_replica(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        await make_table(east)
        planet.cut = {frozenset((EAST, WEST))}
        await ask(east, "UpdateTable", creating(WEST))
        await make_table(west)
        await ask(west, "PutItem", item("own"))
        planet.cut = set()

        async def failed() -> bool:
            return await replicas(east) == {WEST: "CREATION_FAILED"}

        await until(failed)
        assert (await ask(west, "GetItem", KEY))["Item"]["v"] == {"S": "own"}
        assert await replicas(west) == {}

    run(story)


def test_only_what_somebody_reads_is_logged(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east)
        await ask(east, "PutItem", item("x"))
        assert east.database.store.end == 0
        await ask(east, "UpdateTable", creating(WEST))
        await ask(east, "PutItem", item("y"))
        await ask(east, "DeleteItem", KEY)
        logged = [one.change for one in east.database.store.changes(0, 10)]
        assert [change.value is None for change in logged] == [False, True]
        assert all(change.before is not None for change in logged)
        assert logged[0].version < logged[1].version

    run(story)


def test_a_replica_is_creating_until_it_holds_what_its_seed_held(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        await make_table(east)
        await ask(east, "PutItem", item("x"))
        await ask(east, "PutItem", {**NAME, "Item": {"pk": {"S": "b"}}})
        missing = [EAST]
        west.replication.missing = lambda topic: missing
        await ask(east, "UpdateTable", creating(WEST))
        await until(lambda: "Things" in west.database.tables)
        topic = next(iter(east.carried.topics()))
        for change in east.carried.snapshot(topic, b"", 1):
            west.carried.merge(topic, [change])

        async def half() -> bool:
            found = (await ask(east, "DescribeTable", NAME))["Table"]["Replicas"][0]
            return (found["ReplicaStatus"], found["ReplicaStatusPercentProgress"]) == ("CREATING", "50")

        await until(half)
        assert (await refused(west, "GetItem", KEY))[0] == "ResourceNotFoundException"
        assert (await ask(west, "DescribeTable", NAME))["Table"]["TableStatus"] == "CREATING"
        assert (await refused(east, "UpdateTable", creating(EUROPE)))[0] == "ResourceInUseException"
        await planet.stop(WEST)  # and it goes on where it was
        west = await planet.start(WEST)
        west.replication.missing = lambda topic: missing
        planet.carry()
        missing.clear()
        await active(east)
        await active(west)
        assert await replicas(east) == {WEST: "ACTIVE"}
        assert (await ask(west, "GetItem", KEY))["Item"]["v"] == {"S": "x"}

    run(story)


def test_the_replica_that_others_were_made_from_stays_for_a_day(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        seeded = (
            "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to the "
            "table in the last 24 hours."
        )
        assert (await refused(east, "DeleteTable", NAME)) == ("ValidationException", seeded)
        assert (await refused(west, "UpdateTable", deleting(EAST))) == ("ValidationException", seeded)
        planet.pass_time(25 * 3600)
        await ask(west, "UpdateTable", deleting(EAST))
        await until(lambda: not east.table_sizes())
        await active(west)
        await active(europe)
        assert await replicas(west) == {EUROPE: "ACTIVE"}
        await ask(west, "PutItem", item("still"))
        planet.carry()
        assert (await ask(europe, "GetItem", KEY))["Item"]["v"] == {"S": "still"}

    run(story)


def test_a_replica_that_goes_sends_first_what_it_has(run: Run) -> None:
    class Waits:
        changes, since_s = 3, 0.0

    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        topic = next(iter(west.carried.topics()))
        lacking = {EUROPE: {topic: Waits()}}

        async def waiting(site: str) -> dict[str, Any]:
            return dict(lacking.get(site, {}))

        west.replication.waiting = waiting
        await ask(west, "PutItem", item("last"))
        sent = west.carried.snapshot(topic, b"", 10)
        await ask(east, "UpdateTable", deleting(WEST))
        await until(lambda: west.database.tables["Things"].description.status == "DELETING")
        assert (await refused(west, "PutItem", item("more")))[0] == "ResourceNotFoundException"
        assert await replicas(east) == {EUROPE: "ACTIVE", WEST: "DELETING"}
        for service in (east, west, europe):
            assert WEST in service.carried.holders(topic), "its changes are still carried"
        await planet.stop(WEST)
        west = await planet.start(WEST)  # it goes on with it
        west.replication.waiting = waiting
        await until(lambda: "Things" in west.database.tables)
        for change in sent:
            europe.carried.merge(topic, [change])
        lacking.clear()
        await until(lambda: not west.table_sizes())
        await active(europe)
        assert (await ask(europe, "GetItem", KEY))["Item"]["v"] == {"S": "last"}
        assert await replicas(europe) == {EAST: "ACTIVE"}

    run(story)


def test_a_deletion_that_the_disk_refuses_does_not_happen_later(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east = await planet.start(EAST)
        await make_table(east)
        await ask(east, "PutItem", item("kept"))
        planet.disks[EAST].space.full = True
        assert (await refused(east, "DeleteTable", NAME))[0] == "InternalServerError"
        planet.disks[EAST].space.full = False
        for _ in range(20):  # as long as a deletion takes, many times over
            await planet.worlds[EAST].sleep(0.001)
        assert (await ask(east, "GetItem", KEY))["Item"]["v"] == {"S": "kept"}

    run(story)


def test_a_protected_replica_is_not_removed(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await ask(west, "UpdateTable", {**NAME, "DeletionProtectionEnabled": True})
        await active(west)
        protected = await refused(east, "UpdateTable", deleting(WEST))
        assert protected[1].startswith("Resource cannot be deleted as it is currently protected against deletion.")
        planet.cut = {frozenset((EAST, WEST))}
        await ask(east, "UpdateTable", deleting(WEST))  # it cannot know
        planet.cut = set()
        await active(east)
        assert await replicas(east) == {WEST: "ACTIVE"}
        assert west.table_sizes() == {"Things": 0}

    run(story)


def test_a_copy_of_an_earlier_membership_is_not_taken_for_the_new_one(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, _ = await everywhere(planet, EAST, WEST, EUROPE)
        await ask(east, "PutItem", item("old"))
        planet.carry()
        planet.cut = {frozenset((EAST, WEST)), frozenset((EUROPE, WEST))}
        await ask(east, "UpdateTable", deleting(WEST))
        shared = east.database.tables["Things"].shared
        # As if another Region, which had heard that WEST is gone, invited it again before it knew of either.
        left = with_member(shared, WEST, "leaving", east.database.store.stamp())
        again = with_member(left, WEST, "joining", east.database.store.stamp(), seed=EAST)
        east.replicas.absorb(again)
        await ask(east, "DeleteItem", KEY)
        space = west.database.tables["Things"].description.space
        planet.cut = set()
        east.replicas.keep(east.database.tables["Things"].description)
        east.replicas.changed()
        await until(
            lambda: "Things" in west.database.tables and west.database.tables["Things"].description.space != space
        )
        await active(west)
        planet.carry()
        assert await ask(west, "GetItem", KEY) == {}

    run(story)


versions = st.builds(Version, st.integers(1, 9), st.sampled_from([EAST, WEST]))
members = st.dictionaries(
    st.sampled_from([EAST, WEST, EUROPE]),
    st.builds(Member, st.sampled_from(["joining", "active", "leaving", "gone", "failed"]), versions),
)


def shared(settings_version: Version, found: dict[str, Member]) -> Shared:
    settings = Settings(read_units=settings_version.time * 10 + len(settings_version.region))
    part = KeyPart("pk", "S")
    kept = {name: Member(_state(found[name].version), found[name].version) for name in sorted(found)}
    return Shared("Things", "group", 1.0, part, None, (part,), (), settings, settings_version, kept)


def _state(version: Version) -> Any:
    """One version stands for one state: a clock gives no version twice."""
    return ["joining", "active", "leaving", "gone", "failed"][version.time % 5]


shareds = st.builds(shared, versions, members)


@given(shareds, shareds, shareds)
def test_merging_is_commutative_associative_and_idempotent(one: Shared, two: Shared, three: Shared) -> None:
    assert merged(one, two) == merged(two, one)
    assert merged(merged(one, two), three) == merged(one, merged(two, three))
    assert merged(one, one) == one


@pytest.mark.parametrize("lacks", ["nothing", "the end of the log", "a copy"])
def test_a_replica_that_goes_before_all_have_its_writes_has_the_others_copy_once_more(
    run: Run, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    monkeypatch.setattr(departing, "DRAIN_S", 0.05)

    async def story(planet: Planet) -> None:
        east, west, europe = await everywhere(planet, EAST, WEST, EUROPE)
        topic = east.database.tables["Things"].topic
        copied: list[tuple[str, str]] = []
        east.replication.copy_again = lambda topic: copied.append((EAST, topic))
        europe.replication.copy_again = lambda topic: copied.append((EUROPE, topic))

        async def waiting(region: str) -> dict[str, Waiting]:
            return {topic: LACKING} if lacks == "the end of the log" and region == EUROPE else {}

        west.replication.waiting = waiting
        west.replication.complete = lambda region: lacks != "a copy" or region != EUROPE
        await ask(east, "UpdateTable", deleting(WEST))
        await until(lambda: "Things" not in west.database.tables)
        for service in (east, europe):
            await until(lambda service=service: service.database.tables["Things"].shared.members[WEST].state == "gone")
        assert sorted(copied) == ([(EUROPE, topic), (EAST, topic)] if lacks != "nothing" else [])

    run(story)


def test_a_replica_that_goes_looks_what_others_lack_when_its_last_writes_are_in_the_log(run: Run) -> None:
    async def story(planet: Planet) -> None:
        planet.sync_delay_s = 0.02
        east, west = await everywhere(planet, EAST, WEST)
        settled: list[bool] = []

        async def waiting(region: str) -> dict[str, Waiting]:
            settled.append(west.database.store.settled)
            return {}

        west.replication.waiting = waiting
        await ask(east, "UpdateTable", deleting(WEST))
        await until(lambda: "Things" not in west.database.tables)
        assert settled and settled[0]

    run(story)
