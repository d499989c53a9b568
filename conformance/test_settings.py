"""Settings: what is the same on all replicas, what one may have of its own, what each has for itself."""

from __future__ import annotations

import pytest
from global_table import ENDPOINT, MADE_S, REGIONS, GlobalTable, eventually
from pages import HOW

ONE, TWO, THREE = REGIONS
INDEX = {
    "IndexName": "by-v",
    "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
ATTRIBUTES = [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "v", "AttributeType": "S"}]


@pytest.mark.sentence(
    "The following settings are always synchronized between replicas in a global table: [...] Global Secondary Index "
    "(GSI) definition [...]",
    HOW,
)
def test_an_index_is_made_and_deleted_on_all_replicas(table: GlobalTable, key: str) -> None:
    table.create(ONE)
    table.add(TWO)
    table.put(ONE, key, v="found")
    create = [{"Create": INDEX}]
    table.update(TWO, AttributeDefinitions=ATTRIBUTES, GlobalSecondaryIndexUpdates=create)

    def indexed(region: str) -> bool:
        indexes = table.describe(region).get("GlobalSecondaryIndexes", [])
        return [one["IndexStatus"] for one in indexes] == ["ACTIVE"]

    eventually(lambda: indexed(ONE) and indexed(TWO), MADE_S)
    query = {
        "TableName": table.name,
        "IndexName": "by-v",
        "KeyConditionExpression": "v = :v",
        "ExpressionAttributeValues": {":v": {"S": "found"}},
    }
    for region in (ONE, TWO):
        eventually(lambda region=region: table.at(region).query(**query)["Count"] == 1)
    table.update(ONE, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-v"}}])
    eventually(lambda: not any(table.describe(region).get("GlobalSecondaryIndexes") for region in (ONE, TWO)), MADE_S)


@pytest.mark.sentence("TTL settings are automatically synchronized for all replicas in a global table.", HOW)
def test_time_to_live_is_the_same_everywhere(table: GlobalTable) -> None:
    table.create(ONE)
    table.add(TWO)
    setting = {"Enabled": True, "AttributeName": "expires"}
    table.at(TWO).update_time_to_live(TableName=table.name, TimeToLiveSpecification=setting)

    def enabled() -> bool:
        found = table.at(ONE).describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        return bool(found.get("AttributeName") == "expires")

    eventually(enabled)


@pytest.mark.sentence(
    "The following settings are always synchronized between replicas in a global table: Capacity mode (provisioned "
    "capacity or on-demand) [...] On-demand maximum write throughput. The following settings are synchronized between "
    "replicas, but can be overridden on a per-replica basis: [...] On-demand maximum read throughput",
    HOW,
)
def test_the_bound_on_writes_is_the_same_everywhere_and_the_bound_on_reads_may_differ(table: GlobalTable) -> None:
    table.create(ONE, OnDemandThroughput={"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 50})
    table.add(TWO, OnDemandThroughputOverride={"MaxReadRequestUnits": 30})

    def bounds(region: str) -> tuple[int, int]:
        found = table.describe(region)["OnDemandThroughput"]
        return found["MaxReadRequestUnits"], found["MaxWriteRequestUnits"]

    assert bounds(ONE) == (100, 50)
    eventually(lambda: bounds(TWO) == (30, 50))
    table.update(ONE, OnDemandThroughput={"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": 60})
    eventually(lambda: bounds(TWO) == (30, 60))
    assert {table.describe(region)["BillingModeSummary"]["BillingMode"] for region in table.regions} == {
        "PAY_PER_REQUEST"
    }


@pytest.mark.sentence(
    "The following settings are synchronized between replicas, but can be overridden on a per-replica basis: [...] "
    "Table Class [...]",
    HOW,
)
def test_a_replica_may_have_a_table_class_of_its_own(table: GlobalTable) -> None:
    table.create(ONE)
    table.add(TWO, TableClassOverride="STANDARD_INFREQUENT_ACCESS")
    assert table.describe(TWO)["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert table.describe(ONE).get("TableClassSummary", {}).get("TableClass", "STANDARD") == "STANDARD"
    listed = next(one for one in table.describe(ONE)["Replicas"] if one["RegionName"] == TWO)
    assert listed["ReplicaTableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"


@pytest.mark.sentence(
    "The following settings are never synchronized between replicas: Deletion protection, Point-in-time Recovery, Tags "
    "[...]",
    HOW,
)
def test_tags_and_recovery_are_a_replicas_own(table: GlobalTable) -> None:
    table.create(ONE)
    table.add(TWO)
    arns = {region: table.describe(region)["TableArn"] for region in (ONE, TWO)}
    table.at(ONE).tag_resource(ResourceArn=arns[ONE], Tags=[{"Key": "a", "Value": "b"}])
    recovery = {"PointInTimeRecoveryEnabled": True}
    table.at(ONE).update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=recovery)
    eventually(lambda: table.at(ONE).list_tags_of_resource(ResourceArn=arns[ONE])["Tags"] != [])
    assert table.at(TWO).list_tags_of_resource(ResourceArn=arns[TWO])["Tags"] == []
    found = table.at(TWO).describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]
    assert found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"


@pytest.mark.sentence(
    "If you update the provisioned read throughput setting on the US East (N. Virginia) replica from 200 RCUs to 300 "
    "RCUs, the new provisioned read throughput value will also be applied to the replica in US West (Oregon). This "
    "changes the provisioned read throughput setting for the US West (Oregon) replica from the overridden value of 100 "
    "RCUs to the new value of 300 RCUs.",
    HOW,
)
@pytest.mark.skipif(ENDPOINT is None, reason="AWS wants auto scaling of writes for this, which needs another service")
def test_an_override_ends_when_the_setting_is_changed_on_another_replica(table: GlobalTable) -> None:
    def units(reads: int) -> dict[str, int]:
        return {"ReadCapacityUnits": reads, "WriteCapacityUnits": 5}

    def reads(region: str) -> int:
        return int(table.describe(region)["ProvisionedThroughput"]["ReadCapacityUnits"])

    table.create(ONE, BillingMode="PROVISIONED", ProvisionedThroughput=units(200))
    table.add(TWO, ProvisionedThroughputOverride={"ReadCapacityUnits": 100})
    assert (reads(ONE), reads(TWO)) == (200, 100)
    table.update(ONE, ProvisionedThroughput=units(300))
    eventually(lambda: (reads(ONE), reads(TWO)) == (300, 300))
