"""Where the end of an event, or of records that were given up, is told: a function of the Region or, for failures, a
bucket.

A bucket gets an object for each: aws/lambda/async/<function>/... of events, aws/lambda/<mapping>/<shard>/... of
streams, then YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID> (Developer Guide, "Capturing records of Lambda asynchronous
invocations", "Retain discarded batch records"). SQS, SNS and EventBridge are not on a planet: they are refused by name
when they are configured.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from antipodes.services.contract import Surroundings
from antipodes.services.lambda_.records import invalid
from antipodes.wire.errors import ClientFault

_BUCKET = re.compile(r"arn:aws[a-z-]*:s3:::([a-z0-9.-]{3,63})")


def bucket_of(arn: str) -> str | None:
    """The bucket's name, if it is one's ARN."""
    found = _BUCKET.fullmatch(arn)
    return found[1] if found is not None else None


async def check_bucket(around: Surroundings, arn: str) -> None:
    """Raises InvalidParameterValueException (the words are a guess)."""
    try:
        await around.call("s3", "HeadBucket", {"Bucket": bucket_of(arn)})
    except ClientFault as error:
        raise invalid(f"The destination ARN {arn} is invalid: there is no such bucket.") from error


async def tell(around: Surroundings, target: str, record: Mapping[str, Any], folder: str) -> None:
    """folder: of the object, where the target is a bucket. Raises AwsError."""
    body = orjson.dumps(record)
    bucket = bucket_of(target)
    if bucket is None:
        asked = {"FunctionName": target, "InvocationType": "Event", "Payload": body}
        await around.call("lambda", "Invoke", asked)
        return
    at = datetime.fromtimestamp(around.world.now(), UTC)
    drawn = uuid.UUID(int=around.world.chance.getrandbits(128), version=4)
    key = f"{folder}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{drawn}"
    await around.call("s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": body})


def moment(seconds: float) -> str:
    """2019-11-14T18:16:05.568Z"""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
