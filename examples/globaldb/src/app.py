"""A small items API on a DynamoDB global table: the same code runs in every Region.

    GET  /items/{id}   the item, as this Region has it
    POST /items        puts an item (its id may be chosen by the client)
    GET  /health       shallow: the function answers; deep: the table of this Region answers too

Every answer names the Region that served it.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = os.environ["AWS_REGION"]
TABLE = os.environ["TABLE_NAME"]
HEALTH_DEPTH = os.environ.get("HEALTH_DEPTH", "shallow")

# The table is in the same Region: an answer that takes seconds will not come.
dynamodb = boto3.client(
    "dynamodb", config=Config(connect_timeout=1, read_timeout=3, retries={"max_attempts": 2, "mode": "standard"})
)

Event = dict[str, Any]
FIELDS = ("write", "note", "payload")  # what a client may say about an item, beside its id


def handler(event: Event, context: object) -> Event:
    """Lambda proxy integration, payload 1.0."""
    route = f"{event['httpMethod']} {event['resource']}"
    try:
        if route == "GET /items/{id}":
            return get_item(event["pathParameters"]["id"])
        if route == "POST /items":
            return post_item(event.get("body"))
        if route == "GET /health":
            return health()
    except (ClientError, BotoCoreError) as error:
        return answer(503, {"message": f"the table does not answer: {error}"})
    return answer(404, {"message": f"there is no {route}"})


def get_item(item_id: str) -> Event:
    found = dynamodb.get_item(TableName=TABLE, Key={"id": {"S": item_id}}).get("Item")
    if found is None:
        return answer(404, {"message": f"no item {item_id} here"})
    return answer(200, {"item": plain(found)})


def post_item(body: str | None) -> Event:
    """The whole item is written at once: the last writer of an id wins, in every Region."""
    try:
        given = json.loads(body or "{}")
    except ValueError:
        return answer(400, {"message": "the body is not JSON"})
    if not isinstance(given, dict) or any(not isinstance(given.get(name, ""), str) for name in ("id", *FIELDS)):
        return answer(400, {"message": f"the body is an object of texts: id, {', '.join(FIELDS)}"})
    item = {
        "id": {"S": given.get("id") or str(uuid.uuid4())},
        "writer_region": {"S": REGION},
        "written_ms": {"N": str(int(time.time() * 1000))},
    }
    item.update({name: {"S": given[name]} for name in FIELDS if name in given})
    dynamodb.put_item(TableName=TABLE, Item=item)
    return answer(201, {"item": plain(item)})


def health() -> Event:
    if HEALTH_DEPTH == "deep":
        key = {"id": {"S": f"health-{REGION}"}}
        dynamodb.put_item(TableName=TABLE, Item={**key, "written_ms": {"N": str(int(time.time() * 1000))}})
        if "Item" not in dynamodb.get_item(TableName=TABLE, Key=key, ConsistentRead=True):
            return answer(503, {"message": "the table forgot what was written"})
    return answer(200, {"status": "ok", "depth": HEALTH_DEPTH})


def plain(item: dict[str, dict[str, str]]) -> dict[str, Any]:
    """An item without its type tags; numbers here are whole."""
    return {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()}


def answer(status: int, body: dict[str, Any]) -> Event:
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": json.dumps({"region": REGION, **body}),
    }
