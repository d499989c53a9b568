"""Event notifications of a bucket to Lambda functions. To SQS, SNS and EventBridge they are refused by name.

Of the events, ObjectCreated and ObjectRemoved are told. A function must exist when it is named; that it lets S3
invoke it is not checked. Source: "Amazon S3 Event Notifications" and "Event message structure", S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from antipodes.services.s3.news import Note, note_row
from antipodes.services.s3.records import Bucket, Rows, Version
from antipodes.services.s3.stock import Stock, changed
from antipodes.wire.errors import AwsError, ClientFault, NotSupported
from antipodes.wire.operation import Request, Result

KINDS = ("s3:ObjectCreated:", "s3:ObjectRemoved:")
AMBIGUOUS = (
    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are "
    "overlapping for the same event type."
)


def _affixes(given: Mapping[str, Any]) -> tuple[str, str]:
    """(prefix, suffix) of the keys that a configuration is about."""
    rules = ((given.get("Filter") or {}).get("Key") or {}).get("FilterRules") or ()
    found = {str(one.get("Name", "")).lower(): str(one.get("Value", "")) for one in rules}
    if any(name not in ("prefix", "suffix") for name in found):
        raise ClientFault("InvalidArgument", "filter rule name must be either prefix or suffix")
    return found.get("prefix", ""), found.get("suffix", "")


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether an event could be both's."""
    (prefix, suffix), (prefix2, suffix2) = _affixes(one), _affixes(other)
    keys = (prefix.startswith(prefix2) or prefix2.startswith(prefix)) and (
        suffix.endswith(suffix2) or suffix2.endswith(suffix)
    )
    events = any(_is(a, b) or _is(b, a) for a in one["Events"] for b in other["Events"])
    return keys and events


def _is(event: str, wanted: str) -> bool:
    return event == wanted or (wanted.endswith(":*") and event.startswith(wanted[:-1]))


async def put_bucket_notification_configuration(stock: Stock, request: Request) -> Result:
    params = request.params
    stock.bucket(params)
    given = params["NotificationConfiguration"]
    for name in ("TopicConfigurations", "QueueConfigurations", "EventBridgeConfiguration"):
        if given.get(name) is not None and given[name] != []:
            raise NotSupported(f"{name} of S3 event notifications")
    kept = [dict(one) for one in given.get("LambdaFunctionConfigurations") or ()]
    for place, one in enumerate(kept):
        for event in one["Events"]:
            if not event.startswith(KINDS):
                raise NotSupported(f"the event {event} of S3 event notifications")
        if any(_overlap(one, other) for other in kept[:place]):
            raise ClientFault("InvalidArgument", AMBIGUOUS)
        one.setdefault("Id", f"{stock.surroundings.world.chance.getrandbits(128):032x}")
        await _check_function(stock, one["LambdaFunctionArn"])
    stock.shelves.put_bucket(changed(stock.bucket(params), notifications=kept))
    await stock.durable()
    return {}


async def _check_function(stock: Stock, arn: str) -> None:
    try:
        await stock.surroundings.call("lambda", "GetFunctionConfiguration", {"FunctionName": arn})
    except AwsError as error:
        if error.code != "ResourceNotFoundException":
            raise
        raise ClientFault("InvalidArgument", "Unable to validate the following destination configurations") from None


async def get_bucket_notification_configuration(stock: Stock, request: Request) -> Result:
    await stock.settled()
    kept = stock.bucket(request.params).notifications
    return {"LambdaFunctionConfigurations": kept} if kept else {}


def notes(stock: Stock, request: Request, bucket: Bucket, event: str, version: Version) -> Rows:
    """The rows that tell of an event ("ObjectCreated:Put"), to be written with the change."""
    wanted = list(_told_of(bucket.notifications, "s3:" + event, version.key))
    order = version.order if event != "ObjectRemoved:Delete" else stock.shelves.store.stamp().time if wanted else 0
    return [
        note_row(
            order, place, Note(one["LambdaFunctionArn"], _message(stock, request, bucket, event, version, one, order))
        )
        for place, one in enumerate(wanted)
    ]


def _told_of(configurations: Iterable[Mapping[str, Any]], event: str, key: str) -> Iterable[Mapping[str, Any]]:
    for one in configurations:
        prefix, suffix = _affixes(one)
        if key.startswith(prefix) and key.endswith(suffix) and any(_is(event, wanted) for wanted in one["Events"]):
            yield one


def _message(
    stock: Stock, request: Request, bucket: Bucket, event: str, version: Version, by: Mapping[str, Any], order: int
) -> dict[str, Any]:
    at = datetime.fromtimestamp(stock.now(), UTC)
    told: dict[str, Any] = {"key": quote_plus(version.key, safe="/"), "sequencer": f"{order:016X}"}
    if event.startswith("ObjectCreated"):
        told |= {"size": version.size_bytes, "eTag": version.etag.strip('"')}
    if bucket.versioning:
        told["versionId"] = version.id
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": stock.region,
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
        "eventName": event,
        "userIdentity": {"principalId": f"AWS:{stock.account}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": request.request_id, "x-amz-id-2": request.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": by["Id"],
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": stock.owner()["ID"]},
                "arn": f"arn:aws:s3:::{bucket.name}",
            },
            "object": told,
        },
    }
    return {"Records": [record]}


OPERATIONS = {
    "GetBucketNotificationConfiguration": get_bucket_notification_configuration,
    "PutBucketNotificationConfiguration": put_bucket_notification_configuration,
}
