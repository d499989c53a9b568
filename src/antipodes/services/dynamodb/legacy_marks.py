"""What global tables of version 2017.11.29 write into items. Pure.

"version 2017.11.29 (Legacy) populates and updates the aws:rep:deleting, aws:rep:updateregion, and aws:rep:updatetime
attributes" (Developer Guide, "DynamoDB global tables versions"). A write is followed by one that sets them: two records
in the stream of its Region, of which only the second travels. At the destination a deletion has two phases: one sets
aws:rep:deleting, one deletes.
"""

from __future__ import annotations

import orjson

from antipodes.services.dynamodb.values import Item, measure_item
from antipodes.store.records import Version

DELETING = "aws:rep:deleting"
TIME = "aws:rep:updatetime"
REGION = "aws:rep:updateregion"


def marked(item: Item, version: Version) -> tuple[Item, int, bytes]:
    """(the item with its marks, its size, its JSON)."""
    return _measured(
        {
            **item,
            DELETING: {"BOOL": False},
            TIME: {"N": f"{version.seconds:.6f}"},
            REGION: {"S": version.region},
        }
    )


def deleting(item: Item) -> tuple[Item, int, bytes]:
    """The item in the first phase of its deletion."""
    return _measured({**item, DELETING: {"BOOL": True}})


def _measured(item: Item) -> tuple[Item, int, bytes]:
    return item, measure_item(item), orjson.dumps(item)
