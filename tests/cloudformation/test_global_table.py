"""AWS::DynamoDB::GlobalTable, and Table beside it, over Regions of DynamoDB: every property where it belongs, and
changes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import pytest

from antipodes.services.cloudformation.handler import Job
from antipodes.services.cloudformation.resources import dynamodb_table
from antipodes.services.cloudformation.resources.dynamodb_globaltable import HANDLERS
from antipodes.services.dynamodb.service import DynamoDB
from antipodes.wire.errors import AwsError, NotSupported
from antipodes.world.world import World
from tests.dynamodb.conftest import Planet, ask, make_table, run, until
from tests.dynamodb.test_replicas import EAST, EUROPE, NAME, WEST

__all__ = ["run"]  # a fixture
Run = Callable[[Callable[[Planet], Awaitable[None]]], None]
(HANDLER,) = HANDLERS
SIMPLE: dict[str, Any] = {
    "TableName": "Things",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    "Replicas": [{"Region": EAST}, {"Region": WEST}],
}


def job(planet: Planet, properties: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Job:
    async def call(service: str, operation: str, params: Mapping[str, Any], *, region: str | None = None) -> Any:
        return await ask(planet.services[region or EAST], operation, params)

    async def claim(name: str) -> None: ...

    return Job(
        call=call,
        world=cast("World", planet.worlds[EAST]),
        region=EAST,
        account="000000000000",
        home=EAST,
        stack_name="app",
        stack_id="arn",
        logical_id="Table",
        properties=properties,
        token="ABCDEFGHIJKL",
        tags={},
        claim=claim,
        before=before or {},
        physical_id="Things",
    )


async def planet_of(planet: Planet) -> list[DynamoDB]:
    return [await planet.start(region) for region in (EAST, WEST, EUROPE)]


async def table(service: DynamoDB) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(service, "DescribeTable", NAME))["Table"]
    return found


async def updated(planet: Planet, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    assert HANDLER.update is not None
    await HANDLER.update(job(planet, after, before))


def test_replicas_come_and_go_with_the_entries(run: Run) -> None:
    async def story(planet: Planet) -> None:
        east, west, europe = await planet_of(planet)
        made = await HANDLER.create(job(planet, SIMPLE))
        assert made.physical_id == "Things"
        assert made.attributes["StreamArn"].startswith(f"arn:aws:dynamodb:{EAST}:")
        moved = {**SIMPLE, "Replicas": [{"Region": EAST}, {"Region": EUROPE}]}
        await updated(planet, SIMPLE, moved)
        assert [one["RegionName"] for one in (await table(east))["Replicas"]] == [EUROPE]
        assert (west.table_sizes(), europe.table_sizes()) == ({}, {"Things": 0})
        await HANDLER.delete(job(planet, moved))
        assert (east.table_sizes(), europe.table_sizes()) == ({}, {})

    run(story)


def test_the_stacks_own_region_must_be_among_the_replicas(run: Run) -> None:
    async def story(planet: Planet) -> None:
        await planet_of(planet)
        wrong = {**SIMPLE, "Replicas": [{"Region": WEST}]}
        with pytest.raises(AwsError, match="The Replicas section must contain an entry for the current region"):
            await HANDLER.create(job(planet, wrong))
        silent = {key: value for key, value in SIMPLE.items() if key != "StreamSpecification"}
        with pytest.raises(AwsError, match="StreamSpecification must be specified"):
            await HANDLER.create(job(planet, silent))
        kinesis = {**SIMPLE, "Replicas": [{"Region": EAST, "KinesisStreamSpecification": {"StreamArn": "x"}}]}
        with pytest.raises(NotSupported, match="KinesisStreamSpecification"):
            await HANDLER.create(job(planet, kinesis))

    run(story)


def test_on_demand_settings_of_table_and_replicas(run: Run) -> None:
    properties = {
        **SIMPLE,
        "WriteOnDemandThroughputSettings": {"MaxWriteRequestUnits": "70"},
        "SSESpecification": {"SSEEnabled": "true", "SSEType": "KMS"},
        "TimeToLiveSpecification": {"AttributeName": "t", "Enabled": True},
        "WarmThroughput": {"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000},
        "Replicas": [
            {"Region": EAST, "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 90}, "Tags": [TAG]},
            {
                "Region": WEST,
                "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 30},
                "TableClass": "STANDARD_INFREQUENT_ACCESS",
                "DeletionProtectionEnabled": True,
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "Tags": [{"Key": "where", "Value": "west"}],
                "ResourcePolicy": {"PolicyDocument": POLICY},
                "SSESpecification": {"KMSMasterKeyId": "alias/mine"},
                "ContributorInsightsSpecification": {"Enabled": False},
            },
        ],
    }

    async def story(planet: Planet) -> None:
        east, west, _ = await planet_of(planet)
        await HANDLER.create(job(planet, properties))
        here, there = await table(east), await table(west)
        assert here["OnDemandThroughput"] == {"MaxReadRequestUnits": 90, "MaxWriteRequestUnits": 70}
        assert there["OnDemandThroughput"] == {"MaxReadRequestUnits": 30, "MaxWriteRequestUnits": 70}
        assert there["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
        assert "TableClassSummary" not in here
        assert (here["DeletionProtectionEnabled"], there["DeletionProtectionEnabled"]) == (False, True)
        assert there["SSEDescription"]["KMSMasterKeyArn"] == f"arn:aws:kms:{WEST}:000000000000:alias/mine"
        assert here["SSEDescription"]["KMSMasterKeyArn"].startswith(f"arn:aws:kms:{EAST}:000000000000:key/")
        assert there["WarmThroughput"]["WriteUnitsPerSecond"] == 5000
        tags = [(await ask(one, "ListTagsOfResource", {"ResourceArn": arn_of(one)}))["Tags"] for one in (east, west)]
        assert tags == [[TAG], [{"Key": "where", "Value": "west"}]]
        assert "Statement" in (await ask(west, "GetResourcePolicy", {"ResourceArn": arn_of(west)}))["Policy"]
        found = (await ask(west, "DescribeContinuousBackups", NAME))["ContinuousBackupsDescription"]
        assert found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"

        async def expires() -> bool:
            ttl = (await ask(west, "DescribeTimeToLive", NAME))["TimeToLiveDescription"]
            return bool(ttl.get("AttributeName") == "t")

        await until(expires)
        changed = {
            **properties,
            "WriteOnDemandThroughputSettings": {"MaxWriteRequestUnits": 80},
            "Replicas": [
                properties["Replicas"][0],
                {"Region": WEST, "ReadOnDemandThroughputSettings": {"MaxReadRequestUnits": 40}, "Tags": [TAG]},
            ],
        }
        await updated(planet, properties, changed)
        there = await table(west)
        assert there["OnDemandThroughput"] == {"MaxReadRequestUnits": 40, "MaxWriteRequestUnits": 80}
        assert there["DeletionProtectionEnabled"] is False
        assert (await ask(west, "ListTagsOfResource", {"ResourceArn": arn_of(west)}))["Tags"] == [TAG]

    run(story)


def arn_of(service: DynamoDB) -> str:
    return f"arn:aws:dynamodb:{service.database.region}:000000000000:table/Things"


TAG = {"Key": "a", "Value": "b"}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}


def test_provisioned_capacity_of_table_indexes_and_replicas(run: Run) -> None:
    def reads(units: int) -> dict[str, Any]:
        return {"ReadProvisionedThroughputSettings": {"ReadCapacityUnits": units}}

    def writes(units: int, most: int | None = None) -> dict[str, Any]:
        scaling = {"MinCapacity": units, "MaxCapacity": units if most is None else most}
        return {"WriteProvisionedThroughputSettings": {"WriteCapacityAutoScalingSettings": scaling}}

    index = {
        "IndexName": "by-v",
        "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
        **writes(6),
    }

    def entry(region: str, table_reads: int, index_reads: int) -> dict[str, Any]:
        indexes = [{"IndexName": "by-v", **reads(index_reads)}]
        return {"Region": region, **reads(table_reads), "GlobalSecondaryIndexes": indexes}

    properties = {
        **SIMPLE,
        "BillingMode": "PROVISIONED",
        "AttributeDefinitions": [*SIMPLE["AttributeDefinitions"], {"AttributeName": "v", "AttributeType": "S"}],
        "GlobalSecondaryIndexes": [index],
        **writes(5),
        "Replicas": [entry(EAST, 10, 20), entry(WEST, 11, 21)],
    }

    def units(found: dict[str, Any]) -> list[tuple[int, int]]:
        held = [found["ProvisionedThroughput"], found["GlobalSecondaryIndexes"][0]["ProvisionedThroughput"]]
        return [(one["ReadCapacityUnits"], one["WriteCapacityUnits"]) for one in held]

    async def story(planet: Planet) -> None:
        east, west, _ = await planet_of(planet)
        await HANDLER.create(job(planet, properties))
        assert units(await table(east)) == [(10, 5), (20, 6)]
        assert units(await table(west)) == [(11, 5), (21, 6)]
        changed = {**properties, **writes(7), "Replicas": [entry(EAST, 10, 20), entry(WEST, 12, 22)]}
        await updated(planet, properties, changed)

        async def agreed() -> bool:
            return units(await table(west)) == [(12, 7), (22, 6)]

        await until(agreed)
        with pytest.raises(NotSupported, match="auto scaling"):
            await updated(planet, changed, {**changed, **writes(5, most=50)})
        without = {key: value for key, value in properties.items() if key != "WriteProvisionedThroughputSettings"}
        with pytest.raises(AwsError, match="when BillingMode is Provisioned"):
            await updated(planet, changed, without)

    run(story)


def test_a_table_has_the_same_things_for_itself(run: Run) -> None:
    properties = {
        **{key: value for key, value in SIMPLE.items() if key not in {"Replicas", "StreamSpecification"}},
        "OnDemandThroughput": {"MaxReadRequestUnits": "10", "MaxWriteRequestUnits": "20"},
        "SSESpecification": {"SSEEnabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": "true"},
        "TimeToLiveSpecification": {"AttributeName": "t", "Enabled": True},
        "Tags": [TAG],
    }
    (plain,) = dynamodb_table.HANDLERS

    async def recovery(service: DynamoDB) -> str:
        found = (await ask(service, "DescribeContinuousBackups", NAME))["ContinuousBackupsDescription"]
        status: str = found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        return status

    async def story(planet: Planet) -> None:
        east, *_ = await planet_of(planet)
        await plain.create(job(planet, properties))
        found = await table(east)
        assert found["OnDemandThroughput"] == {"MaxReadRequestUnits": 10, "MaxWriteRequestUnits": 20}
        assert found["SSEDescription"]["SSEType"] == "KMS"
        assert await recovery(east) == "ENABLED"
        changed = {
            **{key: properties[key] for key in ("TableName", "AttributeDefinitions", "KeySchema", "BillingMode")},
            "OnDemandThroughput": {"MaxReadRequestUnits": 11, "MaxWriteRequestUnits": 20},
            "Tags": [{"Key": "c", "Value": "d"}],
        }
        assert plain.update is not None
        await plain.update(job(planet, changed, properties))
        found = await table(east)
        assert found["OnDemandThroughput"]["MaxReadRequestUnits"] == 11
        assert "SSEDescription" not in found
        assert await recovery(east) == "DISABLED"
        tags = (await ask(east, "ListTagsOfResource", {"ResourceArn": arn_of(east)}))["Tags"]
        assert tags == [{"Key": "c", "Value": "d"}]
        ttl = (await ask(east, "DescribeTimeToLive", NAME))["TimeToLiveDescription"]
        assert ttl["TimeToLiveStatus"] == "DISABLED"

    run(story)


def test_a_table_of_another_stack_is_in_the_way_of_a_replica(run: Run) -> None:
    (plain,) = dynamodb_table.HANDLERS

    async def story(planet: Planet) -> None:
        east, west, _ = await planet_of(planet)
        await make_table(west)
        with pytest.raises(AwsError, match="one or more replicas already existed as tables"):
            await HANDLER.create(job(planet, SIMPLE))
        alone = {key: value for key, value in SIMPLE.items() if key not in {"Replicas", "StreamSpecification"}}
        with pytest.raises(AwsError, match="Table already exists"):
            await plain.create(job(planet, alone))
        assert (east.table_sizes(), west.table_sizes()) == ({"Things": 0}, {"Things": 0})

    run(story)
