"""Reading streams in tests, as a consumer would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from antipodes.services.dynamodb.service import DynamoDB
from antipodes.wire.errors import AwsError
from antipodes.wire.operation import Payload, Request


async def stream(service: DynamoDB, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """One operation of the service dynamodbstreams; the answer decoded."""
    request = Request("dynamodbstreams", operation, params, service.database.region)
    result = await service.streams.operations[operation](request)
    return cast("dict[str, Any]", orjson.loads(result.body if isinstance(result, Payload) else orjson.dumps(result)))


async def stream_refused(service: DynamoDB, operation: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """(code, message) of an operation that must fail."""
    try:
        await stream(service, operation, params)
    except AwsError as error:
        return error.code, error.message
    raise AssertionError(f"{operation} was not refused")


async def arn_of(service: DynamoDB, table: str = "Things") -> str:
    """The table's newest stream."""
    found = (await stream(service, "ListStreams", {"TableName": table}))["Streams"]
    return str(found[-1]["StreamArn"])


async def shards_of(service: DynamoDB, arn: str) -> list[dict[str, Any]]:
    description = (await stream(service, "DescribeStream", {"StreamArn": arn}))["StreamDescription"]
    return cast("list[dict[str, Any]]", description["Shards"])


async def iterator(service: DynamoDB, arn: str, kind: str = "TRIM_HORIZON", shard: int = -1, **more: Any) -> str:
    shards = await shards_of(service, arn)
    params = {"StreamArn": arn, "ShardId": shards[shard]["ShardId"], "ShardIteratorType": kind, **more}
    return str((await stream(service, "GetShardIterator", params))["ShardIterator"])


async def drained(service: DynamoDB, place: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """All records from a place on, and where the reader then stands (None: the shard is closed and read)."""
    records: list[dict[str, Any]] = []
    while place is not None:
        answer = await stream(service, "GetRecords", {"ShardIterator": place})
        records += answer["Records"]
        following = answer.get("NextShardIterator")
        if not answer["Records"] and following is not None:
            return records, following
        place = following
    return records, None


async def all_records(service: DynamoDB, table: str = "Things") -> list[dict[str, Any]]:
    """The records of all shards of the table's newest stream, oldest shard first."""
    arn = await arn_of(service, table)
    found = []
    for number in range(len(await shards_of(service, arn))):
        records, _ = await drained(service, await iterator(service, arn, shard=number))
        found += records
    return found
