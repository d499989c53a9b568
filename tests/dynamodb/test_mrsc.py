"""Global tables of multi-Region strong consistency, as a client in one of the Regions sees them (in simulated time)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from antipodes.gameday.strong import TABLE, told
from antipodes.globe.simulated import SimulatedGlobe, simulate_globe
from antipodes.wire.errors import AwsError
from antipodes.world.rules import Full, Partition, Paused, Skewed
from antipodes.world.world import HERE, NetworkError

EAST, OHIO, WEST = REGIONS = ("us-east-1", "us-east-2", "us-west-2")
NAME = {"TableName": TABLE}  # "strong"
KEY = {**NAME, "Key": {"pk": {"S": "a"}}}
STRONG = {**KEY, "ConsistentRead": True}
VIEW = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
Story = Callable[["Tables"], Awaitable[None]]


class Tables:
    """A planet, and short words for what is done to it."""

    def __init__(self, globe: SimulatedGlobe) -> None:
        self.globe = globe
        self.world = globe.world(HERE)

    async def ask(self, region: str, operation: str, params: dict[str, Any]) -> Any:
        return await self.globe.call("dynamodb", operation, params, region)

    async def refused(self, region: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
        with pytest.raises(AwsError) as caught:
            await self.ask(region, operation, params)
        return caught.value.code, caught.value.message

    async def table(self, region: str, name: str = TABLE) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask(region, "DescribeTable", {"TableName": name}))["Table"]
        return found

    async def active(self, *regions: str, name: str = TABLE) -> None:
        for region in regions:
            for _ in range(100):
                try:
                    if (await self.table(region, name))["TableStatus"] == "ACTIVE":
                        break
                except (AwsError, NetworkError):
                    pass
                await self.world.sleep(0.1)
            else:
                raise AssertionError(f"not ACTIVE in {region}")

    async def make(self, region: str = EAST, **more: Any) -> None:
        params = {
            **NAME,
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        }
        await self.ask(region, "CreateTable", params)
        await self.active(region, name=params["TableName"])

    async def begin(self, *, witness: bool = False) -> None:
        await self.make()
        await self.ask(EAST, "UpdateTable", creating([OHIO] if witness else [OHIO, WEST], WEST if witness else ""))
        await self.active(EAST, OHIO, *([] if witness else [WEST]))
        await self.put(EAST, "0")

    async def put(self, region: str, value: str, key: str = "a") -> None:
        await self.ask(region, "PutItem", {**NAME, "Item": {"pk": {"S": key}, "v": {"S": value}}})

    async def get(self, region: str, params: dict[str, Any] | None = None) -> str | None:
        item = (await self.ask(region, "GetItem", params or STRONG)).get("Item")
        return item["v"]["S"] if item else None

    async def isolate(self, region: str) -> None:
        for other in REGIONS:
            if other != region:
                await self.globe.impose(Partition(region, other))


def creating(replicas: list[str], witness: str = "", mode: str | None = "STRONG") -> dict[str, Any]:
    return _updating("Create", replicas, witness) | ({"MultiRegionConsistency": mode} if mode else {})


def deleting(replicas: list[str], witness: str = "") -> dict[str, Any]:
    return _updating("Delete", replicas, witness)


def _updating(kind: str, replicas: list[str], witness: str) -> dict[str, Any]:
    params: dict[str, Any] = {**NAME, "ReplicaUpdates": [{kind: {"RegionName": one}} for one in replicas]}
    if witness:
        params["GlobalTableWitnessUpdates"] = [{kind: {"RegionName": witness}}]
    return params


def tell(story: Story, regions: tuple[str, ...] = REGIONS, seed: int = 1) -> None:
    async def main(globe: SimulatedGlobe) -> None:
        await story(Tables(globe))

    simulate_globe(seed, regions, main)


def test_three_replicas_or_two_and_a_witness_as_describe_table_shows_them() -> None:
    async def replicas(tables: Tables) -> None:
        await tables.begin()
        for region in REGIONS:
            table = await tables.table(region)
            assert table["MultiRegionConsistency"] == "STRONG"
            assert table["GlobalTableVersion"] == "2019.11.21"
            shown = {one["RegionName"]: one["ReplicaStatus"] for one in table["Replicas"]}
            assert shown == {other: "ACTIVE" for other in REGIONS if other != region}
            assert "GlobalTableWitnesses" not in table
            assert "StreamSpecification" not in table

    async def witness(tables: Tables) -> None:
        await tables.begin(witness=True)
        for region, other in ((EAST, OHIO), (OHIO, EAST)):
            table = await tables.table(region)
            assert [one["RegionName"] for one in table["Replicas"]] == [other]
            assert table["GlobalTableWitnesses"] == [{"RegionName": WEST, "WitnessStatus": "ACTIVE"}]
        assert (await tables.ask(WEST, "ListTables", {}))["TableNames"] == []
        await tables.make(WEST)  # the name is free there
        await tables.put(WEST, "its own")
        assert await tables.get(OHIO) == "0"

    tell(replicas)
    tell(witness)


def test_what_was_written_in_one_region_is_read_in_every_other_at_once() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        for number in range(6):
            region, reader = REGIONS[number % 3], REGIONS[(number + 1) % 3]
            await tables.put(region, str(number))
            assert await tables.get(reader) == str(number)
            scanned = await tables.ask(reader, "Scan", {**NAME, "ConsistentRead": True})
            assert [one["v"]["S"] for one in scanned["Items"]] == [str(number)]
            queried = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}
            assert (await tables.ask(reader, "Query", {**NAME, **queried, "ConsistentRead": True}))["Count"] == 1
            statement = {"Statement": "SELECT v FROM strong WHERE pk = 'a'", "ConsistentRead": True}
            assert (await tables.ask(reader, "ExecuteStatement", statement))["Items"] == [{"v": {"S": str(number)}}]

    tell(story)


def test_conditions_and_counters_are_judged_by_the_latest_state() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        create = {**NAME, "Item": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_not_exists(pk)"}
        await tables.ask(WEST, "PutItem", create)
        assert (await tables.refused(EAST, "PutItem", create))[0] == "ConditionalCheckFailedException"
        shown = {**create, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        with pytest.raises(AwsError) as caught:
            await tables.ask(OHIO, "PutItem", shown)
        assert caught.value.extra["Item"] == {"pk": {"S": "b"}}
        add = {
            **NAME,
            "Key": {"pk": {"S": "n"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
            "ReturnValues": "UPDATED_NEW",
            "ReturnConsumedCapacity": "TOTAL",
        }
        for number, region in enumerate(REGIONS * 2, 1):
            answer = await tables.ask(region, "UpdateItem", add)
            assert answer["Attributes"] == {"n": {"N": str(number)}}
            assert answer["ConsumedCapacity"] == {"TableName": "strong", "CapacityUnits": 1.0}
        gone = await tables.ask(OHIO, "DeleteItem", {**KEY, "ReturnValues": "ALL_OLD"})
        assert gone["Attributes"]["v"] == {"S": "0"}
        assert await tables.get(WEST) is None

    tell(story)


def test_a_write_to_an_item_that_another_region_is_modifying_is_refused() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        outcomes: list[str] = []

        async def write(region: str) -> None:
            try:
                await tables.put(region, region)
                outcomes.append("done")
            except AwsError as error:
                outcomes.append(error.code)
                assert error.message == (
                    "The request was rejected because one or more items in the request are being modified by a "
                    "request in another Region."
                )

        for _ in range(10):
            tasks = [tables.world.spawn(write(region), region) for region in (EAST, OHIO, EAST, OHIO)]
            for task in tasks:
                await task
        assert set(outcomes) == {"done", "ReplicatedWriteConflictException"}
        assert outcomes.count("done") >= 10
        await tables.put(WEST, "again")  # what is no longer being modified may be

    tell(story)


def test_batches_are_writes_of_their_own_and_say_what_conflicted() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        await tables.make(EAST, TableName="plain")
        puts = [{"PutRequest": {"Item": {"pk": {"S": f"{n}"}, "v": {"S": "x"}}}} for n in range(8)]
        both = {"strong": [*puts, {"DeleteRequest": {"Key": {"pk": {"S": "a"}}}}], "plain": puts[:1]}
        done = await tables.ask(EAST, "BatchWriteItem", {"RequestItems": both, "ReturnConsumedCapacity": "TOTAL"})
        assert done["UnprocessedItems"] == {}
        consumed = {one["TableName"]: one["CapacityUnits"] for one in done["ConsumedCapacity"]}
        assert consumed == {"strong": 9.0, "plain": 1.0}
        assert (await tables.ask(WEST, "Scan", {**NAME, "ConsistentRead": True}))["Count"] == 8
        keys = {"strong": {"Keys": [{"pk": {"S": "1"}}, {"pk": {"S": "a"}}], "ConsistentRead": True}}
        assert len((await tables.ask(OHIO, "BatchGetItem", {"RequestItems": keys}))["Responses"]["strong"]) == 1
        twice = {"strong": [puts[0], puts[0]]}
        assert (await tables.refused(EAST, "BatchWriteItem", {"RequestItems": twice}))[0] == "ValidationException"

    tell(story)


def test_partiql_writes_go_the_same_way() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        insert = {"Statement": "INSERT INTO strong VALUE {'pk': 'p', 'n': 1}"}
        await tables.ask(WEST, "ExecuteStatement", insert)
        assert (await tables.refused(EAST, "ExecuteStatement", insert))[0] == "DuplicateItemException"
        batch = {
            "Statements": [
                {"Statement": "UPDATE strong SET n = 2 WHERE pk = 'p' RETURNING ALL NEW *"},
                {"Statement": "DELETE FROM strong WHERE pk = 'a'"},
                {"Statement": "UPDATE strong SET n = 2 WHERE pk = 'missing'"},
            ]
        }
        found = (await tables.ask(OHIO, "BatchExecuteStatement", batch))["Responses"]
        assert found[0]["Item"]["n"] == {"N": "2"}
        assert found[2]["Error"]["Code"] == "ConditionalCheckFailed"
        assert await tables.get(EAST) is None
        together = {"TransactStatements": [insert]}
        assert (await tables.refused(EAST, "ExecuteTransaction", together))[0] == "ValidationException"

    tell(story)


def test_what_is_not_supported_is_refused() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        put = {"Put": {**NAME, "Item": {"pk": {"S": "t"}}}}
        get = {"Get": KEY}
        for operation, action in (("TransactWriteItems", put), ("TransactGetItems", get)):
            code, message = await tables.refused(OHIO, operation, {"TransactItems": [action]})
            assert code == "ValidationException"
            assert "not supported" in message
        expiry = {**NAME, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "e"}}
        assert (await tables.refused(OHIO, "UpdateTimeToLive", expiry))[0] == "ValidationException"
        assert (await tables.refused(WEST, "DeleteTable", NAME))[0] == "ValidationException"
        for params in (
            deleting([OHIO]),
            deleting([OHIO], WEST),
            creating([OHIO, WEST]),
            creating(["eu-west-1"], mode=None),
        ):
            assert (await tables.refused(EAST, "UpdateTable", params))[0] == "ValidationException"
        assert (await tables.table(EAST))["TableStatus"] == "ACTIVE"

    tell(story)


def test_only_an_empty_table_of_a_whole_set_of_regions_can_become_one() -> None:
    four = (*REGIONS, "eu-west-1")

    async def story(tables: Tables) -> None:
        await tables.make()
        for params, words in (
            (creating([OHIO]), "exactly three Regions"),
            (creating([OHIO, WEST], "eu-west-1"), "exactly three Regions"),
            (creating([OHIO, "eu-west-1"]), "one Region set"),
            (creating([OHIO], "eu-west-1"), "one Region set"),
            (creating([OHIO], OHIO), "both a replica and the witness"),
            (creating([OHIO], EAST), "local region"),
            (creating([OHIO, WEST], mode="WEAK"), "multiRegionConsistency"),
            (_updating("Create", [], "") | {"MultiRegionConsistency": "STRONG"}, "At least one of"),
            (creating([OHIO], WEST, mode="EVENTUAL"), "witness"),
            (creating([OHIO], WEST, mode=None), "witness"),
            (deleting([OHIO], WEST), "witness"),
        ):
            code, message = await tables.refused(EAST, "UpdateTable", params)
            assert code == "ValidationException"
            assert words in message, message
        await tables.put(EAST, "x")
        assert "empty" in (await tables.refused(EAST, "UpdateTable", creating([OHIO, WEST])))[1]
        await tables.ask(EAST, "DeleteItem", KEY)
        await tables.make(OHIO)
        assert "already existed" in (await tables.refused(EAST, "UpdateTable", creating([OHIO, WEST])))[1]
        assert "MultiRegionConsistency" not in await tables.table(EAST)
        await tables.ask(EAST, "UpdateTable", creating([WEST], OHIO))  # a witness is no table
        await tables.active(EAST, WEST)
        await tables.put(WEST, "y")
        assert await tables.get(EAST) == "y"

    async def smaller(tables: Tables) -> None:
        await tables.make()
        assert "not part of this planet" in (await tables.refused(EAST, "UpdateTable", creating([OHIO, WEST])))[1]

    tell(story, four)
    tell(smaller, (EAST, OHIO))


def test_local_indexes_and_expiry_stand_in_the_way() -> None:
    local: dict[str, Any] = {
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "lk")],
        "LocalSecondaryIndexes": [
            {
                "IndexName": "local",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "lk", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    }

    async def story(tables: Tables) -> None:
        await tables.make(**local)
        assert "ocal secondary" in (await tables.refused(EAST, "UpdateTable", creating([OHIO, WEST])))[1]
        await tables.ask(EAST, "DeleteTable", NAME)
        await tables.world.sleep(1.0)
        await tables.make()
        expiry = {**NAME, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "e"}}
        await tables.ask(EAST, "UpdateTimeToLive", expiry)
        assert "Time to Live" in (await tables.refused(EAST, "UpdateTable", creating([OHIO, WEST])))[1]

    tell(story)


def test_global_indexes_are_kept_at_every_replica() -> None:
    index: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "v")],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-v",
                "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    }

    async def story(tables: Tables) -> None:
        await tables.make(**index)
        await tables.ask(EAST, "UpdateTable", creating([OHIO], WEST))
        await tables.active(EAST, OHIO)
        await tables.put(OHIO, "red")
        await tables.put(EAST, "blue")
        await tables.get(OHIO)  # up to date from here on
        for value, count in (("red", 0), ("blue", 1)):
            asked = {
                **NAME,
                "IndexName": "by-v",
                "KeyConditionExpression": "v = :v",
                "ExpressionAttributeValues": {":v": {"S": value}},
            }
            assert (await tables.ask(OHIO, "Query", asked))["Count"] == count
        wrong = {**NAME, "Item": {"pk": {"S": "z"}, "v": {"N": "1"}}}
        assert (await tables.refused(OHIO, "PutItem", wrong))[0] == "ValidationException"

    tell(story)


@pytest.mark.parametrize("destroy", [False, True])
def test_a_member_that_dies_while_the_table_is_made_joins_when_it_returns(destroy: bool) -> None:
    async def story(tables: Tables) -> None:
        await tables.make()
        await tables.ask(EAST, "UpdateTable", creating([OHIO, WEST]))
        await tables.world.sleep(0.03)
        await tables.globe.kill(OHIO, destroy=destroy)
        assert (await tables.table(EAST))["TableStatus"] == "UPDATING"
        await tables.globe.restore(OHIO)
        await tables.active(EAST, OHIO, WEST)
        await tables.put(OHIO, "made")
        assert await tables.get(WEST) == "made"

    tell(story)


def test_a_table_whose_first_region_lost_its_disk_before_it_began_can_be_given_up() -> None:
    async def story(tables: Tables) -> None:
        await tables.make()
        await tables.ask(EAST, "UpdateTable", creating([OHIO, WEST]))
        await tables.world.sleep(0.02)  # OHIO has heard of it, and WEST not yet
        await tables.globe.kill(EAST, destroy=True)
        await tables.globe.restore(EAST)
        await tables.world.sleep(3.0)
        assert (await tables.table(OHIO))["TableStatus"] == "UPDATING"
        assert (await tables.refused(OHIO, "PutItem", {**NAME, "Item": {"pk": {"S": "a"}}}))[0] == "InternalServerError"
        await tables.ask(OHIO, "UpdateTable", deleting([EAST, WEST]))
        await tables.world.sleep(3.0)
        assert "Replicas" not in await tables.table(OHIO)
        assert (await tables.ask(EAST, "ListTables", {}))["TableNames"] == []
        await tables.put(OHIO, "plain")

    tell(story)


def test_no_replication_latency_is_measured() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        await tables.put(OHIO, "x")
        await tables.world.sleep(70.0)
        wanted = {"Namespace": "AWS/DynamoDB", "MetricName": "ReplicationLatency"}
        for region in REGIONS:
            assert (await tables.globe.call("cloudwatch", "ListMetrics", wanted, region))["Metrics"] == []

    tell(story)


def test_settings_are_shared_and_each_replica_may_have_some_of_its_own() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin(witness=True)
        throughput = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
        await tables.ask(
            OHIO, "UpdateTable", {**NAME, "BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}
        )
        await tables.world.sleep(1.0)
        shown = (await tables.table(EAST))["ProvisionedThroughput"]
        assert (shown["ReadCapacityUnits"], shown["WriteCapacityUnits"]) == (5, 6)
        override = {"RegionName": OHIO, "TableClassOverride": "STANDARD_INFREQUENT_ACCESS"}
        await tables.ask(EAST, "UpdateTable", {**NAME, "ReplicaUpdates": [{"Update": override}]})
        await tables.active(EAST, OHIO)
        await tables.world.sleep(1.0)
        assert (await tables.table(OHIO))["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
        assert "TableClassSummary" not in await tables.table(EAST)
        index = {
            "IndexName": "by-v",
            "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
            "ProvisionedThroughput": throughput,
        }
        await tables.ask(
            EAST,
            "UpdateTable",
            {
                **NAME,
                "AttributeDefinitions": [{"AttributeName": "v", "AttributeType": "S"}],
                "GlobalSecondaryIndexUpdates": [{"Create": index}],
            },
        )
        await tables.world.sleep(2.0)
        await tables.active(EAST, OHIO)
        await tables.put(OHIO, "found")
        asked = {
            **NAME,
            "IndexName": "by-v",
            "KeyConditionExpression": "v = :v",
            "ExpressionAttributeValues": {":v": {"S": "found"}},
        }
        await tables.get(EAST)
        assert [(await tables.ask(region, "Query", asked))["Count"] for region in (EAST, OHIO)] == [1, 1]
        await tables.ask(OHIO, "UpdateTable", {**NAME, "DeletionProtectionEnabled": True})
        await tables.active(OHIO)
        assert (await tables.refused(EAST, "UpdateTable", deleting([OHIO], WEST)))[0] == "ValidationException"

    tell(story)


def test_backups_and_recovery_are_each_replicas_own() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin(witness=True)
        on = {"PointInTimeRecoveryEnabled": True}
        await tables.ask(OHIO, "UpdateContinuousBackups", {**NAME, "PointInTimeRecoverySpecification": on})
        await tables.put(EAST, "backed up")
        await tables.get(OHIO)
        arn = (await tables.ask(OHIO, "CreateBackup", {**NAME, "BackupName": "one"}))["BackupDetails"]["BackupArn"]
        await tables.put(EAST, "later")
        await tables.world.sleep(2.0)
        await tables.ask(OHIO, "RestoreTableFromBackup", {"TargetTableName": "again", "BackupArn": arn})
        await tables.world.sleep(3.0)
        restored = await tables.ask(OHIO, "GetItem", {**KEY, "TableName": "again"})
        assert restored["Item"]["v"] == {"S": "backed up"}
        assert "MultiRegionConsistency" not in await tables.table(OHIO, "again")
        assert await tables.get(OHIO) == "later"

    tell(story)


@pytest.mark.parametrize("victim", REGIONS)
def test_one_isolated_region_never_stops_the_others_and_serves_eventual_reads(victim: str) -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        for region in REGIONS:
            await tables.get(region)
        await tables.isolate(victim)
        others = [one for one in REGIONS if one != victim]
        await tables.put(others[0], "1")  # waits out the election, if there is one
        assert await tables.get(others[1]) == "1"
        for operation, params in (
            ("PutItem", {**NAME, "Item": {"pk": {"S": "a"}}}),
            ("GetItem", STRONG),
            ("Scan", {**NAME, "ConsistentRead": True}),
        ):
            begun = tables.world.monotonic()
            assert (await tables.refused(victim, operation, params))[0] == "InternalServerError"
            assert tables.world.monotonic() - begun < 6.0
        begun = tables.world.monotonic()
        assert (await tables.refused(victim, "GetItem", STRONG))[0] == "InternalServerError"
        assert tables.world.monotonic() - begun < 0.1  # it is known to be alone
        assert await tables.get(victim, KEY) == "0"
        await tables.globe.heal()
        await tables.world.sleep(1.5)
        assert await tables.get(victim) == "1"
        await tables.put(victim, "2")
        assert await tables.get(others[0]) == "2"

    tell(story)


def test_a_region_whose_replication_is_paused_is_as_isolated() -> None:
    """As FIS does: writes and strong reads fail with HTTP 500 there, eventually consistent reads are served."""

    async def story(tables: Tables) -> None:
        await tables.begin()
        await tables.get(WEST)
        await tables.globe.impose(Paused(WEST))
        await tables.put(EAST, "1")
        assert await tables.get(OHIO) == "1"
        assert (await tables.refused(WEST, "PutItem", {**NAME, "Item": {"pk": {"S": "a"}}}))[0] == "InternalServerError"
        assert (await tables.refused(WEST, "GetItem", STRONG))[0] == "InternalServerError"
        assert await tables.get(WEST, KEY) == "0"
        await tables.globe.heal()
        await tables.world.sleep(1.5)
        assert await tables.get(WEST) == "1"

    tell(story)


@pytest.mark.parametrize("victim", REGIONS)
def test_a_full_disk_or_a_skewed_clock_of_one_region_stops_nobody_else(victim: str) -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        others = [one for one in REGIONS if one != victim]
        await tables.globe.impose(Skewed(victim, -600.0))
        for number, region in enumerate(REGIONS * 2):
            await tables.put(region, f"skewed {number}")
            assert await tables.get(REGIONS[number % 3 - 1]) == f"skewed {number}"
        await tables.globe.impose(Full(victim))
        for number, region in enumerate(others * 2):
            await tables.put(region, f"full {number}")
            assert await tables.get(others[0]) == f"full {number}"
        await tables.globe.heal()
        await tables.world.sleep(2.0)
        assert await tables.get(victim) == "full 3"
        await tables.put(victim, "room again")
        assert await tables.get(others[0]) == "room again"

    tell(story)


@pytest.mark.parametrize("cut", [(EAST, OHIO), (EAST, WEST), (OHIO, WEST)])
def test_a_region_works_while_it_reaches_one_other(cut: tuple[str, str]) -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        await tables.globe.impose(Partition(*cut))
        await tables.world.sleep(3.0)
        for number, region in enumerate(REGIONS):
            await tables.put(region, f"n{number}")
            for reader in REGIONS:
                assert await tables.get(reader) == f"n{number}"

    tell(story)


@pytest.mark.parametrize("destroy", [False, True])
@pytest.mark.parametrize("victim", REGIONS)
def test_a_region_that_dies_loses_nothing_even_with_its_disk(victim: str, destroy: bool) -> None:
    async def story(tables: Tables) -> None:
        await tables.begin(witness=True)
        replicas = [one for one in (EAST, OHIO) if one != victim]
        for number in range(20):
            await tables.put(REGIONS[number % 2], f"{number}", f"k{number}")
        await tables.globe.kill(victim, destroy=destroy)
        for region in replicas:
            assert (await tables.ask(region, "Scan", {**NAME, "ConsistentRead": True}))["Count"] == 21
        await tables.put(replicas[0], "meanwhile")
        await tables.globe.restore(victim)
        await tables.active(EAST, OHIO)
        await tables.world.sleep(2.0)
        other = next(one for one in REGIONS if one != victim)
        await tables.globe.kill(other)  # now it is needed
        for region in (EAST, OHIO):
            if region != other:
                assert await tables.get(region) == "meanwhile"
                await tables.put(region, "after")
                assert (await tables.ask(region, "Scan", {**NAME, "ConsistentRead": True}))["Count"] == 21

    tell(story)


def test_a_member_that_lost_its_disk_does_not_vote_before_it_knows_all_again() -> None:
    """A write is on the disks of two; one of them is lost, the other is down: the third must not take over."""

    async def story(tables: Tables) -> None:
        await tables.begin()
        await tables.isolate(WEST)
        await tables.put(EAST, "precious")  # on the disks of EAST and OHIO
        await tables.globe.kill(OHIO, destroy=True)
        await tables.globe.kill(EAST)
        await tables.globe.heal()
        await tables.globe.restore(OHIO)
        await tables.world.sleep(5.0)
        assert (await tables.refused(WEST, "GetItem", STRONG))[0] == "InternalServerError"
        assert (await tables.refused(WEST, "PutItem", {**NAME, "Item": {"pk": {"S": "a"}}}))[0] == "InternalServerError"
        await tables.globe.restore(EAST)
        await tables.world.sleep(3.0)
        for region in (WEST, EAST, OHIO):
            assert await tables.get(region) == "precious"

    tell(story)


def test_streams_are_off_at_first_may_be_switched_on_for_one_replica_and_tell_the_same() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        for region in REGIONS:
            await tables.get(region)
        await tables.ask(OHIO, "UpdateTable", {**NAME, "StreamSpecification": VIEW})
        await tables.active(OHIO)
        assert "LatestStreamArn" not in await tables.table(EAST)
        await tables.ask(WEST, "UpdateTable", {**NAME, "StreamSpecification": VIEW})
        await tables.active(OHIO, WEST)
        for number in range(30):
            region = REGIONS[number % 3]
            key = f"k{number % 7}"
            if number % 5 == 4:
                await tables.ask(region, "DeleteItem", {**NAME, "Key": {"pk": {"S": key}}})
            else:
                await tables.put(region, str(number), key)
        for region in (OHIO, WEST):
            await tables.get(region)
        one, other = [await told(tables.globe, region) for region in (OHIO, WEST)]
        assert len(one) >= 24
        assert one == other
        await tables.ask(OHIO, "UpdateTable", {**NAME, "StreamSpecification": {"StreamEnabled": False}})
        assert "StreamSpecification" not in await tables.table(OHIO)
        assert "StreamSpecification" in await tables.table(WEST)

    tell(story)


def test_both_others_are_deleted_at_once_and_a_plain_table_remains() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin(witness=True)
        await tables.ask(OHIO, "UpdateTable", deleting([EAST], WEST))
        await tables.world.sleep(2.0)
        table = await tables.table(OHIO)
        assert table["TableStatus"] == "ACTIVE"
        for gone in ("Replicas", "GlobalTableWitnesses", "MultiRegionConsistency", "GlobalTableVersion"):
            assert gone not in table
        assert (await tables.refused(EAST, "DescribeTable", NAME))[0] == "ResourceNotFoundException"
        assert await tables.get(OHIO) == "0"
        await tables.put(OHIO, "alone")
        for region in (EAST, WEST):
            await tables.globe.kill(region)
        assert await tables.get(OHIO) == "alone"
        for region in (EAST, WEST):
            await tables.globe.restore(region)
        await tables.ask(OHIO, "DeleteItem", KEY)
        await tables.ask(OHIO, "UpdateTable", creating([EAST, WEST]))  # and it can become one again
        await tables.active(*REGIONS)
        await tables.put(EAST, "again")
        assert await tables.get(WEST) == "again"
        await tables.ask(EAST, "UpdateTable", deleting([OHIO, WEST]))
        await tables.world.sleep(2.0)
        await tables.ask(EAST, "DeleteTable", NAME)

    tell(story)


def test_a_replica_that_is_down_when_the_global_table_ends_leaves_when_it_returns() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin()
        await tables.globe.kill(WEST)
        await tables.ask(EAST, "UpdateTable", deleting([OHIO, WEST]))
        await tables.globe.restore(WEST)
        await tables.world.sleep(5.0)
        assert (await tables.ask(WEST, "ListTables", {}))["TableNames"] == []
        assert (await tables.table(EAST))["TableStatus"] == "ACTIVE"

    tell(story)


def test_a_planet_that_stops_as_a_whole_goes_on_where_it_stood() -> None:
    async def story(tables: Tables) -> None:
        await tables.begin(witness=True)
        await tables.put(OHIO, "kept")
        for region in REGIONS:
            await tables.globe.kill(region)
        for region in REGIONS:
            await tables.globe.restore(region)
        await tables.active(EAST, OHIO)
        assert await tables.get(EAST) == "kept"
        await tables.put(EAST, "on")
        assert await tables.get(OHIO) == "on"

    tell(story)
