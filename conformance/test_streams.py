"""Streams of a global table: one a replica."""

from __future__ import annotations

from typing import Any

import pytest
from global_table import ENDPOINT, REGIONS, GlobalTable, client, error_of, eventually
from pages import EXPIRY, HOW, PRACTICE, VERSIONS

ONE, TWO, THREE = REGIONS


def records(table: GlobalTable, region: str, key: str) -> list[dict[str, Any]]:
    """All records of one item in one replica's stream, oldest first."""
    streams = client("dynamodbstreams", region)
    arn = table.describe(region)["LatestStreamArn"]
    found: list[dict[str, Any]] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        empty = 0
        while iterator and empty < 3:
            answer = streams.get_records(ShardIterator=iterator)
            found += [one for one in answer["Records"] if one["dynamodb"]["Keys"]["pk"]["S"] == key]
            iterator, empty = answer.get("NextShardIterator"), 0 if answer["Records"] else empty + 1
    return sorted(found, key=lambda one: int(one["dynamodb"]["SequenceNumber"]))


@pytest.mark.sentence(
    "Streams are therefore enabled by default on all replicas in an MREC global table, and cannot be disabled on those "
    "replicas.",
    HOW,
)
def test_each_replica_has_a_stream_of_its_own_with_both_images(shared: GlobalTable) -> None:
    found = {region: shared.describe(region) for region in REGIONS}
    assert all(one["StreamSpecification"]["StreamEnabled"] for one in found.values())
    assert {one["StreamSpecification"]["StreamViewType"] for one in found.values()} == {"NEW_AND_OLD_IMAGES"}
    arns = {one["LatestStreamArn"] for one in found.values()}
    assert len(arns) == 3
    assert {arn.split(":")[3] for arn in arns} == set(REGIONS)


@pytest.mark.sentence(
    "Streams are therefore enabled by default on all replicas in an MREC global table, and cannot be disabled on those "
    "replicas.",
    HOW,
)
def test_the_stream_cannot_be_turned_off(shared: GlobalTable) -> None:
    off = {"StreamEnabled": False}
    code, _ = error_of(lambda: shared.at(ONE).update_table(TableName=shared.name, StreamSpecification=off))
    assert code == "ValidationException"


@pytest.mark.sentence(
    "Each global table produces an independent stream based on all its writes, regardless of the origination point for "
    "those writes.",
    PRACTICE,
)
def test_a_write_is_a_record_of_every_replicas_stream(shared: GlobalTable, key: str) -> None:
    shared.put(TWO, key, v="first")
    shared.everywhere(key, {"pk": key, "v": "first"})
    shared.put(TWO, key, v="second")
    shared.everywhere(key, {"pk": key, "v": "second"})
    shared.at(TWO).delete_item(TableName=shared.name, Key={"pk": {"S": key}})
    shared.everywhere(key, None)
    for region in REGIONS:
        seen = eventually(lambda region=region: _whole(records(shared, region, key)))
        assert [one["eventName"] for one in seen] == ["INSERT", "MODIFY", "REMOVE"]
        assert [one["awsRegion"] for one in seen] == [region] * 3
        assert seen[1]["dynamodb"]["OldImage"]["v"] == {"S": "first"}
        assert seen[1]["dynamodb"]["NewImage"] == {"pk": {"S": key}, "v": {"S": "second"}}


def _whole(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return found if len(found) >= 3 else []


@pytest.mark.sentence(
    "version 2017.11.29 (Legacy) populates and updates the aws:rep:deleting, aws:rep:updateregion, and "
    "aws:rep:updatetime attributes. version 2019.11.21 (Current) does not populate or update these attributes.",
    VERSIONS,
)
def test_items_and_records_carry_no_marks_of_replication(shared: GlobalTable, key: str) -> None:
    shared.put(ONE, key, v="x")
    shared.everywhere(key, {"pk": key, "v": "x"})
    seen = eventually(lambda: records(shared, THREE, key))
    assert [sorted(one["dynamodb"]["NewImage"]) for one in seen] == [["pk", "v"]]


@pytest.mark.sentence(
    "The MREC replication process may combine multiple changes in a short period of time into a single replicated "
    "write, resulting in each replica's Stream containing slightly different records. Streams records on MREC replicas "
    "are always ordered on a per-item basis [...]",
    HOW,
)
def test_the_records_of_an_item_lead_to_its_last_state_in_order(shared: GlobalTable, key: str) -> None:
    for number in range(20):
        shared.put(ONE, key, v=f"{number:02}")
    shared.everywhere(key, {"pk": key, "v": "19"})

    def last() -> list[str]:
        values = [one["dynamodb"]["NewImage"]["v"]["S"] for one in records(shared, TWO, key)]
        return values if values and values[-1] == "19" else []

    values = eventually(last)
    assert values == sorted(values)
    assert len(values) <= 20


@pytest.mark.sentence(
    "In Version 2019.11.21 (Current), when a TTL delete occurs it is replicated to all replica regions. These "
    "replicated writes do not contain type or principalID properties.",
    EXPIRY,
)
@pytest.mark.skipif(ENDPOINT is None, reason="on AWS an expiry takes up to days")
def test_an_expiry_is_the_services_in_one_region_and_a_plain_deletion_in_the_others(
    table: GlobalTable, key: str
) -> None:
    table.create(ONE)
    table.add(TWO)
    setting = {"Enabled": True, "AttributeName": "expires"}
    table.at(ONE).update_time_to_live(TableName=table.name, TimeToLiveSpecification=setting)
    eventually(
        lambda: (
            table.at(ONE).describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]["TimeToLiveStatus"]
            == "ENABLED"
        )
    )
    table.at(ONE).put_item(TableName=table.name, Item={"pk": {"S": key}, "expires": {"N": "1700000000"}})
    eventually(lambda: table.get(ONE, key) is None and table.get(TWO, key) is None, 180)

    def removed(region: str) -> list[dict[str, Any]]:
        return [one for one in records(table, region, key) if one["eventName"] == "REMOVE"]

    by = [eventually(lambda region=region: removed(region))[0].get("userIdentity") for region in (ONE, TWO)]
    assert [one for one in by if one] == [{"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}]


@pytest.mark.sentence(
    "ReplicationLatency is expressed in milliseconds and is emitted for every source and destination Region pair in a "
    "global table.",
    HOW,
)
def test_the_latency_of_each_pair_is_a_metric_where_the_write_was_made(shared: GlobalTable, key: str) -> None:
    metrics = client("cloudwatch", ONE)
    shared.put(ONE, key, v="x")
    shared.everywhere(key, {"pk": key, "v": "x"})

    def receiving() -> bool:
        listed = metrics.list_metrics(
            Namespace="AWS/DynamoDB",
            MetricName="ReplicationLatency",
            Dimensions=[{"Name": "TableName", "Value": shared.name}],
        )["Metrics"]
        named = [{one["Name"]: one["Value"] for one in metric["Dimensions"]} for metric in listed]
        return {TWO, THREE} <= {one.get("ReceivingRegion") for one in named}

    eventually(receiving, 900)
