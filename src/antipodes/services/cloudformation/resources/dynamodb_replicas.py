"""Replicas of a table, for AWS::DynamoDB::GlobalTable: added, changed and removed through UpdateTable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from antipodes.services.cloudformation.handler import Job
from antipodes.services.cloudformation.resources.dynamodb_table import describe, stream_of
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, ClientFault

Properties = Mapping[str, Any]


async def status_of(job: Job, table_name: str, region: str) -> str | None:
    """ReplicaStatus of another Region's replica; None when there is none. The table's own state must be ACTIVE."""
    table = await describe(job, table_name)
    if table is None:
        return None
    if table["TableStatus"] != "ACTIVE":
        return "UPDATING"
    for replica in (*(table.get("Replicas") or ()), *(table.get("GlobalTableWitnesses") or ())):
        if replica["RegionName"] == region:
            return str(replica.get("ReplicaStatus") or replica.get("WitnessStatus"))
    return None


async def add_replicas(
    job: Job, name: str, details: Mapping[str, Properties], consistency: str, witnesses: Sequence[str]
) -> None:
    """Adds replicas with what is said of each: one an UpdateTable, or all together if they are strongly consistent."""
    if consistency == "STRONG":
        missing = [region for region in details if await status_of(job, name, region) is None]
        if missing:
            params: dict[str, Any] = {
                "MultiRegionConsistency": "STRONG",
                "ReplicaUpdates": [{"Create": {"RegionName": region, **details[region]}} for region in missing],
            }
            if witnesses:
                params["GlobalTableWitnessUpdates"] = [{"Create": {"RegionName": one}} for one in witnesses]
            await _update(job, name, params)
        for region in (*details, *witnesses):
            await _await_active(job, name, region)
        return
    for region, detail in details.items():
        if await status_of(job, name, region) is None:
            await _update(job, name, {"ReplicaUpdates": [{"Create": {"RegionName": region, **detail}}]})
        await _await_active(job, name, region)


async def stream_everywhere(job: Job, name: str, regions: Iterable[str]) -> None:
    """Each replica of a strongly consistent table has a stream of its own: the template's setting goes to all."""
    given = job.properties.get("StreamSpecification")
    for region in regions if given else ():
        await job.until(f"Replica of {name} in {region}", partial(_streams, job, name, region), every_s=0.2)


async def _streams(job: Job, name: str, region: str) -> bool:
    """Switches the stream on, if it is not; whether it was."""
    try:
        table = (await job.call("dynamodb", "DescribeTable", {"TableName": name}, region=region))["Table"]
    except AwsError:
        return False
    if table["TableStatus"] == "ACTIVE" and "StreamSpecification" not in table:
        params = {"TableName": name, "StreamSpecification": stream_of(job.properties)}
        await job.call("dynamodb", "UpdateTable", shaped("dynamodb", "UpdateTable", params), region=region)
    return "StreamSpecification" in table


async def update_replica(job: Job, name: str, region: str, detail: Properties) -> None:
    await _update(job, name, {"ReplicaUpdates": [{"Update": {"RegionName": region, **detail}}]})
    await _await_active(job, name, region)


async def remove_replicas(
    job: Job, name: str, regions: Sequence[str], witnesses: Sequence[str] = (), *, together: bool = False
) -> None:
    """Removes replicas; strongly consistent ones together and with the witness."""
    if together and regions:
        params: dict[str, Any] = {"ReplicaUpdates": [{"Delete": {"RegionName": region}} for region in regions]}
        if witnesses:
            params["GlobalTableWitnessUpdates"] = [{"Delete": {"RegionName": one}} for one in witnesses]
        await _update(job, name, params)
    for region in regions:
        if not together:
            await _remove(job, name, region)
        await _await_absent(job, name, region)


async def _remove(job: Job, name: str, region: str) -> None:
    if await status_of(job, name, region) is None:
        return
    try:
        await _update(job, name, {"ReplicaUpdates": [{"Delete": {"RegionName": region}}]})
    except AwsError:
        if await status_of(job, name, region) is not None:
            raise


async def _update(job: Job, name: str, params: Mapping[str, Any]) -> None:
    await job.call("dynamodb", "UpdateTable", shaped("dynamodb", "UpdateTable", {"TableName": name, **params}))


async def _await_active(job: Job, name: str, region: str) -> None:
    async def active() -> bool:
        status = await status_of(job, name, region)
        if status == "CREATION_FAILED":
            raise ClientFault("NotStabilized", f"The replica of {name} in {region} could not be created.")
        return status == "ACTIVE"

    await job.until(f"Replica of {name} in {region}", active, every_s=0.2)


async def _await_absent(job: Job, name: str, region: str) -> None:
    async def absent() -> bool:
        return await status_of(job, name, region) is None

    await job.until(f"Removal of the replica of {name} in {region}", absent, every_s=0.2)
