"""Streams, expiry and live indexes over the wire, as boto3 asks for them."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.planet.planets import Running, wait_until

pytestmark = [pytest.mark.planet, pytest.mark.timeout(180)]

EAST = "us-east-1"
NAME = "streamed"
BINARY = b"\x00\xffblob"


@pytest.fixture
def client(planet: Running) -> Any:
    """DynamoDB of us-east-1, with a table that has a stream; the table is deleted again."""
    client = planet.client("dynamodb", EAST)
    client.create_table(
        TableName=NAME,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "B"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.get_waiter("table_exists").wait(TableName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    yield client
    client.delete_table(TableName=NAME)
    client.get_waiter("table_not_exists").wait(TableName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 10})


def read(streams: Any, arn: str, kind: str = "TRIM_HORIZON") -> list[dict[str, Any]]:
    """All records of all shards."""
    records: list[dict[str, Any]] = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        got = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind)
        place = got["ShardIterator"]
        while place is not None:
            answer = streams.get_records(ShardIterator=place, Limit=1000)
            records += answer["Records"]
            place = answer.get("NextShardIterator") if answer["Records"] else None
    return records


def test_boto3_reads_a_stream_and_sees_expiry(planet: Running, client: Any) -> None:
    streams = planet.client("dynamodbstreams", EAST)
    arn = client.describe_table(TableName=NAME)["Table"]["LatestStreamArn"]
    assert [one["StreamArn"] for one in streams.list_streams(TableName=NAME)["Streams"]][-1] == arn
    client.put_item(TableName=NAME, Item={"pk": {"B": BINARY}, "set": {"BS": [b"1", b"2"]}, "n": {"N": "1.50"}})
    client.put_item(TableName=NAME, Item={"pk": {"B": b"old"}, "ttl": {"N": str(int(time.time()) - 60)}})
    client.update_time_to_live(TableName=NAME, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    described = client.describe_time_to_live(TableName=NAME)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    wait_until(lambda: "Item" not in client.get_item(TableName=NAME, Key={"pk": {"B": b"old"}}), "expiry", timeout_s=20)
    first, second, third = read(streams, arn)
    assert first["eventName"] == "INSERT"
    assert first["dynamodb"]["NewImage"]["pk"] == {"B": BINARY} and first["dynamodb"]["NewImage"]["n"] == {"N": "1.5"}
    assert sorted(first["dynamodb"]["NewImage"]["set"]["BS"]) == [b"1", b"2"]
    assert abs(first["dynamodb"]["ApproximateCreationDateTime"].timestamp() - time.time()) < 60
    assert third["eventName"] == "REMOVE" and third["dynamodb"]["Keys"] == second["dynamodb"]["Keys"]
    assert third["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    for ask, code in (
        (partial(streams.describe_stream, StreamArn="x" * 40), "ValidationException"),
        (partial(streams.describe_stream, StreamArn=arn + "1"), "ResourceNotFoundException"),
        (partial(streams.get_records, ShardIterator="x"), "ValidationException"),
    ):
        with pytest.raises(ClientError) as refused:
            ask()
        assert refused.value.response["Error"]["Code"] == code


def test_an_index_is_made_while_the_table_is_in_use(client: Any) -> None:
    for number in range(300):
        client.put_item(TableName=NAME, Item={"pk": {"B": b"%d" % number}, "colour": {"S": "red"}})
    client.update_table(
        TableName=NAME,
        AttributeDefinitions=[{"AttributeName": "colour", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "byColour",
                    "KeySchema": [{"AttributeName": "colour", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )

    def made() -> bool:
        table = client.describe_table(TableName=NAME)["Table"]
        index = table["GlobalSecondaryIndexes"][0]
        return bool(table["TableStatus"] == "ACTIVE" == index["IndexStatus"] and index["ItemCount"] == 300)

    wait_until(made, "the index")
    answer = client.query(
        TableName=NAME,
        IndexName="byColour",
        KeyConditionExpression="colour = :c",
        ExpressionAttributeValues={":c": {"S": "red"}},
    )
    assert answer["Count"] == 300 and sorted(answer["Items"][0]) == ["colour", "pk"]
