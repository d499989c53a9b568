"""What the replicas hold: scans through DynamoDB's own API, and single items.

Decides nothing. A replica that cannot be read gives no snapshot (None), never an empty one: absence of an answer is
no proof of absence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from antipodes.gameday.app import App
from antipodes.gameday.history import Copy, Snapshot
from antipodes.globe.globe import Globe
from antipodes.wire.errors import AwsError
from antipodes.world.world import NetworkError


async def scan(globe: Globe, app: App, region: str, clock: Callable[[], float]) -> Snapshot | None:
    """All items of one replica, page by page; None if the Region or its table does not answer."""
    began, items = clock(), dict[str, Copy]()
    params: dict[str, object] = {"TableName": app.table}
    while True:
        try:
            page = await globe.call("dynamodb", "Scan", params, region)
        except (AwsError, NetworkError):
            return None
        for item in page.get("Items", ()):
            name, copy = app.copy_of(item)
            items[name] = copy
        if not page.get("LastEvaluatedKey"):
            return Snapshot(at=began, until=clock(), region=region, items=items)
        params["ExclusiveStartKey"] = page["LastEvaluatedKey"]


async def scan_all(globe: Globe, app: App, regions: Sequence[str], clock: Callable[[], float]) -> list[Snapshot]:
    """One snapshot a Region, in order; those that do not answer are missing."""
    scans = [await scan(globe, app, region, clock) for region in regions]
    return [one for one in scans if one is not None]


async def holds(globe: Globe, app: App, region: str, item: str, write: str) -> bool:
    """Whether the Region's replica holds this write of this item now."""
    try:
        answer = await globe.call(
            "dynamodb", "GetItem", {"TableName": app.table, "Key": {app.key: {"S": item}}}, region
        )
    except (AwsError, NetworkError):
        return False
    found = answer.get("Item")
    return found is not None and bool(found) and app.copy_of(found)[1].write == write


def equal(scans: Sequence[Snapshot]) -> bool:
    """Whether all hold the same items with the same content."""
    return all(
        {name: copy.content for name, copy in one.items.items()}
        == {name: copy.content for name, copy in scans[0].items.items()}
        for one in scans[1:]
    )
