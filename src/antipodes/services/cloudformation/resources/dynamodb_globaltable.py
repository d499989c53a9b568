"""AWS::DynamoDB::GlobalTable: CreateTable in the stack's Region, then one replica after the other by UpdateTable.

Replicas must contain the stack's own Region (AWS: "The Replicas section must contain an entry for the current region").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antipodes.services.cloudformation.handler import Handler, Job, Made, chosen, tags_of
from antipodes.services.cloudformation.resources.dynamodb_table import (
    create_table,
    delete_table,
    describe,
    made,
    put_time_to_live,
    stream_of,
    update_indexes,
    update_stream,
    update_table,
)
from antipodes.services.cloudformation.shapes import shaped
from antipodes.wire.errors import AwsError, ClientFault, NotSupported

CREATE = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes")
REPLICA_PROPERTIES = ("Region", "DeletionProtectionEnabled", "TableClass", "Tags")
LOCAL_ONLY = ("DeletionProtectionEnabled", "TableClass", "Tags")


def replicas_of(job: Job, properties: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The entry of the stack's Region, and the other Regions in order."""
    entries = properties.get("Replicas") or []
    regions = [str(one["Region"]) for one in entries]
    if job.region not in regions:
        raise ClientFault("InvalidRequest", "The Replicas section must contain an entry for the current region")
    if len(dict.fromkeys(regions)) != len(regions):
        raise ClientFault("InvalidRequest", "Replicas must not name a Region twice")
    for one in entries:
        for name in one:
            if name not in REPLICA_PROPERTIES or (name in LOCAL_ONLY and one["Region"] != job.region):
                raise NotSupported(
                    f"property Replicas[{one['Region']}].{name} of resource type AWS::DynamoDB::GlobalTable"
                )
    own = next(one for one in entries if one["Region"] == job.region)
    return own, [region for region in regions if region != job.region]


async def status_of(job: Job, table_name: str, region: str) -> str | None:
    """ReplicaStatus of another Region's replica; None when there is none. The table's own state must be ACTIVE."""
    table = await describe(job, table_name)
    if table is None:
        return None
    if table["TableStatus"] != "ACTIVE":
        return "UPDATING"
    for replica in table.get("Replicas") or ():
        if replica["RegionName"] == region:
            return str(replica["ReplicaStatus"])
    return None


async def add_replica(job: Job, table_name: str, region: str) -> None:
    if await status_of(job, table_name, region) is None:
        params = {"TableName": table_name, "ReplicaUpdates": [{"Create": {"RegionName": region}}]}
        await job.call("dynamodb", "UpdateTable", params)

    async def active() -> bool:
        status = await status_of(job, table_name, region)
        if status == "CREATION_FAILED":
            raise ClientFault("NotStabilized", f"The replica of {table_name} in {region} could not be created.")
        return status == "ACTIVE"

    await job.until(f"Replica of {table_name} in {region}", active, every_s=0.2)


async def remove_replica(job: Job, table_name: str, region: str) -> None:
    if await status_of(job, table_name, region) is None:
        return
    params = {"TableName": table_name, "ReplicaUpdates": [{"Delete": {"RegionName": region}}]}
    try:
        await job.call("dynamodb", "UpdateTable", params)
    except AwsError:
        if await status_of(job, table_name, region) is not None:
            raise

    async def absent() -> bool:
        return await status_of(job, table_name, region) is None

    await job.until(f"Removal of the replica of {table_name} in {region}", absent, every_s=0.2)


async def create(job: Job) -> Made:
    name = job.name("TableName", limit=255)
    own, others = replicas_of(job, job.properties)
    if others and "StreamSpecification" not in job.properties:
        raise ClientFault(
            "InvalidRequest", "StreamSpecification must be specified when the table has more than one replica"
        )
    params = {**chosen(job.properties, *CREATE), **chosen(own, "DeletionProtectionEnabled", "TableClass")}
    if "StreamSpecification" in job.properties:
        params["StreamSpecification"] = stream_of(job.properties)
    tags = tags_of(own, job.tags)
    if tags:
        params["Tags"] = tags
    await create_table(job, name, params)
    for region in others:
        await add_replica(job, name, region)
    await put_time_to_live(job, name)
    return await made(job, name)


async def update(job: Job) -> Made:
    name = job.physical_id
    own, others = replicas_of(job, job.properties)
    before, earlier = replicas_of(job, job.before)
    if own.get("Tags") != before.get("Tags"):
        raise NotSupported("changing the Tags of AWS::DynamoDB::GlobalTable")
    params = chosen(job.properties, *(["BillingMode"] if job.changed("BillingMode") else []))
    for key in ("DeletionProtectionEnabled", "TableClass"):
        if own.get(key) != before.get(key) and key in own:
            params[key] = own[key]
    await update_table(job, name, shaped("dynamodb", "UpdateTable", params))
    await update_stream(job, name)
    await update_indexes(job, name)
    for region in others:
        await add_replica(job, name, region)
    for region in earlier:
        if region not in others:
            await remove_replica(job, name, region)
    await put_time_to_live(job, name)
    return await made(job, name)


async def delete(job: Job) -> None:
    name = job.physical_id
    table = await describe(job, name)
    for replica in (table or {}).get("Replicas") or ():
        if replica["RegionName"] != job.region:
            await remove_replica(job, name, replica["RegionName"])
    await delete_table(job, name)


HANDLERS = (
    Handler(
        "AWS::DynamoDB::GlobalTable",
        frozenset({*CREATE, "Replicas", "StreamSpecification", "TableName", "TimeToLiveSpecification"}),
        create,
        delete,
        update,
        replaced_by=frozenset({"TableName", "KeySchema", "LocalSecondaryIndexes"}),
        name_property="TableName",
        required=("AttributeDefinitions", "KeySchema", "Replicas"),
    ),
)
