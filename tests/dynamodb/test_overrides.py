"""Settings of global tables: what is synchronised always, what a replica may have of its own, what never travels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from antipodes.services.dynamodb.service import DynamoDB
from tests.dynamodb.conftest import Planet, active, ask, make_table, refused, until
from tests.dynamodb.test_replicas import EAST, EUROPE, NAME, WEST, creating, everywhere

Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
INDEX = {
    "IndexName": "by-v",
    "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
V = {"AttributeName": "v", "AttributeType": "S"}
PK = {"AttributeName": "pk", "AttributeType": "S"}


def units(reads: int, writes: int) -> dict[str, int]:
    return {"ReadCapacityUnits": reads, "WriteCapacityUnits": writes}


async def table(service: DynamoDB) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(service, "DescribeTable", NAME))["Table"]
    return found


async def update(service: DynamoDB, **params: Any) -> dict[str, Any]:
    """An UpdateTable, waited for."""
    answer = await ask(service, "UpdateTable", {**NAME, **params})
    await active(service)
    found: dict[str, Any] = answer["TableDescription"]
    return found


async def agree(services: list[DynamoDB], read: Callable[[dict[str, Any]], Any], wanted: Any) -> None:
    for service in services:

        async def agreed(service: DynamoDB = service) -> bool:
            return bool(read(await table(service)) == wanted)

        await until(agreed)
        await active(service)


def of_replica(service: DynamoDB, region: str) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def find() -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in (await table(service))["Replicas"] if one["RegionName"] == region)
        return found

    return find


def test_what_is_always_synchronised(run: Run) -> None:
    """Capacity mode, write capacity, indexes and theirs, encryption, stream, expiry, warm throughput, the bound on
    writes (Developer Guide, "Global tables: how it works")."""

    async def story(planet: Planet) -> None:
        services = await everywhere(planet, EAST, WEST)
        east, west = services
        await update(east, OnDemandThroughput={"MaxWriteRequestUnits": 700})
        await agree(services, lambda one: one["OnDemandThroughput"]["MaxWriteRequestUnits"], 700)
        await update(west, WarmThroughput={"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000})
        await agree(services, lambda one: one["WarmThroughput"]["WriteUnitsPerSecond"], 5000)
        await update(east, BillingMode="PROVISIONED", ProvisionedThroughput=units(5, 6))
        await agree(services, lambda one: one["ProvisionedThroughput"]["WriteCapacityUnits"], 6)
        create = {"Create": {**INDEX, "ProvisionedThroughput": units(2, 3)}}
        await update(west, AttributeDefinitions=[PK, V], GlobalSecondaryIndexUpdates=[create])

        def indexes(one: dict[str, Any]) -> list[Any]:
            return [
                (index["IndexName"], index["IndexStatus"], index["ProvisionedThroughput"]["WriteCapacityUnits"])
                for index in one.get("GlobalSecondaryIndexes", [])
            ]

        await agree(services, indexes, [("by-v", "ACTIVE", 3)])
        await agree(services, lambda one: len(one["AttributeDefinitions"]), 2)
        await update(east, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-v"}}])
        await agree(services, indexes, [])
        await update(east, SSESpecification={"Enabled": True})
        await agree(services, lambda one: one.get("SSEDescription", {}).get("SSEType"), "KMS")
        keys = [(await table(one))["SSEDescription"]["KMSMasterKeyArn"] for one in services]
        assert [key.split(":")[3] for key in keys] == [EAST, WEST]  # each by a key of its own Region
        await update(west, SSESpecification={"Enabled": False})
        await agree(services, lambda one: "SSEDescription" in one, False)
        ttl = {**NAME, "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "t"}}
        await ask(west, "UpdateTimeToLive", ttl)

        async def expires() -> bool:
            found = await ask(east, "DescribeTimeToLive", NAME)
            return bool(found["TimeToLiveDescription"].get("AttributeName") == "t")

        await until(expires)
        assert await refused(east, "UpdateTable", {**NAME, "StreamSpecification": {"StreamEnabled": False}})

    run(story)


def test_a_replica_may_have_its_own_read_capacity_until_it_is_changed_elsewhere(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        index = {**INDEX, "ProvisionedThroughput": units(2, 3)}
        table_of: dict[str, Any] = {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units(10, 11)}
        await make_table(east, attributes=[V], GlobalSecondaryIndexes=[index], **table_of)
        own = {
            "RegionName": WEST,
            "ProvisionedThroughputOverride": {"ReadCapacityUnits": 33},
            "TableClassOverride": "STANDARD_INFREQUENT_ACCESS",
            "GlobalSecondaryIndexes": [
                {"IndexName": "by-v", "ProvisionedThroughputOverride": {"ReadCapacityUnits": 44}}
            ],
        }
        await ask(east, "UpdateTable", {**NAME, "ReplicaUpdates": [{"Create": own}]})
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        await active(east)
        here, there = await table(east), await table(west)
        assert here["ProvisionedThroughput"]["ReadCapacityUnits"] == 10
        assert there["ProvisionedThroughput"]["ReadCapacityUnits"] == 33
        assert there["ProvisionedThroughput"]["WriteCapacityUnits"] == 11
        assert there["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
        assert there["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 44
        replica = here["Replicas"][0]
        assert replica["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 33}
        assert replica["ReplicaTableClassSummary"] == {"TableClass": "STANDARD_INFREQUENT_ACCESS"}
        assert replica["GlobalSecondaryIndexes"][0]["ProvisionedThroughputOverride"] == {"ReadCapacityUnits": 44}
        change = {"RegionName": WEST, "ProvisionedThroughputOverride": {"ReadCapacityUnits": 55}}
        answer = await ask(east, "UpdateTable", {**NAME, "ReplicaUpdates": [{"Update": change}]})
        assert answer["TableDescription"]["TableStatus"] == "UPDATING"
        assert answer["TableDescription"]["Replicas"][0]["ReplicaStatus"] == "UPDATING"
        await active(east)
        await agree([west], lambda one: one["ProvisionedThroughput"]["ReadCapacityUnits"], 55)
        # The write capacity says nothing of reads: what was overridden stays.
        await update(east, ProvisionedThroughput=units(10, 12))
        await agree([west], lambda one: one["ProvisionedThroughput"]["WriteCapacityUnits"], 12)
        assert (await table(west))["ProvisionedThroughput"]["ReadCapacityUnits"] == 55
        # "Overridable setting values are changed if the setting is modified on any other replica."
        await update(east, ProvisionedThroughput=units(20, 12))
        await agree([east, west], lambda one: one["ProvisionedThroughput"]["ReadCapacityUnits"], 20)
        assert "ProvisionedThroughputOverride" not in (await table(east))["Replicas"][0]
        assert (await table(west))["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]["ReadCapacityUnits"] == 44
        await update(east, TableClass="STANDARD")
        await agree([west], lambda one: one["TableClassSummary"]["TableClass"], "STANDARD")

    run(story)


def test_an_on_demand_replica_may_have_its_own_bound_on_reads(run: Run) -> None:
    async def story(planet: Planet) -> None:
        services = await everywhere(planet, EAST, WEST)
        east, west = services
        await update(east, OnDemandThroughput={"MaxReadRequestUnits": 100})
        await agree(services, lambda one: one["OnDemandThroughput"]["MaxReadRequestUnits"], 100)
        own = {"RegionName": WEST, "OnDemandThroughputOverride": {"MaxReadRequestUnits": 50}}
        await update(east, ReplicaUpdates=[{"Update": own}])
        await agree([west], lambda one: one["OnDemandThroughput"]["MaxReadRequestUnits"], 50)
        assert (await table(east))["OnDemandThroughput"]["MaxReadRequestUnits"] == 100
        assert (await of_replica(east, WEST)())["OnDemandThroughputOverride"] == {"MaxReadRequestUnits": 50}
        await update(east, OnDemandThroughput={"MaxReadRequestUnits": 200})
        await agree(services, lambda one: one["OnDemandThroughput"]["MaxReadRequestUnits"], 200)
        wrong = {"RegionName": WEST, "ProvisionedThroughputOverride": {"ReadCapacityUnits": 5}}
        code, message = await refused(east, "UpdateTable", {**NAME, "ReplicaUpdates": [{"Update": wrong}]})
        assert (code, "PAY_PER_REQUEST" in message) == ("ValidationException", True)

    run(story)


def test_what_is_never_synchronised(run: Run) -> None:
    """Deletion protection, recovery, tags, policies."""

    async def story(planet: Planet) -> None:
        east, west = await everywhere(planet, EAST, WEST)
        await update(east, DeletionProtectionEnabled=True)
        arn = (await table(east))["TableArn"]
        await ask(east, "TagResource", {"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]})
        recovery = {"PointInTimeRecoveryEnabled": True}
        await ask(east, "UpdateContinuousBackups", {**NAME, "PointInTimeRecoverySpecification": recovery})
        await update(east, OnDemandThroughput={"MaxWriteRequestUnits": 7})  # this one travels
        await agree([west], lambda one: one.get("OnDemandThroughput", {}).get("MaxWriteRequestUnits"), 7)
        assert (await table(west))["DeletionProtectionEnabled"] is False
        assert (await ask(west, "ListTagsOfResource", {"ResourceArn": (await table(west))["TableArn"]}))["Tags"] == []
        found = await ask(west, "DescribeContinuousBackups", NAME)
        status = found["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        assert status == "DISABLED"

    run(story)


def test_a_customers_key_is_asked_for_in_each_region(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west = await planet.start(EAST), await planet.start(WEST)
        europe = await planet.start(EUROPE)
        key = {"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": "11111111-2222-3333-4444-555555555555"}
        await make_table(east, SSESpecification=key)
        wanted = "One or more parameter values were invalid: KMSMasterKeyId must be specified for each replica."
        assert (await refused(east, "UpdateTable", creating(WEST)))[1] == wanted
        theirs = {"RegionName": WEST, "KMSMasterKeyId": "66666666-2222-3333-4444-555555555555"}
        await ask(east, "UpdateTable", {**NAME, "ReplicaUpdates": [{"Create": theirs}]})
        await until(lambda: "Things" in west.database.tables)
        await active(west)
        await active(east)
        arn = f"arn:aws:kms:{WEST}:000000000000:key/66666666-2222-3333-4444-555555555555"
        assert (await table(west))["SSEDescription"]["KMSMasterKeyArn"] == arn
        assert (await of_replica(east, WEST)())["KMSMasterKeyId"] == arn
        assert "SSEDescription" in await table(east)
        assert (await of_replica(west, EAST)())["KMSMasterKeyId"].endswith(key["KMSMasterKeyId"])
        assert europe.table_sizes() == {}

    run(story)


def test_one_kind_of_change_an_update(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, _ = await everywhere(planet, EAST, WEST)
        await planet.start(EUROPE)
        both = {**creating(EUROPE), "TableClass": "STANDARD_INFREQUENT_ACCESS"}
        assert (await refused(east, "UpdateTable", both))[0] == "ValidationException"
        assert (await table(east)).get("TableClassSummary") is None
        two = {**NAME, "ReplicaUpdates": [{"Create": {"RegionName": EUROPE}, "Delete": {"RegionName": EUROPE}}]}
        assert (await refused(east, "UpdateTable", two))[0] == "ValidationException"
        stranger = {**NAME, "ReplicaUpdates": [{"Update": {"RegionName": EUROPE}}]}
        assert "were not part of the global table" in (await refused(east, "UpdateTable", stranger))[1]
        assert (await refused(east, "UpdateTable", {**NAME, "ReplicaUpdates": [{"Create": {}}]}))[0] == (
            "ValidationException"
        )

    run(story)
